"""Train the run of each method's figure and draw it: python docs/generate/figures.py FOLDER.

Runs in FOLDER that are finished are not trained again.
"""

from __future__ import annotations

import sys
from pathlib import Path

import method_pages
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import latentrank
from latentrank import inference, methods
from latentrank.config import settings as known
from latentrank.evaluation.interpolation import linear
from latentrank.linalg import spectrum
from latentrank.methods import Method

IMAGES = Path(__file__).parent.parent / "images" / "methods"
COLUMNS = 9


def trained(row: Method, folder: Path) -> latentrank.Run:
    """The finished run of a method's figure."""
    if (folder / "metrics.json").exists():
        return latentrank.Run(folder)
    given = method_pages.figure_settings(row)
    options = {name: value for name, value in given.items() if name not in known()}
    settings = {name: value for name, value in given.items() if name in known()}
    config = latentrank.RunConfig(method=row.name, options=options, **settings)
    return latentrank.train(config, folder)


def rows_of(run: latentrank.Run) -> list[tuple[str, NDArray[np.uint8]]]:
    """What the figure shows, with labels, nine images each."""
    generated = inference.sample(run, run.model().usual_densities[0], 4 * COLUMNS).x
    if not run.model().reconstructs:
        return [(label, generated[i::4]) for i, label in enumerate(("generated", "", "", ""))]
    codes = run.codes("test")
    # These two differ in place, shape and colour.
    path = linear(codes[3:4], codes[5:6], steps=COLUMNS)[0]
    return [
        ("original", run.dataset().test.x[:COLUMNS]),
        ("reconstructed", inference.decode(run, codes[:COLUMNS])),
        ("interpolated", inference.decode(run, path)),
        ("generated", generated[:COLUMNS]),
    ]


def draw(run: latentrank.Run) -> Figure:
    """The spectrum of the codes, and rows of images."""
    figure = Figure(figsize=(9, 2.5), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 2.4])
    values = np.maximum(np.asarray(spectrum(run.codes("test"))), 1e-12)
    rank = run.metrics["rank"]
    left.semilogy(np.arange(1, len(values) + 1), values, ".-", color="tab:blue", markersize=4)
    left.axhline(1e-4, color="0.6", linestyle=":", linewidth=1)
    left.axvline(7, color="0.3", linestyle="--", linewidth=1)
    left.set(ylim=(1e-6, 3), xlabel="direction", ylabel="variance / largest")
    left.set_title(f"rank {rank} of {len(values)}, true dimension 7", fontsize=9)
    rows = rows_of(run)
    size = run.dataset().shape[-1]
    mosaic = np.full((len(rows) * (size + 1) - 1, COLUMNS * (size + 1) - 1, 3), 255, np.uint8)
    for i, (_, images) in enumerate(rows):
        for j, image in enumerate(images):
            top, edge = i * (size + 1), j * (size + 1)
            mosaic[top : top + size, edge : edge + size] = np.moveaxis(image, 0, -1)
    right.imshow(mosaic, interpolation="nearest")
    right.set_yticks(
        [i * (size + 1) + size / 2 for i in range(len(rows))], [label for label, _ in rows]
    )
    right.set_xticks([])
    right.tick_params(length=0)
    right.spines[:].set_visible(False)
    if (error := run.metrics.get("validation_error")) is not None:
        right.set_title(f"mean squared error {error:.2g}", fontsize=9)
    return figure


def main(folder: Path) -> None:
    """Draw all figures."""
    IMAGES.mkdir(exist_ok=True)
    for name in methods.names():
        run = trained(methods.get(name), folder / name)
        draw(run).savefig(IMAGES / f"{name}.png", dpi=110)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
