"""How training uses the machine: its precision, its memory, and quick optimisers."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from latentrank.models.base import LatentModel
from latentrank.nets import evaluating, weight_of

#: Linux's names of CPU features for bfloat16 matrix products.
_BF16_UNITS = {"amx_bf16", "avx512_bf16"}

#: Parameters of glibc's `mallopt`, and the largest values that its defaults adjust themselves to.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_TRIM, _LARGEST_MMAP = 2**26, 2**25


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


@torch.no_grad()
def use_fast_layout(model: LatentModel) -> None:
    """Store the weights of both networks with channels last, in which convolutions are faster.

    The outputs of such a convolution have their channels last as well. A network of the user's own
    that takes views of them, or has convolutions in three dimensions, keeps its layout.

    Args:
        model: of images; its weights are the same afterwards.
    """
    like = weight_of(model)
    shapes = (model.encoder, model.spec.input_shape), (model.decoder, (model.latent_dim,))
    for network, shape in shapes:
        try:
            network.to(memory_format=torch.channels_last)
            with evaluating(network):
                network(torch.zeros(2, *shape).to(like))
        except RuntimeError:
            network.to(memory_format=torch.contiguous_format)


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


@contextmanager
def kept_memory() -> Iterator[None]:
    """Within this context the process keeps freed memory for its next allocations.

    By default glibc returns the tensors of a step to the system, which provides the same memory
    again, page by page and cleared, for the next step: an eighth of the time of a small
    convolutional network. Tensors of more than 32 MiB are still returned, since gaps between those
    would add up. Other C libraries are left as they are, and so is an explicit
    `MALLOC_TRIM_THRESHOLD_`.
    """
    libc: Any = ctypes.CDLL(None) if os.name == "posix" else None
    if not hasattr(libc, "mallopt") or "MALLOC_TRIM_THRESHOLD_" in os.environ:
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP)
    libc.mallopt(_TRIM_THRESHOLD, -1)
    try:
        yield
    finally:
        libc.mallopt(_TRIM_THRESHOLD, _LARGEST_TRIM)
        libc.malloc_trim(0)
