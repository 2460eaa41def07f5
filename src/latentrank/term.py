"""A loss term: name, weight and function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from latentrank.errors import InputError, check_takes

#: Names under which the objective reports its own values beside the terms.
RESERVED = ("loss", "reconstruction")

#: Maps the code, `(B, L)`, and the decoder to a scalar.
Penalty = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Term:
    """A loss term: name, weight and function.

    Attributes:
        name: name in logs and reports.
        weight: a number, or the name of the method option that holds it.
        function: function of the code and the decoder; None if the bottleneck computes it.

    Raises:
        InputError: the weight is neither of these, or the function takes other arguments.

    Example:
        >>> import torch
        >>> from latentrank.losses import l2
        >>> Term("l2", 0.5, l2).function(torch.ones(2, 3), None)
        tensor(3.)
    """

    name: str
    weight: float | str
    function: Penalty | None = None

    def __post_init__(self) -> None:
        if isinstance(self.weight, bool) or not isinstance(self.weight, int | float | str):
            raise InputError(
                f"The weight of the term '{self.name}' is {self.weight!r}, expected a number or "
                "the name of an option; correct it."
            )
        if self.function is not None:
            what = f"The function of the term '{self.name}'"
            check_takes(self.function, ("code", "decoder"), what)
