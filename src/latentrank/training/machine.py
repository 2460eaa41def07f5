"""Precision and thread count of training."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from latentrank.models.base import LatentModel

#: Linux's names of CPU features for bfloat16 matrix products.
_BF16_UNITS = {"amx_bf16", "avx512_bf16"}

#: Operations per step that justify another thread. Below, threads wait for each other longer than
#: they save, and much longer when another process is using a core.
_OPERATIONS_A_THREAD = 2e9

#: Environment variables that set the number of threads.
_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


def resolve_precision(precision: str, device: str) -> str:
    """Resolve the precision `"auto"`.

    Args:
        precision: `"auto"`, or a precision of Lightning's Trainer, which is returned unchanged.
        device: Lightning's name of the device, such as `"cpu"`, `"gpu"` or `"auto"`.

    Returns:
        For `"auto"`, `"bf16-mixed"` if the GPU or CPU has hardware for bfloat16 matrix products,
        else `"32-true"`.

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
    """Feature flags of the first CPU on Linux; empty on other systems."""
    path = Path("/proc/cpuinfo")
    if not path.is_file():
        return set()
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return set(next((line for line in lines if line.startswith("flags")), "").split())


@contextmanager
def threads(number: int | None, model: LatentModel, batch_size: int) -> Iterator[int]:
    """Limit torch to as many threads as help.

    An explicit number is never changed: one given here, by `torch.set_num_threads`, or in the
    environment. Otherwise the number depends on the operations per step alone, so that a run is
    reproducible on the same machine under any load.

    Args:
        number: number of threads; None chooses.
        model: the model to train.
        batch_size: samples per batch.

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
    """Whether the number of threads was set explicitly."""
    if any(name in os.environ for name in _VARIABLES):
        return True
    cores = os.cpu_count() or 1
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else cores
    return number not in (cores, affinity, cores // 2, affinity // 2)


def operations(model: LatentModel, batch_size: int) -> float:
    """Floating-point operations of the networks per step: forward, and twice that backward.

    Args:
        model: the autoencoder.
        batch_size: samples per batch.

    Example:
        >>> import latentrank
        >>> small = latentrank.build("ae", (6,), latent_dim=2)
        >>> operations(small, 64) == 2 * operations(small, 32)
        True
    """
    from torch.utils.flop_counter import FlopCounterMode  # takes a tenth of a second

    was_training = model.training
    model.eval()
    # Counted for two samples, since some layers reject a single one.
    x = torch.zeros(2, *model.spec.input_shape).to(next(model.parameters()))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model.decode(model.encoder(x)[:, : model.latent_dim])
    model.train(was_training)
    return float(3 * counter.get_total_flops() * batch_size / 2)


@contextmanager
def quick_device_check() -> Iterator[None]:
    """Stop torch's optimisers from probing for GPUs at each step.

    Lightning makes torch probe by loading the driver library; without a GPU, that repeats at each
    optimiser step and takes longer than the step of a small network.
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
