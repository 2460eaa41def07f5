"""The run folder: what a training leaves behind. Nothing else knows the file names."""

from __future__ import annotations

import csv
import difflib
import json
import math
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from latentrank import data, methods
from latentrank.adversarial import GAN, HEALTH_SAMPLES
from latentrank.autoencoder import Autoencoder, Spec
from latentrank.bottlenecks import Identity
from latentrank.config import RunConfig, check, read_yaml, write_text, write_yaml
from latentrank.data import Dataset, to_float
from latentrank.errors import InputError
from latentrank.files import whole
from latentrank.linalg import rank_of_spectrum, spectrum
from latentrank.nets import surgery
from latentrank.objectives import Objective

if TYPE_CHECKING:
    # importing Lightning takes seconds, which using a trained model should not
    from latentrank.training.callbacks import History

FORMAT = 1

_BATCH = 512

# What may differ from the run's configuration when it is gone on with.
CHANGEABLE = (
    "epochs", "steps", "patience", "validate_every", "precision", "device", "devices", "strategy",
    "loggers", "data_root", "download",
)  # fmt: skip


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
    with whole(folder / "model.safetensors") as temporary:
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
            raise _unfinished(self.folder) from None
        return metrics

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The columns of history.csv, float64, NaN where a row has no value."""
        with (self.folder / "history.csv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        names = rows[0].keys() if rows else []
        return {name: np.array([float(row[name] or "nan") for row in rows]) for name in names}

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


def finished_run(folder: str | Path) -> Run:
    """The run in a folder, if its training came to its end.

    Args:
        folder: of the run.

    Raises:
        InputError: it is not the folder of a run, or the run is not finished.
    """
    run = Run(folder)
    if not run.finished:
        raise _unfinished(run.folder)
    return run


def _unfinished(folder: Path) -> InputError:
    return InputError(
        f"The run in {folder} is not finished; go on with: latentrank train --resume "
        f"{shlex.quote(str(folder))}"
    )


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
            # A run is read again from any working folder.
            "data": config.data if config.data in data.names() else _absolute(config.data),
            "data_root": None if config.data_root is None else _absolute(config.data_root),
            "latent_dim": config.latent_dim or dataset.latent_dim,
            "net": config.net or dataset.net,
            "options": methods.resolve(config.method, config.options),
            "learning_rate": config.learning_rate or row.learning_rate,
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
    codes = torch.from_numpy(run.codes("test"))
    if not bool(torch.isfinite(codes).all()):
        raise InputError(
            "The codes of the trained model hold values that are infinite or not numbers; lower "
            "the learning rate, or look for such values in the data."
        )
    values = spectrum(codes)
    metrics: dict[str, Any] = {
        "method": config.method,
        "data": config.data,
        "rank": int(rank_of_spectrum(values)),
        "rank_training_codes": model.rank(),
        "true_dimension": dataset.true_dimension,
        "latent_dim": model.latent_dim,
        "validation_error": None if isinstance(model, GAN) else validation_error(model, dataset),
        "effective_rank": rank_of_spectrum(values, "effective"),
        "participation_ratio": rank_of_spectrum(values, "participation"),
        "gap_rank": int(rank_of_spectrum(values, "gap")),
        "seconds": round(history.seconds, 2),
        "epochs": history.rows[-1]["epoch"] if history.rows else 0,
        "parameters": sum(p.numel() for p in model.parameters()),
        "singular_values": values.tolist(),
    }
    if isinstance(model, GAN):
        metrics |= _of_gan(model, dataset)
    elif doubts := _doubts(metrics, dataset):
        metrics["warning"] = " ".join(doubts)
    run.write("metrics.json", metrics | history.reports)
    return run


def _doubts(metrics: Mapping[str, Any], dataset: Dataset) -> list[str]:
    """Why the numbers of a run may not mean what they seem to."""
    doubts = []
    most = len(dataset.test) - 1
    if metrics["rank"] >= most < metrics["latent_dim"]:
        doubts.append(
            f"The codes of {most + 1} test samples cannot have a rank above {most}; that of the "
            f"training codes is {metrics['rank_training_codes']}."
        )
    constant = _error_of_the_mean(dataset)
    if not metrics["validation_error"] < constant:
        doubts.append(
            f"The reconstructions are no better than the mean of the data, whose error is "
            f"{constant:.3g}; train for longer, or lower the learning rate."
        )
    return doubts


def _error_of_the_mean(dataset: Dataset) -> float:
    """The validation error of the mean training sample."""
    total, squared, count = torch.zeros(dataset.shape, dtype=torch.float64), 0.0, 0
    for x in _batches(dataset, "train"):
        total += x.double().sum(0)
    mean = total / len(dataset.train)
    for x in _batches(dataset, "test"):
        squared += float((x.double() - mean).square().sum())
        count += x.numel()
    return squared / count


def _of_gan(model: GAN, dataset: Dataset) -> dict[str, Any]:
    """What the metrics of a GAN say more: what its ranks are of, and how the game ended."""
    health = model.health(to_float(dataset.test.x[:HEALTH_SAMPLES]))
    return {
        "rank_of": "discriminator features",
        "diversity": health.diversity if math.isfinite(health.diversity) else None,
        "discriminator_accuracy": health.accuracy,
        "collapsed": health.collapsed,
        "warning": health.warning,
    }


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


def _batches(dataset: Dataset, split: str) -> Iterator[Tensor]:
    x = dataset.train.x if split == "train" else dataset.test.x
    return (to_float(x[start : start + _BATCH]) for start in range(0, len(x), _BATCH))


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

    Returns:
        The run. Of several processes only the first writes, and only its run is finished.

    Raises:
        InputError: the configuration cannot be used, or the folder holds a run already.
    """
    folder = Path(folder)
    methods.resolve(config.method, config.options)
    dataset = load_data(config, progress)
    resolved = resolve(config, dataset)
    model = _model(resolved, dataset)
    if not resume and is_first_process():
        start(config, folder, dataset)
    try:
        return _train(model, resolved, folder, dataset, resume, progress)
    except InputError:
        _remove_if_nothing_was_done(folder)
        raise


def resume(
    folder: str | Path, changes: Mapping[str, Any] | None = None, *, progress: bool = True
) -> Run:
    """Go on with an interrupted run, or train a finished one for longer.

    It goes on from the newest checkpoint; a run that was interrupted before its first one
    starts again.

    Args:
        folder: of the run.
        changes: settings to change, of those in `CHANGEABLE`.
        progress: show a progress line.

    Returns:
        The run.

    Raises:
        InputError: there is no run, it is finished, or a setting cannot be changed any more.
    """
    run = Run(folder)
    before, given = run.settings, dict(changes or {})
    for name in given:
        if name not in CHANGEABLE:
            raise InputError(
                f"{name} of the run in {run.folder} cannot be changed any more; leave it out, or "
                "train a new run."
            )
    config = check({**before.model_dump(), **given}, "the command line")
    (unit, done), (new_unit, asked) = before.length, config.length
    if run.finished and (new_unit != unit or asked <= done):
        raise InputError(
            f"The run in {run.folder} is finished; to train it for longer, give more {unit} than "
            f"its {done}."
        )
    dataset = load_data(config, progress)
    model = _model(config, dataset)

    def begin() -> None:
        """From here on, the run is another one: until then it is as it was."""
        if is_first_process():
            write_yaml(run.folder / "config.yaml", config.model_dump())
            (run.folder / "metrics.json").unlink(missing_ok=True)

    begun = (run.folder / "checkpoints" / "last.ckpt").is_file()
    return _train(model, config, run.folder, dataset, begun, progress, begin)


def _model(config: RunConfig, dataset: Dataset) -> Autoencoder:
    """The untrained model of a resolved configuration."""
    from lightning.pytorch import seed_everything

    seed_everything(config.seed, verbose=False)
    options = dict(config.options)
    if "samples" in options:
        options["samples"] = len(dataset.train)
    model = methods.build(
        config.method,
        dataset.shape,
        int(config.latent_dim or dataset.latent_dim),
        config.net or dataset.net,
        dataset.bounded,
        **options,
    )
    model.spec = model.spec.with_units(dataset.mean, dataset.std)
    return model


def _train(
    model: Autoencoder,
    config: RunConfig,
    folder: Path,
    dataset: Dataset,
    from_checkpoint: bool,
    progress: bool,
    begin: Callable[[], None] = lambda: None,
) -> Run:
    """Fit a model and write what came out; `begin` is called before its first step."""
    from lightning.pytorch.callbacks import LambdaCallback

    from latentrank.training import fit

    history = fit(
        model,
        dataset,
        config,
        folder=folder,
        resume=from_checkpoint,
        progress=progress,
        callbacks=[LambdaCallback(on_train_start=lambda trainer, module: begin())],
    )
    return finish(folder, config, model, dataset, history) if is_first_process() else Run(folder)


def _remove_if_nothing_was_done(folder: Path) -> None:
    """Leave no folder behind for a training that was refused before its first epoch."""
    if [path.name for path in folder.glob("*")] == ["config.yaml"] and is_first_process():
        (folder / "config.yaml").unlink()
        folder.rmdir()


def is_first_process() -> bool:
    """Whether this is the only process of a training, or the first of several."""
    from lightning.pytorch.utilities import rank_zero_only

    return int(getattr(rank_zero_only, "rank", 0)) == 0


def default_folder(config: RunConfig, parent: str | Path = "runs") -> Path:
    """A folder for a new run, named after its data and method.

    Args:
        config: of the run.
        parent: the folder that holds runs.

    Returns:
        A path where nothing is yet: `DATA-METHOD`, or `DATA-METHOD-2` and so on.

    Example:
        >>> default_folder(check({"method": "ae", "data": "My data/big one.npy"}, "x")).name
        'big-one-ae'
    """
    path = Path(config.data).expanduser()
    name = path.stem if path.suffix in (".npy", ".npz", ".zip") else path.name
    if config.data not in data.names():
        name = name or path.resolve().name
    stem = f"{re.sub(r'[^A-Za-z0-9._]+', '-', name).strip('-.') or 'data'}-{config.method}"
    folder, count = Path(parent) / stem, 1
    newest = folder
    while folder.exists():
        count += 1
        newest, folder = folder, Path(parent) / f"{stem}-{count}"
    # The first of several processes has made the folder before it starts the others.
    return folder if is_first_process() else newest


def configure(given: Mapping[str, Any], file: str | Path | None = None) -> RunConfig:
    """A configuration from settings by name, over those of a YAML file, over the defaults.

    Options of the method stand among the settings, or in the file also under `options`.

    Args:
        given: settings and options by name, such as those of a command line.
        file: a YAML file.

    Raises:
        InputError: a name that is neither a setting nor an option of the method, with the
            nearest that is one; a value out of range; no method or no data; or a file with the
            options of another method.

    Example:
        >>> configure({"method": "lorae", "data": "shapes", "penalty": 0.1}).options
        {'penalty': 0.1}
    """
    written, over = _split(given), _split({} if file is None else read_yaml(file))
    values = {**over, **written}
    for name, command in (("method", "methods"), ("data", "datasets")):
        if values.get(name) is None:
            raise InputError(
                f"No {name} is given; name one of those that latentrank {command} lists."
            )
    method = str(values["method"])
    methods.get(method)
    if over["options"] and str(over.get("method", method)) != method:
        raise InputError(
            f"{file} holds options of {over['method']}, and the method is to be {method}; leave "
            "them out of the file, or name no other method."
        )
    for layer, source in ((over, str(file)), (written, "the command line")):
        _check_options(layer["options"], method)
        check({**layer, "method": method, "data": values["data"]}, source)
    return check({**values, "options": {**over["options"], **written["options"]}}, "the settings")


def _split(values: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, with whatever is none of them under `options`."""
    options = values.get("options") or {}
    if not isinstance(options, Mapping):
        raise InputError(f"options is {options!r}; give names and values, such as 'penalty: 1e-3'.")
    settings = {name: v for name, v in values.items() if name in RunConfig.model_fields}
    rest = {name: v for name, v in values.items() if name not in RunConfig.model_fields}
    return {**settings, "options": {**options, **rest}}


def _check_options(options: Mapping[str, Any], method: str) -> None:
    """Refuse options that the method does not have, and values of another kind than theirs."""
    own = methods.options(method)
    for name in options:
        if name not in own:
            close = difflib.get_close_matches(name, [*own, *RunConfig.model_fields], 1, 0.5)
            hint = f"did you mean '{close[0]}'? " if close else ""
            raise InputError(
                f"There is no setting '{name}' and {method} has no such option; "
                f"{hint}Options of {method}: {', '.join(own)}."
            )
    methods.resolve(method, options)


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().resolve())
