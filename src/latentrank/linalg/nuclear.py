"""The nuclear norm and its subgradient, computed in three ways."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor
from torch.autograd import Function

from latentrank.errors import NotFiniteError, check_known
from latentrank.linalg.eigen import gram, symmetric_eigen, warn_of_fallback
from latentrank.linalg.first_order import first_order_only
from latentrank.linalg.precision import check_matrix, to_float64
from latentrank.linalg.threads import threads

#: From this ratio of the sides on, the smaller Gram matrix is faster than the decomposition.
_ELONGATED = 2

#: Lower bound on `l / u` in the design of a polar iteration step: gains a tenth fewer digits per
#: step than the optimum, and loses none to cancellation.
_CUSHION = 0.2


def nuclear_norm(m: Tensor, solver: str = "auto") -> Tensor:
    """The sum of the singular values of `m`, differentiable.

    With `m = sum_i s_i u_i v_i^T`, the norm is `sum_i s_i = <W, m>`, where
    `W = sum_{s_i > 0} u_i v_i^T` is the polar factor of `m` and its subgradient of smallest
    norm: the gradient if `m` has full rank, a finite subgradient if not, and zero at zero.

    - `"svd"`: the singular value decomposition, the reference. Singular values up to
      `eps max(m.shape) s_1`, `eps` that of the dtype of `m`, count as zero.
    - `"gram"`: the eigenvectors of the smaller Gram matrix, formed in float64, which is exact for
      matrices in float32: the same singular values count, with the same accuracy.
    - `"polar"`: matrix products only, which avoids slow factorisations on a GPU. Singular values
      above `1e-6 ||m||_F` (float64: `1e-8 ||m||_F`) count in full; smaller ones are damped, with
      `u_i v_i^T` multiplied by a factor between 0 and 1.
    - `"auto"`: whichever is fastest (`benchmarks/nuclear_norm.py`, `benchmarks/gpu.py`): `"polar"`
      on a GPU; on a CPU `"gram"` for a float32 matrix at least twice as long as wide, or as wide
      as long, else `"svd"`.

    Tolerance, against the singular value decomposition in float64 and for condition numbers up
    to 1e4: the value's relative error is at most 1e-6 in float32 and 1e-12 in float64, the
    gradient's (Frobenius) at most 2e-4 and 1e-8. Below full rank the values agree as well, and
    the gradients do on the row and column space; on the null space, where every choice of
    spectral norm up to 1 is a subgradient, they may differ.

    Args:
        m: `(R, C)` floating-point. Half precision is computed in float32.
        solver: one of the four names.

    Returns:
        Scalar, dtype and device of `m`. It can be differentiated once: a second derivative
        raises `RuntimeError`.

    Raises:
        InputError: if `m` is not a floating-point matrix, `solver` is unknown, or a value is
            not finite (`"polar"` propagates it, since a check would synchronise the GPU).

    Example:
        >>> m = torch.tensor([[3.0, 0.0], [0.0, -4.0]], requires_grad=True)
        >>> norm = nuclear_norm(m)
        >>> round(norm.item(), 4)
        7.0
        >>> norm.backward()
        >>> m.grad.round(decimals=4)
        tensor([[ 1.,  0.],
                [ 0., -1.]])
    """
    check_matrix(m, "m")
    check_known("nuclear norm solver", solver, ("auto", *_SOLVERS))
    norm: Tensor = _NuclearNorm.apply(m, _SOLVERS[_fastest(m) if solver == "auto" else solver])
    return norm


def _fastest(m: Tensor) -> str:
    if m.device.type != "cpu":
        return "polar"
    long = max(m.shape) >= _ELONGATED * min(m.shape)
    return "gram" if long and m.dtype != torch.float64 else "svd"


class _NuclearNorm(Function):
    """`<W, m>` with gradient `W`, for any method of computing the polar factor `W`."""

    @staticmethod
    def forward(ctx: Any, m: Tensor, polar_factor: Callable[[Tensor], Tensor]) -> Tensor:
        # Mixed precision would round the iterates to half precision at every product.
        with torch.autocast(m.device.type, enabled=False):
            full = m.to(torch.promote_types(m.dtype, torch.float32))
            factor = polar_factor(full)
            value = (factor * full).sum().to(m.dtype)
        ctx.save_for_backward(m, factor)
        return value

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (grad_output,) = grad_outputs
        m, factor = ctx.saved_tensors
        with torch.no_grad():
            gradient = (grad_output * factor).to(m.dtype)
        return first_order_only(gradient, "nuclear_norm", m, grad_output), None


def _polar_by_svd(m: Tensor) -> Tensor:
    _check_finite(m)
    u, s, vh = _svd(m)
    nonzero = s > _relative_cutoff(m) * s[0]
    return (u * nonzero) @ vh


def _svd(m: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    if m.device.type != "cpu":
        u, s, vh = torch.linalg.svd(m, full_matrices=False)
        return u, s, vh
    with threads(min(m.shape)):  # half the time of torch's for 128 rows
        try:
            parts = scipy.linalg.svd(m.detach().numpy(), full_matrices=False, check_finite=False)
        except np.linalg.LinAlgError as error:
            warn_of_fallback("singular values", error)
            parts = scipy.linalg.svd(m.detach().numpy(), False, lapack_driver="gesvd")
    u, s, vh = (torch.from_numpy(part) for part in parts)
    return u, s, vh


def _polar_by_gram(m: Tensor) -> Tensor:
    if m.shape[0] > m.shape[1]:
        return _polar_by_gram(m.mT).mT
    _check_finite(m)
    rows = to_float64(m)
    with threads(len(m)):
        squares, vectors = symmetric_eigen(gram(rows))
    s = squares.clamp_min(0).sqrt()
    nonzero = s > _relative_cutoff(m) * s[-1]
    root = (vectors * torch.where(nonzero, 1 / s, 0.0)) @ vectors.mT  # (m m^T)^(-1/2)
    return (root @ rows).to(m)


def _polar_by_products(m: Tensor) -> Tensor:
    if m.shape[0] > m.shape[1]:
        return _polar_by_products(m.mT).mT
    tiny = torch.finfo(m.dtype).tiny
    # Scaled to entries of at most one first, so that squaring them for the norm cannot overflow.
    x = m / m.abs().amax().clamp_min(tiny)
    x = x / torch.linalg.matrix_norm(x).clamp_min(tiny)
    lower, tolerance = (1e-8, 1e-14) if m.dtype == torch.float64 else (1e-6, 1e-7)
    for a, b in _polar_schedule(lower, tolerance):
        x = torch.addmm(x, x @ x.mT, x, beta=a, alpha=-b)
    return x


@functools.cache
def _polar_schedule(lower: float, tolerance: float) -> tuple[tuple[float, float], ...]:
    """Cubics `a x - b x^3` whose composition maps `[lower, 1]` to within `tolerance` of 1.

    Each is the cubic nearest to 1 on the interval `[l, u]` that the previous ones produce: equal at
    both ends, and as far above 1 at its maximum as it is below 1 there (Chebyshev; scaled Newton
    and Schulz steps, Chen and Chow, 2014). Singular values below `lower` end between 0 and 1,
    since each cubic increases up to its maximum inside the interval.

    Args:
        lower: smallest singular value that must reach 1, relative to the largest.
        tolerance: accepted distance from 1.

    Returns:
        The pairs `(a, b)` in order of application.
    """
    schedule = []
    upper = 1.0
    while upper - lower > tolerance:
        # With l near 0 the best cubic maps u near 0 as well: the largest values would be
        # differences of nearly equal numbers, dominated by rounding.
        end = max(lower, _CUSHION * upper)
        slope = end**2 + end * upper + upper**2
        maximum = 2 * (slope / 3) ** 1.5
        scale = 2 / (end * upper * (end + upper) + maximum)
        schedule.append((scale * slope, scale))
        lower, upper = scale * lower * (slope - lower**2), scale * maximum
    return tuple(schedule)


def _relative_cutoff(m: Tensor) -> float:
    """Threshold, relative to the largest singular value, below which values are rounding."""
    return torch.finfo(m.dtype).eps * max(m.shape)


def _check_finite(m: Tensor) -> None:
    if not bool(torch.isfinite(m).all()):
        raise NotFiniteError(
            "m holds NaN or infinite values, expected finite ones; lower the learning rate."
        )


_SOLVERS = {"svd": _polar_by_svd, "gram": _polar_by_gram, "polar": _polar_by_products}
