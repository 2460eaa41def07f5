"""The weights of a part of a model as one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import nn

from latentrank.errors import InputError
from latentrank.export.description import description
from latentrank.export.measure import (
    Difference,
    Exported,
    compression_change,
    computed,
    typical_inputs,
    units_of,
)
from latentrank.export.parts import deployed, in_own_units, part_of
from latentrank.io import atomic_write
from latentrank.models.base import LatentModel
from latentrank.models.spec import Spec
from latentrank.serialization import restore, skeleton
from latentrank.torch_state import own_defaults


@own_defaults()
def export_safetensors(
    model: LatentModel,
    path: str | Path,
    part: str = "encoder",
    *,
    compress: float | None = None,
) -> Exported:
    """Write the weights of a part of a model, with its description in the file's metadata.

    `load_safetensors` turns the file into a module again; other programs find the tensors under the
    names that `torch.nn.Sequential` gives them. The weights expect normalised data; the description
    contains the normalisation.

    Args:
        model: a trained model.
        path: the file.
        part: one of `PARTS`.
        compress: reduce the code, see `deployed`.

    Returns:
        The file, with what compression changes.

    Raises:
        InputError: as for `export_onnx`.
    """
    shipped = deployed(model, compress)
    tensors = part_of(shipped, part).state_dict()
    with atomic_write(path) as temporary:
        save_file(
            {name: tensor.contiguous() for name, tensor in tensors.items()},
            temporary,
            metadata={"format": "pt", "latentrank": description(shipped, part)},
        )
    return Exported(
        Path(path),
        (model.latent_dim, shipped.latent_dim),
        None if compress is None else compression_change(deployed(model), shipped),
        _difference(shipped, path, part),
    )


def _difference(shipped: LatentModel, path: str | Path, part: str) -> Difference | None:
    if shipped.spec.net == "custom":
        return None
    module = in_own_units(part_of(shipped, part), shipped.spec, part)
    inputs = typical_inputs(shipped, part)
    found = computed(load_safetensors(path), inputs)
    return Difference.between(found, computed(module, inputs), units_of(shipped, part))


def load_safetensors(path: str | Path) -> nn.Module:
    """The part of a model that `export_safetensors` wrote, in evaluation mode.

    Returns:
        A module that maps samples to codes (`"encoder"`), codes to samples (`"decoder"`) or
        samples to reconstructions. Samples are tensors in the shape, units and dtype of the
        training data, or network inputs if the model has no preprocessing.

    Raises:
        InputError: there is no such file, `export_safetensors` did not write it, or the model has
            custom networks.

    Example:
        >>> import tempfile, latentrank, torch
        >>> model = latentrank.build("lorae", (6,), latent_dim=4).eval()
        >>> file = export_safetensors(model, Path(tempfile.mkdtemp()) / "encoder.safetensors")
        >>> x = torch.randn(2, 6)
        >>> torch.allclose(load_safetensors(file.path)(x), model.encode(x), atol=1e-5)
        True
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads(file.metadata()["latentrank"])
        part, spec = about["part"], Spec(**about["spec"])
    except (OSError, SafetensorError, TypeError, KeyError, ValueError) as error:
        raise InputError(
            f"{path} is not a file that latentrank export --format safetensors wrote ({error}); "
            "check the path."
        ) from None
    if spec.net == "custom":
        raise InputError(
            f"The model in {path} has custom networks; load the tensors into them with "
            "safetensors.torch.load_file."
        )
    module = restore(lambda: part_of(skeleton(spec), part), load_file(path), Path(path))
    return in_own_units(module.eval(), spec, part)
