"""A part of a model as one ONNX file, compared with torch before it gets its name."""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrize

from latentrank import __version__
from latentrank.errors import InputError, check_known, need
from latentrank.export.description import description
from latentrank.export.measure import (
    Array,
    Difference,
    Exported,
    compression_change,
    computed,
    typical_inputs,
    units_of,
)
from latentrank.export.parts import NAMES, OwnUnits, deployed, dtype_of, in_own_units, part_of
from latentrank.io import atomic_write
from latentrank.models.base import LatentModel
from latentrank.preprocessing import Preprocessing
from latentrank.torch_state import own_defaults

#: Version of the ONNX operators in exported files.
OPSET = 18
#: Precisions of the weights in an ONNX file.
PRECISIONS = ("float32", "float16", "int8")

TOLERANCE = 1e-4
"""Largest difference in float32 between a file and the model, relative to the output's spread.

Rounding gives 1e-6, or 1e-5 if the code is small relative to the features it is computed from; a
file that leaves anything out differs by far more.
"""

# Share of integer outputs that may differ because of rounding
_ROUNDED_OTHERWISE = 0.02

# Times the rounding error of torch, which adds in another order
_ROUNDINGS = 16


@own_defaults()
def export_onnx(
    model: LatentModel,
    path: str | Path,
    part: str = "encoder",
    *,
    compress: float | None = None,
    precision: str = "float32",
    opset: int = OPSET,
) -> Exported:
    """Write a part of a model as one ONNX file that takes batches of any size.

    The file takes and returns samples in the layout, units and dtype of the training data: a model
    of uint8 images takes uint8, and the runtime refuses another dtype or shape. A sample with a
    value outside the bounds of the training data has NaN as its code and, unless it is in integers,
    as its reconstruction. The metadata state this, with versions, method and rank, as JSON under
    `latentrank`.

    The file is renamed into place only after its outputs in onnxruntime agree with those of the
    model in torch, in float32 to 1e-4 of their spread or to the rounding error of torch.

    Args:
        model: a trained model.
        path: the file.
        part: `"encoder"` (input `x`, output `codes`), `"decoder"` (`codes` to `x`) or
            `"autoencoder"` (`x` to `reconstruction`).
        compress: reduce the code, see `deployed`.
        precision: `"float32"`; `"float16"`, half the size and faster on GPUs; or `"int8"`, weights
            of a quarter of the size, with the range of activations taken from each batch.
            Preprocessing stays in full precision.
        opset: version of the ONNX operators.

    Returns:
        The file, with the difference from the model and what compression changes.

    Raises:
        InputError: an unknown part or precision, a file that cannot be written, a model that
            cannot be compressed or computed in this precision, or the extra `onnx` is missing.
        RuntimeError: the outputs of the file differ from those of the model.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        need(package, "onnx", "ONNX export")
    check_known("precision", precision, PRECISIONS)
    shipped = deployed(model, compress)
    module = in_own_units(_plain(part_of(shipped, part)), shipped.spec, part)
    inputs = typical_inputs(shipped, part)
    about = description(shipped, part, precision=precision, opset=opset)
    with atomic_write(path) as temporary, _silence():
        graph = module
        if precision == "float16":
            graph = _computing_in(torch.float16, module, shipped, part)
        _write(graph, temporary, inputs[:2], part, opset)
        if precision == "int8":
            _quantise(temporary)
        _describe(temporary, about)
        # a batch of one is a special case
        whole = part != "encoder" and not dtype_of(shipped.preprocessing).is_floating_point
        units = units_of(shipped, part)
        for batch in (inputs[:1], inputs):
            difference = _compared(module, temporary, batch, units)
            if precision == "float32" and not _agrees(difference, whole):
                exact = computed(_computing_in(torch.float64, module, shipped, part), batch)
                _check_rounding(difference, _rounding(computed(module, batch), exact, units))
            _check_finite(difference, precision)
    return Exported(
        Path(path),
        (model.latent_dim, shipped.latent_dim),
        None if compress is None else compression_change(deployed(model), shipped),
        difference,
    )


def _plain(module: nn.Module) -> nn.Module:
    """The module with spectrally normalised weights stored as values, not computed in each call.

    torch's own function for this would change the original too, since it removes the computed
    weight from the class, which a copy shares.
    """
    children: dict[str, Any] = {
        name: _plain(child)
        for name, child in module._modules.items()
        if child is not None and name != "parametrizations"
    }
    if not parametrize.is_parametrized(module):
        module._modules.update(children)
        return module
    plain: nn.Module = object.__new__(type(module).__bases__[0])
    plain.__dict__ = {**module.__dict__, "_modules": children}
    names = list(module.parametrizations)  # type: ignore[arg-type]
    weights = {name: nn.Parameter(getattr(module, name).detach()) for name in names}
    plain.__dict__["_parameters"] = {**module._parameters, **weights}
    return plain


def _computing_in(
    dtype: torch.dtype, module: nn.Module, model: LatentModel, part: str
) -> nn.Module:
    """The module with networks of this dtype; what it takes and returns stays as it is."""
    inner = module.inner if isinstance(module, OwnUnits) else module
    return OwnUnits(copy.deepcopy(inner).to(dtype), model.spec, part, dtype).eval()


def _write(module: nn.Module, path: Path, inputs: Array, part: str, opset: int) -> None:
    given, made = NAMES[part]
    try:
        program: Any = torch.onnx.export(
            module,
            (torch.from_numpy(inputs),),
            dynamo=True,
            input_names=[given],
            output_names=[made],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            opset_version=opset,
            verbose=False,
        )
    except torch.onnx.errors.OnnxExporterError as error:  # from a user's own networks
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(
            f"torch cannot export these networks to ONNX ({reason}); change them so that "
            "torch.export accepts them."
        ) from error
    size = program.model.graph.inputs[0].shape[0]
    if isinstance(size, int):  # as torch.export takes it from a network that turns it into a number
        raise InputError(
            f"The networks fix the number of samples, at the {size} of an example, expected one "
            "that is free; change them, for example to x.shape[0] where they have len(x)."
        )
    program.save(str(path), external_data=False)


def _quantise(path: Path) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    quantize_dynamic(str(path), str(path), weight_type=QuantType.QInt8)


def _describe(path: Path, about: str) -> None:
    import onnx

    file = onnx.load(str(path))
    onnx.helper.set_model_props(file, {"latentrank": about})
    file.producer_name, file.producer_version = "latentrank", __version__
    onnx.save(file, str(path))


def _compared(
    module: nn.Module, path: Path, inputs: Array, units: Preprocessing | None
) -> Difference:
    """How far a file's outputs in onnxruntime differ from a module's."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: inputs})
    return Difference.between(found, computed(module, inputs), units)


def _agrees(difference: Difference, whole_numbers: bool) -> bool:
    """Whether the outputs are those of the model, up to rounding."""
    if whole_numbers:
        return difference.largest <= 1 and difference.share <= _ROUNDED_OTHERWISE
    return difference.relative <= TOLERANCE


def _rounding(single: Array, exact: Array, units: Preprocessing | None) -> Difference:
    """How far torch in float32 is from float64, and a digit more: it may be exact by chance."""
    digit = np.spacing(np.abs(single)) if single.dtype.kind == "f" else 0
    return Difference.between(single + np.where(single < exact, -digit, digit), exact, units)


def _check_rounding(difference: Difference, rounding: Difference) -> None:
    """Accept a larger difference if torch in float32 is as far from float64.

    So it is where nearly the same output belongs to all samples, as after little training.
    """
    if not difference.relative <= _ROUNDINGS * rounding.relative:
        raise RuntimeError(
            f"The ONNX file computes something else than the model: the difference is "
            f"{difference.relative:.1e} of the spread of the outputs."
        )


def _check_finite(difference: Difference, precision: str) -> None:
    if not np.isfinite(difference.relative):
        raise InputError(
            f"The model cannot be computed in {precision}: its outputs are not finite; use float32."
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Hide the exporters' internal messages from the user."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
