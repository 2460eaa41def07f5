"""What may be asked of a code's rank: a number, an error to stay within, or `auto`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

from latentrank.errors import InputError, unknown

#: How a method can come by its rank: by lowering or raising `k`, by moving a penalty, or by
#: reading the largest gap of the spectrum that training left.
Control = Literal["adapt", "steer", "gap"]

#: Directions kept where nobody says how many.
USUAL = 8

#: Most directions that `auto` tries where nobody says how many.
MOST = 32


@dataclass(frozen=True)
class Request:
    """What is asked of a code's rank, checked.

    Attributes:
        auto: the rank is to be found by the method.
        rank: directions asked for; None where nothing, `auto` or an error is asked for.
        error: mean squared error on the test split that the code may cost.
        most: directions that `auto` starts from, or grows to at most.
        grow: `auto` starts at one direction.
        tolerance: share of the data's variance that `auto` may give up.
    """

    auto: bool
    rank: int | None
    error: float | None
    most: int
    grow: bool
    tolerance: float

    @property
    def directions(self) -> int:
        """Directions that a bottleneck of fixed width is built with."""
        if self.auto:
            return self.most
        return min(USUAL, self.most) if self.rank is None else self.rank


def request(
    method: str, control: Control | None, latent_dim: int, options: Mapping[str, Any]
) -> Request:
    """What the options of a method ask of its rank.

    Args:
        method: name of the method, for messages.
        control: how it can come by its rank; None if it cannot by itself.
        latent_dim: width `L` of the code.
        options: all options of the method with their values. Those that matter, where it has
            them, are `rank`, `target_rank`, `target_error`, `max_rank`, `adapt`, `tolerance`.

    Raises:
        InputError: a value is out of range, the method cannot do what is asked, or more than
            one thing is asked.

    Example:
        >>> request("rrae", "adapt", 64, {"rank": "auto"}).directions
        32
        >>> request("lorae", "steer", 64, {"target_rank": 65})
        Traceback (most recent call last):
        latentrank.errors.InputError: target_rank is 65 with latent_dim 64, expected a whole number from 1 to 64; change one of the two.
    """  # noqa: E501 - the message is one line
    asked = [
        name for name in ("rank", "target_rank", "target_error") if options.get(name) is not None
    ]
    if len(asked) > 1:
        raise InputError(f"{' and '.join(asked)} are both given; give only one of them.")
    rank, auto = options.get("rank"), options.get("rank") == "auto"
    if auto and control is None:
        raise InputError(
            f"rank is auto, and {method} cannot find its rank by itself; give a whole number "
            f"from 1 to {latent_dim}."
        )
    if control == "gap" and rank is not None and not auto:
        raise InputError(
            f"rank is {rank}, and {method} cannot be held to a rank, it finds its own; leave rank "
            "out, or choose a method such as rrae."
        )
    if not auto:
        for name in ("rank", "target_rank"):
            _check_directions(name, options.get(name), latent_dim, control)
    _check_directions("max_rank", options.get("max_rank"), latent_dim, None)
    error, adapt = options.get("target_error"), options.get("adapt", "shrink")
    if error is not None and not (isinstance(error, Real) and float(error) > 0):
        raise InputError(
            f"target_error is {error}, expected a mean squared error above 0; raise it."
        )
    if adapt not in ("shrink", "grow"):
        raise unknown("way to adapt called", str(adapt), ("shrink", "grow"))
    tolerance = options.get("tolerance", 0.01)
    if not (isinstance(tolerance, Real) and 0 < float(tolerance) < 1):
        raise InputError(
            f"tolerance is {tolerance}, expected a share between 0 and 1 of the data's variance; "
            "0.01 is usual."
        )
    number = options.get("target_rank") if rank is None else rank
    return Request(
        auto=auto,
        rank=None if auto or number is None else int(number),
        error=None if error is None else float(error),
        most=int(options.get("max_rank") or max(min(latent_dim, MOST), 1)),
        grow=adapt == "grow",
        tolerance=float(tolerance),
    )


def _check_directions(name: str, value: object, latent_dim: int, control: Control | None) -> None:
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if value is None or (whole and 1 <= int(str(value)) <= max(latent_dim, 1)):
        return
    auto = ", or auto" if name == "rank" and control else ""
    raise InputError(
        f"{name} is {value} with latent_dim {latent_dim}, expected a whole number from 1 to "
        f"{latent_dim}{auto}; change one of the two."
    )
