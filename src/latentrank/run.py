"""The run folder: what a training leaves behind. Nothing else knows the file names."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from latentrank import data, methods
from latentrank.autoencoder import Autoencoder, Spec
from latentrank.bottlenecks import Identity
from latentrank.config import RunConfig, check, read_yaml, write_text, write_yaml
from latentrank.data import DataModule, Dataset
from latentrank.errors import InputError
from latentrank.linalg import rank_of_spectrum, spectrum
from latentrank.nets import surgery
from latentrank.objectives import Objective
from latentrank.training.callbacks import History, read_history

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
    tensors = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    temporary = folder / f".model.safetensors.{os.getpid()}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, temporary)
        temporary.replace(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        temporary.unlink(missing_ok=True)
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
        description["input_shape"] = tuple(description["input_shape"])
        spec = Spec(**description)
    except (KeyError, TypeError) as error:
        raise InputError(f"model.json in {folder} is damaged ({error}); train it again.") from None
    if spec.net == "custom" and (encoder is None or decoder is None):
        raise InputError(
            f"The model in {folder} has networks of its user's own; pass them: "
            "load(folder, encoder=..., decoder=...)."
        )
    model = _skeleton(spec, encoder, decoder)
    try:
        model.load_state_dict(tensors)
    except RuntimeError:
        raise InputError(
            f"The weights in {folder} are not those of the model that model.json describes; "
            "keep both files of one run together."
        ) from None
    return model.eval()


def _skeleton(spec: Spec, encoder: nn.Module | None, decoder: nn.Module | None) -> Autoencoder:
    """The model a spec describes, with weights still to come."""
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


class Run:
    """A run folder, read lazily.

    Args:
        folder: the folder of a finished run.

    Raises:
        InputError: it is not one.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        if not (self.folder / "config.yaml").is_file():
            raise InputError(
                f"{self.folder} is not the folder of a run (it has no config.yaml); "
                "give a folder that latentrank train has made."
            )
        self._codes: dict[str, np.ndarray] = {}
        self._model: Autoencoder | None = None
        self._dataset: Dataset | None = None

    @property
    def config(self) -> dict[str, Any]:
        """The resolved configuration."""
        return read_yaml(self.folder / "config.yaml")

    @property
    def settings(self) -> RunConfig:
        """The resolved configuration, checked."""
        return check(self.config, str(self.folder / "config.yaml"))

    @property
    def finished(self) -> bool:
        """Whether the training came to its end."""
        return (self.folder / "metrics.json").is_file()

    @property
    def metrics(self) -> dict[str, Any]:
        """What was measured at the end."""
        try:
            metrics: dict[str, Any] = json.loads(
                (self.folder / "metrics.json").read_text(encoding="utf-8")
            )
        except (OSError, ValueError):
            raise InputError(
                f"The run in {self.folder} is not finished; go on with: "
                f"latentrank train --resume {self.folder}"
            ) from None
        return metrics

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The columns of history.csv."""
        return read_history(self.folder / "history.csv")

    def model(self) -> Autoencoder:
        """The trained model, in evaluation mode."""
        if self._model is None:
            self._model = load(self.folder)
        return self._model

    def dataset(self) -> Dataset:
        """The data it was trained on, read again."""
        if self._dataset is None:
            self._dataset = load_data(self.settings)
        return self._dataset

    def codes(self, split: str) -> np.ndarray:
        """The codes of a split, `(N, L)` float32.

        Args:
            split: `"train"` or `"test"`.
        """
        if split not in self._codes:
            self._codes[split] = codes_of(self.model(), self.dataset(), split)
        return self._codes[split]

    def write(self, name: str, values: dict[str, Any]) -> None:
        """Add a JSON file, whole or not at all."""
        write_text(self.folder / name, json.dumps(values, indent=2) + "\n")


def start(config: RunConfig, folder: Path, dataset: Dataset) -> RunConfig:
    """Make the folder of a new run and write its resolved configuration.

    Raises:
        InputError: there is a run already.
    """
    if (folder / "config.yaml").exists():
        raise InputError(
            f"There is a run in {folder} already; give another --out, or go on with "
            f"--resume {folder}."
        )
    resolved = resolve(config, dataset)
    write_yaml(folder / "config.yaml", resolved.model_dump())
    return resolved


def resolve(config: RunConfig, dataset: Dataset) -> RunConfig:
    """The configuration with every default that depends on method or data filled in."""
    row = methods.get(config.method)
    return config.model_copy(
        update={
            "latent_dim": config.latent_dim or dataset.latent_dim,
            "net": config.net or dataset.net,
            "options": methods.resolve(config.method, config.options),
            "weight_decay": row.weight_decay
            if config.weight_decay is None
            else config.weight_decay,
        }
    )


def finish(
    folder: Path, config: RunConfig, model: Autoencoder, dataset: Dataset, history: History
) -> Run:
    """Write the model and what was measured; the run counts as finished from then on."""
    save(model, folder)
    run = Run(folder)
    run._model, run._dataset = model, dataset
    values = spectrum(torch.from_numpy(run.codes("test")))
    metrics = {
        "method": config.method,
        "data": config.data,
        "rank": int(rank_of_spectrum(values)),
        "rank_training_codes": model.rank(),
        "true_dimension": dataset.true_dimension,
        "latent_dim": model.latent_dim,
        "validation_error": validation_error(model, dataset),
        "effective_rank": rank_of_spectrum(values, "effective"),
        "participation_ratio": rank_of_spectrum(values, "participation"),
        "gap_rank": int(rank_of_spectrum(values, "gap")),
        "seconds": round(history.seconds, 2),
        "epochs": history.rows[-1]["epoch"] if history.rows else 0,
        "parameters": sum(p.numel() for p in model.parameters()),
        "singular_values": values.tolist(),
    }
    run.write("metrics.json", metrics)
    return run


def load_data(config: RunConfig, progress: bool = False) -> Dataset:
    """The data set that a configuration names."""
    return data.load(
        config.data,
        root=config.data_root,
        download=config.download,
        train_size=config.train_size,
        test_size=config.test_size,
        image_size=config.image_size,
        seed=config.seed,
        progress=progress,
    )


def _batches(dataset: Dataset, split: str) -> list[Tensor] | Any:
    module = DataModule(dataset)
    batches = module.train_batches() if split == "train" else module.test_batches()
    return (batch.x for batch in batches)


@torch.no_grad()
def codes_of(model: Autoencoder, dataset: Dataset, split: str) -> np.ndarray:
    """The codes of a split, `(N, L)` float32."""
    codes = [model.encode(x) for x in _batches(dataset, split)]
    return torch.cat(codes).numpy()


@torch.no_grad()
def validation_error(model: Autoencoder, dataset: Dataset) -> float:
    """Mean squared error over all numbers of all test samples, in the units of training."""
    squared, count = 0.0, 0
    for x in _batches(dataset, "test"):
        squared += float((model(x) - x).double().square().sum())
        count += x.numel()
    return squared / count


def train(
    config: RunConfig, folder: str | Path, *, resume: bool = False, progress: bool = True
) -> Run:
    """Train as configured and leave a run folder behind.

    Args:
        config: the method, the data, and how it is trained.
        folder: where; a new folder, or with `resume` that of an interrupted run.
        resume: go on from the newest checkpoint.
        progress: show a progress line.

    Raises:
        InputError: the configuration cannot be used, or the folder holds a run already.
    """
    from lightning.pytorch import seed_everything

    from latentrank.training import fit

    folder = Path(folder)
    methods.resolve(config.method, config.options)
    dataset = load_data(config, progress)
    resolved = resolve(config, dataset)
    seed_everything(config.seed, verbose=False)
    options = dict(resolved.options)
    if "samples" in options:
        options["samples"] = len(dataset.train)
    model = methods.build(
        resolved.method,
        dataset.shape,
        int(resolved.latent_dim or dataset.latent_dim),
        resolved.net or dataset.net,
        dataset.bounded,
        **options,
    )
    if not resume:
        start(config, folder, dataset)
    history = fit(model, dataset, resolved, folder=folder, resume=resume, progress=progress)
    return finish(folder, resolved, model, dataset, history)
