"""Building a data set from arrays and the user's description of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from latentrank.data.axes import UNNAMED, Axes
from latentrank.data.base import Dataset, Split
from latentrank.data.holdout import holdout, said_of_holdout
from latentrank.data.layout import recognise
from latentrank.data.plain import are_integers, composed, real_parameters
from latentrank.data.views import Array
from latentrank.errors import InputError
from latentrank.preprocessing import LAYOUTS, Preprocessing


class Meaning(NamedTuple):
    """The user's description of data; None means inferred.

    Args:
        kind: what a sample is, one of `latentrank.data.layout.KINDS`.
        layout: order of the axes, one of `latentrank.preprocessing.LAYOUTS`.
        labels: name of the column or array of labels.
        parameters: names of the columns or arrays of parameters.
        columns: names of the columns that form a sample.
        validation: the split that a validation part joins, `"train"`, `"test"` or `"none"`.
        lenient: labels and parameters may be absent, as in new samples.
        is_split: the samples are one of several splits, so that no column names these.
        whole: all samples of a table, or files of one sample each, form one part in their order,
            whatever a column or their folders say of splits.
        trained: the conventions of the training data, see `latentrank.data.axes.Axes`.
    """

    kind: str | None = None
    layout: str | None = None
    labels: str | None = None
    parameters: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    validation: str = "train"
    lenient: bool = False
    is_split: bool = False
    whole: bool = False
    trained: Mapping[str, str] = MappingProxyType({})

    @property
    def names(self) -> dict[str, object]:
        """The settings that select columns or arrays by name; all None if lenient."""
        names = () if self.lenient else ("labels", "parameters", "columns")
        return {name: getattr(self, name) for name in names}

    @property
    def asked(self) -> list[str]:
        """The names of columns or arrays that the user gave."""
        given = (self.labels, *(self.parameters or ()), *(self.columns or ()))
        return [name for name in given if name is not None]

    @property
    def shapes(self) -> dict[str, object]:
        """The settings that describe arrays of unknown layout."""
        return {"kind": self.kind, "layout": self.layout}

    def within(self, names: Iterable[str]) -> Meaning:
        """Drop absent labels and parameters, if lenient."""
        if not self.lenient:
            return self
        known = set(names)
        parameters = tuple(name for name in self.parameters or () if name in known)
        # some of the parameters alone are useless
        complete = parameters == self.parameters
        return self._replace(
            labels=self.labels if self.labels in known else None,
            parameters=parameters if complete else None,
        )


#: No description.
UNSAID = Meaning()

_USES = {
    "image_size": "resizes images read from files",
    "kind": "describes arrays of unknown layout",
    "layout": "describes arrays of unknown layout",
    "labels": "selects a column or an array by name",
    "parameters": "selects columns or arrays by name",
    "columns": "selects columns or arrays by name",
}


def refuse_unused(what: str, **given: object) -> None:
    """Refuse settings that the data have no use for, which would be ignored.

    Args:
        what: description of the data.
        **given: settings by name; None where the user gave none.

    Raises:
        InputError: one of them was given.

    Example:
        >>> refuse_unused("photos/", labels=None)
        >>> refuse_unused("photos/", labels="species")
        Traceback (most recent call last):
        latentrank.errors.InputError: labels does not apply to photos/; it selects a column ...
    """
    for name, value in given.items():
        if value is not None:
            raise InputError(f"{name} does not apply to {what}; it {_USES[name]}: leave it out.")


@dataclass(frozen=True)
class Part:
    """Samples of one split as read from a file.

    Args:
        what: description of their origin, for messages.
        x: `(N, ...)`.
        labels: `(N,)` of any type, or None.
        parameters: `(N, P)` or `(N,)`, or None.
        names: `(N,)` strings, or None.
        rows: `(N,)` positions among all samples, or None.
    """

    what: str
    x: Array
    labels: Array | None = None
    parameters: Array | None = None
    names: Array | None = None
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.x)

    @property
    def metadata(self) -> dict[str, Array]:
        """Those of labels, parameters and names of the samples that are known, by name."""
        known = {"labels": self.labels, "parameters": self.parameters, "names": self.names}
        return {name: values for name, values in known.items() if values is not None}


def concatenated(tables: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Arrays by name, one after the other; without names that are not in every table.

    Raises:
        InputError: those of a name have different shapes.

    Example:
        >>> concatenated([{"a": np.zeros(1), "b": np.zeros(1)}, {"a": np.ones(2)}])
        {'a': array([0., 1., 1.])}
    """
    found = {}
    for name in tables[0]:
        if all(name in table for table in tables):
            arrays = [np.asarray(table[name]) for table in tables]
            shapes = [array.shape for array in arrays]
            if len({shape[1:] for shape in shapes}) > 1:
                raise InputError(
                    f"The parts of the data have {name} of the shapes "
                    f"{', '.join(map(str, dict.fromkeys(shapes)))}, expected as many "
                    "numbers for each sample in every part; make them alike."
                )
            found[name] = np.concatenate(arrays)
    return found


@dataclass(frozen=True)
class Contents:
    """The contents of a file.

    Args:
        parts: all samples, of which a fifth is then held out; or training and test samples.
        parameter_names: names of the columns of the parameters.
        notes: notes for the user.
        kind: what a sample is, if the format specifies it.
        layout: order of the axes, if the format specifies it.
        class_names: names of numeric labels, if the format specifies them.
        axes: of a sample, if the format names them.
    """

    parts: Sequence[Part]
    parameter_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    kind: str | None = None
    layout: str | None = None
    class_names: tuple[str, ...] | None = None
    axes: Axes = UNNAMED


def assemble(name: str, contents: Contents, meaning: Meaning = UNSAID) -> Dataset:
    """Build a data set from the contents of a file.

    Raises:
        InputError: a shape or dtype cannot be used, a value is NaN or infinite, or labels or
            parameters do not fit.
    """
    kind = meaning.kind or contents.kind
    layout = meaning.layout or (None if meaning.kind else contents.layout)
    found, layouts = zip(*(_checked(part, kind, layout) for part in contents.parts), strict=True)
    for other in found[1:]:
        check_both(found[0], other, ("labels", "parameters"))
    class_names, splits = as_splits(found)
    notes = [*contents.notes]
    if layouts[0] != LAYOUTS[layouts[0]]:
        notes.append(f"Axes are read as {layouts[0]}.")
    train, test = splits if len(splits) == 2 else held_out(splits[0], name)
    if len(splits) == 1:
        notes.append(said_of_holdout(len(test), len(splits[0])))
    made = Dataset(
        name,
        train,
        test,
        latent_dim=min(32, math.prod(train.x.shape[1:])),
        class_names=contents.class_names or class_names,
        parameter_names=contents.parameter_names,
        notes=tuple(notes),
        axes=contents.axes,
    )
    return replace(made, preprocessing=replace(made.preprocessing, layout=layouts[0]))


def held_out(split: Split, name: str) -> tuple[Split, Split]:
    """The samples to train on and those to test on, see `latentrank.data.holdout.holdout`."""
    train, test = (replace(split.take(rows), rows=rows) for rows in holdout(len(split), name))
    return train, test


#: What to do about a kind of dtype.
REMEDIES = {
    "c": "give its real and imaginary parts as channels",
    "M": "give times as numbers, for example seconds in float64",
    "m": "give times as numbers, for example seconds in float64",
    "V": "give a table of its fields, pandas.DataFrame(x)",
    "O": "give one array of numbers, in which all samples have one shape",
}


def _checked(part: Part, kind: str | None, layout: str | None) -> tuple[Part, str]:
    """The part in network layout, and its original layout."""
    if part.x.dtype.kind not in "biuf":
        raise InputError(
            f"{part.what} has dtype {part.x.dtype}; expected real numbers: "
            + REMEDIES.get(part.x.dtype.kind, "convert it, for example to float64")
            + "."
        )
    name = recognise(part.x, part.what, kind, layout)
    x = Preprocessing(layout=name).to_network_layout(part.x)
    if x.dtype.kind == "f" and x.dtype.itemsize > 8:  # not every platform has such floats
        x = x.astype(np.float64)
    return replace(part, x=x), name


def check_both(first: Part, second: Part, names: Iterable[str]) -> None:
    """Refuse two parts of which only one has labels, parameters or the like.

    Raises:
        InputError: names the attribute.
    """
    for name in names:
        if (getattr(first, name) is None) != (getattr(second, name) is None):
            raise InputError(
                f"Only one of {first.what} and {second.what} has {name}; give them for both or for "
                "neither."
            )


def as_splits(parts: Sequence[Part]) -> tuple[tuple[str, ...] | None, list[Split]]:
    """Parts as splits, with labels as integers.

    Args:
        parts: in network layout; labels are integers of any type, possibly `(N, 1)`, or text.

    Returns:
        Names of the classes 0, 1, ... if the labels are text, else None; and a split for each part.

    Raises:
        InputError: there is not one label for each sample, they are not classes, or parameters are
            not finite numbers.
    """
    class_names, labels = _encode_labels(parts)
    return class_names, [
        Split(part.x, label, real_parameters(part.parameters, part.what), part.rows, part.names)
        for part, label in zip(parts, labels, strict=True)
    ]


def _encode_labels(
    parts: Sequence[Part],
) -> tuple[tuple[str, ...] | None, list[NDArray[np.int64] | None]]:
    flat = [None if part.labels is None else _flat_labels(part) for part in parts]
    known = [labels for labels in flat if labels is not None]
    if not known or known[0].dtype.kind != "U":
        return None, flat
    names, numbers = number(np.concatenate(known).tolist())
    ends = np.cumsum([0 if labels is None else len(labels) for labels in flat])
    return names, [
        None if labels is None else numbers[end - len(labels) : end]
        for labels, end in zip(flat, ends, strict=True)
    ]


def number(classes: list[str]) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """Classes as numbers, in the order of their names, or of their values for numeric names.

    Returns:
        The names, and the number of each sample's class.

    Example:
        >>> number(["10", "9", "10"])
        (('9', '10'), array([1, 0, 1]))
    """
    classes = composed(classes)
    names = sorted(set(classes))
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    place = {name: i for i, name in enumerate(names)}
    return tuple(names), np.array([place[name] for name in classes], dtype=np.int64)


#: No names of classes, though they have a text.
_COMPOUND = (Mapping, list, tuple, set, np.ndarray)


def _flat_labels(part: Part) -> Any:
    labels = np.asarray(part.labels)
    if labels.shape == (len(part), 1):
        labels = labels[:, 0]
    if labels.shape != (len(part),):
        raise InputError(
            f"{part.what} has labels of shape {labels.shape} for {len(part)} samples; "
            f"expected ({len(part)},), one label for each sample."
        )
    if labels.dtype.kind in "OSU":
        wrong = {type(value).__name__ for value in labels.tolist() if isinstance(value, _COMPOUND)}
        if wrong:
            raise InputError(
                f"{part.what} has labels of type {', '.join(wrong)}, expected integers or names of "
                "classes; give the class alone."
            )
        named = np.array([text_of(value) for value in labels.tolist()], dtype=str)
        return _complete(named, named == "", part)
    if labels.dtype.kind == "f":
        _complete(labels, np.isnan(labels), part)
    if not are_integers(labels):
        raise InputError(
            f"{part.what} has labels of dtype {labels.dtype}; expected integers of 64 bits or "
            "names of classes (real numbers are parameters: choose those with parameters=)."
        )
    return labels.astype(np.int64)


def _complete(labels: Array, missing: NDArray[np.bool_], part: Part) -> Array:
    if missing.any():
        rows = np.arange(len(labels)) if part.rows is None else part.rows
        raise InputError(
            f"{part.what} has no label for {missing.sum()} of {len(labels)} samples, the first in "
            f"row {rows[int(np.argmax(missing))]}, counted from 0; give labels for all, or leave "
            "those samples out."
        )
    return labels


def text_of(value: object) -> str:
    """Text without spaces around it; empty where there is none."""
    try:
        missing = value is None or bool(value != value)  # NaN stands for missing text in tables
    except TypeError:  # or pandas' NA, which is neither equal to itself nor different
        missing = True
    if missing:
        return ""
    return (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)).strip()
