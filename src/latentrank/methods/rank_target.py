"""Targets for a code's rank: a number, an error bound, or `auto`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from latentrank.errors import InputError

#: Default number of directions kept.
USUAL = 8

#: Default maximum number of directions for `auto`.
MOST = 32


@dataclass(frozen=True)
class RankTarget:
    """A validated rank target.

    Attributes:
        auto: whether the method finds the rank.
        rank: requested rank; None if there is none, or `auto` or an error is requested.
        error: bound on the mean squared error on the test split.
        most: maximum rank for `auto`.
        tolerance: what `auto` may add to the error of a wide code, as a share of the variance.
        search: name of the rank search that finds it, or None.
    """

    auto: bool
    rank: int | None
    error: float | None
    most: int
    tolerance: float
    search: str | None

    @property
    def directions(self) -> int:
        """Number of directions that a bottleneck of fixed width is built with."""
        if self.auto:
            return self.most
        return min(USUAL, self.most) if self.rank is None else self.rank


def rank_target(
    method: str, search: str | None, latent_dim: int, options: Mapping[str, Any]
) -> RankTarget:
    """The rank target in a method's options.

    Args:
        method: name of the method, for messages.
        search: name of the rank search in the method's row; None if it has none.
        latent_dim: width `L` of the code.
        options: all options of the method with their valid values. The relevant ones are
            `rank`, `target_error`, `max_rank`, `tolerance`, and `adapt`, which names a search in
            place of the row's.

    Raises:
        InputError: a value is out of range, the method cannot reach such a target, or both a rank
            and an error are given.

    Example:
        >>> rank_target("rrae", "shrink", 64, {"rank": "auto"}).directions
        32
        >>> rank_target("lorae", "penalty", 64, {"rank": 65})
        Traceback (most recent call last):
        latentrank.errors.InputError: rank is 65 with latent_dim 64, expected an integer from 1 to 64, or auto; change one of the two.
    """  # noqa: E501 - the message is one line
    rank, error = options.get("rank"), options.get("target_error")
    if rank is not None and error is not None:
        raise InputError("rank and target_error are both given; give only one of them.")
    auto = rank == "auto"
    if auto and search is None:
        raise InputError(
            f"rank is auto, but {method} has no automatic rank selection; give an integer "
            f"from 1 to {latent_dim}."
        )
    if not auto:
        _check_directions("rank", rank, latent_dim, ", or auto" if search else "")
    _check_directions("max_rank", options.get("max_rank"), latent_dim)
    return RankTarget(
        auto=auto,
        rank=None if auto else rank,
        error=error,
        most=options.get("max_rank") or min(latent_dim, MOST),
        tolerance=options.get("tolerance", 0.01),
        search=options.get("adapt") or search,
    )


def _check_directions(name: str, value: int | None, latent_dim: int, more: str = "") -> None:
    if value is not None and not 1 <= value <= latent_dim:
        raise InputError(
            f"{name} is {value} with latent_dim {latent_dim}, expected an integer from 1 to "
            f"{latent_dim}{more}; change one of the two."
        )
