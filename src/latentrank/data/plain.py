"""Tensors, pictures and lists of them as NumPy arrays, and what would be misread refused."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Iterable, Sequence
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import issparse
from torch import Tensor

from latentrank.errors import InputError

Array = NDArray[Any]

_FLOATS = (torch.float16, torch.float32, torch.float64)
#: What shows through transparent pictures.
GROUND = "white"
#: Modes of Pillow whose numbers are a code of colours: places in a palette, amounts of ink, ...
_CODED = ("P", "PA", "CMYK", "YCbCr", "LAB", "HSV")


def unwrapped(values: Any, what: str) -> Any:
    """Tensors and pictures as arrays, also those in a list, and other values as they are.

    Args:
        values: an array, a tensor, a picture of Pillow, a list or an array of these, or anything
            else. Pictures are read as those in files: upright, placed on white where they are
            transparent, and colours as RGB. Floats that NumPy lacks, such as `torch.bfloat16`,
            become float32.
        what: their name in messages.

    Raises:
        InputError: some are masked, or a tensor is sparse or has no values.

    Example:
        >>> unwrapped([torch.ones(2, dtype=torch.bfloat16)], "x")
        [array([1., 1.], dtype=float32)]
        >>> unwrapped("text", "x")
        'text'
    """
    if isinstance(values, Tensor):
        return _of_tensor(values, what)
    if _are_pictures(type(values)):
        return _of_picture(values)
    objects = is_array_of_objects(values)
    if isinstance(values, list | tuple) or objects:
        wrapped = Tensor | (np.ndarray | list if objects else np.ma.MaskedArray)
        # There are few types, and often a million numbers.
        if any(issubclass(kind, wrapped) or _are_pictures(kind) for kind in set(map(type, values))):
            return [unwrapped(value, what) for value in values]
    if np.ma.is_masked(values):
        raise InputError(
            f"{what} has masked values, which would be used as if they were not masked; fill them "
            f"({what}.filled(...)) or leave those samples out."
        )
    return values


def _of_tensor(values: Tensor, what: str) -> Array:
    try:
        found = values.detach().cpu().resolve_conj().resolve_neg()
        lacking = found.is_floating_point() and found.dtype not in _FLOATS
        array: Array = (found.float() if lacking else found).numpy()
    except (RuntimeError, TypeError) as error:  # whichever of them a kind of tensor raises
        layout = "nested" if values.is_nested else str(values.layout).removeprefix("torch.")
        raise InputError(
            f"{what} is a tensor of {values.dtype}, {layout}, on {values.device}, expected a dense "
            "one of numbers in memory; convert it, for example with to_dense() or dequantize()."
        ) from error
    return array


def _of_picture(picture: Any) -> Array:
    from PIL import ImageOps

    upright = ImageOps.exif_transpose(picture)
    if upright.has_transparency_data:
        grey = upright.mode in ("L", "LA", "La")
        return np.asarray(opaque(upright).convert("L" if grey else "RGB"))
    return np.asarray(upright.convert("RGB") if upright.mode in _CODED else upright)


def opaque(picture: Any) -> Any:
    """A picture of Pillow without transparency, placed on white where it has any.

    Its mode is then `"RGBA"`.
    """
    from PIL import Image

    if not picture.has_transparency_data:
        return picture
    above = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", above.size, GROUND), above)


def _are_pictures(kind: type) -> bool:
    pillow = sys.modules.get("PIL.Image")  # else there are none
    return pillow is not None and issubclass(kind, pillow.Image)


def is_array_of_objects(values: Any) -> bool:
    """Whether this is a NumPy array that holds samples of any kind, as a list does."""
    return isinstance(values, np.ndarray) and values.dtype == object and values.ndim == 1


def stacked(values: Sequence[Any], what: str) -> Array:
    """Samples as one array.

    Args:
        values: a sample each: an array, a tensor, a picture, or numbers in lists.
        what: their name in messages.

    Returns:
        `(N, ...)`.

    Raises:
        InputError: they have different shapes, or a part of one has.

    Example:
        >>> stacked([[1, 2], torch.tensor([3, 4])], "x").tolist()
        [[1, 2], [3, 4]]
    """
    arrays = [as_array(value, what) for value in values]
    shapes = sorted({array.shape for array in arrays})
    if len(shapes) > 1:
        raise InputError(
            f"The samples of {what} have shapes {', '.join(map(str, shapes))}, expected one shape; "
            "resize or crop them."
        )
    return np.stack(arrays)


def as_array(values: Any, what: str) -> Array:
    """A sample, or all of them, as an array.

    Args:
        values: as for `unwrapped`.
        what: their name in messages.

    Raises:
        InputError: as `unwrapped`, it is sparse, or parts have different shapes.
    """
    refuse_sparse(values, what)
    found = unwrapped(values, what)
    try:
        array = np.asarray(found)
        # text would take in what is missing, as `nan`
        text = array.dtype.kind == "U" and isinstance(found, list | tuple)
        return np.asarray(found, dtype=object) if text else array
    except ValueError as error:
        raise InputError(
            f"A sample of {what} has parts of different shapes, expected an array, or a tuple of "
            "an array and its label or parameters; give one of these."
        ) from error


def refuse_sparse(values: Any, what: str) -> None:
    """Refuse a sparse matrix of SciPy's, which NumPy takes for a single object."""
    if issparse(values):
        raise InputError(
            f"{what} holds a {type(values).__name__}, expected a dense array; give toarray() of it."
        )


def composed(names: Iterable[str]) -> list[str]:
    r"""Names in one spelling: an umlaut may be one character, or as on a Mac a letter and dots.

    Example:
        >>> composed(["Ka\u0308fer", "Hund"]) == ["K\u00e4fer", "Hund"]
        True
    """
    return [unicodedata.normalize("NFC", name) for name in names]


def are_integers(values: Array) -> bool:
    """Whether these are integers, of any type, that fit into 64 bits.

    Example:
        >>> are_integers(np.array([1.0, 2.0])), are_integers(np.array([1e30]))
        (True, False)
    """
    return values.dtype.kind in "biuf" and bool(
        (np.abs(values.astype(np.float64)) < 2**63).all() and (values == np.rint(values)).all()
    )


def integer_labels(given: Any) -> NDArray[np.int64]:
    """Labels of samples, integers of any type, as `(N,)` int64.

    Raises:
        InputError: they are something else.
    """
    labels = np.asarray(unwrapped(given, "labels"))
    if labels.ndim != 1 or not are_integers(labels):
        raise InputError(
            f"The labels have shape {labels.shape} and dtype {labels.dtype}, expected (N,) "
            "integers; number the classes, and give their names as class_names of the Dataset."
        )
    return labels.astype(np.int64, copy=False)


def real_parameters(values: Any, what: str) -> NDArray[np.float64] | None:
    """Parameters of samples, `(N,)` or `(N, P)` or None, as `(N, P)` float64 or None.

    Raises:
        InputError: they are not finite numbers; `what` names their origin.
    """
    if values is None:
        return None
    array = np.asarray(unwrapped(values, "parameters"))
    usable = array.ndim in (1, 2) and array.shape[1:] != (0,)
    if not usable or array.dtype.kind not in "biuf":
        raise InputError(
            f"{what} has parameters of shape {array.shape} and dtype {array.dtype}; expected "
            "(N, P) real numbers, one row for each sample."
        )
    if not np.isfinite(array).all():
        raise InputError(
            f"{what} has parameters that are NaN or infinite; leave those samples out."
        )
    rows = array if array.ndim == 2 else array[:, None]
    return rows.astype(np.float64, copy=False)


def as_names(option: str, given: Any, several: bool = True) -> tuple[str, ...]:
    """The names of columns or arrays that a user chose; none for None.

    Args:
        option: the setting, for the message.
        given: names in any sequence or separated by commas, which in a data frame may be integers.
        several: whether there may be more than one.

    Raises:
        InputError: these are no names, such as the arrays themselves.

    Example:
        >>> as_names("parameters", "dose, time"), as_names("labels", "cell, line", several=False)
        (('dose', 'time'), ('cell, line',))
    """
    if given is None:
        return ()
    if isinstance(given, str) and several:
        given = [name.strip() for name in given.split(",") if name.strip()]
    found = tuple(given) if several and isinstance(given, Iterable) else (given,)
    if not all(isinstance(name, str | Integral) for name in found):
        raise InputError(
            f"{option} is of type {type(given).__name__}, expected names; give labels and "
            "parameters in memory with the samples, as {'x': x, 'y': y, 'parameters': parameters}."
        )
    return tuple(map(str, found))
