"""Model folders: `model.safetensors` and `model.json`, which load without running code."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from latentrank import methods
from latentrank.bottlenecks import Identity
from latentrank.errors import InputError
from latentrank.io import atomic_write, write_text
from latentrank.losses import Objective
from latentrank.models.autoencoder import Autoencoder
from latentrank.models.spec import Spec
from latentrank.nets import surgery

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    pass

FORMAT = 1


def save(model: Autoencoder, folder: str | Path) -> Path:
    """Write a model as `model.safetensors` and `model.json`.

    Args:
        model: the model.
        folder: where; made if it is not there.

    Returns:
        The folder.

    Raises:
        InputError: the folder cannot be written.

    Example:
        >>> import tempfile, latentrank
        >>> model = latentrank.build("lorae", (6,), latent_dim=3).eval()
        >>> x = torch.randn(2, 6)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = load(save(model, folder))
        >>> bool((again.encode(x) == model.encode(x)).all())
        True
    """
    folder = Path(folder)
    # Copies, since the file format knows no tensors that share memory, as tied weights do.
    tensors = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    with atomic_write(folder / "model.safetensors") as temporary:
        try:
            save_file(tensors, temporary)
        except SafetensorError as error:
            raise InputError(f"{folder} cannot be written ({error}); free or change it.") from None
    description = {"format": FORMAT, **asdict(model.spec)}
    write_text(folder / "model.json", json.dumps(description, indent=2) + "\n")
    return folder


def load(
    folder: str | Path, *, encoder: nn.Module | None = None, decoder: nn.Module | None = None
) -> Autoencoder:
    """Read a model that `save` wrote, in evaluation mode, on the CPU. No code in it is run.

    Args:
        folder: where it is.
        encoder: a network of your own, where the model was built with one.
        decoder: likewise.

    Raises:
        InputError: there is no model there, it is damaged, or it needs networks of your own.
    """
    folder = Path(folder)
    try:
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
        tensors = load_file(folder / "model.safetensors")
    except FileNotFoundError as error:
        raise InputError(
            f"There is no model in {folder} ({Path(str(error.filename)).name} is missing); "
            "give the folder of a finished run."
        ) from None
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"The model in {folder} is damaged ({error}); train it again.") from None
    try:
        if description.pop("format") != FORMAT:
            raise InputError(f"The model in {folder} is of a newer format; update latentrank.")
        spec = Spec.read(description)
    except (KeyError, TypeError) as error:
        raise InputError(f"model.json in {folder} is damaged ({error}); train it again.") from None
    if spec.net == "custom" and (encoder is None or decoder is None):
        raise InputError(
            f"The model in {folder} has networks of its user's own; pass them: "
            "load(folder, encoder=..., decoder=...)."
        )
    model = skeleton(spec, encoder, decoder)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise InputError(
            f"The weights in {folder} are not those of the model that model.json describes; "
            "keep both files of one run together."
        ) from None
    return model.eval()


def skeleton(
    spec: Spec, encoder: nn.Module | None = None, decoder: nn.Module | None = None
) -> Autoencoder:
    """The model that a spec describes, with weights still to come.

    Args:
        spec: of a model, also of a folded or compressed one.
        encoder: a network of your own, where the model was built with one.
        decoder: likewise.
    """
    net = "auto" if spec.net == "custom" else spec.net
    model = methods.build(
        spec.method,
        spec.input_shape,
        spec.latent_dim,
        net,
        spec.bounded,
        encoder=encoder,
        decoder=decoder,
        **spec.options,
    )
    model.spec = spec
    if not spec.folded:
        return model
    # Weights are about to be replaced: only the layers' shapes matter here.
    code = spec.code_dim or spec.latent_dim
    matrix = torch.zeros(code, model.bottleneck.encoder_dim)
    if spec.code_dim is None:
        return Autoencoder(
            surgery.absorb_output(model.encoder, matrix),
            Identity(code),
            model.decoder,
            Objective(),
            spec,
        )
    return Autoencoder(
        surgery.absorb_output(model.encoder, matrix, torch.zeros(code)),
        Identity(code),
        surgery.absorb_input(
            model.decoder, torch.zeros(spec.latent_dim, code), torch.zeros(spec.latent_dim)
        ),
        Objective(),
        spec,
    )
