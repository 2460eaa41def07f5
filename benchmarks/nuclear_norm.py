"""The nuclear norm's solvers, forward and backward, over torch's own `matrix_norm(m, "nuc")`.

python benchmarks/nuclear_norm.py
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from harness import record, row, take_turns
from torch import Tensor

from latentrank.linalg import nuclear_norm

SOLVERS: dict[str, Callable[[Tensor], Tensor]] = {
    "svd": partial(nuclear_norm, solver="svd"),
    "polar": partial(nuclear_norm, solver="polar"),
    "torch": partial(torch.linalg.matrix_norm, ord="nuc"),
}


def main() -> None:
    torch.manual_seed(0)
    rows = []
    for size in (64, 128, 512):
        m = torch.randn(size, size) / size**0.5

        def case(norm: Callable[[Tensor], Tensor], m: Tensor = m) -> Callable[[], None]:
            return lambda: norm(m.clone().requires_grad_()).backward()

        seconds = take_turns({name: case(norm) for name, norm in SOLVERS.items()}, rounds=15)
        rows += [
            row(f"nuclear norm of {size} x {size}, over torch's: {name}", seconds, name, "torch")
            for name in ("svd", "polar")
        ]
    record("nuclear norm", rows)


if __name__ == "__main__":
    main()
