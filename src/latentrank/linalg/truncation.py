"""The best approximation of given rank, with its exact gradient, and the basis it lives in."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from latentrank.errors import InputError, check_count
from latentrank.linalg.eigen import (
    GramEigen,
    gram,
    gram_eigen,
    symmetric_eigen,
    symmetric_eigenvalues,
)
from latentrank.linalg.first_order import first_order_only
from latentrank.linalg.precision import at_least_float32, check_matrix, to_float64

#: Where the smallest kept eigenvalue is above this part of the largest, float32 gives a gradient as
#: accurate as a singular value decomposition in float32.
_LEAST_FLOAT32 = 1e-3


def truncate_rank(y: Tensor, rank: int) -> Tensor:
    """The best approximation of `y` by a matrix of rank at most `rank`.

    With the singular value decomposition `y = sum_i s_i u_i v_i^T`, largest value first, this is
    `y_k = sum_{i <= k} s_i u_i v_i^T = P y`, `P = sum_{i <= k} u_i u_i^T` (Eckart and Young,
    1936). The gradient is the exact one. For the change `dy`, entry by entry in the singular
    bases, `(i, i')` kept gives `dy_ii'`, dropped gives 0, and for `i` kept and `j` dropped

        (d y_k)_ij = (s_i^2 dy_ij + s_i s_j dy_ji) / (s_i^2 - s_j^2)

    and the same with both index pairs swapped. Only gaps between kept and dropped values enter,
    so values that repeat inside either block, and dropped values of zero, do no harm.

    The derivative does not exist in two cases; the gradient returned there is finite:

    - The last kept value equals the first dropped one: for such a pair the kept directions are
      treated as constant (its part of `dP` is zero).
    - `y` has rank below `rank`, so that kept values are zero: truncation changes nothing there,
      and the gradient passes through unchanged.

    Values are distinguished by their squares, down to `eps min(B, L) s_1^2` with the `eps` of
    float64, whatever the dtype of `y`: singular values below about 1e-6 of the largest count as
    zero in these two rules. No singular value decomposition is computed: the cost is that of an
    eigenproblem of the smaller Gram matrix, in float64 wherever cancellation would lose digits.

    Args:
        y: `(B, L)` floating-point, one row per sample. Half precision is computed in float32.
        rank: `k`, an integer of at least 1.

    Returns:
        `(B, L)`, dtype and device of `y`; `y` itself if `rank >= min(B, L)`. It can be
        differentiated once: a second derivative raises `RuntimeError`.

    Raises:
        InputError: if `y` is not a matrix of finite floating-point numbers, or `rank` is below 1.

    Example:
        >>> y = torch.tensor([[3.0, 0.0], [0.0, 1.0]], requires_grad=True)
        >>> y_1 = truncate_rank(y, rank=1)
        >>> y_1.detach()
        tensor([[3., 0.],
                [0., 0.]])
        >>> y_1.sum().backward()
        >>> y.grad
        tensor([[1.0000, 1.5000],
                [1.5000, 0.0000]])
    """
    check_matrix(y, "y")
    check_count(rank, "rank")
    if rank >= min(y.shape):
        return y
    if y.shape[0] > y.shape[1]:
        return _truncate_rows(y.mT, rank).mT.contiguous()
    return _truncate_rows(y, rank)


def leading_basis(y: Tensor, rank: int) -> Tensor:
    """The right singular directions of `y` for its largest singular values.

    Args:
        y: `(B, L)` floating-point, one row per sample.
        rank: number of directions, at least 1.

    Returns:
        `(L, min(rank, L))`, orthonormal columns in the dtype of `y`, largest singular value first,
        without gradient. Each column's entry of largest magnitude is positive. If `y` has lower
        rank, the undetermined columns complete the basis.

    Raises:
        InputError: if `y` is not a matrix of finite floating-point numbers, or `rank` is below 1.

    Example:
        >>> leading_basis(torch.tensor([[3.0, -4.0], [-3.0, 4.0]]), rank=1).T
        tensor([[-0.6000,  0.8000]])
    """
    check_matrix(y, "y")
    check_count(rank, "rank")
    with torch.no_grad():
        rows = to_float64(y)
        n_rows, width = rows.shape
        rank = min(rank, width)
        if width <= n_rows:
            basis = _eigenvectors(gram(rows.mT), rank)
        else:
            if rank < n_rows:
                images = to_float64(gram_eigen(at_least_float32(y), rank).kept_rows).flip(0).mT
            else:
                images = rows.mT @ _eigenvectors(gram(rows), n_rows)
            padding = images.new_zeros(width, rank - images.shape[1])
            # Orthogonal by construction but for rounding; the factorisation also provides
            # directions for zero singular values or too few rows.
            basis = torch.linalg.qr(torch.cat([images, padding], dim=1)).Q
        return _signed(basis).to(y.device, y.dtype)


class GramAccumulator:
    """Running sums over batches of rows, from which a basis, mean and covariance follow.

    Keeps `sum_n h_n h_n^T` and `sum_n h_n` in float64, so the rows need not be stored. To combine
    the sums of several processes, all-reduce each tensor in `tensors` in place.

    Args:
        dim: row length `L`.
        device: device of the sums.

    Attributes:
        matrix: `(L, L)` float64, uncentred Gram matrix.
        total: `(L,)` float64, sum of the rows.
        count: scalar int64 tensor, number of rows.

    Example:
        >>> sums = GramAccumulator(2)
        >>> for batch in torch.tensor([[[3.0, 0.0]], [[0.0, 1.0]]]):
        ...     sums.update(batch)
        >>> int(sums.count), sums.basis(1).T.tolist(), sums.mean().tolist()
        (2, [[1.0, 0.0]], [1.5, 0.5])
    """

    def __init__(self, dim: int, device: torch.device | str = "cpu") -> None:
        self.matrix = torch.zeros(dim, dim, dtype=torch.float64, device=device)
        self.total = torch.zeros(dim, dtype=torch.float64, device=device)
        self.count = torch.zeros((), dtype=torch.int64, device=device)

    @property
    def tensors(self) -> tuple[Tensor, Tensor, Tensor]:
        """All state; each tensor can be summed over processes."""
        return self.matrix, self.total, self.count

    @torch.no_grad()
    def update(self, h: Tensor) -> None:
        """Add a batch of rows.

        Args:
            h: `(B, L)` floating-point; `B` may differ from call to call.

        Raises:
            InputError: if `h` is not a matrix of floating-point numbers with rows of length `L`.
        """
        check_matrix(h, "h")
        if h.shape[1] != len(self.total):
            raise InputError(
                f"h has rows of length {h.shape[1]}, expected {len(self.total)} as in earlier "
                "batches; give all batches the same width."
            )
        rows = h.to(self.matrix.device).to(torch.float64)
        self.matrix.addmm_(rows.mT, rows)
        self.total += rows.sum(dim=0)
        self.count += len(rows)

    def merge(self, other: GramAccumulator) -> None:
        """Add the rows of another accumulator.

        Args:
            other: accumulator of the same width.
        """
        for mine, theirs in zip(self.tensors, other.tensors, strict=True):
            mine += theirs.to(mine.device)

    def basis(self, rank: int) -> Tensor:
        """The right singular directions of all rows together, largest singular value first.

        Args:
            rank: number of directions, at least 1.

        Returns:
            `(L, min(rank, L))` float64, signs as in `leading_basis`.

        Raises:
            InputError: if `rank` is below 1, no row was seen, or a row was not finite.
        """
        check_count(rank, "rank")
        self._check_rows(1)
        dim, rows = len(self.total), int(self.count)
        rank = min(rank, dim)
        small, outer = _within_range(self.matrix, 2 * max(rows, rank))
        return _signed(_turned_back(_eigenvectors(small, rank), outer))

    def mean(self) -> Tensor:
        """The mean row.

        Returns:
            `(L,)` float64.

        Raises:
            InputError: if no row was seen.
        """
        self._check_rows(1)
        return self.total / self.count

    def covariance(self) -> Tensor:
        """The covariance of the rows, divided by `N - 1`.

        Returns:
            `(L, L)` float64.

        Raises:
            InputError: if fewer than two rows were seen.
        """
        self._check_rows(2)
        mean = self.mean()
        return (self.matrix - torch.outer(self.total, mean)) / (self.count - 1)

    def principal(self) -> tuple[Tensor, Tensor]:
        """Variances and principal directions of the rows: the eigenproblem of their covariance.

        Returns:
            `(m,)` float64, descending and not negative, and `(L, m)` float64, orthonormal
            columns. `m` is `L`, or less where so few rows were seen that further variances are
            zero.

        Raises:
            InputError: if fewer than two rows were seen, or a row was not finite.

        Example:
            >>> sums = GramAccumulator(2)
            >>> sums.update(torch.tensor([[1.0, 3.0], [1.0, 1.0], [1.0, 2.0]]))
            >>> sums.principal()[0].tolist()
            [1.0, 0.0]
        """
        small, outer = _within_range(self.covariance(), 2 * int(self.count))
        values, vectors = symmetric_eigen(small)
        return self._above_noise(values), _turned_back(vectors, outer).flip(1)

    def variances(self) -> Tensor:
        """The variances of `principal` alone, in a fraction of its time.

        Returns:
            `(m,)` float64, descending and not negative.

        Raises:
            InputError: as `principal`.

        Example:
            >>> sums = GramAccumulator(2)
            >>> sums.update(torch.tensor([[1.0, 3.0], [1.0, 1.0], [1.0, 2.0]]))
            >>> sums.variances().tolist()
            [1.0, 0.0]
        """
        small, _ = _within_range(self.covariance(), 2 * int(self.count))
        return self._above_noise(symmetric_eigenvalues(small))

    def _above_noise(self, values: Tensor) -> Tensor:
        """Eigenvalues of the covariance, smallest first, as variances, largest first."""
        values = values.flip(0)
        # For identical rows, subtracting the mean leaves only rounding errors of the sums.
        total = self.matrix.diagonal().sum() / (self.count - 1)
        noise = total * torch.finfo(torch.float64).eps * self.count
        return torch.where(values > noise, values, 0.0)

    def _check_rows(self, needed: int) -> None:
        if self.count < needed:
            raise InputError(
                f"{int(self.count)} rows were seen, expected at least {needed}; "
                "call update with more data first."
            )


def _truncate_rows(y: Tensor, rank: int) -> Tensor:
    truncated: Tensor = _RowTruncation.apply(y, rank)
    return truncated


class _RowTruncation(Function):
    """`P y` with `P` the projector onto the leading eigenvectors of `G = y y^T`."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, rank: int) -> Tensor:
        rows = at_least_float32(y)
        # Mixed precision would round these products to half precision.
        with torch.autocast(rows.device.type, enabled=False):
            eigen = gram_eigen(rows, rank)
            truncated = eigen.vectors.to(rows.dtype) @ eigen.kept_rows
        ctx.eigen = eigen
        ctx.save_for_backward(y)
        return truncated.to(y.device, y.dtype)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (grad_output,), (y,), eigen = grad_outputs, ctx.saved_tensors, ctx.eigen
        if float(eigen.values[0]) <= eigen.resolution:
            return first_order_only(grad_output, "truncate_rank", y, grad_output), None
        with torch.no_grad(), torch.autocast(eigen.kept_rows.device.type, enabled=False):
            grad, rows = grad_output.to(eigen.kept_rows), y.to(eigen.kept_rows)
            if eigen.values[0] < _LEAST_FLOAT32 * eigen.values[-1]:
                rows = rows.double()
            gradient = _truncation_gradient(grad, rows, eigen)
            gradient = gradient.to(y.device, y.dtype)
        return first_order_only(gradient, "truncate_rank", y, grad_output), None


def _truncation_gradient(grad: Tensor, rows: Tensor, eigen: GramEigen) -> Tensor:
    """Vector-Jacobian product of `P y`.

    From `dP = sum_{i kept, j dropped} u_i (u_i^T dG u_j) u_j^T / (l_i - l_j) + transpose` and
    `dG = dy y^T + y dy^T`. The order of the products keeps every one at `O(k B L)`.

    Products with `rows` on dropped directions are small remainders after large parts on kept ones
    cancel, so their accuracy depends on the dtype of `rows`.

    Args:
        grad: `(B, L)` float32 or float64, gradient of the loss with respect to `P y`.
        rows: `(B, L)`, `y`, in the dtype of `grad` or a finer one, `B <= L`.
        eigen: eigenpairs of the Gram matrix.

    Returns:
        `(B, L)` in the dtype of `grad`, gradient of the loss with respect to `y`.
    """
    kept, kept_rows = eigen.vectors.to(grad.dtype), eigen.kept_rows
    kept_grad = kept.mT @ grad
    coupling = (kept_grad.to(rows.dtype) @ rows.mT).double() + (kept_rows @ grad.mT).double()
    coupling = eigen.divide_by_gaps(coupling)
    left = torch.cat([kept, coupling.mT.to(grad.dtype)], dim=1)
    right = torch.cat([kept_grad + (coupling.to(rows.dtype) @ rows).to(grad.dtype), kept_rows])
    return left @ right


def _eigenvectors(gram: Tensor, rank: int) -> Tensor:
    """Eigenvectors of the `rank` largest eigenvalues, largest first."""
    return symmetric_eigen(gram)[1][:, -rank:].flip(-1)


def _within_range(gram: Tensor, width: int) -> tuple[Tensor, Tensor | None]:
    """A Gram matrix whose rank is at most `width / 2`, in an orthonormal basis of its range.

    Its products with `width` random vectors span its range exactly, and twice as many as needed
    keep them well conditioned. This leaves an eigenproblem of that width: for 225 rows of length
    2800, a third of a second instead of six.

    Returns:
        `(width, width)`, with the same eigenvalues but zeros, and the basis `(L, width)`; a matrix
        that is no larger as it is, and None.
    """
    if width >= len(gram):
        return gram, None
    generator = torch.Generator().manual_seed(0)
    probes = torch.randn(len(gram), width, dtype=gram.dtype, generator=generator)
    basis = torch.linalg.qr(gram @ probes.to(gram.device)).Q
    return basis.mT @ gram @ basis, basis


def _turned_back(vectors: Tensor, basis: Tensor | None) -> Tensor:
    """Vectors in a basis of `_within_range` as vectors of full length."""
    return vectors if basis is None else basis @ vectors


def _signed(basis: Tensor) -> Tensor:
    """Make each column's entry of largest magnitude positive, so that signs are repeatable."""
    largest = basis.gather(0, basis.abs().argmax(dim=0, keepdim=True))
    return basis * torch.where(largest < 0, -1.0, 1.0)
