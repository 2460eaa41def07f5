"""Leading eigenvectors of a Gram matrix, and the quotient of the others that gradients need."""

from __future__ import annotations

import math
import warnings
from typing import Any, Protocol

import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from scipy.linalg import blas, lapack
from torch import Tensor

from latentrank.errors import NotFiniteError
from latentrank.linalg.precision import to_float64
from latentrank.linalg.threads import threads

#: Rows per block of the Gram matrix: small enough to skip most of one triangle, large enough for
#: fast products, and a multiple of the kernels' block size.
_GRAM_BLOCK = 48

#: From this many rows on, and if only a fraction is kept, computing a few eigenvectors of the
#: tridiagonal form is faster than computing all.
_SMALLEST_TRIDIAGONAL, _LARGEST_PART = 96, 0.25

#: Workspace of the tridiagonalisation, in columns; LAPACK's default is half as fast.
_WORK_COLUMNS = 32

#: Number of vectors computed beyond those kept.
_MORE = 6

#: Minimum distance of the kept eigenvalues from those not computed, relative to the largest, for a
#: Gram matrix in float32 or float64: rounding is amplified by the inverse.
_GAP_FLOAT32, _GAP_FLOAT64 = 5e-3, 1e-6

#: Below this squared length, float32 has too few digits for the products of rows.
_LEAST_SQUARES = float(np.finfo(np.float32).tiny / np.finfo(np.float32).eps)

#: Rows converted to float64 at a time.
_ROWS = 64


class GramEigen(Protocol):
    """Eigenpairs `l_i, u_i` of `G = y y^T`, `(B, B)`, split into `k` kept and `B - k` dropped.

    Attributes:
        values: `(k,)` float64, the kept eigenvalues, largest last.
        vectors: `(B, k)` float64, their eigenvectors.
        kept_rows: `(k, L)`, `u_i^T y` in the dtype of `y`.
        resolution: differences of eigenvalues up to this are rounding errors.
    """

    values: Tensor
    vectors: Tensor
    kept_rows: Tensor
    resolution: float

    def divide_by_gaps(self, c: Tensor) -> Tensor:
        """`sum_{j dropped} (c_i^T u_j) / (l_i - l_j) u_j` in row `i`.

        Args:
            c: `(k, B)` float64, one row for each kept eigenpair.

        Returns:
            `(k, B)`. Pairs that coincide, up to `resolution`, contribute nothing.
        """


def gram_eigen(rows: Tensor, rank: int) -> GramEigen:
    """The `rank` leading eigenpairs of `rows rows^T`.

    Args:
        rows: `(B, L)` float32 or float64, `B <= L`.
        rank: `k < B`.

    Raises:
        InputError: a value is not finite.
    """
    few = len(rows) >= _SMALLEST_TRIDIAGONAL and rank <= _LARGEST_PART * len(rows)
    if rows.device.type != "cpu" or not few:
        return FullEigen(rows, rank)
    with threads(len(rows)):
        try:
            found = TridiagonalEigen(rows, rank)
            if not found.separated and rows.dtype == torch.float32:
                found = TridiagonalEigen(rows, rank, exactly=True)
        except (torch.linalg.LinAlgError, np.linalg.LinAlgError) as error:  # type: ignore[attr-defined]
            warn_of_fallback("a few eigenvalues", error)
            return FullEigen(rows, rank)
    return found if found.separated else FullEigen(rows, rank)


class FullEigen:
    """All eigenpairs, of the Gram matrix in float64; see `GramEigen`."""

    def __init__(self, rows: Tensor, rank: int) -> None:
        with threads(len(rows)):
            values, vectors = symmetric_eigen(gram(to_float64(rows)))
        self.values, self._others = values[-rank:], values[:-rank]
        self.vectors, self._dropped = vectors[:, -rank:], vectors[:, :-rank]
        self.resolution = _resolution(len(rows), float(values[-1]))
        self.kept_rows = self.vectors.mT.to(rows.dtype) @ rows.to(values.device)

    def divide_by_gaps(self, c: Tensor) -> Tensor:
        """See `GramEigen`."""
        return _divided(c, self.values, self._others, self._dropped)


class TridiagonalEigen:
    """A few leading eigenpairs, from `G = Q T Q^T` with tridiagonal `T`; see `GramEigen`.

    `G` may be rounded to float32. A few more vectors than are kept are computed, and in their span
    the eigenproblem is solved again from `y` itself in float64 (Rayleigh-Ritz): the remaining
    rounding error is `eps l_1 / (l_k - l_m)`, with `l_m` the first value not computed, however
    close kept and dropped values are.

    The part `m, ..., B` of the quotient is the component of the solution of `(l_i - T) x = Q^T c_i`
    outside the computed vectors: a tridiagonal system. It is nearly singular only along those, and
    they are projected out before and after.

    Args:
        rows: `(B, L)`, `y`.
        rank: `k`.
        exactly: form `G` in float64.

    Attributes:
        separated: `l_k - l_m` is large enough for that.
    """

    def __init__(self, rows: Tensor, rank: int, exactly: bool = False) -> None:
        exactly = exactly or rows.dtype == torch.float64
        n, found = len(rows), rank + _MORE
        lower = _lower_gram(rows, exactly).astype(np.float64, copy=False)
        reduced, self._diagonal, self._off, self._tau, _ = lapack.dsytrd(
            lower, lower=1, lwork=_WORK_COLUMNS * n, overwrite_a=True
        )
        self._reflectors = np.asfortranarray(reduced[1:, :-1])
        gap = _GAP_FLOAT64 if exactly else _GAP_FLOAT32
        rough, inner = _leading_of_tridiagonal(self._diagonal, self._off, found, 1e-3 * gap)
        candidates = self._turned(inner, "N")
        images = _images_in_float64(candidates, rows)
        values, turn, _ = lapack.dsyevd(blas.dsyrk(1.0, images, trans=1))
        self._inner, kept = inner @ turn, turn[:, -rank:]
        self.values, self._near = torch.from_numpy(values[-rank:]), values[:-rank]
        self.vectors = torch.from_numpy(candidates @ kept)
        self.kept_rows = torch.from_numpy((images @ kept).T).to(rows.dtype)
        largest = float(values[-1])
        self.resolution = _resolution(n, largest)
        self.separated = float(values[-rank]) - rough > gap * largest

    def divide_by_gaps(self, c: Tensor) -> Tensor:
        """See `GramEigen`."""
        values, near = self.values.numpy(), self._inner[:, : len(self._near)]
        with threads(len(self._diagonal)):
            columns = self._turned(c.numpy().T, "T")
            gaps = values - self._near[:, None]
            part = near @ ((near.T @ columns) / np.where(gaps > self.resolution, gaps, np.inf))
            # Twice: once leaves rounding errors of the kept part, which may be far larger than the
            # rest.
            right = self._outside(self._outside(columns))
            # Shifted by less than their accuracy, so that no system is exactly singular.
            shifts = values + self.resolution / len(self._diagonal)
            diagonals, off = shifts[:, None] - self._diagonal, -self._off
            solved = [
                lapack.dgtsv(off, diagonal, off, column)[3]
                for diagonal, column in zip(diagonals, right.T, strict=True)
            ]
            return torch.from_numpy(self._turned(self._outside(np.array(solved).T) + part, "N").T)

    def _turned(self, columns: NDArray[np.float64], transposed: str) -> NDArray[np.float64]:
        """`Q` or `Q^T` times columns; the first row is unchanged by the Householder reflectors."""
        turned = np.array(columns, order="F")
        turned[1:] = lapack.dormqr(
            "L", transposed, self._reflectors, self._tau, turned[1:], _WORK_COLUMNS * len(turned)
        )[0]
        return turned

    def _outside(self, columns: NDArray[np.float64]) -> NDArray[np.float64]:
        """The component outside the computed vectors."""
        held: NDArray[np.float64] = self._inner @ (self._inner.T @ columns)
        return columns - held


def _divided(c: Tensor, values: Tensor, others: Tensor, vectors: Tensor) -> Tensor:
    """`sum_j (c_i^T u_j) / (l_i - l_j) u_j` over given eigenpairs `j`."""
    gaps = values[:, None] - others
    resolution = _resolution(c.shape[1], float(values[-1]))
    return ((c @ vectors) * torch.where(gaps > resolution, 1 / gaps, 0.0)) @ vectors.mT


def _resolution(size: int, largest: float) -> float:
    return float(np.finfo(np.float64).eps) * size * largest


def _lower_gram(rows: Tensor, in_float64: bool) -> NDArray[Any]:
    """The lower triangle of `rows rows^T`, in column-major order for LAPACK."""
    lower: NDArray[Any]
    if not in_float64:
        lower = blas.ssyrk(1.0, rows.numpy().T, trans=1, lower=1)
        if _LEAST_SQUARES < lower.diagonal().max() < np.inf:
            return lower
    lower = blas.dsyrk(1.0, rows.numpy().T, trans=1, lower=1)
    check_finite(torch.from_numpy(lower.diagonal().copy()))
    return lower


def _leading_of_tridiagonal(
    diagonal: NDArray[np.float64], off: NDArray[np.float64], count: int, tolerance: float
) -> tuple[float, NDArray[np.float64]]:
    """The first eigenvalue not kept, and `count` leading eigenvectors.

    Args:
        diagonal: `(n,)`.
        off: `(n - 1,)`, the off-diagonal.
        count: below `n`.
        tolerance: error of the eigenvalues, relative to the largest. That of the vectors is far
            smaller, since inverse iteration takes three steps or more.
    """
    n = len(diagonal)
    # Inverse iteration compares pivots with fixed numbers, and would not converge for small ones.
    size = 2.0 ** math.frexp(diagonal.max())[1]
    diagonal, off = diagonal / size, off / size
    found, values, blocks, splits, failed = lapack.dstebz(
        diagonal, off, 2, 0.0, 0.0, n - count, n, tolerance, "B"
    )
    order = np.argsort(values[:found], kind="stable")
    vectors: NDArray[np.float64]
    vectors, not_converged = lapack.dstein(diagonal, off, values[:found], blocks, splits)
    if failed or not_converged:
        raise np.linalg.LinAlgError(f"dstebz {failed}, dstein {not_converged}")
    return size * float(values[order[0]]), vectors[:, order[1:]]


def _images_in_float64(left: NDArray[np.float64], rows: Tensor) -> NDArray[np.float64]:
    """`rows^T left` in float64, a few rows at a time, so that copies stay in the cache."""
    images = np.zeros((rows.shape[1], left.shape[1]), order="F")
    for start in range(0, len(rows), _ROWS):
        part = slice(start, start + _ROWS)
        block = rows[part].double().numpy().T
        images = blas.dgemm(1.0, block, left[part], 1.0, images, overwrite_c=True)
    return images


def gram(rows: Tensor) -> Tensor:
    """The lower triangle of the Gram matrix, by blocks, which suffices for its eigenvectors.

    Entries above the diagonal blocks are not set. For 256 rows that saves a quarter of the work,
    in the most expensive step.
    """
    matrix = rows.new_empty(len(rows), len(rows))
    for start in range(0, len(rows), _GRAM_BLOCK):
        end = start + _GRAM_BLOCK
        torch.mm(rows[start:end], rows[:end].mT, out=matrix[start:end, :end])
    return matrix


def symmetric_eigen(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues, smallest first, and eigenvectors of a Gram matrix from its lower triangle."""
    check_finite(gram.diagonal())
    try:
        # LAPACK is column-major: this spares torch a transposed copy.
        values, vectors = torch.linalg.eigh(gram.mT, UPLO="U")
    except torch.linalg.LinAlgError as error:  # type: ignore[attr-defined]
        warn_of_fallback("eigenvalues", error)
        found = scipy.linalg.eigh(gram.cpu().numpy(), driver="ev")
        values, vectors = (torch.from_numpy(part).to(gram) for part in found)
    return values, vectors


def symmetric_eigenvalues(gram: Tensor) -> Tensor:
    """The eigenvalues of `symmetric_eigen` alone, in a fraction of its time."""
    check_finite(gram.diagonal())
    try:
        values: Tensor = torch.linalg.eigvalsh(gram.mT, UPLO="U")
    except torch.linalg.LinAlgError:  # type: ignore[attr-defined]
        values = symmetric_eigen(gram)[0]  # which has another way
    return values


def warn_of_fallback(what: str, error: Exception) -> None:
    """Warn that divide and conquer failed, and that QR iteration takes its place."""
    warnings.warn(
        f"The fast method for {what} failed ({error}); a slower one is used.", stacklevel=3
    )


def check_finite(diagonal: Tensor) -> None:
    """Reject a Gram matrix of codes that are not finite.

    A value that is not finite makes its row's sum of squares not finite: the diagonal suffices.
    """
    if not bool(torch.isfinite(diagonal).all()):
        raise NotFiniteError(
            "The codes hold NaN or infinite values, expected finite ones; lower "
            "the learning rate, or look for such values in the data."
        )
