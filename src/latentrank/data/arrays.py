"""Anybody's own arrays: `.npy` and `.npz` files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from latentrank.data import cache
from latentrank.data.base import Array, Dataset, Split, holdout
from latentrank.errors import InputError

# Above this a prepared array is kept on disk and memory-mapped rather than in memory
_LARGE = 2**30
_BLOCK_VALUES = 2**22
_Number = float | NDArray[np.float64]


def load(path: Path) -> Dataset:
    """The array in a file as a data set.

    A `.npy` file holds the samples, and `NAME.labels.npy` beside it may hold their labels. A
    `.npz` file holds `x`, or `x_train` and `x_test`, and may hold labels as `y`, or `y_train`
    and `y_test`. Without a test part a fifth of the samples, drawn with a fixed seed, is held
    out.

    The shape says what a sample is: `(N, F)` a table, `(N, C, T)` curves, `(N, C, H, W)` images,
    `(N, C, D, H, W)` volumes; `(N, H, W)` of uint8 are grey images. uint8 values stay as they
    are. Images and volumes of real values within [0, 1] keep them; all other values are
    normalised by mean and standard deviation of the training part, tables column by column.

    Args:
        path: the `.npy` or `.npz` file. A `.npy` file is memory-mapped; what has to be prepared
            from a large one is memory-mapped from the cache.

    Returns:
        uint8 or float32 samples.

    Raises:
        InputError: when the file is damaged or lacks the arrays, a shape or dtype cannot be
            used, a value is NaN or infinite, or labels do not fit.
    """
    parts = _read_npy(path) if path.suffix == ".npy" else _read_npz(path)
    parts = [_checked(part) for part in parts]
    if len(parts) == 2:
        _check_alike(*parts)
    bounded = _all_bounded(parts)
    if len(parts) == 1:
        rows = holdout(len(parts[0].x), str(path))
        parts = [replace(parts[0], rows=row) for row in rows]
    train, test = parts
    return _dataset(path, train, test, bounded)


@dataclass(frozen=True)
class _Part:
    """Samples as they stand in a file, and which rows of them make a split (None: all)."""

    what: str
    x: Array
    labels: Array | None = None
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.x) if self.rows is None else len(self.rows)

    def blocks(self) -> Iterator[Array]:
        """The split's samples in order, a few million values at a time."""
        step = max(1, _BLOCK_VALUES // max(1, math.prod(self.x.shape[1:])))
        for start in range(0, len(self), step):
            block = slice(start, start + step)
            yield self.x[block] if self.rows is None else self.x[self.rows[block]]


# Names that labels have elsewhere: better refused than passed over in silence.
_LABEL_WORDS = ("label", "target", "y_", "class")


def _read_npy(path: Path) -> list[_Part]:
    beside = path.with_suffix(".labels.npy")
    labels = _open_npy(beside) if beside.exists() else None
    return [_Part(str(path), _open_npy(path), labels)]


def _read_npz(path: Path) -> list[_Part]:
    try:
        with np.load(path) as archive:
            wanted = ("x", "y") if "x" in archive else ("x_train", "x_test", "y_train", "y_test")
            held, found = list(archive), {key: archive[key] for key in wanted if key in archive}
    except Exception as error:  # zipfile, zlib and numpy each have their own
        raise _damaged(path, error) from error
    samples = [key for key in wanted if key.startswith("x")]
    if missing := [key for key in samples if key not in found]:
        raise InputError(
            f"{path} holds {', '.join(held) or 'nothing'} and lacks {' and '.join(missing)}; "
            "expected x, or x_train and x_test (labels: y, or y_train and y_test)."
        )
    misnamed = [key for key in held if key.lower().startswith(_LABEL_WORDS)]
    if misnamed and len(found) == len(samples):
        raise InputError(
            f"{path} holds no {' and '.join(key.replace('x', 'y', 1) for key in samples)} but "
            f"{misnamed[0]}, which looks like labels; give labels that name, or leave them out."
        )
    return [_Part(f"{path}: {x}", found[x], found.get(x.replace("x", "y", 1))) for x in samples]


def _open_npy(path: Path) -> Array:
    try:
        # not np.load, which takes whatever is inside; an .npy file holds one array
        mapped: Array = np.lib.format.open_memmap(path, mode="r")
    except Exception as error:  # pickle and numpy each have their own
        raise _damaged(path, error) from error
    return mapped


def _damaged(path: Path, error: Exception) -> InputError:
    if "allow_pickle" in str(error) or "Python objects" in str(error):
        return InputError(
            f"{path} holds Python objects; expected numbers: "
            "save it again with a numeric dtype such as float32."
        )
    return InputError(
        f"{path} is not a whole NumPy file ({str(error).rstrip('.')}); save it again."
    )


def _checked(part: _Part) -> _Part:
    """The part with its layout settled and its labels as int64."""
    x, what = part.x, part.what
    if x.dtype.kind not in "biuf":
        raise InputError(
            f"{what} has dtype {x.dtype}; expected real numbers: convert it to float32 or uint8."
        )
    if x.dtype == np.uint8 and x.ndim == 3:
        x = x[:, None]
    if not 2 <= x.ndim <= 5 or 0 in x.shape:
        raise InputError(
            f"{what} has shape {part.x.shape}; expected (N, F), (N, C, T), (N, C, H, W) or "
            "(N, C, D, H, W) with at least one sample."
        )
    if x.ndim == 4 and x.shape[3] in (1, 3, 4) and x.shape[1] > 4:
        raise InputError(
            f"{what} has shape {x.shape}, with channels last; expected (N, C, H, W): save "
            "numpy.moveaxis(x, -1, 1) instead."
        )
    return _Part(what, x, None if part.labels is None else _checked_labels(part))


def _checked_labels(part: _Part) -> NDArray[np.int64]:
    labels = np.asarray(part.labels)
    if labels.dtype.kind not in "biu":
        raise InputError(f"{part.what} has labels of dtype {labels.dtype}; expected whole numbers.")
    if labels.shape != (len(part.x),):
        raise InputError(
            f"{part.what} has labels of shape {labels.shape} for {len(part.x)} samples; "
            f"expected ({len(part.x)},), one label for each sample."
        )
    return labels.astype(np.int64)


def _check_alike(train: _Part, test: _Part) -> None:
    for what, first, second in (
        ("dtype", train.x.dtype, test.x.dtype),
        ("sample shape", train.x.shape[1:], test.x.shape[1:]),
    ):
        if first != second:
            raise InputError(
                f"{train.what} has {what} {first} and {test.what} has {second}; give both the same."
            )


def _all_bounded(parts: list[_Part]) -> bool:
    """Whether the values can be taken for brightness in [0, 1]; refuses what is not finite."""
    if parts[0].x.dtype == np.uint8:
        return True
    ranges = [_range(part) for part in parts]
    inside = all(low >= 0 and high <= 1 for low, high in ranges)
    return inside and parts[0].x.ndim >= 4


def _range(part: _Part) -> tuple[float, float]:
    low, high, row = math.inf, -math.inf, 0
    for block in part.blocks():
        with np.errstate(over="ignore"):
            values = block.astype(np.float32).reshape(len(block), -1)
        good = np.isfinite(values).all(axis=1)
        if not good.all():
            raise InputError(
                f"{part.what} holds NaN, infinity or a number too large for float32 in row "
                f"{row + int(np.argmin(good))}; fill such values or leave those rows out."
            )
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        row += len(block)
    return low, high


def _dataset(path: Path, train: _Part, test: _Part, bounded: bool) -> Dataset:
    mean, std = (0.0, 1.0) if bounded else _mean_and_std(train)
    return Dataset(
        str(path),
        _split(path, train, mean, std),
        _split(path, test, mean, std),
        mean=mean,
        std=std,
        bounded=bounded,
        latent_dim=min(32, math.prod(train.x.shape[1:])),
    )


def _mean_and_std(part: _Part) -> tuple[_Number, _Number]:
    """Of each column of a table, else of all values, in one pass.

    The update keeps its digits when the mean is large (Chan, Golub and LeVeque, 1983):
    `M2 += M2_b + delta^2 n n_b / (n + n_b)`, where `M2` are summed squared deviations.
    """
    axis = 0 if part.x.ndim == 2 else None
    count, mean, squares = 0, np.float64(0), np.float64(0)
    for block in part.blocks():
        values = block.astype(np.float64)
        total = count + len(values)
        delta = values.mean(axis=axis) - mean
        mean = mean + delta * len(values) / total
        squares = squares + len(values) * (values.var(axis=axis) + delta**2 * count / total)
        count = total
    std = np.sqrt(squares / count)
    # a column that never changes has nothing to be divided by
    std = np.where(std <= 1e-12 * np.abs(mean), 1.0, std)
    return (mean, std) if axis == 0 else (float(mean), float(std))


def _split(path: Path, part: _Part, mean: _Number, std: _Number) -> Split:
    labels = part.labels
    if labels is not None and part.rows is not None:
        labels = labels[part.rows]
    return Split(_prepared(path, part, mean, std), labels, rows=part.rows)


def _prepared(path: Path, part: _Part, mean: _Number, std: _Number) -> Array:
    """The part's samples, normalised, in memory or memory-mapped; as they are where they can be."""
    dtype = np.uint8 if part.x.dtype == np.uint8 else np.float32
    unchanged = part.x.dtype == dtype and np.all(mean == 0) and np.all(std == 1)
    if unchanged and part.rows is None:
        return part.x

    def blocks() -> Iterator[Array]:
        for block in part.blocks():
            if unchanged:
                yield block
            else:
                yield ((block.astype(np.float64) - mean) / std).astype(dtype)

    shape = (len(part), *part.x.shape[1:])
    if math.prod(shape) * np.dtype(dtype).itemsize <= _LARGE:
        return np.concatenate(list(blocks()))
    stat = path.stat()
    rows = None if part.rows is None else part.rows.tolist()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns, part.what, rows, "v1")
    return cache.cached(key, lambda: (shape, dtype, blocks()))
