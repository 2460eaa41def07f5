"""A loss term: name, weight and function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Maps the code, `(B, L)`, and the decoder to a scalar.
Penalty = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Term:
    """A loss term: name, weight and function.

    Attributes:
        name: name in logs and reports.
        weight: a number, or the name of the method option that holds it.
        function: function of the code and the decoder; None if the bottleneck computes it.

    Example:
        >>> import torch
        >>> from latentrank.losses import l2
        >>> Term("l2", 0.5, l2).function(torch.ones(2, 3), None)
        tensor(3.)
    """

    name: str
    weight: float | str
    function: Penalty | None = None
