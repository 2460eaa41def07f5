"""The data set class: two splits of arrays, with metadata."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrank.data import units
from latentrank.data.axes import UNNAMED, Axes, listable, names_of_columns, of_columns
from latentrank.data.plain import integer_labels, real_parameters, unwrapped
from latentrank.data.views import Array, RowView, blocks, lazily, release, take_rows
from latentrank.errors import InputError
from latentrank.formatting import counted, first_of, readable
from latentrank.preprocessing import Preprocessing

__all__ = ["Array", "Batch", "Dataset", "Split", "to_float"]

#: Above this many bytes, the fingerprint uses evenly spaced rows of a split.
_ALL_BYTES = 2**26
_SPREAD_ROWS = 4096


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set; row `i` of every array belongs to sample `i`.

    Args:
        x: `(N, *shape)`, in the data's own units and dtype, in network layout:
            `(N, F)`, `(N, C, T)`, `(N, C, H, W)` or `(N, C, D, H, W)`.
        labels: `(N,)` int64, or what converts to that, or None if the data has no classes.
        parameters: `(N, P)` float64, or what converts to that, such as `(N,)`: parameters that
            generated each sample, or None.
        rows: `(N,)` int64, position of each sample in the original file, or among the images sorted
            by name; or None.
        names: `(N,)` names of the samples, such as those of their files, or None.

    Attributes:
        columns: names of the columns, if `x` is a data frame.
        parameter_columns: those of the parameters, likewise.

    Raises:
        InputError: when the arrays disagree about the number of samples, or labels or parameters
            are of another kind.

    Example:
        >>> len(Split(np.zeros((5, 3), dtype=np.float32)))
        5
    """

    x: Array
    labels: NDArray[np.int64] | None = None
    parameters: NDArray[np.float64] | None = None
    rows: NDArray[np.int64] | None = None
    names: NDArray[np.str_] | None = None
    columns: tuple[str, ...] = field(default=(), init=False)
    parameter_columns: tuple[str, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        for name, table in (("columns", self.x), ("parameter_columns", self.parameters)):
            object.__setattr__(self, name, tuple(map(str, getattr(table, "columns", ()))))
        x: Any = unwrapped(self.x, "x")
        x = x if isinstance(x, np.ndarray | RowView) else np.asarray(x)
        if not x.ndim:  # whatever NumPy takes for one object
            kind = type(self.x).__name__
            raise InputError(f"x is of type {kind}, expected an array of samples; convert it.")
        object.__setattr__(self, "x", lazily(x))
        if self.labels is not None:
            object.__setattr__(self, "labels", integer_labels(self.labels))
        object.__setattr__(self, "parameters", real_parameters(self.parameters, "The split"))
        if self.names is not None:
            object.__setattr__(self, "names", np.array(readable(self.names), dtype=str))
        for what, values in self.metadata.items():
            if len(values) != len(self.x):
                raise InputError(
                    f"There are {len(values)} {what} for {len(self.x)} samples; "
                    "give exactly one for each sample."
                )

    @property
    def metadata(self) -> dict[str, NDArray[Any]]:
        """The metadata of the samples, by name."""
        known = {
            "labels": self.labels,
            "parameters": self.parameters,
            "rows": self.rows,
            "names": self.names,
        }
        return {name: values for name, values in known.items() if values is not None}

    def __len__(self) -> int:
        return len(self.x)

    def __repr__(self) -> str:
        return f"<Split of {len(self)} {self._contents}>"

    @property
    def _contents(self) -> str:
        beside = " and ".join(name for name in ("labels", "parameters") if name in self.metadata)
        x = f"samples of shape {self.x.shape[1:]}, {self.x.dtype}"
        return f"{x}, with {beside}" if beside else x

    def take(self, index: NDArray[np.int64] | slice) -> Split:
        """A split of the rows `index`.

        Args:
            index: `(n,)` row numbers, or a slice.

        Returns:
            A new split; with a slice its arrays are views, and many mapped rows stay on disk.

        Example:
            >>> Split(np.arange(6).reshape(3, 2)).take(np.array([2, 0])).x.tolist()
            [[4, 5], [0, 1]]
        """
        taken = Split(take_rows(self.x, index), **{n: v[index] for n, v in self.metadata.items()})
        taken.__dict__.update(columns=self.columns, parameter_columns=self.parameter_columns)
        return taken


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split, with metadata.

    Args:
        name: name or path it was loaded from.
        train: training split.
        test: test split.
        preprocessing: preprocessing of samples. By default it is inferred from the training split,
            see `latentrank.data.units.infer`.
        true_dimension: number of parameters that generated the data; by default how many of
            `parameters` vary, which the data may depend on only in part.
        latent_dim: default latent width, from the papers if they give one.
        net: default network family.
        class_names: names of the labels 0, 1, ..., if any.
        parameter_names: names of the columns of `parameters`; by default those of a data frame.
        axes: names, units and coordinates of the axes of a sample, where known.
        notes: notes for the user on how the data were read, one sentence each.
        content: a name for the content, where it is known; by default a hash is computed.
        bounded: instead of `preprocessing`: the samples are used unchanged (uint8 divided by 255),
            and this states whether they are then in [0, 1].
        mean: instead of `preprocessing`: the samples have already been normalised, from `x * std +
            mean`, which the data set then holds.
        std: see `mean`.

    Example:
        >>> x = np.array([[0.0, 5.0], [2.0, 5.0]])
        >>> data = Dataset("mine", Split(x), Split(x))
        >>> data.shape, data.preprocessing.offset
        ((2,), (1.0, 5.0))
    """

    name: str
    train: Split
    test: Split
    preprocessing: Preprocessing = field(default=None)  # type: ignore[assignment]  # inferred
    true_dimension: int | None = None
    latent_dim: int = 32
    net: str = "auto"
    class_names: tuple[str, ...] | None = None
    parameter_names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    content: str | None = None
    _: KW_ONLY
    axes: Axes = UNNAMED
    bounded: InitVar[bool | None] = None
    mean: InitVar[Any] = None
    std: InitVar[Any] = None

    def __post_init__(self, bounded: bool | None, mean: Any, std: Any) -> None:
        self._share_a_type()
        self._check_samples()
        self._check_names()
        train, test, said = self.train, self.test, list(self.notes)
        made: Any = self.preprocessing
        if mean is not None or std is not None:
            train, test, made = _restored(train, test, mean, std, bool(bounded))
        elif made is None and bounded is not None:
            made, told = units.unchanged(train.x, test.x, bounded=bounded, what=self.name)
            said += told
        elif made is None:
            rows = (train.rows, test.rows)
            made, told = units.infer(train.x, test.x, what=self.name, rows=rows)
            said += told
        channels = self.axes.channels or of_columns(self.train.columns)
        count = 0 if train.parameters is None else train.parameters.shape[1]
        called = self.parameter_names or names_of_columns(self.train.parameter_columns)
        self.__dict__.update(
            name=readable([self.name])[0],
            train=train,
            test=test,
            preprocessing=made,
            true_dimension=self.true_dimension or _varying(train.parameters),
            class_names=None if self.class_names is None else tuple(readable(self.class_names)),
            parameter_names=self.axes.parameter_names(called, count, self.name) or None,
            notes=tuple(said),
            axes=self.axes._replace(channels=channels).fitting(train.x.shape[1:]),
        )

    def _share_a_type(self) -> None:
        """Convert integers beside decimals, which one of two tables may have by chance.

        Bytes and booleans have units of their own and are left for `_check_samples` to refuse.
        """
        kinds = {part.x.dtype for part in (self.train, self.test) if isinstance(part, Split)}
        if len(kinds) == 2 and all(one.kind in "iuf" and one != np.uint8 for one in kinds):
            for name in ("train", "test"):
                part = copy.copy(getattr(self, name))
                part.__dict__["x"] = part.x.astype(np.result_type(*kinds))
                self.__dict__[name] = part

    def _check_samples(self) -> None:
        train, test = self.train, self.test
        if not (isinstance(train, Split) and isinstance(test, Split)):
            raise InputError(
                f"The parts of {self.name} are of type {type(train).__name__} and "
                f"{type(test).__name__}, expected Split; write Dataset(name, Split(x), Split(y))."
            )
        kinds = [(part.x.dtype, part.x.shape[1:]) for part in (train, test)]
        if kinds[0] != kinds[1]:
            was, now = (f"dtype {dtype} and shape {shape}" for dtype, shape in kinds)
            raise InputError(
                f"The training samples of {self.name} have {was}, and the test samples {now}; give "
                "both the same."
            )
        if len(kinds[0][1]) == 0 or kinds[0][0].kind not in "biuf":
            raise InputError(
                f"The samples of {self.name} have shape {train.x.shape} and dtype {train.x.dtype}, "
                "expected (N, F) or (N, C, ...) real numbers; reshape or convert them."
            )

    def __repr__(self) -> str:
        sizes = f"{len(self.train)} training and {len(self.test)} test"
        return f"<Dataset {self.name!r}: {sizes} {self.train._contents}>"

    def _check_names(self) -> None:
        for what in ("class_names", "parameter_names"):
            if isinstance(given := getattr(self, what), str | Mapping):
                raise InputError(
                    f"{what} of {self.name} is {given!r}, expected a list of names; give them in "
                    "the order of their numbers."
                )
        for what, columns in (("columns", "columns"), ("parameters", "parameter_columns")):
            was, now = (getattr(part, columns) for part in (self.train, self.test))
            if was and now and was != now:
                raise InputError(
                    f"The training samples of {self.name} have the {what} {first_of(was, 5)}, and "
                    f"the test samples {first_of(now, 5)}; give both the same in one order."
                )
        known = [p.parameters for p in (self.train, self.test) if p.parameters is not None]
        if len({values.shape[1] for values in known}) > 1:
            raise InputError(
                f"{self.name} has {known[0].shape[1]} parameters for training samples and "
                f"{known[1].shape[1]} for test samples; give both the same."
            )
        for part in (self.train, self.test):
            if self.class_names is not None and part.labels is not None and len(part):
                low, high, end = part.labels.min(), part.labels.max(), len(self.class_names) - 1
                if low < 0 or high > end:
                    raise InputError(
                        f"The labels of {self.name} are numbers from {low} to {high}, and there "
                        f"are names for 0 to {end}; number the classes in the order of the names."
                    )
        if self.parameter_names is not None and known:
            named, found = len(self.parameter_names), known[0].shape[1]
            if named != found:
                raise InputError(
                    f"{self.name} has {counted(found, 'parameter')} and names for {named}; "
                    "give one name for each."
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: `(F,)`, `(C, T)`, `(C, H, W)` or `(C, D, H, W)`."""
        return tuple(int(size) for size in self.train.x.shape[1:])

    @property
    def reading(self) -> dict[str, str]:
        """How to choose samples like these: by the `columns` of a table or variables of a file."""
        axes = self.axes
        table = axes.channels if len(self.shape) == 1 else axes.columns
        names = [axis.key or axis.name for axis in table] or [axis.key for axis in axes.channels]
        return {"columns": ",".join(names)} if listable(names) else {}

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the samples, labels and parameters, independent of their file.

        For splits of more than 64 MiB, at most 4096 evenly spaced rows are hashed.
        """
        if self.content is not None:
            return self.content
        digest = hashlib.blake2b(digest_size=16)
        for split in (self.train, self.test):
            for values in (split.x, split.labels, split.parameters):
                if values is not None:
                    _hash(digest, values)
        return digest.hexdigest()

    def parts(self, train: Split, test: Split) -> Dataset:
        """The same data with other splits, usually some of these rows, and this preprocessing."""
        return replace(self, train=train, test=test, content=None)


def _varying(parameters: Array | None) -> int | None:
    """How many parameters vary; None where there are none."""
    if parameters is None or not len(parameters):
        return None
    return int((np.ptp(parameters, axis=0) > 0).sum()) or None


def _hash(digest: Any, x: Array) -> None:
    """Add an array's values; the hash does not depend on dtype and memory order."""
    digest.update(repr(tuple(map(int, x.shape))).encode())
    for block in blocks(x) if x.nbytes <= _ALL_BYTES else _spread(x):
        digest.update(np.ascontiguousarray(block, dtype=np.float64).data)


def _spread(x: Array) -> Iterator[Array]:
    """Evenly spaced rows, a few at a time, since each maps neighbouring pages of the file."""
    count = max(2, min(_SPREAD_ROWS, len(x) * _ALL_BYTES // x.nbytes))
    rows = np.linspace(0, len(x) - 1, count).astype(np.int64)
    for start in range(0, count, 64):
        yield x[rows[start : start + 64]]
        release(x)


def _restored(
    train: Split, test: Split, mean: Any, std: Any, bounded: bool
) -> tuple[Split, Split, Preprocessing]:
    """Recover the original units of splits that were already normalised."""
    if train.x.dtype == np.uint8:
        return train, test, units.BYTES
    low, high = (0.0, 1.0) if bounded else (None, None)
    offset, scale = 0.0 if mean is None else mean, 1.0 if std is None else std
    made = Preprocessing.of_numbers(offset, scale, low=low, high=high, dtype="float64")
    parts = [Split(made.denormalise(np.asarray(s.x)), **s.metadata) for s in (train, test)]
    return parts[0], parts[1], made


class Batch(NamedTuple):
    """The samples of one training step.

    Args:
        x: `(B, *shape)` float32, preprocessed.
        index: `(B,)` int64, row numbers of the samples in the split.
        labels: `(B,)` int64, or None.
    """

    x: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index
    labels: Tensor | None = None


def to_float(x: Array | Tensor) -> Tensor:
    """Images as floats: uint8 is divided by 255, everything else is unchanged.

    For samples of a data set, use its `preprocessing` instead.

    Args:
        x: any shape, uint8 or real.

    Returns:
        A float32 tensor of the same shape.

    Example:
        >>> to_float(np.array([0, 51, 255], dtype=np.uint8))
        tensor([0.0000, 0.2000, 1.0000])
    """
    if isinstance(x, np.ndarray):
        # torch warns about arrays it could write through, such as read-only memory maps
        x = torch.from_numpy(x if x.flags.writeable else x.copy())
    return x.float() / 255 if x.dtype == torch.uint8 else x.float()
