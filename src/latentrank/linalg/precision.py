"""Float64 for matrices whose Gram matrix would lose half of the digits in float32."""

from __future__ import annotations

import torch
from torch import Tensor

from latentrank.errors import InputError


def to_float64(x: Tensor) -> Tensor:
    """`x` in float64, on its device if that supports float64.

    Squaring a matrix squares its condition number. A Gram matrix formed in float64 preserves all
    digits of a float32 matrix.

    Args:
        x: floating-point tensor of any shape.

    Returns:
        Float64 tensor of the same shape; on the CPU if the device does not support float64
        (Apple's).

    Example:
        >>> to_float64(torch.ones(2, dtype=torch.float16)).dtype
        torch.float64
    """
    device = torch.device("cpu") if x.device.type == "mps" else x.device
    return x.to(device).to(torch.float64)


def at_least_float32(x: Tensor) -> Tensor:
    """`x`, in float32 if it has half precision, which factorisations do not support.

    Example:
        >>> at_least_float32(torch.ones(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def check_matrix(x: Tensor, name: str) -> None:
    """Reject anything but a real matrix.

    Args:
        x: the tensor to check.
        name: its name in the message.

    Raises:
        InputError: if `x` does not have two dimensions, or does not hold floating-point numbers.

    Example:
        >>> check_matrix(torch.ones(3), "codes")
        Traceback (most recent call last):
        latentrank.errors.InputError: codes has shape (3,), expected a matrix with one row per \
sample; reshape it to two dimensions.
    """
    if not isinstance(x, Tensor):
        raise InputError(
            f"{name} is of type {type(x).__name__}, expected a tensor; convert it with "
            "torch.as_tensor."
        )
    if x.ndim != 2:
        raise InputError(
            f"{name} has shape {tuple(x.shape)}, expected a matrix with one row per sample; "
            "reshape it to two dimensions."
        )
    if not x.is_floating_point():
        raise InputError(
            f"{name} has dtype {x.dtype}, expected real floating-point numbers; "
            "convert it to float32."
        )
