"""A loss term: its name, its weight and what computes it, in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Maps the code, `(B, L)`, and the decoder to a scalar.
Penalty = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Term:
    """A loss term: its name, its weight, and what computes it.

    Attributes:
        name: under which it is reported.
        weight: a number, or the name of the option of the method that holds it.
        function: of the code and the decoder; None where the bottleneck computes it.

    Example:
        >>> import torch
        >>> from latentrank.losses import l2
        >>> Term("l2", 0.5, l2).function(torch.ones(2, 3), None)
        tensor(3.)
    """

    name: str
    weight: float | str
    function: Penalty | None = None
