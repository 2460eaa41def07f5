"""The covariance spectrum of codes, and four definitions of its rank."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from latentrank.errors import InputError, NotFiniteError, check_known
from latentrank.linalg.eigen import symmetric_eigenvalues
from latentrank.linalg.precision import check_matrix, to_float64

#: Ratios are not computed below this fraction of the largest value, a standard deviation of 1e-4.
#: Float64 eigenvalues are accurate to about 1e-14 of the largest; several layers in float32 leave
#: noise of up to 1e-10 in codes.
NOISE_FLOOR = 1e-8

#: A covariance singular value counts as a direction when it is above this part of the largest.
RANK_THRESHOLD = 1e-4

METHODS = ("count", "effective", "participation", "gap")


class Gap(NamedTuple):
    """The largest drop between consecutive values of a spectrum.

    Attributes:
        rank: number of values before the drop.
        ratio: value before the drop divided by the value after it.
    """

    rank: int
    ratio: float


def spectrum(codes: Tensor | np.ndarray) -> Tensor:
    """Singular values of the covariance of the codes, divided by the largest.

    The covariance is centred, `C = (Z - mean)^T (Z - mean) / (N - 1)`.

    Args:
        codes: `(N, L)`, one row per sample, floating-point tensor or array, `N >= 2`.

    Returns:
        `(L,)` float64 on the CPU, descending, first value 1; all zeros if all codes are equal.

    Raises:
        InputError: if `codes` is not a matrix of finite floating-point numbers with two rows.

    Example:
        >>> spectrum(torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])).tolist()
        [1.0, 0.25]
    """
    z = _as_tensor(codes)
    _check_codes(z)
    z = to_float64(z)
    # Equal codes differ from their rounded mean, but never from one another.
    z = z - z[0]
    z = z - z.mean(dim=0)
    n, width = z.shape
    values = torch.zeros(width, dtype=torch.float64, device="cpu")
    small = z.mT @ z if width <= n else z @ z.mT  # times N - 1, which cancels
    values[: len(small)] = symmetric_eigenvalues(small).flip(-1).clamp_min(0).cpu()
    return values / values[0] if values[0] > 0 else torch.zeros_like(values)


def rank(codes: Tensor | np.ndarray, method: str = "count", tol: float = RANK_THRESHOLD) -> float:
    """How many directions the codes use.

    Args:
        codes: `(N, L)`, as in `spectrum`.
        method: definition of the rank, as in `rank_of_spectrum`.
        tol: as in `rank_of_spectrum`.

    Returns:
        An integer for `"count"` and `"gap"`, otherwise a real number; 0 if all codes are equal.

    Raises:
        InputError: as `spectrum` and `rank_of_spectrum` do.

    Example:
        >>> line = torch.linspace(0, 1, 5)[:, None] * torch.tensor([1.0, 2.0, 3.0])
        >>> rank(line)
        1
    """
    return rank_of_spectrum(spectrum(codes), method, tol)


def rank_of_spectrum(
    values: Tensor | np.ndarray, method: str = "count", tol: float = RANK_THRESHOLD
) -> float:
    """The rank of a spectrum, by one of four definitions.

    With `p_i = v_i / sum_j v_j`:

    - `"count"`: the values above `tol` times the largest.
    - `"effective"`: `exp(-sum_i p_i log p_i)` (Roy and Vetterli, 2007).
    - `"participation"`: `(sum_i v_i)^2 / sum_i v_i^2 = 1 / sum_i p_i^2`.
    - `"gap"`: the values before the largest drop, see `gap`.

    Args:
        values: `(L,)`, nonnegative, descending; a common factor does not matter.
        method: one of the four names.
        tol: threshold relative to the largest value, between 0 and 1; for `"count"` only.

    Returns:
        An integer for `"count"` and `"gap"`, otherwise a real number; 0 for a spectrum of zeros.

    Raises:
        InputError: if `values` is not a spectrum, `method` is unknown, or `tol` is not in [0, 1).

    Example:
        >>> rank_of_spectrum(torch.tensor([1.0, 0.5, 1e-6]))
        2
        >>> rank_of_spectrum(torch.tensor([1.0, 1.0, 0.0]), "participation")
        2.0
    """
    check_known("rank method", method, METHODS)
    if not 0 <= tol < 1:
        raise InputError(
            f"tol is {tol}, expected a number from 0 to below 1; {RANK_THRESHOLD:g} is usual."
        )
    v = _checked_values(values)
    if method == "gap":
        return gap(v).rank
    if method == "count":
        return int((v > tol * v[0]).sum())
    if v[0] == 0:
        return 0.0
    p = v / v.sum()
    if method == "effective":
        return float(torch.special.entr(p).sum().exp())
    return float(1 / p.square().sum())


def gap(values: Tensor | np.ndarray) -> Gap:
    """The largest ratio between consecutive values of a spectrum, and its position.

    Values below `NOISE_FLOOR` times the largest are raised to it first, so that a drop from noise
    to smaller noise, or to zero, is never the largest. For a drop into the noise, the ratio is
    therefore a lower bound. Since a drop needs a value after it, the rank is never `L` for `L > 1`:
    check `ratio` before relying on `rank`.

    Args:
        values: `(L,)`, nonnegative, descending; a common factor does not matter.

    Returns:
        `rank` and `ratio`; `(1, 1.0)` for one value, `(0, 1.0)` for a spectrum of zeros.

    Raises:
        InputError: if `values` is not a spectrum.

    Example:
        >>> gap(torch.tensor([1.0, 0.5, 0.0625, 0.03125]))
        Gap(rank=2, ratio=8.0)
    """
    v = _checked_values(values)
    if v[0] == 0:
        return Gap(0, 1.0)
    if len(v) == 1:
        return Gap(1, 1.0)
    v = (v / v[0]).clamp_min(NOISE_FLOOR)
    ratio, index = (v[:-1] / v[1:]).max(dim=0)
    return Gap(int(index) + 1, float(ratio))


def _as_tensor(x: Tensor | np.ndarray) -> Tensor:
    if isinstance(x, Tensor):
        return x.detach()
    # The copy supports read-only (memory-mapped) and reversed arrays, which torch rejects, as it
    # does real numbers of foreign byte order or more than 64 bits.
    array = np.array(x, order="C")
    return torch.from_numpy(array.astype(np.float64) if array.dtype.kind == "f" else array)


def _check_codes(codes: Tensor) -> None:
    check_matrix(codes, "codes")
    if len(codes) < 2 or codes.shape[1] == 0:
        raise InputError(
            f"codes has shape {tuple(codes.shape)}, expected at least two rows and one column; "
            "a covariance needs more samples."
        )
    if not bool(torch.isfinite(codes).all()):
        raise NotFiniteError(
            "codes holds NaN or infinite values, expected finite ones; lower "
            "the learning rate of the run that made them."
        )


def _checked_values(values: Tensor | np.ndarray) -> Tensor:
    v = _as_tensor(values).cpu().to(torch.float64)
    if v.ndim != 1 or len(v) == 0:
        raise InputError(
            f"values has shape {tuple(v.shape)}, expected one number per direction; "
            "give what spectrum returns."
        )
    if not bool(torch.isfinite(v).all()) or bool((v < 0).any()) or bool((v.diff() > 0).any()):
        raise InputError(
            "values is not a spectrum, expected finite numbers, none negative, largest first; "
            "give what spectrum returns."
        )
    return v
