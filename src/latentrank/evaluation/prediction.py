"""How well fields are predicted at parameters that the map was not fitted to."""

from __future__ import annotations

import math
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import GroupKFold

from latentrank.data import Dataset, Split
from latentrank.data.plain import unwrapped
from latentrank.errors import InputError
from latentrank.formatting import counted
from latentrank.models.base import LatentModel
from latentrank.parametric import KINDS, ParameterMap, UnsuitableError

Array = NDArray[Any]

#: Parts of the training parameters, each of which is held out once.
FOLDS = 5
_FEWEST = 2  # parameters that a map is fitted to


class Prediction(NamedTuple):
    """Errors of one kind of interpolation, relative, in percent.

    Attributes:
        kind: one of `latentrank.parametric.KINDS`.
        test: error at the parameters of the test split; None if the kind does not suit the
            parameters.
        folds: error at training parameters that are held out in turn, or None.
    """

    kind: str
    test: float | None
    folds: float | None


def relative_error(prediction: ArrayLike, truth: ArrayLike) -> float:
    r"""Relative L2 error over all samples together, `100 |prediction - truth| / |truth|`.

    Args:
        prediction: any shape.
        truth: the same shape, not zero everywhere.

    Returns:
        The error in percent.

    Raises:
        InputError: if the shapes differ or the truth is zero everywhere.

    Example:
        >>> relative_error([3.0, 5.0], [3.0, 4.0])
        20.0
    """
    predicted = np.asarray(unwrapped(prediction, "prediction"), dtype=np.float64)
    true = np.asarray(unwrapped(truth, "truth"), dtype=np.float64)
    if predicted.shape != true.shape:
        raise InputError(
            f"The prediction has shape {predicted.shape} and the truth {true.shape}, expected "
            "equal shapes; compare the same samples."
        )
    norm = np.linalg.norm(true)
    if norm == 0:
        raise InputError(
            "The truth is zero everywhere, so there is no error relative to it; "
            "compare in the data's original units."
        )
    return float(100 * np.linalg.norm(predicted - true) / norm)


def parameter_error(model: LatentModel, dataset: Dataset, kind: str = "auto") -> float:
    """How well codes interpolated over the parameters decode to the test samples.

    The training samples are encoded, their codes interpolated at the test parameters, decoded,
    and compared with the test samples in the data's own units.

    Args:
        model: encodes and decodes, in evaluation mode.
        dataset: with parameters in both splits, such as `curves:shifted-sine`.
        kind: as for `ParameterMap.fit`.

    Returns:
        The relative L2 error over the whole test split in percent.

    Raises:
        InputError: the data have no parameters, or as for `ParameterMap.fit`.

    Example:
        >>> from latentrank import build
        >>> from latentrank.data import load
        >>> lines, model = load("curves:shifted-sine"), build("pca", (1, 200), 3, bounded=False)
        >>> model.solve(lambda: model.batches(lines.train.x))
        >>> parameter_error(model.eval(), lines) < 40
        True
    """
    known = _parameters(dataset, dataset.train)
    wanted = _parameters(dataset, dataset.test)
    fitted = _fit(model, known, model.encode_array(dataset.train.x), kind)
    return relative_error(model.decode_array(fitted(wanted)), np.asarray(dataset.test.x))


def fold_error(
    model: LatentModel, dataset: Dataset, kind: str = "auto", folds: int = FOLDS, seed: int = 0
) -> float:
    """The same error at training parameters, each held out of one map in turn.

    The map is refitted for each fold, the model is not: it has seen all of these samples.
    Parameters at the border are extrapolated when they are held out, so the error overestimates
    that of interpolation.

    Args:
        model: see `parameter_error`.
        dataset: with parameters in the training split.
        kind: see `parameter_error`; over several parameters, what is left of a grid is none, so
            that `"auto"` is radial.
        folds: number of parts, at least 2; at most as many as there are different parameters.
        seed: of the parts.

    Returns:
        The relative L2 error over the whole training split in percent.

    Raises:
        InputError: see `parameter_error`.
    """
    known, codes = _parameters(dataset, dataset.train), model.encode_array(dataset.train.x)
    groups = np.unique(known, axis=0, return_inverse=True)[1].reshape(-1)
    count = int(groups.max()) + 1
    held_out = min(folds, count)
    if count - math.ceil(count / max(held_out, 1)) < _FEWEST:
        raise UnsuitableError(
            f"The training samples have {counted(count, 'different parameter')}, too few to hold "
            f"out one of {counted(held_out, 'part')} and interpolate between the others; give "
            "more, or measure the error at the test parameters."
        )
    parts = GroupKFold(held_out, shuffle=True, random_state=seed)
    predicted = np.empty(codes.shape)
    for kept, held in parts.split(codes, groups=groups):
        predicted[held] = _fit(model, known[kept], codes[kept], kind)(known[held])
    return relative_error(model.decode_array(predicted), np.asarray(dataset.train.x))


def spread_ratio(dataset: Dataset, split: Literal["train", "test"]) -> float:
    """The factor from an error relative to the samples to one relative to their deviations.

    `|x| / |x - mean|` over the split, with the mean sample of the training split. An offset, such
    as that of a temperature in kelvin, makes relative errors small; this factor removes its effect.

    Args:
        dataset: the data.
        split: `"train"` or `"test"`.

    Example:
        >>> from latentrank.data import Dataset, Split
        >>> x = np.array([[300.0], [302.0]])
        >>> round(spread_ratio(Dataset("mine", Split(x), Split(x)), "train"))
        301
    """
    mean = np.asarray(dataset.train.x, dtype=np.float64).mean(axis=0)
    x = np.asarray((dataset.train if split == "train" else dataset.test).x, dtype=np.float64)
    return float(np.linalg.norm(x) / (np.linalg.norm(x - mean) or np.nan))


def errors_by_kind(model: LatentModel, dataset: Dataset) -> list[Prediction]:
    """Both errors for every kind of interpolation.

    Args:
        model: see `parameter_error`.
        dataset: see `parameter_error`.

    Raises:
        InputError: the data have no parameters, or only one.
    """
    return [
        Prediction(
            kind,
            _where_it_suits(parameter_error, model, dataset, kind),
            _where_it_suits(fold_error, model, dataset, kind),
        )
        for kind in KINDS
    ]


def reconstruction_error(
    model: LatentModel, dataset: Dataset, split: Literal["train", "test"] = "test"
) -> float:
    """The relative error of reconstructed samples in percent, on test samples the floor of any map.

    Args:
        model: encodes and decodes, in evaluation mode.
        dataset: the data.
        split: which samples are reconstructed.
    """
    x = (dataset.test if split == "test" else dataset.train).x
    return relative_error(model.decode_array(model.encode_array(x)), np.asarray(x))


def _where_it_suits(error: Any, model: LatentModel, dataset: Dataset, kind: str) -> float | None:
    try:
        return float(error(model, dataset, kind))
    except UnsuitableError:
        return None


def _fit(model: LatentModel, parameters: Array, codes: Array, kind: str) -> ParameterMap:
    basis = model.bottleneck.basis()
    return ParameterMap.fit(parameters, codes, kind, None if basis is None else basis.cpu())


def _parameters(dataset: Dataset, split: Split) -> Array:
    if split.parameters is None:
        raise InputError(
            f"The data set '{dataset.name}' has no parameters to interpolate over; "
            "use one that has, such as 'curves:shifted-sine'."
        )
    return split.parameters
