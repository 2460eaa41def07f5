"""Extensible registries by name: methods, data sets, densities, networks, metrics."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar

from latentrank.errors import InputError, own_place, unknown

T = TypeVar("T")


def _at(error: Exception) -> str:
    place = own_place(error)
    return f", in {place}" if place else ""


class Registry(Generic[T]):
    """Values by name: from this library, registered at run time, or from other packages.

    Another package adds a value with an entry point, which is imported on first use:

        [project.entry-points."latentrank.methods"]
        schatten = "my_package:SCHATTEN"

    Args:
        kind: what a name refers to, such as `"method"`; for messages.
        group: group of entry points, such as `"latentrank.methods"`.
        values: those of this library.
        lazy: more of them, to be imported on first use, such as `"latentrank.density.kde:fit"`.
        check: raises `InputError` for a value of another package, or one registered at run time,
            that is none of this kind; by default anything is one.

    Example:
        >>> squares = Registry[int]("square", "latentrank.doctest")
        >>> squares.register("four", 4)
        4
        >>> squares.get("fuor")
        Traceback (most recent call last):
        latentrank.errors.InputError: There is no square 'fuor'; did you mean 'four'? Known: four.
    """

    def __init__(
        self,
        kind: str,
        group: str,
        values: Mapping[str, T] = {},
        lazy: Mapping[str, str] = {},
        check: Callable[[str, Any], None] = lambda what, value: None,
    ) -> None:
        self.kind = kind
        self.group = group
        self._check = check
        self._values = dict(values)
        self._shared = frozenset(values)
        self._lazy = {name: EntryPoint(name, place, group) for name, place in lazy.items()}

    @cached_property
    def _entry_points(self) -> dict[str, EntryPoint]:
        others = {point.name: point for point in entry_points(group=self.group)}
        return {**self._lazy, **others, **self._lazy}

    def names(self) -> list[str]:
        """All names: in order of registration, then those of other packages."""
        return list(dict.fromkeys([*self._lazy, *self._values, *self._entry_points]))

    def __contains__(self, name: object) -> bool:
        return name in self._values or name in self._entry_points

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def get(self, name: str) -> T:
        """The value of a name.

        Raises:
            InputError: there is no such name, or the package that provides it cannot be imported,
                or provides something else, or under another name.
        """
        if name not in self._values:
            if name not in self._entry_points:
                raise unknown(self.kind, name, self.names())
            self._values[name] = self._load(self._entry_points[name])
        return self._values[name]

    def working(self) -> dict[str, T]:
        """All values by name; a package that cannot be imported is left out with a warning."""
        found: dict[str, T] = {}
        for name in self.names():
            try:
                found[name] = self.get(name)
            except InputError as error:
                warnings.warn(str(error), stacklevel=2)
        return found

    def _load(self, point: EntryPoint) -> T:
        try:
            loaded: T = point.load()
        except Exception as error:  # another package can raise anything on import
            raise InputError(
                f"The {self.kind} '{point.name}' is provided by {point.value}, which cannot be "
                f"imported ({type(error).__name__}: {error}{_at(error)}); repair or uninstall that "
                "package."
            ) from error
        if not self.included(point.name):
            self._accept(point.name, loaded, f", provided by {point.value},")
        return loaded

    def _accept(self, name: str, value: T, origin: str = "") -> None:
        """Refuse what is no such thing, or is called otherwise than it is registered.

        Two names would separate what is asked for from what is stored under its name.
        """
        what = f"The {self.kind} '{name}'{origin}"
        self._check(what, value)
        called = getattr(value, "name", name)
        if isinstance(called, str) and called != name:
            raise InputError(f"{what} is called '{called}'; give both the same name.")

    def register(self, name: str, value: T) -> T:
        """Add a value, in the current process.

        Raises:
            InputError: the name is taken, or the value is no such thing, or has another name.
        """
        self._accept(name, value)
        if name in self:
            raise InputError(f"The {self.kind} '{name}' already exists; choose another name.")
        self._values[name] = value
        return value

    def require(self, name: object, what: object) -> None:
        """Refuse a name that something already made refers to, and that is not known here.

        Args:
            name: what should be registered.
            what: description of what was made with it, to begin a sentence.

        Raises:
            InputError: there is no such name in this process.

        Example:
            >>> Registry[int]("square", "latentrank.doctest").require("mine", "runs/a")
            Traceback (most recent call last):
            latentrank.errors.InputError: runs/a has the square 'mine', which is not registered ...
        """
        if not isinstance(name, str) or name not in self:
            raise InputError(
                f"{what} has the {self.kind} '{name}', which is not registered here; use it from "
                f"the script that registers the {self.kind}, or install the package that does."
            )

    def included(self, name: str) -> bool:
        """Whether the name is one of this library's own."""
        return name in self._shared or name in self._lazy

    def built_in(self, name: str) -> bool:
        """Whether the name is known to every process with the same packages installed."""
        return name in self._shared or name in self._entry_points
