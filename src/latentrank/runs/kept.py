"""What a run keeps of its data besides the codes, so that pages can be drawn without them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from latentrank.data import Dataset, Split
from latentrank.data.axes import UNNAMED, Axes
from latentrank.data.views import spread_evenly

_MOST_SHOWN: Final = 12
_MOST_BYTES: Final = 2**24  # for all samples together


@dataclass(frozen=True, eq=False)
class Kept:
    """A few test samples, and the names of classes, parameters and axes.

    Args:
        rows: `(n,)` int64, rows of the samples in the test split.
        x: `(n, *shape)`, the samples, in their own units and in network layout.
        class_names: of the labels 0, 1, ..., if any.
        parameter_names: of the columns of the parameters, if any.
        axes: of a sample.
    """

    rows: NDArray[np.int64]
    x: NDArray[Any]
    class_names: tuple[str, ...] | None = None
    parameter_names: tuple[str, ...] | None = None
    axes: Axes = UNNAMED

    @classmethod
    def of(cls, dataset: Dataset) -> Kept:
        """What to keep of a data set."""
        test = dataset.test
        size = max(1, test.x[:1].nbytes)
        rows = shown_rows(test, max(2, min(_MOST_SHOWN, _MOST_BYTES // size)))
        x = test.take(rows).x
        return cls(
            rows,
            np.ascontiguousarray(x, dtype=x.dtype.newbyteorder("=")),  # as safetensors needs it
            dataset.class_names,
            dataset.parameter_names,
            dataset.axes,
        )

    @property
    def arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays, by name."""
        return {"rows": self.rows, "x": self.x}

    @property
    def words(self) -> str:
        """Everything else, as JSON."""
        return json.dumps(
            {
                "class_names": self.class_names,
                "parameter_names": self.parameter_names,
                "axes": self.axes.to_dict(),
            }
        )

    @classmethod
    def restored(cls, arrays: Mapping[str, NDArray[Any]], words: str) -> Kept:
        """The inverse of `arrays` and `words`.

        Raises:
            ValueError: something is missing or has the wrong type.

        Example:
            >>> kept = Kept(np.array([3]), np.zeros((1, 5)), class_names=("cat", "dog"))
            >>> Kept.restored(kept.arrays, kept.words).class_names
            ('cat', 'dog')
        """
        said = _Words.model_validate_json(words)
        return cls(
            arrays["rows"],
            arrays["x"],
            said.class_names,
            said.parameter_names,
            Axes.from_dict(said.model_dump()["axes"]),
        )


class _Axis(BaseModel):
    name: str
    unit: str
    values: list[float] | None
    key: str


class _Words(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")

    class_names: tuple[str, ...] | None
    parameter_names: tuple[str, ...] | None
    axes: dict[Literal["channels", "places", "columns", "parameters"], list[_Axis]]


def shown_rows(test: Split, count: int) -> NDArray[np.int64]:
    """Rows of test samples to show: classes in turn, or evenly spaced.

    Args:
        test: the test split.
        count: number of rows, if there are as many.

    Example:
        >>> shown_rows(Split(np.zeros((6, 1)), np.array([0, 0, 0, 1, 1, 2])), 4).tolist()
        [0, 3, 5, 1]
    """
    if test.labels is None:
        return spread_evenly(len(test), count)
    order = np.argsort(test.labels, kind="stable")
    sizes = np.unique(test.labels, return_counts=True)[1]
    turn = np.concatenate([np.arange(size) for size in sizes])
    return order[np.argsort(turn, kind="stable")][:count].astype(np.int64)
