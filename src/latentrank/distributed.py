"""Collectives for bottlenecks and losses on a batch distributed over processes.

In a single process each function is essentially the identity, so methods need not know how they
are trained. A loss built from these is the loss of the global batch on every process, so that
averaging gradients, as data parallelism does, gives the gradient of the global batch.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function

from latentrank.linalg import GramAccumulator

#: Seconds. The threads have only to be scheduled, with their code perhaps still on disk.
_RELEASED_WITHIN = 0.5


def world() -> tuple[int, int]:
    """The rank of this process and the number of processes; `(0, 1)` without distribution."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def is_first_process() -> bool:
    """Whether this is the only process of a run, or the first of several.

    Before the process group is initialised, the launcher's environment is used.
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    number = next(
        (os.environ[k] for k in ("RANK", "SLURM_PROCID", "LOCAL_RANK") if k in os.environ), 0
    )
    return int(number) == 0


def _rows_of_each(x: Tensor) -> list[int]:
    """The number of rows of each process, in process order."""
    device = _card() if dist.get_backend() == "nccl" else torch.device("cpu")
    counts = [torch.zeros((), dtype=torch.int64, device=device) for _ in range(world()[1])]
    dist.all_gather(counts, torch.tensor(len(x), device=device))
    return [int(count) for count in counts]


def batch_rows(x: Tensor) -> int:
    """The total number of rows over all processes."""
    return len(x) if world()[1] == 1 else sum(_rows_of_each(x))


def gather_rows(x: Tensor) -> Tensor:
    """The rows of all processes, in process order, differentiable.

    Args:
        x: `(B, ...)`; `B` may differ from process to process.

    Returns:
        `(sum of B, ...)`, the same on every process. The gradient with respect to `x` is summed
        over all processes.
    """
    if world()[1] == 1:
        return x
    gathered: Tensor = _GatherRows.apply(x)
    return gathered


class _GatherRows(Function):
    """One all-gather forwards and one all-reduce backwards, of contiguous tensors.

    Collectives send raw memory. A tensor with other strides, such as the gradient of a
    transposed one, would arrive with its entries permuted.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        counts = _rows_of_each(x)
        ctx.start, ctx.count = sum(counts[: world()[0]]), len(x)
        padded = x.new_zeros(max(counts), *x.shape[1:])
        padded[: len(x)] = x
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        (grad_output,) = grad_outputs
        # A copy: the incoming gradient may share memory.
        asked = total(grad_output)
        return asked[ctx.start : ctx.start + ctx.count]


def gathered_batches(batches: Iterable[Tensor], width: int, like: Tensor) -> Iterator[Tensor]:
    """The batches of all processes, in the order in which they were dealt out.

    Args:
        batches: `(B, width)`, this process's; processes may have different numbers of them.
        width: number of columns.
        like: a tensor of the type and on the device of the batches.

    Yields:
        `(sum of B, width)`, the same in every process.
    """
    if world()[1] == 1:
        yield from batches
        return
    left, none = iter(batches), like.detach().new_zeros(0, width)
    while True:
        gathered = gather_rows(next(left, none).to(none))
        if not len(gathered):
            return
        yield gathered


def local_rows(gathered: Tensor, like: Tensor) -> Tensor:
    """This process's part of the result of `gather_rows`, with as many rows as `like`."""
    rank, size = world()
    if size == 1:
        return gathered
    start = sum(_rows_of_each(like)[:rank])
    return gathered[start : start + len(like)]


def total(x: Tensor) -> Tensor:
    """The sum over processes, differentiable."""
    if world()[1] == 1:
        return x
    summed: Tensor = _Sum.apply(x)
    return summed


class _Sum(Function):
    """An all-reduce forwards, and another backwards: each process's `x` is in each one's sum."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        summed = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        return total(grad_outputs[0])


def batch_mean(per_sample: Tensor) -> Tensor:
    """This process's contribution to the mean over the samples of the global batch.

    Averaged over processes, as data parallelism does with gradients, it is the mean over all
    samples, even if processes hold different numbers of them.

    Args:
        per_sample: `(B,)`, this process's values.

    Returns:
        A scalar: `W sum_local / N` for `W` processes and `N` samples in all.

    Example:
        >>> float(batch_mean(torch.tensor([1.0, 2.0])))
        1.5
    """
    size = world()[1]
    if size == 1:
        return per_sample.mean()
    # In float64: a quotient rounded to float32 would round every gradient.
    count = torch.tensor(len(per_sample), dtype=torch.float64, device=per_sample.device)
    return per_sample.sum() * (size / reduce_(count))


def noise_like(x: Tensor) -> Tensor:
    """Standard normal noise of the shape of `x`: this process's rows of the batch's noise.

    All processes draw noise for the global batch from the same random state and keep their part, so
    the noise of a sample does not depend on the number of processes.
    """
    if world()[1] == 1:
        return torch.randn_like(x)
    shape = (batch_rows(x), *x.shape[1:])
    return local_rows(torch.randn(shape, dtype=x.dtype, device=x.device), x)


def _card() -> torch.device:
    """The GPU of this process."""
    return torch.device("cuda", torch.cuda.current_device())


@torch.no_grad()
def reduce_(x: Tensor) -> Tensor:
    """Sum a tensor over all processes, in place."""
    if world()[1] > 1:
        # NCCL supports only GPU tensors.
        sent = x.to(_card()) if dist.get_backend() == "nccl" else x
        sent = sent.contiguous()  # raw memory is sent
        dist.all_reduce(sent)
        if sent is not x:
            x.copy_(sent)
    return x


def reduce_gram_(gram: GramAccumulator) -> None:
    """Sum the accumulators of all processes, in place."""
    for part in gram.tensors:
        reduce_(part)


def finish() -> None:
    """Let torch's threads release what they have sent, after the last collective of a process.

    Gloo's threads need the interpreter for that. If it ends first, the process aborts with all its
    work done ("terminate called without an active exception"), and the launcher stops the others.
    Nothing joins these threads: data parallelism keeps them beyond `destroy_process_group`.
    """
    if world()[1] > 1:
        time.sleep(_RELEASED_WITHIN)
