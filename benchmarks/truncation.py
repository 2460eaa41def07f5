"""`truncate_rank` against a singular value decomposition, forward and backward.

    python benchmarks/truncation.py

At the size of the curve experiments, (256, 2800) with rank 12, and of a larger one; against torch's
own gradient, and against that of RRAEsTorch, which `make bench` installs. Without it the ratios are
printed and not recorded.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any

import torch
from harness import record, row, take_turns
from torch import Tensor

from latentrank.linalg import truncate_rank

try:
    from RRAEsTorch.utilities import stable_SVD as peers_svd
except ImportError:
    peers_svd = None

Decomposition = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]


def by_svd(decompose: Decomposition) -> Callable[[Tensor, int], Tensor]:
    def truncate(y: Tensor, rank: int) -> Tensor:
        u, s, vh = decompose(y)
        return (u[:, :rank] * s[:rank]) @ vh[:rank]

    return truncate


def torch_svd(y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return torch.linalg.svd(y, full_matrices=False)


def measure(shape: tuple[int, int], rank: int, rounds: int, wanted: str) -> list[dict[str, Any]]:
    y, weights = torch.randn(shape), torch.randn(shape)

    def case(truncate: Callable[[Tensor, int], Tensor]) -> Callable[[], None]:
        return lambda: truncate(y.detach().requires_grad_(), rank).backward(weights)

    cases = {"ours": case(truncate_rank), "torch": case(by_svd(torch_svd))}
    if peers_svd is not None:
        cases["RRAEsTorch"] = case(by_svd(peers_svd))
    with redirect_stdout(io.StringIO()):  # RRAEsTorch prints shapes
        seconds = take_turns(cases, rounds)
    wants = {"torch": wanted, "RRAEsTorch": "at least 5"}
    what = f"truncation of {shape} to rank {rank}, over `truncate_rank`:"
    return [
        row(f"{what} {name}", seconds, name, "ours", wants[name]) for name in cases if name in wants
    ]


def main() -> None:
    torch.manual_seed(0)
    rows = measure((256, 2800), 12, 21, "at least 10") + measure((512, 4500), 16, 7, "at least 5")
    if peers_svd is None:
        print(*rows, sep="\n")
    else:
        record("truncation", rows)


if __name__ == "__main__":
    main()
