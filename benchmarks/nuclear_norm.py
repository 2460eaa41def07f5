"""Time each solver of the nuclear norm, forward and backward.

    python benchmarks/nuclear_norm.py [--threads 2] [--device cpu] [--sizes 128 512]

The solvers are timed in turn, so that whatever else the machine does falls on all of them. Beside
each stands torch's own `matrix_norm(m, ord="nuc")`, and which solver `auto` takes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from latentrank.linalg import nuclear_norm

SOLVERS: dict[str, Callable[[Tensor], Tensor]] = {
    "svd": partial(nuclear_norm, solver="svd"),
    "gram": partial(nuclear_norm, solver="gram"),
    "polar": partial(nuclear_norm, solver="polar"),
    "auto": nuclear_norm,
    "torch": partial(torch.linalg.matrix_norm, ord="nuc"),
}
RUNS = 21


def seconds(norm: Callable[[Tensor], Tensor], m: Tensor) -> float:
    m = m.clone().requires_grad_()
    wait(m)
    start = time.perf_counter()
    norm(m).backward()
    wait(m)
    return time.perf_counter() - start


def wait(m: Tensor) -> None:
    if m.device.type == "cuda":
        torch.cuda.synchronize()


def main() -> None:
    parser = argparse.ArgumentParser(description="Time each solver of the nuclear norm.")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[32, 64, 128, 256, 512])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    print(f"{options.device}, {options.threads} threads, float32, milliseconds")
    print(f"median of {RUNS} runs in turn (fastest in brackets)")
    print("size  " + "".join(f"{name:>16}" for name in SOLVERS))
    for size in options.sizes:
        m = torch.randn(size, size, device=options.device) / size**0.5
        times: dict[str, list[float]] = {name: [] for name in SOLVERS}
        for _ in range(RUNS):
            for name, norm in SOLVERS.items():
                times[name].append(1e3 * seconds(norm, m))
        columns = (f"{statistics.median(t):.2f} ({min(t):.2f})" for t in times.values())
        print(f"{size:<6}" + "".join(f"{column:>16}" for column in columns))


if __name__ == "__main__":
    main()
