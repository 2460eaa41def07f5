"""What every data set is: two splits of arrays, and what is known about them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Split:
    """One part of a data set; row `i` of every array belongs to sample `i`.

    Args:
        x: `(N, *shape)`, uint8 for images or float32 for anything else.
        labels: `(N,)` int64, or None where the data has no classes.
        parameters: `(N, P)` float64, what each sample was generated from, or None.
        rows: `(N,)` int64, where each sample stands in the file, or among the images in the order
            of their names, that the split was taken from; or None.

    Raises:
        InputError: when the arrays disagree about the number of samples.

    Example:
        >>> len(Split(np.zeros((5, 3), dtype=np.float32)))
        5
    """

    x: Array
    labels: NDArray[np.int64] | None = None
    parameters: NDArray[np.float64] | None = None
    rows: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        for what, values in self.beside.items():
            if len(values) != len(self.x):
                raise InputError(
                    f"There are {len(values)} {what} for {len(self.x)} samples; "
                    "give exactly one for each sample."
                )

    @property
    def beside(self) -> dict[str, NDArray[Any]]:
        """What is known of the samples: those of `labels`, `parameters` and `rows` that are."""
        known = {"labels": self.labels, "parameters": self.parameters, "rows": self.rows}
        return {name: values for name, values in known.items() if values is not None}

    def __len__(self) -> int:
        return len(self.x)

    def take(self, index: NDArray[np.int64] | slice) -> Split:
        """The split made of the rows `index` alone.

        Args:
            index: `(n,)` row numbers, or a slice.

        Returns:
            A new split; with a slice its arrays are views.

        Example:
            >>> Split(np.arange(6).reshape(3, 2)).take(np.array([2, 0])).x.tolist()
            [[4, 5], [0, 1]]
        """
        return Split(self.x[index], **{name: values[index] for name, values in self.beside.items()})


@dataclass(frozen=True, eq=False)
class Dataset:
    """A training and a test split with what the methods need to know about them.

    Args:
        name: the name or path it was loaded by.
        train: the part that models see.
        test: the part that measures them.
        mean: subtracted before storing; real-valued data is stored normalised, so that
            `original = x * std + mean`. A number, or `(F,)` for tables.
        std: divided by before storing, of the same shape as `mean`.
        bounded: whether values lie in [0, 1] (uint8 counts as value / 255).
        true_dimension: the number of parameters that generated the data, where known.
        latent_dim: the latent width that suits it, from the papers where they name one.
        net: the network family that suits it.

    Example:
        >>> split = Split(np.zeros((5, 1, 8), dtype=np.float32))
        >>> Dataset("mine", split, split, bounded=False).shape
        (1, 8)
    """

    name: str
    train: Split
    test: Split
    mean: float | NDArray[np.float64] = 0.0
    std: float | NDArray[np.float64] = 1.0
    bounded: bool = True
    true_dimension: int | None = None
    latent_dim: int = 32
    net: str = "auto"

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample: `(F,)`, `(C, T)`, `(C, H, W)` or `(C, D, H, W)`."""
        return tuple(int(size) for size in self.train.x.shape[1:])

    @property
    def preprocessing(self) -> Preprocessing:
        """What is done to samples before a network sees them."""
        if self.train.x.dtype == np.uint8:
            return Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8")
        bounds = (0.0, 1.0) if self.bounded else (None, None)
        return Preprocessing(0.0, 1.0, *bounds)

    def denormalise(self, x: Array) -> Array:
        """Samples in the data's own units, `x * std + mean`.

        Args:
            x: `(N, *shape)` normalised values, such as reconstructions.

        Returns:
            An array of the same shape.

        Example:
            >>> split = Split(np.zeros((1, 1), dtype=np.float32))
            >>> Dataset("mine", split, split, mean=3.0, std=2.0).denormalise(np.ones((1, 1)))
            array([[5.]])
        """
        return x * self.std + self.mean


def holdout(n: int, what: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which samples to train on and which to hold out: a random fifth, the same in every run.

    The seed is fixed, so that runs of different seeds, and later evaluations of them, agree on
    what no model has seen.

    Args:
        n: number of samples.
        what: where they come from, for the error.

    Returns:
        Row numbers of the training part and of the test part, each in rising order.

    Raises:
        InputError: when there are fewer than two samples.

    Example:
        >>> train, test = holdout(10, "ten")
        >>> len(train), len(test), sorted([*train.tolist(), *test.tolist()]) == list(range(10))
        (8, 2, True)
    """
    if n < 2:
        raise InputError(
            f"{what} holds {n} sample{'' if n == 1 else 's'}; at least 2 are needed, "
            "one to train on and one to test on."
        )
    order = np.random.default_rng(0).permutation(n)
    tests = max(1, round(n / 5))
    return np.sort(order[tests:]), np.sort(order[:tests])


class Batch(NamedTuple):
    """What a model is trained on in one step.

    Args:
        x: `(B, *shape)` float32.
        index: `(B,)` int64, the rows of the split that the samples stand in.
        labels: `(B,)` int64, or None.
    """

    x: Tensor
    index: Tensor  # type: ignore[assignment]  # hides tuple.index, which no batch needs
    labels: Tensor | None = None


def to_float(x: Array | Tensor) -> Tensor:
    """Samples as float32: uint8 is divided by 255, everything else keeps its values.

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
