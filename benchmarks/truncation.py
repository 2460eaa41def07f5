"""Time `truncate_rank` against torch's singular value decomposition, forward and backward.

    python benchmarks/truncation.py

At the size of the curve experiments, (256, 2800) and rank 12, on two threads. The two are timed in
turn, so that whatever else the machine does falls on both. A ratio of 5 is required.
"""

import statistics
import time
from collections.abc import Callable

import torch
from torch import Tensor

from latentrank.linalg import truncate_rank

SHAPE = (256, 2800)
RANK = 12
THREADS = 2
RUNS = 15


def svd_truncation(y: Tensor, rank: int) -> Tensor:
    u, s, vh = torch.linalg.svd(y, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vh[:rank]


def seconds(truncate: Callable[[Tensor, int], Tensor], y: Tensor, grad_output: Tensor) -> float:
    y = y.clone().requires_grad_()
    start = time.perf_counter()
    truncate(y, RANK).backward(grad_output)
    return time.perf_counter() - start


def main() -> None:
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    y, grad_output = torch.randn(SHAPE), torch.randn(SHAPE)
    for truncate in (truncate_rank, svd_truncation):
        seconds(truncate, y, grad_output)
    pairs = [
        (seconds(truncate_rank, y, grad_output), seconds(svd_truncation, y, grad_output))
        for _ in range(RUNS)
    ]
    ours, theirs = zip(*pairs, strict=True)
    ratios = sorted(svd / gram for gram, svd in pairs)
    print(f"shape {SHAPE}, rank {RANK}, {THREADS} threads, median of {RUNS} runs in turn")
    print(f"truncate_rank  {1e3 * statistics.median(ours):8.1f} ms")
    print(f"torch SVD      {1e3 * statistics.median(theirs):8.1f} ms")
    print(
        f"times faster   {statistics.median(ratios):8.1f}    "
        f"(from {ratios[0]:.1f} to {ratios[-1]:.1f} over the runs)"
    )


if __name__ == "__main__":
    main()
