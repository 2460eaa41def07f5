"""What a graphics card makes of the methods, in less than ten minutes.

    python benchmarks/gpu.py [--data-root FOLDER]

Throughput of every method at the MNIST and CelebA networks, as a share of that of the network alone
and of the card's measured bfloat16 rate; the nuclear norm by products and by decomposition at 128
to 4096; LoRAE on MNIST from start to end, where the files are there. Without a card it says so.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

import latentrank
from latentrank import methods
from latentrank.errors import InputError
from latentrank.linalg import nuclear_norm

RESULTS = Path(__file__).with_name("results-gpu.json")
NETWORKS = {"mnist": ((1, 32, 32), 128, 256), "celeba": ((3, 64, 64), 128, 128)}
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


def stepper(model: Any, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
    optimizer = torch.optim.Adam(model.parameters(), weight_decay=0.0, fused=True)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cuda", torch.bfloat16):
            value = loss()
        value.backward()
        optimizer.step()

    return step


def throughput(rate: float) -> list[dict[str, Any]]:
    rows = []
    for net, (shape, width, batch) in NETWORKS.items():
        x = torch.rand(batch, *shape, device="cuda").to(memory_format=torch.channels_last)
        plain = latentrank.build("ae", shape, width, net=net).cuda()
        plain.to(memory_format=torch.channels_last)
        with FlopCounterMode(display=False) as counter:
            (plain.decoder(plain.encoder(x)) - x).square().mean().backward()
        work = counter.get_total_flops()
        alone = seconds(
            stepper(plain, lambda m=plain, x=x: (m.decoder(m.encoder(x)) - x).square().mean())
        )
        for name in methods.names():
            try:
                options = {"rank": RANK} if "rrae" in name else {}
                model = latentrank.build(name, shape, width, net=net, **options).cuda()
                model.to(memory_format=torch.channels_last)
                taken = seconds(stepper(model, lambda m=model, x=x: m.losses(x)["loss"]))
            except InputError as error:
                print(f"{net} {name}: {error}")
                continue
            rows.append(
                {
                    "network": net,
                    "method": name,
                    "samples a second": round(batch / taken),
                    "share of the network alone": round(alone / taken, 3),
                    "share of the bfloat16 rate": round(work / taken / rate, 4),
                }
            )
            print(rows[-1], flush=True)
    return rows


def norms() -> list[dict[str, Any]]:
    rows = []
    for size in SIZES:
        m = (torch.randn(size, size, device="cuda") / size**0.5).requires_grad_()
        rounds = 5 if size > 1024 else 20
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
    settings = {"data": "mnist", "data_root": root, "latent_dim": 128, "penalty": 1e-3}
    settings |= {"epochs": 50, "batch_size": 32, "learning_rate": 1e-4}
    try:
        started = time.perf_counter()
        run = latentrank.train("lorae", device="gpu", precision="bf16-mixed", **settings)
    except InputError as error:
        return {"not run": str(error)}
    return {"seconds": round(time.perf_counter() - started), **run.metrics}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", help="where the files of MNIST lie")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        print("There is no graphics card here, so that nothing was measured.")
        return
    torch.manual_seed(0)
    rate = bfloat16_rate()
    found = {
        "card": torch.cuda.get_device_name(),
        "bfloat16 operations a second": rate,
        "throughput": throughput(rate),
        "nuclear norm, milliseconds": norms(),
        "lorae on mnist": from_start_to_end(arguments.data_root),
    }
    RESULTS.write_text(json.dumps(found, indent=2, default=str) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
