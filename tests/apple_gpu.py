"""Apple's GPU, simulated on the CPU: a device `mps` without float64.

Like torch's backend (`aten/src/ATen/native/mps/operations/Copy.mm`), it refuses to hold float64,
and to convert to it, even on the way to the CPU: copies are converted on the GPU. And like every
device, it refuses to compute with tensors of another one.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import torch
from lightning.fabric.accelerators import MPSAccelerator as FabricsAccelerator
from lightning.pytorch.accelerators import MPSAccelerator
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

MPS = torch.device("mps", 0)

# Where torch's C++ code believes the tensors to be: a device that needs no driver.
_PLACEHOLDER = torch.device("meta")

# These take rows from a tensor on any device by indices on the CPU.
_TAKE_INDICES = ("aten::index", "aten::index_put", "aten::index_put_", "aten::_index_put_impl_")


@contextmanager
def apple_gpu() -> Iterator[torch.device]:
    """A context in which this machine has one; give the device with its number, `mps:0`."""
    overwrites = torch.__future__.get_overwrite_module_params_on_conversion()
    with ExitStack() as stack:
        for owner, name, value in (
            (torch.backends.mps, "is_available", True),
            (torch.mps, "manual_seed", None),
            (torch.mps, "empty_cache", None),
            (torch.mps, "synchronize", None),
            (FabricsAccelerator, "is_available", True),
            (MPSAccelerator, "is_available", True),
            (MPSAccelerator, "auto_device_count", 1),
            (MPSAccelerator, "setup_device", None),
        ):
            stack.enter_context(mock.patch.object(owner, name, return_value=value))
        # A parameter moved here is another kind of tensor, so its place cannot be taken.
        torch.__future__.set_overwrite_module_params_on_conversion(True)
        stack.callback(torch.__future__.set_overwrite_module_params_on_conversion, overwrites)
        stack.enter_context(_Operations())
        stack.enter_context(_Factories())
        yield MPS


class OnGpu(Tensor):
    """A tensor on the simulated device; its values are those of a tensor on the CPU."""

    held: Tensor

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnGpu":
        _refuse_float64(values.dtype)
        made: OnGpu = Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=_PLACEHOLDER,
            requires_grad=values.requires_grad,
        )
        made.held = values
        return made

    device = property(lambda self: MPS)
    is_meta = property(lambda self: False)
    is_mps = property(lambda self: True)

    def tolist(self) -> Any:
        return self.held.detach().tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Operations(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})


class _Factories(TorchFunctionMode):
    """`torch.tensor(..., device="mps:0")` does not pass its device on to operations."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = dict(kwargs or {})
        if func in (torch.tensor, torch.as_tensor) and _is_gpu(given.get("device")):
            del given["device"]
            return func(*args, **given).to(MPS)
        return func(*args, **given)


def _run(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """One operation of torch's, on the CPU, refused where the device would refuse it."""
    name, tensors = func._schema.name, [t for t in tree_leaves((args, kwargs)) if _is(t, Tensor)]
    ours = [t for t in tensors if _is(t, OnGpu)]
    target = kwargs.get("device")
    if name == "aten::_local_scalar_dense" or not (ours or _is_gpu(target)):
        return func(*tree_map(_real, args), **kwargs)
    if name == "aten::copy_":
        destination, source = args[:2]
        if _is(source, OnGpu):
            _refuse_float64(destination.dtype)
        _real(destination).copy_(_real(source))
        return destination
    if name == "aten::_to_copy":
        source = args[0]
        if _is(source, OnGpu):
            _refuse_float64(kwargs.get("dtype") or source.dtype)
        moved = func(_real(source), **{**kwargs, "device": None})
        return OnGpu(moved) if target is None or _is_gpu(target) else moved
    apart = [t for t in tensors if not _is(t, OnGpu) and t.ndim]
    if ours and apart and name not in _TAKE_INDICES:
        raise RuntimeError(f"{name}: expected all tensors on one device, found {MPS} and cpu")
    if target is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    result = func(*tree_map(_real, args), **tree_map(_real, kwargs))
    known = {id(t.held): t for t in ours}  # what is changed in place stays the same tensor

    def placed(found: Any) -> Any:
        if not _is(found, Tensor):
            return found
        return known[id(found)] if id(found) in known else OnGpu(found)

    return tree_map(placed, result) if target is None or _is_gpu(target) else result


def _is(value: Any, kind: type) -> bool:
    return isinstance(value, kind)


def _is_gpu(device: Any) -> bool:
    return device is not None and torch.device(device).type in ("mps", "meta")


def _real(value: Any) -> Any:
    return value.held if isinstance(value, OnGpu) else value


def _refuse_float64(dtype: torch.dtype) -> None:
    if dtype in (torch.float64, torch.complex128):
        raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
