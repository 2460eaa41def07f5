"""What bottlenecks and losses need when one batch is spread over several processes.

Alone, each function is the identity, or nearly: no method needs to know how it is trained.
A loss built from these is the loss of the whole batch on every process, so that averaging
gradients, as data parallelism does, gives the whole batch's gradient.
"""

from __future__ import annotations

import os

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn import functional as autograd_dist

from latentrank.linalg import GramAccumulator


def world() -> tuple[int, int]:
    """This process's number and how many there are; `(0, 1)` when alone."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def is_first_process() -> bool:
    """Whether this is the only process of a training, or the first of several.

    Asked before the processes have met, too: then their launcher's environment tells.
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    number = next(
        (os.environ[k] for k in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if k in os.environ), 0
    )
    return int(number) == 0


def gather_rows(x: Tensor) -> Tensor:
    """The rows of all processes, `(sum of B, ...)`, in process order, differentiable.

    Every process must hold the same number of rows.
    """
    if world()[1] == 1:
        return x
    return torch.cat(list(autograd_dist.all_gather(x)))  # type: ignore[no-untyped-call]


def local_rows(gathered: Tensor, like: Tensor) -> Tensor:
    """This process's part of what `gather_rows` gave: as many rows as `like` has."""
    rank, size = world()
    if size == 1:
        return gathered
    return gathered[rank * len(like) : (rank + 1) * len(like)]


def total(x: Tensor) -> Tensor:
    """The sum over processes, differentiable."""
    if world()[1] == 1:
        return x
    summed: Tensor = autograd_dist.all_reduce(x)  # type: ignore[no-untyped-call]
    return summed


def noise_like(x: Tensor) -> Tensor:
    """Standard normal noise of the shape of `x`: this process's rows of the batch's noise.

    All processes draw for the whole batch from the same random state and keep their part, so
    the noise of a sample does not depend on how many processes there are.
    """
    size = world()[1]
    if size == 1:
        return torch.randn_like(x)
    drawn = torch.randn(size * len(x), *x.shape[1:], dtype=x.dtype, device=x.device)
    return local_rows(drawn, x)


def _card() -> torch.device:
    """The graphics card of this process."""
    return torch.device("cuda", torch.cuda.current_device())


@torch.no_grad()
def reduce_(x: Tensor) -> Tensor:
    """Sum a tensor over all processes, in place."""
    if world()[1] > 1:
        # NCCL, which graphics cards use among themselves, takes tensors on a card alone.
        sent = x.to(_card()) if dist.get_backend() == "nccl" else x
        dist.all_reduce(sent)
        x.copy_(sent)
    return x


def reduce_gram_(gram: GramAccumulator) -> None:
    """Add up what all processes have accumulated, in place."""
    for part in gram.tensors:
        reduce_(part)
