"""Names, units and coordinates of the axes of samples."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentrank.errors import InputError
from latentrank.formatting import counted, first_of
from latentrank.models.spec import LONGEST_NAMES


@dataclass(frozen=True, eq=False)
class Axis:
    """A quantity: a channel, a column of a table, or what a sample extends along.

    Args:
        name: its name; may be empty.
        unit: its unit; may be empty.
        values: `(n,)` coordinates, or what converts to that, strictly monotone; or None.
        key: name of the variable or dimension in its file, where `name` may be written out.

    Example:
        >>> Axis("T", "K").label, Axis("dose").label, Axis("mach", "1").label
        ('T (K)', 'dose', 'mach')
    """

    name: str
    unit: str = ""
    values: NDArray[np.float64] | None = None
    key: str = ""

    def __post_init__(self) -> None:
        if self.values is not None:
            object.__setattr__(self, "values", np.asarray(self.values, dtype=np.float64))

    @property
    def label(self) -> str:
        """The name with the unit, unless that is 1, as files state of pure numbers."""
        return self.name if self.unit in ("", "1") else f"{self.name} ({self.unit})"

    @property
    def direction(self) -> str:
        """`"rising"` or `"falling"` with its coordinates; empty where there are none."""
        values = self.values
        if values is None or len(values) < 2:
            return ""
        return "rising" if values[0] < values[-1] else "falling"


class Axes(NamedTuple):
    """What is known of the axes of a sample in network layout.

    Attributes:
        channels: an axis without coordinates for each channel or column; or empty.
        places: an axis for each dimension after the channels, such as height and width; or empty.
        columns: an axis for each number of a sample that was a row of a table; or empty. Those of
            a sample `(F,)` are its channels.
        parameters: an axis for each parameter with a unit, by the name of the parameter.
    """

    channels: tuple[Axis, ...] = ()
    places: tuple[Axis, ...] = ()
    columns: tuple[Axis, ...] = ()
    parameters: tuple[Axis, ...] = ()

    @property
    def channel_names(self) -> tuple[str, ...] | None:
        """The names of the channels, if any."""
        return tuple(axis.name for axis in self.channels) or None

    def parameter_names(self, known: Sequence[str], count: int, what: str) -> Sequence[str]:
        """The names of the parameters: as known, or else of their axes, if all have one.

        Args:
            known: the names, or empty.
            count: the number of parameters, or 0 without values.
            what: name of the data, for the error.

        Raises:
            InputError: an axis has another name.

        Example:
            >>> Axes(parameters=(Axis("angle", "deg"),)).parameter_names((), 1, "wings")
            ('angle',)
        """
        named = tuple(axis.name for axis in self.parameters)
        found = known or (named if len(named) == count else ())
        if count and (others := [name for name in named if name not in found]):
            names = f"called {first_of(known, 5)}" if known else "without names"
            raise InputError(
                f"An axis of the parameters of {what} is called {others[0]}, and there are "
                f"{counted(count, 'parameter')} {names}; give parameter_names, and some of them to "
                "axes."
            )
        return found

    def fitting(self, shape: tuple[int, ...]) -> Axes:
        """Those that belong to samples of a shape in network layout; the others are left out.

        Example:
            >>> made = Axes((Axis("u"), Axis("v")), (Axis("x"),)).fitting((2, 8, 8))
            >>> len(made.channels), len(made.places)
            (2, 0)
        """
        fits = len(self.places) == len(shape) - 1 and all(
            axis.values is None or len(axis.values) == size
            for axis, size in zip(self.places, shape[1:], strict=True)
        )
        named = self.columns or self.channels
        return Axes(
            self.channels if len(self.channels) == shape[0] else (),
            self.places if fits else (),
            named if len(named) == math.prod(shape) and len(shape) > 1 else (),
            self.parameters,
        )

    @property
    def conventions(self) -> dict[str, str]:
        """What later files have to agree with, for `check_like`: lists of names, with commas.

        They are the `dimensions` of a sample, in order; those `rising` and those `falling`; and the
        `units` of variables and of parameters, as `T=K`.

        Example:
            >>> Axes((Axis("T", "K", key="T"),), (Axis("y", key="y"),)).conventions
            {'dimensions': 'y', 'units': 'T=K'}
        """
        moving = {
            way: [axis.key for axis in self.places if axis.direction == way]
            for way in ("rising", "falling")
        }
        known = (*self.channels, *self.parameters)
        units = [f"{axis.key}={axis.unit}" for axis in known if axis.key and axis.unit]
        told = {"dimensions": [axis.key for axis in self.places], **moving, "units": units}
        return {what: ",".join(names) for what, names in told.items() if listable(names)}

    def check_like(
        self, trained: Mapping[str, str], sample: str, what: str, where: str = "in training"
    ) -> None:
        """Refuse axes that are arranged otherwise than in other data, and warn of other units.

        Args:
            trained: the `conventions` of those data.
            sample: name of the dimension that samples are along.
            what: description of the file, for messages.
            where: those data, for messages.

        Raises:
            InputError: the dimensions have another order, that of samples is missing, or one of
                them runs the other way. Other names may stand for the same, and are accepted.
        """
        listed = {name: names.split(",") for name, names in trained.items()}
        names, wanted = [axis.key for axis in self.places], listed.get("dimensions", [])
        if {*wanted} == {sample, *names}:
            raise InputError(
                f"{what} has the dimensions ({', '.join([sample, *names])}), those of a single "
                f"sample {where}, and none that samples are along; add one in front with "
                "xarray: expand_dims('sample')."
            )
        if wanted and names != wanted and {*wanted} <= {sample, *names}:
            raise InputError(
                f"{what} has the dimensions ({', '.join([sample, *names])}), and those of a sample "
                f"{where} were ({', '.join(wanted)}); transpose it with xarray: "
                f"transpose(..., {', '.join(map(repr, wanted))})."
            )
        for axis in self.places:
            way = {"rising": "falling", "falling": "rising"}.get(axis.direction, "")
            if axis.key in listed.get(way, ()):
                raise InputError(
                    f"{what} has {axis.key} {axis.direction}, and {where} it was {way}; sort "
                    f"it with xarray: sortby({axis.key!r}, ascending={way == 'rising'})."
                )
        units = dict(pair.split("=", 1) for pair in listed.get("units", ()))
        for axis in (*self.channels, *self.parameters):
            if axis.unit and not same_unit(axis.unit, units.get(axis.key, axis.unit)):
                warnings.warn(
                    f"{what} has {axis.key} in {axis.unit}, and {where} it was in "
                    f"{units[axis.key]}; convert it, unless both are the same.",
                    stacklevel=2,
                )

    @property
    def upwards(self) -> bool:
        """Whether the vertical coordinate of a picture grows with its rows, as in most fields."""
        return len(self.places) >= 2 and self.places[-2].direction == "rising"

    def upside_down(self) -> Axes:
        """The same for pictures with their rows in reverse order.

        Example:
            >>> made = Axes(places=(Axis("y", values=np.array([0.0, 1.0])), Axis("x")))
            >>> made.upwards, made.upside_down().upwards
            (True, False)
        """
        *others, vertical, horizontal = self.places
        values = None if vertical.values is None else vertical.values[::-1]
        return self._replace(places=(*others, replace(vertical, values=values), horizontal))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: [_plain(axis) for axis in axes] for name, axes in self._asdict().items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Axes:
        """Restore from the result of `to_dict`.

        Example:
            >>> made = Axes((Axis("T", "K"),), (Axis("x", "m", np.array([0.0, 0.5])),))
            >>> Axes.from_dict(made.to_dict()).places[0].values.tolist()
            [0.0, 0.5]
        """
        return cls(**{name: tuple(Axis(**own) for own in axes) for name, axes in values.items()})


UNNAMED: Final = Axes()
_MIDNIGHT = re.compile(r"[ T]0?0:00(:00(\.0*)?)?( ?(UTC|Z))?$")


def same_unit(one: str, other: str) -> bool:
    """Whether two units are the same; that times count from midnight may be left out.

    Example:
        >>> same_unit("days since 2000-01-01", "days since 2000-01-01 00:00:00")
        True
    """
    return _MIDNIGHT.sub("", one) == _MIDNIGHT.sub("", other)


def of_columns(names: Sequence[str]) -> tuple[Axis, ...]:
    """The axes of a table's columns; none if these are only numbered, as pandas does by default.

    Example:
        >>> [axis.name for axis in of_columns(["T", "p"])], of_columns(["0", "1"])
        (['T', 'p'], ())
    """
    return tuple(map(Axis, names_of_columns(names)))


def names_of_columns(names: Sequence[str]) -> tuple[str, ...]:
    """The names of a table's columns; none if these are only the numbers from 0."""
    numbered = list(names) == [str(number) for number in range(len(names))]
    return () if numbered else tuple(names)


def listable(names: Sequence[str]) -> bool:
    """Whether there are names, which can be told apart in a list with commas.

    Example:
        >>> listable(["T", "p"]), listable(["T, dry"]), listable([])
        (True, False, False)
    """
    listed = ",".join(names)
    given = bool(names) and all(names) and len(listed) <= LONGEST_NAMES
    return given and [name.strip() for name in listed.split(",")] == list(names)


def _plain(axis: Axis) -> dict[str, Any]:
    return {**vars(axis), "values": None if axis.values is None else axis.values.tolist()}
