"""The axis layout of arrays: inferred if unambiguous, otherwise requested from the user."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from latentrank.data.views import Array
from latentrank.errors import InputError, unknown
from latentrank.preprocessing import LAYOUTS, Preprocessing, channel_axis

_NETWORK = {"table": "NF", "curves": "NCT", "images": "NCHW", "volumes": "NCDHW"}
KINDS = tuple(_NETWORK)

# names of dimensions in space, and of those over samples
_PLACES = {"x", "y", "z", "height", "depth", "level", "lev", "plev"}
_PLACES |= {"lat", "latitude", "rlat", "lon", "longitude", "rlon"}
_SAMPLES = {"sample", "samples", "snapshot", "snapshots", "run", "case", "batch"}
_NAMED = {3: "NHW", 4: "NDHW"}
_FEW = 4  # channels: grey, grey and alpha, RGB, RGB and alpha
_MANY = 16  # maximum number of channels of a measurement


def recognise(x: Array, what: str, kind: str | None = None, layout: str | None = None) -> str:
    """Infer the layout of samples.

    Args:
        x: the samples, `N` first.
        what: description of their origin, for messages.
        kind: what a sample is, one of `KINDS`, if the user specified it.
        layout: one of `latentrank.preprocessing.LAYOUTS`, if the user specified it.

    Returns:
        One of `LAYOUTS`.

    Raises:
        InputError: an unknown kind or layout, or a shape that fits none or several.

    Example:
        >>> recognise(np.zeros((5, 28, 28, 3)), "x"), recognise(np.zeros((5, 2, 40)), "x")
        ('NHWC', 'NCT')
        >>> recognise(np.zeros((5, 40)), "x", kind="curves")
        'NT'
    """
    if kind is not None and kind not in KINDS:
        raise unknown("kind of data", kind, KINDS)
    if layout is not None:
        return _given(x, what, layout)
    fitting = [
        name
        for name, network in LAYOUTS.items()
        if len(name) == x.ndim and (kind is None or network == _NETWORK[kind])
    ]
    if not fitting or 0 in x.shape:
        raise _unfit(x, what, kind)
    if x.ndim == 2:
        return "NF" if "NF" in fitting else "NT"
    plain = _of_three_axes(x) if x.ndim == 3 else _of_pictures(x.shape[1:])
    if plain in fitting:
        return plain
    if kind is not None:
        return min(fitting, key=lambda name: _channels(name, x.shape))
    raise InputError(
        f"{what} has shape {x.shape}, which can be {' or '.join(fitting)}; specify one, "
        f"such as layout={fitting[0]}, or if samples are along the last axis, move it to the front."
    )


def recognise_names(dims: Sequence[Hashable]) -> str | None:
    """The layout of an array over named dimensions, samples first; None if the names do not tell.

    Example:
        >>> recognise_names(("time", "lat", "lon")), recognise_names(("time", "lat", "channel"))
        ('NHW', None)
    """
    return _NAMED.get(len(dims)) if set(_lower(dims[1:])) <= _PLACES else None


def check_first(dims: Sequence[Hashable], what: str, coords: Mapping[Hashable, Any]) -> None:
    """Refuse named dimensions of which the first is not that of the samples.

    Args:
        dims: the names.
        what: description of the array, for messages.
        coords: its coordinates by name, as xarray has them. One number along a dimension, such as
            a parameter, that is neither its index nor a place, describes samples.

    Raises:
        InputError: the first dimension is one in space, or samples are along another one.

    Example:
        >>> check_first(("time", "lat", "lon"), "x", {})
    """
    first, *rest = _lower(dims)
    described = {
        str(values.dims[0]).lower()
        for name, values in coords.items()
        if len(values.dims) == 1 and values.dtype.kind in "iuf"
        if name not in dims and str(name).lower() not in _PLACES
    }
    elsewhere = set(_SAMPLES)
    if first not in _SAMPLES | described:  # nothing indicates that the first holds the samples
        elsewhere |= described - _PLACES
    if first in _PLACES or not elsewhere.isdisjoint(rest):
        raise InputError(
            f"{what} has the dimensions ({', '.join(map(str, dims))}), and the first is read "
            "as that of the samples; move that of the samples to the front with xarray's "
            f"transpose, or if {dims[0]} is that, give layout={_NAMED.get(len(dims), 'NT')}."
        )


def _lower(dims: Sequence[Hashable]) -> list[str]:
    return [str(dim).lower() for dim in dims]


def _given(x: Array, what: str, layout: str) -> str:
    name = layout.upper()
    if name not in LAYOUTS:
        raise unknown("layout", layout, LAYOUTS)
    if len(name) != x.ndim:
        raise InputError(
            f"{what} has shape {x.shape}, expected {len(name)} axes for layout {name}; "
            "reshape it, or give another layout."
        )
    return name


def _unfit(x: Array, what: str, kind: str | None) -> InputError:
    expected = "" if kind is None else f" of {kind}"
    names = [n for n, network in LAYOUTS.items() if network == (_NETWORK[kind] if kind else n)]
    shapes = " or ".join(f"({', '.join(name)})" for name in names)
    return InputError(
        f"{what} has shape {x.shape}; expected {shapes}{expected} with at least one sample, along "
        "the first axis: reshape it."
    )


def _of_three_axes(x: Array) -> str | None:
    n, a, b = x.shape
    if n == a != b and n > _FEW:  # perhaps square images along the last axis
        return None
    if a <= _FEW and b >= a:
        return "NCT"
    if b <= _FEW:
        return "NTC"
    if b >= 4 * a and a <= _MANY:
        return "NCT"
    # measurements never have as many channels as times; uint8 and booleans are pixels
    return "NHW" if a == b or x.dtype in (np.uint8, np.bool_) else None


def _of_pictures(sample: tuple[int, ...]) -> str | None:
    """The layout of images or volumes of this shape, whose channels come first or last."""
    first, last = {3: ("NCHW", "NHWC"), 4: ("NCDHW", "NDHWC")}[len(sample)]
    a, b, *_ = sample
    *_, y, z = sample
    if a <= _FEW < z or a == 1 or (a <= _FEW and y == z):
        return first
    if z <= _FEW and (a > _FEW or a == b):
        return last
    return first if a <= _MANY and 4 * a <= min(sample[1:]) else None


def _channels(layout: str, shape: tuple[int, ...]) -> int:
    axis = channel_axis(layout)
    return 1 if axis is None else shape[axis]


def as_samples(x: Array, made: Preprocessing, shape: tuple[int, ...], what: str = "X") -> Array:
    """Convert samples to the network layout of a model.

    Args:
        x: samples in the layout of the training data, or in network layout; a single sample, and a
            channel axis of length one that is missing or last, are accepted.
        made: the model's preprocessing, for its layout.
        shape: shape of one sample in network layout.
        what: their name in messages.

    Returns:
        `(N, *shape)`, a view in the samples' own units.

    Raises:
        InputError: they have another shape.

    Example:
        >>> as_samples(np.zeros((5, 8)), Preprocessing(), (1, 8)).shape
        (5, 1, 8)
        >>> as_samples(np.zeros((8, 9, 3)), Preprocessing(layout="NHWC"), (3, 8, 9)).shape
        (1, 3, 8, 9)
    """
    for single in (False, True):
        given = x[None] if single else x  # which would read a large array
        if made.layout is not None and given.ndim == len(made.layout):
            moved = made.to_network_layout(given)
            if moved.shape[1:] == shape:
                return moved
        if given.shape[1:] == shape:
            return given
        if shape[0] == 1 and len(shape) > 1:
            if given.shape[1:] == shape[1:]:
                return given[:, None]
            if given.shape[1:] == (*shape[1:], 1):
                return given[..., 0][:, None]
    raise InputError(
        f"{what} has shape {x.shape}, expected samples of shape {made.own_shape(shape)}, the shape "
        "trained on; give data of that shape."
    )
