"""Models that leave this package: ONNX files for other runtimes, and safetensors files."""

from __future__ import annotations

import copy
import json
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from latentrank.bottlenecks import Identity
from latentrank.errors import InputError, unknown
from latentrank.io import atomic_write
from latentrank.models.base import LatentModel
from latentrank.models.spec import Spec
from latentrank.preprocessing import Preprocessing
from latentrank.serialization import skeleton

PARTS = ("encoder", "decoder", "autoencoder")

OPSET = 18
TOLERANCE = 1e-4
"""Largest difference between the outputs of a file and of the model, of values of size 1."""

_NAMES = {
    "encoder": ("x", "codes"),
    "decoder": ("codes", "x"),
    "autoencoder": ("x", "reconstruction"),
}


def deployed(model: LatentModel, tol: float | None = None) -> LatentModel:
    """The model as it is shipped: folded where its latent is linear, on the CPU.

    Args:
        model: a trained model; it is left as it is.
        tol: compress the code to the coefficients that keep reconstructions within this
            relative change; None keeps the code.

    Raises:
        InputError: `tol` is given, and the model cannot be compressed.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("irmae", (6,), latent_dim=4).eval()
        >>> deployed(model).bottleneck
        Identity()
    """
    model = copy.deepcopy(model).cpu().eval()
    if tol is not None:
        return model.compress(tol)
    return model if model.bottleneck.linear_map() is None else model.fold()


class _Encoder(nn.Module):
    """The way from samples to codes of a model that cannot be folded."""

    def __init__(self, model: LatentModel) -> None:
        super().__init__()
        self.encoder = model.encoder
        self.bottleneck = model.bottleneck

    def forward(self, x: Tensor) -> Tensor:
        codes: Tensor = self.bottleneck.encode(self.encoder(x))
        return codes


def part_of(model: LatentModel, part: str) -> nn.Module:
    """One part of a model, as a module of its own.

    Args:
        model: as `deployed` gives it.
        part: one of `PARTS`.

    Returns:
        A module that takes samples (or codes, for the decoder) and shares the model's weights.

    Raises:
        InputError: there is no such part.
    """
    if part not in PARTS:
        raise unknown("part", part, PARTS)
    if part == "autoencoder":
        return model
    if part == "decoder":
        return model.decoder
    return model.encoder if isinstance(model.bottleneck, Identity) else _Encoder(model)


class _Scaled(nn.Module):
    """A part that takes, or gives, samples in the data's own units."""

    mean: Tensor
    std: Tensor

    def __init__(self, inner: nn.Module, spec: Spec, *, takes: bool, gives: bool) -> None:
        super().__init__()
        self.inner = inner
        self.takes, self.gives = takes, gives
        units = spec.preprocessing or Preprocessing()
        self.register_buffer("mean", torch.tensor(units.offset))
        self.register_buffer("std", torch.tensor(units.scale))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.inner((x - self.mean) / self.std if self.takes else x)
        return y * self.std + self.mean if self.gives else y


def in_own_units(module: nn.Module, spec: Spec, part: str) -> nn.Module:
    """A part of a model, with the normalisation of the training data made part of it.

    Args:
        module: as `part_of` gives it.
        spec: of the model.
        part: which part it is.

    Returns:
        `module` itself where the data was not normalised, as images are not.
    """
    if spec_is_plain(spec):
        return module
    return _Scaled(module, spec, takes=part != "decoder", gives=part != "encoder").eval()


def spec_is_plain(spec: Spec) -> bool:
    """Whether a model takes samples as they are."""
    return spec.bounded or (spec.preprocessing or Preprocessing()).identity


def export_onnx(
    model: LatentModel,
    path: str | Path,
    part: str = "encoder",
    *,
    tol: float | None = None,
    opset: int = OPSET,
) -> Path:
    """Write a part of a model as one ONNX file that takes batches of any size.

    The file gets its name only after onnxruntime has computed from it what torch computes from
    the model, to 1e-4. Samples go in and come out in the data's own units: images in [0, 1];
    other data as they were before latentrank normalised them for training.

    Args:
        model: a trained model.
        path: the file.
        part: `"encoder"` (input `x`, output `codes`), `"decoder"` (`codes` to `x`) or
            `"autoencoder"` (`x` to `reconstruction`).
        tol: compress the code, see `deployed`.
        opset: version of the ONNX operators.

    Returns:
        The path.

    Raises:
        InputError: an unknown part, a file that cannot be written, a model that cannot be
            compressed, or the extra `onnx` is not installed.
        RuntimeError: the file computes something else than the model.
    """
    for name in ("onnx", "onnxscript", "onnxruntime"):
        if find_spec(name) is None:
            raise InputError(
                f"ONNX export needs {name}; install it with: pip install 'latentrank[onnx]'"
            )
    shipped = deployed(model, tol)
    module = in_own_units(part_of(shipped, part), shipped.spec, part)
    source, target = _NAMES[part]
    with atomic_write(path) as temporary:
        with _silence():
            program: Any = torch.onnx.export(
                module,
                (_inputs(shipped, part, 2),),
                dynamo=True,
                input_names=[source],
                output_names=[target],
                dynamic_shapes=({0: torch.export.Dim("batch")},),
                opset_version=opset,
                verbose=False,
            )
        program.model.metadata_props["latentrank"] = _description(shipped, part)
        program.save(str(temporary), external_data=False)
        for size in (1, 3):
            _compare(module, temporary, _inputs(shipped, part, size))
    return Path(path)


@torch.no_grad()
def _inputs(model: LatentModel, part: str, size: int) -> Tensor:
    """A batch to try a part on, always the same."""
    generator = torch.Generator().manual_seed(size)
    shape = (size, *model.spec.input_shape)
    draw = torch.rand if model.spec.bounded else torch.randn
    x = draw(shape, generator=generator)
    if part == "decoder":
        return model.encode(x)
    if spec_is_plain(model.spec):
        return x
    units = model.preprocessing
    return x * torch.tensor(units.scale) + torch.tensor(units.offset)


@torch.no_grad()
def _compare(module: nn.Module, path: Path, inputs: Tensor) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {session.get_inputs()[0].name: inputs.numpy()})
    expected = module(inputs).numpy()
    difference = float(np.abs(found - expected).max())
    if found.shape != expected.shape or difference > TOLERANCE * max(1, np.abs(expected).max()):
        raise RuntimeError(
            f"The ONNX file computes something else than the model: shapes {found.shape} and "
            f"{expected.shape}, largest difference {difference:.1e}."
        )


@contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporter's remarks on its own workings from the user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def export_safetensors(
    model: LatentModel, path: str | Path, part: str = "encoder", *, tol: float | None = None
) -> Path:
    """Write the weights of a part of a model, with its description in the file's metadata.

    `load_safetensors` makes a module of it again; other programs find the tensors under the
    names that `torch.nn.Sequential` gives them. The weights are those of normalised data; mean
    and standard deviation stand in the description.

    Args:
        model: a trained model.
        path: the file.
        part: one of `PARTS`.
        tol: compress the code, see `deployed`.

    Returns:
        The path.

    Raises:
        InputError: as `export_onnx`.
    """
    shipped = deployed(model, tol)
    tensors = part_of(shipped, part).state_dict()
    with atomic_write(path) as temporary:
        try:
            save_file(
                {name: tensor.contiguous() for name, tensor in tensors.items()},
                temporary,
                metadata={"format": "pt", "latentrank": _description(shipped, part)},
            )
        except SafetensorError as error:
            raise InputError(f"{path} cannot be written ({error}); free or change it.") from None
    return Path(path)


def load_safetensors(path: str | Path) -> nn.Module:
    """The part of a model that `export_safetensors` wrote, in evaluation mode.

    Args:
        path: the file.

    Returns:
        A module: of `"encoder"` and `"decoder"` what maps one to the other, of `"autoencoder"`
        the `Autoencoder`. Samples go in and come out in the data's own units.

    Raises:
        InputError: no such file, not one of ours, or the model has networks of a user's own.

    Example:
        >>> import tempfile, latentrank
        >>> model = latentrank.build("lorae", (6,), latent_dim=4).eval()
        >>> path = export_safetensors(model, Path(tempfile.mkdtemp()) / "encoder.safetensors")
        >>> x = torch.randn(2, 6)
        >>> torch.allclose(load_safetensors(path)(x), model.encode(x), atol=1e-5)
        True
    """
    try:
        with safe_open(path, "pt") as file:
            description = json.loads(file.metadata()["latentrank"])
        part = description.pop("part")
        spec = Spec(**description)
    except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} is not a file that latentrank export --format safetensors wrote ({error}); "
            "check the path."
        ) from None
    if spec.net == "custom":
        raise InputError(
            f"The model in {path} has networks of its user's own; load the tensors into them with "
            "safetensors.torch.load_file."
        )
    module = part_of(skeleton(spec), part)
    module.load_state_dict(load_file(path))
    return in_own_units(module.eval(), spec, part)


def _description(model: LatentModel, part: str) -> str:
    return json.dumps({**model.spec.model_dump(mode="json"), "part": part})
