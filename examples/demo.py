"""Watch an autoencoder find out how many directions its data have.

The data are small images of a coloured blob. Seven numbers describe each: three for its colour,
two for its position, one for its size and one for its stretch. Two autoencoders with 32 latent
numbers learn them: a plain one, and LoRAE, whose one extra matrix has its nuclear norm penalised.

A second run shows the same result without training; delete runs/demo to train again.
"""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.table import Table

import latentrank
from latentrank import RunConfig
from latentrank.report import write_comparison, write_report
from latentrank.runs import resume

FOLDER = Path("runs/demo")
COMMON = {"data": "blobs", "epochs": 25, "learning_rate": 1e-3, "schedule": "cosine"}
METHODS = {"ae": {}, "lorae": {"penalty": 5e-3}}


def trained(method: str) -> latentrank.Run:
    """The finished run of a method: trained, resumed, or found."""
    folder = FOLDER / method
    if not (folder / "config.yaml").exists():
        config = RunConfig(method=method, options=METHODS[method], **COMMON)
        return latentrank.train(config, folder)
    run = latentrank.Run(folder)
    return run if run.finished else resume(folder)


def explained(run: latentrank.Run) -> float:
    """The share of the images' variance that reconstructions explain."""
    images = latentrank.data.to_float(run.dataset().test.x)
    return 1 - run.metrics["validation_error"] / float((images - images.mean(0)).square().mean())


def main() -> None:
    """Train both, write their reports, and print the results."""
    console = Console()
    console.print(
        "\nEach image is described by [bold]7[/bold] numbers. Two autoencoders with 32 latent "
        "numbers are about to learn 10 000 of them.\n"
    )
    runs = [trained(method) for method in METHODS]
    for run in runs:
        write_report(run)
    page = write_comparison(runs, FOLDER / "comparison.html")
    table = Table(title="Directions that the latent space uses")
    for name in ("method", "rank", "truth", "of", "variance explained", "seconds"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for run in runs:
        metrics = run.metrics
        table.add_row(
            metrics["method"],
            f"[bold]{metrics['rank']}[/bold]",
            str(metrics["true_dimension"]),
            str(metrics["latent_dim"]),
            f"{100 * explained(run):.1f} %",
            f"{metrics['seconds']:.0f}",
        )
    console.print(table)
    console.print(f"\nBoth side by side: {page.resolve()}")
    for run in runs:
        console.print(
            f"Report of {run.metrics['method']}: {(run.folder / 'report.html').resolve()}"
        )


if __name__ == "__main__":
    main()
