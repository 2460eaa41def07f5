"""First-order gradients: a clear error if a second derivative is requested."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


class _Refusal(Function):
    """Passes a gradient through and raises when differentiated."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, owner: str, *depends_on: Tensor) -> Tensor:
        ctx.owner = owner
        return gradient.view_as(gradient)

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        raise RuntimeError(
            f"{ctx.owner} has only a first derivative, and a second one was requested; "
            "leave it out of gradient penalties and Hessians."
        )


def first_order_only(gradient: Tensor, owner: str, *depends_on: Tensor) -> Tensor:
    """Mark a gradient as one that cannot be differentiated again.

    Without the mark, autograd would treat a gradient computed by hand as a constant, and a second
    derivative would be silently wrong.

    Args:
        gradient: the result of a backward pass.
        owner: name of the function for the message.
        *depends_on: the tensors that the gradient was computed from.

    Returns:
        `gradient`; differentiating it raises a `RuntimeError` that names `owner`.

    Example:
        >>> x = torch.ones(1, requires_grad=True)
        >>> first_order_only(torch.ones(1), "f", x).backward()
        Traceback (most recent call last):
        RuntimeError: f has only a first derivative, and a second one was requested; leave it out \
of gradient penalties and Hessians.
    """
    if not torch.is_grad_enabled():  # no second derivative can be requested
        return gradient
    marked: Tensor = _Refusal.apply(gradient, owner, *depends_on)
    return marked
