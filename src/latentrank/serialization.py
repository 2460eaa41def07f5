"""Model folders: `model.safetensors` and `model.json`, which load without running code."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from latentrank import __version__, methods
from latentrank.bottlenecks import Identity
from latentrank.errors import InputError
from latentrank.filenames import ESTIMATOR, ESTIMATOR_ARRAYS, SPEC, WEIGHTS
from latentrank.io import atomic_write, expanded, remove_file, write_json
from latentrank.linalg import rank_of_spectrum
from latentrank.losses import Objective
from latentrank.methods.option_types import reason
from latentrank.models.autoencoder import Autoencoder
from latentrank.models.base import LatentModel
from latentrank.models.spec import Spec
from latentrank.nets import NETWORKS, surgery
from latentrank.torch_state import own_defaults

FORMAT = 2
# Packages whose versions a description names
_WRITERS = ("latentrank", "torch")

Module = TypeVar("Module", bound=nn.Module)


def save(model: LatentModel, folder: str | Path) -> Path:
    """Write a model as `model.safetensors` and `model.json`.

    Files of an estimator that was saved there before are removed: its codes are of another model.

    Args:
        model: the model.
        folder: folder to write to; created if missing.

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
    folder = expanded(folder)
    # Copies, since the file format does not support tensors that share memory, as tied weights do.
    tensors = {
        _uncompiled(name): tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in model.state_dict().items()
    }
    for name in (ESTIMATOR, ESTIMATOR_ARRAYS):
        remove_file(folder / name)
    with atomic_write(folder / WEIGHTS) as temporary:
        save_file(tensors, temporary)
    versions = dict(zip(_WRITERS, (__version__, torch.__version__), strict=True))
    written_by = {"format": FORMAT, **versions}
    description = {**written_by, **model.spec.model_dump(mode="json")}
    write_json(folder / SPEC, description)
    return folder


def _uncompiled(name: str) -> str:
    """The name of a weight as it was before torch.compile."""
    return name.replace("_orig_mod.", "")


def load(
    folder: str | Path, *, encoder: nn.Module | None = None, decoder: nn.Module | None = None
) -> LatentModel:
    """Load a model that `save` wrote, in evaluation mode, on the CPU. No code in it is executed.

    Args:
        folder: folder of the model.
        encoder: your own network, if the model was built with one.
        decoder: your own network, if `encoder` is given.

    Raises:
        InputError: there is no model there, it is damaged, or it needs your own networks.
    """
    folder = expanded(folder)
    spec = spec_of(folder)
    methods.METHODS.require(spec.method, f"The model in {folder}")
    if spec.net not in ("custom", "linear"):
        NETWORKS.require(spec.net, f"The model in {folder}")
    with _explained(folder):
        tensors = load_file(folder / WEIGHTS)
    custom = spec.net == "custom"
    if custom and (encoder is None or decoder is None):
        raise InputError(
            f"The model in {folder} was built with custom networks; pass them: load(folder, "
            "encoder=..., decoder=...), or on the command line --networks FILE.py:FUNCTION."
        )
    if not custom and (encoder is not None or decoder is not None):
        raise InputError(
            f"The model in {folder} has built-in networks ({spec.net}); leave yours out."
        )
    remedy = "give the networks that it was trained with" if custom else _BOTH
    return restore(lambda: skeleton(spec, encoder, decoder), tensors, folder, remedy).eval()


def spec_of(folder: Path) -> Spec:
    """The spec of a saved model.

    Raises:
        InputError: there is no model there, it is damaged, or it has another format version or
            an unknown field.
    """
    with _explained(folder):
        description = json.loads((folder / SPEC).read_text(encoding="utf-8"))
    source = f"model.json in {folder}"
    if not isinstance(description, dict) or "format" not in description:
        raise InputError(f"{source} does not describe a model; give the folder of a finished run.")
    found = description.pop("format")
    for name in _WRITERS:
        description.pop(name, None)
    if found != FORMAT:
        age = "an older" if isinstance(found, int) and found < FORMAT else "a newer"
        remedy = "train it again" if age == "an older" else "update latentrank"
        raise InputError(f"{source} has {age} format; {remedy}.")
    if unknown := set(description) - set(Spec.model_fields):
        raise InputError(
            f"{source} has the field {min(unknown)}, unknown to latentrank {__version__}; update "
            "latentrank, or remove the field if you added it."
        )
    try:
        return Spec(**description)
    except (ValidationError, TypeError, ValueError) as error:
        raise InputError(f"{source} is damaged ({_reason(error)}); train it again.") from None


def rank_of(folder: Path) -> int | None:
    """The rank of a saved model's training codes, for which its networks are not needed.

    Returns:
        The rank; None if the model was saved before its training was complete.

    Raises:
        InputError: there is no model there, or it is damaged.
    """
    with _explained(folder), safe_open(folder / WEIGHTS, "pt") as file:
        variances = file.get_tensor("statistics.variances")
    return int(rank_of_spectrum(variances)) if len(variances) else None


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Errors in reading a file of a model."""
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(
            f"There is no model in {folder} ({Path(str(error.filename)).name} is missing); "
            "give the folder of a finished run or of a saved model."
        ) from None
    except NotADirectoryError:
        raise InputError(
            f"{folder} is a file; give the folder of a finished run or of a saved model."
        ) from None
    except (OSError, ValueError, RecursionError, SafetensorError) as error:
        raise InputError(
            f"The model in {folder} is damaged ({_reason(error)}); train it again."
        ) from None


_BOTH = "keep both files from the same training"


def restore(
    make: Callable[[], Module], tensors: Mapping[str, Tensor], source: Path, remedy: str = _BOTH
) -> Module:
    """A module with weights from a file; a damaged description cannot make it fill the memory.

    Args:
        make: builds the module.
        tensors: its state.
        source: where they are from, for the error.
        remedy: what to do if they are not those of the module.

    Raises:
        InputError: they are not those of the module, or it needs far more memory than they do.
    """
    try:
        with own_defaults(), _Bounded(sum(tensor.numel() for tensor in tensors.values())):
            module = make()
        own = {_uncompiled(name): name for name in module.state_dict()}
        module.load_state_dict({own.get(name, name): values for name, values in tensors.items()})
    except InputError:
        raise
    except (RuntimeError, MemoryError, TypeError, ValueError):
        raise InputError(
            f"The weights in {source} are not those of the model that its description specifies; "
            f"{remedy}."
        ) from None
    return module


class _Bounded(TorchFunctionMode):
    """A context in which no tensor may be much larger than the numbers in a file.

    Sizes are checked after the call: memory that nothing was written to is not used yet.
    """

    #: Numbers in a tensor, and in all results of all calls, that any file may lead to.
    _ONE, _ALL = 2**26, 2**29

    def __init__(self, numbers: int) -> None:
        super().__init__()
        self._one = max(self._ONE, numbers)
        # Initialising a parameter takes a few calls, normalising it some tens.
        self._left = self._ALL + 100 * numbers

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        if isinstance(made, Tensor):
            self._left -= made.numel()
            if made.numel() > self._one or self._left < 0:
                raise MemoryError
        return made


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {reason(first)}"
    return str(error)


def skeleton(
    spec: Spec, encoder: nn.Module | None = None, decoder: nn.Module | None = None
) -> LatentModel:
    """The model that a spec describes, before its weights are loaded.

    Args:
        spec: spec of a model, possibly folded or compressed.
        encoder: your own network, if the model was built with one.
        decoder: your own network, if `encoder` is given.

    Raises:
        InputError: a method, network or option that does not exist, or a value out of range.
    """
    net = "auto" if spec.net in ("custom", "linear") else spec.net
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
    return _folded(model, spec) if spec.folded else model


def _folded(model: LatentModel, spec: Spec) -> Autoencoder:
    """The shapes of a folded or compressed model; its weights are about to be replaced."""
    code = spec.code_dim or spec.latent_dim
    matrix = torch.zeros(code, model.bottleneck.encoder_dim)
    if spec.code_dim is None:
        encoder, decoder = surgery.absorb_output(model.encoder, matrix), model.decoder
    else:
        encoder = surgery.absorb_output(model.encoder, matrix, torch.zeros(code))
        decoder = surgery.absorb_input(
            model.decoder, torch.zeros(spec.latent_dim, code), torch.zeros(spec.latent_dim)
        )
    return Autoencoder(encoder, Identity(code), decoder, Objective(), spec)
