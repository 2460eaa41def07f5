"""Files of one data set: the same quantities at the same places, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from latentrank.data.arrays import Contents, check_both
from latentrank.data.axes import same_unit
from latentrank.errors import InputError
from latentrank.formatting import first_of

#: Coordinates that differ by a smaller share of their range are rounded differently.
_ROUNDING = 1e-6


def aligned(files: Sequence[str], contents: Sequence[Contents]) -> list[Contents]:
    """The contents of files, with channels or columns in the order of those of the first file.

    Files without names are taken as they are. Other units of a channel cause a warning, and other
    coordinates a note.

    Args:
        files: their names, for messages.
        contents: what each holds, with as many parts in each.

    Raises:
        InputError: the files hold different quantities, only some have labels or parameters, or
            dimensions or parameters differ in order, direction or unit.
    """
    first, *rest = contents
    others = zip(files[1:], rest, strict=True)
    return [first, *(_aligned(each, first, file, files[0]) for file, each in others)]


def _aligned(contents: Contents, first: Contents, what: str, other: str) -> Contents:
    for mine, its in zip(contents.parts, first.parts, strict=True):
        check_both(replace(mine, what=what), replace(its, what=other), ("labels", "parameters"))
    order = same_names(_names(contents), _names(first), what, other)
    if contents.parameter_names != first.parameter_names:
        own, wanted = (", ".join(c.parameter_names or ()) for c in (contents, first))
        raise InputError(
            f"{what} has the parameters {own} and {other} {wanted}, expected the same in the same "
            "order; name them with parameters=."
        )
    units = {axis.name: axis.unit for axis in first.axes.parameters}
    for axis in contents.axes.parameters:
        if not same_unit(axis.unit, units.get(axis.name, axis.unit)):
            raise InputError(
                f"{what} has {axis.name} in {axis.unit} and {other} in {units[axis.name]}, "
                "expected one unit; join the files with xarray (open_mfdataset, then to_netcdf), "
                "which converts times, or name other parameters with parameters=."
            )
    contents.axes.check_like(first.axes.conventions, "", what, f"in {other}")
    notes = (*contents.notes, *_moved(contents, first, what))
    if order is None:
        return replace(contents, notes=notes)
    parts = [replace(part, x=part.x[:, order]) for part in contents.parts]
    notes = (*notes, f"Columns of {what} are in the order of those of {other}.")
    return replace(contents, parts=parts, axes=first.axes, notes=notes)


def same_names(names: list[str], wanted: list[str], what: str, other: str) -> list[int] | None:
    """Where the wanted names are among names; None if these are the same, or if either has none.

    Args:
        names: those of quantities in one place.
        wanted: those in another one.
        what: the first place, for messages.
        other: the second one.

    Raises:
        InputError: they are not the same names.

    Example:
        >>> same_names(["p", "T"], ["T", "p"], "b.csv", "a.csv")
        [1, 0]
    """
    if not names or not wanted or names == wanted:
        return None
    if sorted(names) != sorted(wanted):
        differing = [name for name in (*wanted, *names) if (name in names) != (name in wanted)]
        raise InputError(
            f"{what} and {other} hold different quantities ({first_of(differing)} in one "
            "of them), expected the same; rename or drop these, or put quantities of the same "
            "samples into one file."
        )
    return [names.index(name) for name in wanted]


def _names(contents: Contents) -> list[str]:
    return [axis.key or axis.name for axis in contents.axes.channels]


def _moved(contents: Contents, first: Contents, what: str) -> list[str]:
    """A note where the places of samples have other coordinates."""
    moved = [
        mine.name
        for mine, its in zip(contents.axes.places, first.axes.places, strict=False)
        if mine.values is not None and its.values is not None
        if mine.values.shape == its.values.shape
        if np.abs(mine.values - its.values).max(initial=0) > _ROUNDING * np.ptp(its.values)
    ]
    alone = f"{what} has other coordinates along {', '.join(moved)} than the files before it."
    return [alone] if moved else []
