"""How a training uses the machine: its precision and its threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from latentrank.models.base import LatentModel

#: Features of processors with units for matrices of bfloat16, as Linux lists them.
_BF16_UNITS = {"amx_bf16", "avx512_bf16"}

#: Operations of a step that make a further thread worth its while. Below, threads wait for each
#: other longer than they save, and much longer where another process has a core.
_OPERATIONS_A_THREAD = 2e9

#: Set by whoever wants a number of threads.
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def resolve_precision(precision: str, device: str) -> str:
    """The precision to train in, where it is left to the machine.

    Args:
        precision: `"auto"`, or what Lightning's Trainer takes, which is returned as it is.
        device: as Lightning takes it, such as `"cpu"`, `"gpu"` or `"auto"`.

    Returns:
        For `"auto"`, `"bf16-mixed"` where a GPU or the processor computes matrices in bfloat16
        with units for that, else `"32-true"`.

    Example:
        >>> resolve_precision("64-true", "cpu")
        '64-true'
    """
    if precision != "auto":
        return precision
    return "bf16-mixed" if _has_bf16_units(device) else "32-true"


def _has_bf16_units(device: str) -> bool:
    if device in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.cuda.get_device_capability() >= (8, 0)
    if device == "auto" and torch.backends.mps.is_available():
        return False
    return device in ("auto", "cpu") and bool(_BF16_UNITS & _features())


def _features() -> set[str]:
    """What Linux lists of the first processor; nothing on other systems."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return set()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


@contextmanager
def threads(number: int | None, model: LatentModel, batch_size: int) -> Iterator[int]:
    """Within this context torch computes on as many threads as help.

    An explicit number is never changed: one given here, by `torch.set_num_threads`, or in the
    environment. Otherwise the arithmetic of a step decides, so that a run repeats itself on the
    same machine, whatever else that is busy with.

    Args:
        number: of threads; None decides.
        model: which is trained.
        batch_size: samples in a batch.

    Yields:
        The number of threads in use.
    """
    before = torch.get_num_threads()
    if number is None and (before == 1 or _is_explicit(before)):
        number = before
    if number is None:
        number = min(before, 1 + int(operations(model, batch_size) / _OPERATIONS_A_THREAD))
    torch.set_num_threads(number)
    try:
        yield number
    finally:
        torch.set_num_threads(before)


def _is_explicit(number: int) -> bool:
    """Whether a number of threads is one that torch does not choose by itself."""
    if any(name in os.environ for name in _VARIABLES):
        return True
    cores = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return number not in (cores, affinity, cores // 2, affinity // 2)


def operations(model: LatentModel, batch_size: int) -> float:
    """Floating point operations of the networks in a step: forward, and twice that backward.

    Args:
        model: the autoencoder.
        batch_size: samples in a batch.

    Example:
        >>> import latentrank
        >>> small = latentrank.build("ae", (6,), latent_dim=2)
        >>> operations(small, 64) == 2 * operations(small, 32)
        True
    """
    from torch.utils.flop_counter import FlopCounterMode  # takes a tenth of a second

    was_training = model.training
    model.eval()
    # Two samples are counted, since some layers refuse one.
    x = torch.zeros(2, *model.spec.input_shape).to(next(model.parameters()))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.decode(model.encoder(x)[:, : model.latent_dim])
    model.train(was_training)
    return float(3 * counter.get_total_flops() * batch_size / 2)


@contextmanager
def quick_device_check() -> Iterator[None]:
    """Within this context torch's optimisers do not look for GPUs anew at each step.

    Lightning has torch look for them by loading the driver's library, which without a GPU happens
    again at each step of an optimiser and takes longer than the step of a small network.
    """
    name = "PYTORCH_NVML_BASED_CUDA_CHECK"
    before = os.environ.get(name)
    if before is not None and not torch.cuda.is_available():
        del os.environ[name]
    try:
        yield
    finally:
        if before is not None:
            os.environ[name] = before
