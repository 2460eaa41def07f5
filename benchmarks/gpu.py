"""What a graphics card makes of the methods, in less than ten minutes.

    python benchmarks/gpu.py [--data-root FOLDER]
    python benchmarks/gpu.py --page  # writes docs/performance.md from the last results

Throughput of every method at the MNIST and CelebA networks and the papers' batch, as a share of
that of the networks alone and of the card's measured bfloat16 rate; the nuclear norm by products
and by decomposition at 128 to 4096; LoRAE on MNIST from start to end, where the files are there.
Without a card it says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from harness import put
from torch.utils.flop_counter import FlopCounterMode

import latentrank
from latentrank import methods
from latentrank.errors import InputError
from latentrank.io import write_text
from latentrank.linalg import nuclear_norm
from latentrank.training.graph import Step, StepGraph, can_be_captured

RESULTS = Path(__file__).with_name("results-gpu.json")
BEGIN, END = "<!-- gpu -->\n", "<!-- /gpu -->\n"
SIZES_OF_NETWORKS = {"mnist": ((1, 32, 32), 128, 32), "celeba": ((3, 64, 64), 128, 32)}
SIZES = (128, 256, 512, 1024, 2048, 4096)
RANK = 16


def seconds(case: Callable[[], object], rounds: int = 20) -> float:
    """Median over rounds, each waited for."""
    for _ in range(3):
        case()
    times = []
    for _ in range(rounds):
        torch.cuda.synchronize()
        started = time.perf_counter()
        case()
        torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def bfloat16_rate() -> float:
    """Operations a second of a large product."""
    n = 8192
    a = torch.randn(n, n, device="cuda", dtype=torch.bfloat16)
    return 2 * n**3 / seconds(lambda: a @ a)


def stepper(model: Any, loss: Step, x: torch.Tensor) -> Callable[[], object]:
    """A training step as `fit` takes it: captured in a graph, where that is possible."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.0, fused=True)

    def step(x: torch.Tensor, index: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.autocast("cuda", torch.bfloat16):
            losses = loss(x, index)
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        return losses

    taken = StepGraph(step, lambda: 0, optimizer) if can_be_captured(model, optimizer) else step
    index = torch.arange(len(x), device=x.device)
    return lambda: taken(x, index)


def alone(model: Any, x: torch.Tensor) -> Callable[[], object]:
    """A step of the networks without anything between them."""

    def loss(x: torch.Tensor, index: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": (model.decoder(model.encoder(x)) - x).square().mean()}

    return stepper(model, loss, x)


def throughput(rate: float) -> list[dict[str, Any]]:
    rows = []
    for net, (shape, width, batch) in SIZES_OF_NETWORKS.items():
        x = torch.rand(batch, *shape, device="cuda").to(memory_format=torch.channels_last)

        def build(name: str, net: str = net, shape: Any = shape, width: int = width) -> Any:
            options = {"rank": RANK} if "rrae" in name else {}
            model = latentrank.build(name, shape, width, net=net, **options).cuda()
            return model.to(memory_format=torch.channels_last)

        plain = build("ae")
        with FlopCounterMode(display=False) as counter:
            (plain.decoder(plain.encoder(x)) - x).square().mean().backward()
        work = counter.get_total_flops()
        networks = seconds(alone(plain, x))
        print(f"{net}, batch {batch}: the networks alone {1e3 * networks:.3f} ms", flush=True)
        for name in (n for n in methods.names() if not methods.get(n).closed_form):
            try:
                model = build(name)
                taken = seconds(stepper(model, model.losses, x))
            except (InputError, NotImplementedError) as error:
                print(f"{net} {name}: {error}")
                continue
            rows.append(
                {
                    "network": f"{net}, batch {batch}",
                    "method": name,
                    "milliseconds": round(1e3 * taken, 3),
                    "samples a second": round(batch / taken),
                    "share of the networks alone": round(networks / taken, 3),
                    "share of the bfloat16 rate": round(work / taken / rate, 4),
                    "captured": can_be_captured(
                        model, torch.optim.Adam(model.parameters(), fused=True)
                    ),
                }
            )
            print(rows[-1], flush=True)
    return rows


def norms() -> list[dict[str, Any]]:
    rows = []
    for size in SIZES:
        m = (torch.randn(size, size, device="cuda") / size**0.5).requires_grad_()
        rounds = 3 if size > 1024 else 10
        taken = {
            solver: seconds(lambda s=solver, m=m: nuclear_norm(m, s).backward(), rounds)
            for solver in ("polar", "svd")
            if solver == "polar" or size <= 2048
        }
        rows.append({"size": size, **{k: round(1e3 * v, 3) for k, v in taken.items()}})
        print(rows[-1], flush=True)
    return rows


def from_start_to_end(root: str | None) -> dict[str, Any]:
    """LoRAE on MNIST: the paper's network and penalty, 50 epochs of 60 000 images."""
    settings = {"data": "mnist", "data_root": root, "latent_dim": 128, "epochs": 50}
    settings |= {"batch_size": 32, "learning_rate": 1e-4, "options": {"penalty": 1e-3}}
    settings |= {"device": "gpu", "precision": "bf16-mixed"}
    with tempfile.TemporaryDirectory() as folder:
        try:
            started = time.perf_counter()
            run = latentrank.train(latentrank.RunConfig(method="lorae", **settings), folder)
        except InputError as error:
            return {"not run": str(error)}
        found = {name: run.metrics[name] for name in ("seconds", "rank", "validation_error")}
        return {"seconds in all": round(time.perf_counter() - started), **found}


def write_page(found: dict[str, Any]) -> None:
    """The tables of throughput and of the norm in `docs/performance.md`."""
    lines = [
        f"{found['card']}, torch {found['torch']}, bf16-mixed; the card multiplies large bfloat16 "
        f"matrices at {found['bfloat16 operations a second'] / 1e12:.0f} TFLOP/s.",
        "",
        "| Network | Method | Milliseconds a step | Samples a second | Networks' share of it | "
        "Share of the bfloat16 rate | Captured |",
        "| --- | --- | ---: | ---: | ---: | ---: | --- |",
    ]
    lines += [
        f"| {one['network']} | `{one['method']}` | {one['milliseconds']} | "
        f"{one['samples a second']:,} | {one['share of the networks alone']:.2f} | "
        f"{one['share of the bfloat16 rate']:.1%} | {'yes' if one['captured'] else 'no'} |"
        for one in found["throughput"]
    ]
    lines += [
        "",
        "| Nuclear norm and its gradient, milliseconds | by products | by decomposition |",
        "| --- | ---: | ---: |",
    ]
    lines += [
        f"| {one['size']} x {one['size']} | {one['polar']:.1f} | {_milliseconds(one.get('svd'))} |"
        for one in found["nuclear norm, milliseconds"]
    ]
    put("\n" + "\n".join(lines) + "\n\n", BEGIN, END)


def _milliseconds(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", help="where the files of MNIST lie")
    parser.add_argument("--page", action="store_true", help="write the page from the last results")
    arguments = parser.parse_args()
    if arguments.page:
        write_page(json.loads(RESULTS.read_text(encoding="utf-8")))
        return
    if not torch.cuda.is_available():
        print("There is no graphics card here, so that nothing was measured.")
        return
    torch.manual_seed(0)
    rate = bfloat16_rate()
    found: dict[str, Any] = {
        "card": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "bfloat16 operations a second": rate,
    }
    parts: dict[str, Callable[[], Any]] = {
        "throughput": lambda: throughput(rate),
        "nuclear norm, milliseconds": norms,
        "lorae on mnist": lambda: from_start_to_end(arguments.data_root),
    }
    for name, measure in parts.items():
        found[name] = measure()
        if isinstance(found[name], dict):
            print(f"{name}: {found[name]}", flush=True)
        write_text(RESULTS, json.dumps(found, indent=2, default=str) + "\n")
    write_page(found)


if __name__ == "__main__":
    main()
