"""What the estimator is given, checked, as samples in their own units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from latentrank.data import Dataset, Split
from latentrank.data.arrays import Contents, Meaning, Part, assemble
from latentrank.data.axes import Axes, Axis
from latentrank.data.layout import as_samples, check_first, recognise_names
from latentrank.data.plain import stacked, unwrapped
from latentrank.data.readers.netcdf import kind_of, places
from latentrank.data.units import LARGEST, check_range
from latentrank.data.views import blocks
from latentrank.errors import InputError
from latentrank.formatting import counted, first_of
from latentrank.models.base import LatentModel

Array = NDArray[Any]

#: What NumPy, scikit-learn and data frames have, and data sets of torch have not.
_ARRAYS = ("__array__", "__array_interface__", "__dataframe__", "toarray")


def checked(estimator: BaseEstimator, X: ArrayLike, *, reset: bool) -> Array:
    """An array of finite real numbers, in its own dtype.

    Args:
        estimator: whose `n_features_in_` and `feature_names_in_` are set, or compared with those
            of `X` where `X` is a table.
        X: samples, anything that is an array or a table of numbers.
        reset: `X` is what the estimator is fitted to, at least two samples.

    Raises:
        ValueError: it is sparse, empty, no array of real numbers, or not finite; or a table has
            other columns than that of `fit`.
    """
    X = unwrapped(X, "X")
    _check_kind(X)
    if isinstance(X, list | tuple) and len(X):
        X = stacked(X, "X")
    settings = {
        "dtype": "numeric",
        "allow_nd": True,
        "ensure_all_finite": False,
        "ensure_min_samples": 2 if reset else 1,
    }
    if reset:
        for name in ("n_features_in_", "feature_names_in_"):
            vars(estimator).pop(name, None)
    is_table = hasattr(estimator, "n_features_in_") or (reset and _axes(X) == 2)
    try:
        x: Array = (
            validate_data(estimator, X, reset=reset, **settings)
            if is_table
            else check_array(X, ensure_2d=reset, estimator=estimator, **settings)
        )
    except (TypeError, ValueError):
        _check_columns(X)
        raise
    if x.dtype.kind not in "biuf":
        _check_columns(X)
        raise InputError(f"X has dtype {x.dtype}, expected real numbers; convert it.")
    _check_finite(x)
    _check_dimensions(estimator, X, reset)
    return x


def _check_kind(X: Any) -> None:
    """Refuse what NumPy would make some array of, such as a data set of torch, or none."""
    several = hasattr(X, "data_vars")  # a data set of xarray
    if several or not (isinstance(X, list | tuple) or any(hasattr(X, name) for name in _ARRAYS)):
        raise InputError(
            f"X is of type {type(X).__name__}, expected an array or a table of numbers; gather the "
            "samples into one."
        )


def _check_columns(X: Any) -> None:
    """Refuse a data frame by the columns that are not numbers."""
    frame = X if hasattr(X, "iloc") and hasattr(X, "columns") else None
    wrong = [] if frame is None else [name for name in frame if not _are_numbers(frame[name])]
    if wrong:
        raise InputError(
            f"X has columns that are not numbers: {first_of(wrong)}; leave them "
            "out, or convert them, for example with sklearn.compose.ColumnTransformer."
        )


def _are_numbers(column: Any) -> bool:
    try:
        column.astype(np.float64)
    except (TypeError, ValueError):
        return False
    return True


def _check_dimensions(estimator: BaseEstimator, X: ArrayLike, reset: bool) -> None:
    """Refuse an xarray `DataArray` whose dimensions are not those of `fit`, or run backwards."""
    dims = _dimensions(X)
    if reset:
        estimator._dimensions = dims[1:]
        return
    fitted: tuple[str, ...] = getattr(estimator, "_dimensions", ())
    if not dims or not fitted:
        return
    if fitted in (dims, dims[1:]):  # a single sample has no dimension of the samples
        trained = estimator.model_.spec.conventions
        Axes(places=places(X, fitted)).check_like(trained, "", "X")
        return
    order = ", ".join(map(repr, fitted))
    if set(fitted) <= set(dims):
        remedy = f"transpose it: X.transpose(..., {order})"
    else:
        remedy = "rename them to those, in the order that they stand for: X.rename({...})"
    raise InputError(f"X has the dimensions {dims}, but a sample in fit had ({order}); {remedy}.")


def _dimensions(X: Any) -> tuple[str, ...]:
    """The names of a `DataArray`'s dimensions; empty if it has none but those that it numbered."""
    names = tuple(map(str, X.dims)) if hasattr(X, "to_dataset") else ()
    return () if names == tuple(f"dim_{i}" for i in range(len(names))) else names


def _axes(X: ArrayLike) -> int:
    known = getattr(X, "ndim", None)
    return int(np.ndim(X) if known is None and isinstance(X, list | tuple) else known or 2)


def _check_finite(x: Array) -> None:
    if x.dtype.kind != "f":
        return
    row = 0
    for block in blocks(x):
        usable = np.isfinite(block)
        if block.dtype.itemsize >= 8:  # there are larger numbers, and the largest stands for some
            usable &= np.abs(block) <= LARGEST
        good = usable.reshape(len(block), -1).all(axis=1)
        if not good.all():
            raise InputError(
                f"X contains NaN, infinity or a number beyond {LARGEST:g} in row "
                f"{row + int(np.argmin(good))}, counted from 0; fill such values, for example with "
                "sklearn.impute.SimpleImputer, or leave those rows out."
            )
        row += len(block)


def as_dataset(X: Any, train: Array, held: Array, kind: str | None, layout: str | None) -> Dataset:
    """Samples read, and normalised, as those of a file are.

    Args:
        X: what they were taken from; the names of an xarray `DataArray`'s dimensions may tell the
            layout, with two of them it holds curves, or a table if one was stacked from others,
            and the names of a data frame's columns are kept.
        train: `(N, ...)`, to train on.
        held: `(M, ...)`, to validate on.
        kind: what a sample is, one of `latentrank.data.layout.KINDS`, if the user states it.
        layout: one of `latentrank.preprocessing.LAYOUTS`, if the user states it.

    Raises:
        InputError: the layout is unknown, does not fit, or is in doubt.
    """
    named, told, dims = None, None, _dimensions(X)
    if hasattr(X, "to_dataset"):
        told = kind_of(X, X.dims)  # as in a netCDF file
        named = None if told == "table" else recognise_names(X.dims)
        if layout is None:
            check_first(X.dims, "X", X.coords)
    names = list(getattr(X, "columns", ()))
    columns = map(Axis, names if all(isinstance(name, str) for name in names) else ())
    axes = Axes(tuple(columns), places(X, dims[1:]))
    parts = [Part("X", train), Part("X", held)]
    contents = Contents(parts, kind=told, layout=named, axes=axes)
    return assemble("X", contents, Meaning(kind=kind, layout=layout))


def as_dataset_of(model: LatentModel, train: Array, held: Array) -> Dataset:
    """Samples for a model that has been trained on such, which decides on units and layout.

    Args:
        model: the trained model.
        train: `(N, ...)` in its own layout, to train on.
        held: `(M, ...)`, to validate on.

    Raises:
        InputError: samples of a different shape.
    """
    fitted, validated = (Split(for_model(model, x)) for x in (train, held))
    return Dataset("X", fitted, validated, preprocessing=model.preprocessing)


def for_model(model: LatentModel, x: Array) -> Array:
    """Samples in the layout of a trained model's networks, and in their own units.

    Args:
        model: the trained model.
        x: `(N, ...)` in its own layout.

    Raises:
        InputError: samples of a different shape, or beyond the bounds of the training data.
    """
    made = model.preprocessing
    found = as_samples(x, made, model.spec.input_shape)
    check_range(found, made, "X")
    return found


def split(x: Array, fraction: float, rng: np.random.Generator) -> tuple[Array, Array]:
    """Samples to train on, and a random share of them held out for validation.

    Args:
        x: `(N, ...)`.
        fraction: the share, above 0 and below 1.
        rng: draws which.

    Raises:
        InputError: `fraction` leaves fewer than two samples for either.
    """
    held = max(2, round(fraction * len(x)))
    if len(x) - held < 2:
        raise InputError(
            f"X has {counted(len(x), 'sample')}, too few to hold out {held} of them for "
            "validation; give more, or leave n_iter_no_change and n_init out."
        )
    order = rng.permutation(len(x))
    return x[np.sort(order[held:])], x[np.sort(order[:held])]
