"""Matrices of known singular values, for the tests beside this file."""

import torch
from torch import Tensor


def with_singular_values(values: list[float] | Tensor, rows: int, columns: int) -> Tensor:
    """A random float64 matrix of this shape with exactly these nonzero singular values."""
    s = torch.as_tensor(values, dtype=torch.float64)
    return (orthonormal(rows, len(s)) * s) @ orthonormal(columns, len(s)).mT


def orthonormal(rows: int, columns: int) -> Tensor:
    """A random float64 matrix with orthonormal columns."""
    return torch.linalg.qr(torch.randn(rows, columns, dtype=torch.float64)).Q


def relative_error(given: Tensor, true: Tensor) -> float:
    """Frobenius norm of the difference over that of the truth."""
    return float((given.double() - true).norm() / true.norm())
