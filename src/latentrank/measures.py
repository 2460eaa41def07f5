"""What recipes measure of a run, by name; each is computed once and kept in the run's folder."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentrank import data, inference, methods
from latentrank.config import RunConfig
from latentrank.data import Dataset, to_float
from latentrank.data.cache import folder as cache_folder
from latentrank.errors import InputError, unknown
from latentrank.evaluation import (
    active_units,
    extractor,
    features,
    frechet_distance,
    interpolation_entropy,
    kl_per_unit,
    parameter_error,
    place,
    probe,
    real_features,
    supervised,
)
from latentrank.evaluation.classifier import Classifier
from latentrank.evaluation.features import Extractor
from latentrank.evaluation.theory import (
    adam_gradient_norms,
    relative_contrasts,
    theorem_step_size,
)
from latentrank.io import write_text
from latentrank.runs import Run, finished_run, load_data

KEPT = "measures.json"

EPSILON = 0.1  # Adam's in theorem 1, where the usual 1e-8 would make the step vanish
_PILOT_STEPS, _PILOT_STEP_SIZE = 20, 1e-3
_BATCH = 512


@dataclass(frozen=True)
class Subject:
    """What is measured, and how.

    Attributes:
        config: of the run, its data root included.
        folder: of the run; of a row that trains nothing, where its measures are kept.
        samples: generated samples for a distance.
        components: Gaussians in the density `gmm`.
        weights: file of Inception weights.
        download: Inception weights may be downloaded.
    """

    config: RunConfig
    folder: Path
    samples: int = 10_000
    components: int = 4
    weights: Path | None = None
    download: bool = False

    @cached_property
    def run(self) -> Run:
        """The finished run."""
        run = finished_run(self.folder)
        # Its data may lie elsewhere than when it was trained.
        run.attach(dataset=self.dataset)
        return run

    @cached_property
    def dataset(self) -> Dataset:
        """The data that it was trained on."""
        return load_data(self.config)

    @cached_property
    def whole(self) -> Dataset:
        """All of that data, so that runs on parts of it are measured alike."""
        return data.load(
            self.config.data.source,
            root=self.config.data.data_root,
            download=self.config.data.download,
            image_size=self.config.data.image_size,
            progress=False,
        )


def names() -> list[str]:
    """What can be measured; `:` stands before an argument.

    Example:
        >>> names()[:3]
        ['rank', 'error', 'seconds']
    """
    return [f"{name}:{row.argument}" if row.argument else name for name, row in _TABLE.items()]


def check(name: str) -> None:
    """Refuse the name of a measure that does not exist.

    Args:
        name: such as `"rank"`, `"fd:gmm"` or `"accuracy:100"`.

    Raises:
        InputError: there is none, or its argument is missing or one too many.

    Example:
        >>> check("rnak")
        Traceback (most recent call last):
        latentrank.errors.InputError: There is no measure 'rnak'; did you mean 'rank'? Known: ...
    """
    head, colon, _ = name.partition(":")
    if head not in _TABLE or bool(colon) != bool(_TABLE[head].argument):
        raise unknown("measure", name, names())


def caveats(names: Iterable[str]) -> list[str]:
    """What has to be known before values are compared with published ones.

    Args:
        names: of the measures that are taken.

    Example:
        >>> caveats(["rank", "fd:gmm"])
        ["FD-classifier is the Fréchet distance on features of a classifier of ..."]
    """
    heads = {name.partition(":")[0] for name in names}
    return [text for head, text in _CAVEATS.items() if head in heads]


_CAVEATS = {
    "fd": "FD-classifier is the Fréchet distance on features of a classifier of the data's own "
    "labels; it compares with other values of its kind, and with no FID.",
    "fid": "FID needs the Inception weights; on a processor of two cores it takes about two "
    "minutes for 2000 images.",
}


def measure(subject: Subject, name: str) -> float:
    """One number, computed or taken from the run's folder.

    Args:
        subject: the run.
        name: as `check` takes it.

    Returns:
        The number, finite.

    Raises:
        InputError: an unknown measure, or one that this run does not allow.
    """
    check(name)
    head, _, argument = name.partition(":")
    key = _key(subject, head, name)
    path = subject.folder / KEPT
    kept = read(path)
    if key not in kept:
        value = float(_TABLE[head].function(subject, argument))
        if not math.isfinite(value):
            raise InputError(f"The measure {name} of {subject.folder.name} is {value}.")
        kept = {**read(path), key: value}
        write_text(path, json.dumps(kept, indent=2) + "\n")
    return float(kept[key])


def read(path: Path) -> dict[str, float]:
    """The measures kept in a file, none where there is no file."""
    try:
        kept: dict[str, float] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept


def _key(subject: Subject, head: str, name: str) -> str:
    """The measure's name with the settings that it depends on."""
    if head not in ("fd", "fid"):
        return name
    mixture = f" components={subject.components}" if name.endswith(":gmm") else ""
    return f"{name} n={subject.samples}{mixture}"


# --- generation ---------------------------------------------------------------------------------


@lru_cache(maxsize=2)
def _features_of(
    kind: str,
    source: str,
    root: str | None,
    size: int | None,
    weights: Path | None,
    download: bool,
    device: str,
) -> Extractor:
    whole = data.load(source, root=root, image_size=size, progress=False)
    return extractor(
        kind, whole, weights=weights, download=download, cache=cache_folder(), device=device
    )


def _extractor(subject: Subject, kind: str) -> Extractor:
    """One for all runs on a data set: a classifier is trained on all of it, not on a run's part."""
    config = subject.config
    return _features_of(
        kind,
        config.data.source,
        config.data.data_root,
        config.data.image_size,
        subject.weights if kind == "inception" else None,
        subject.download if kind == "inception" else False,
        place(config.machine.device),
    )


def density_of(subject: Subject, name: str) -> str:
    """A density's name; `"usual"` is one Gaussian, and the prior where there are no codes."""
    return inference.usual_densities(subject.run.model())[0] if name == "usual" else name


def generated(subject: Subject, density: str, n: int) -> NDArray[Any]:
    """Samples of a density fitted to the training codes, `(n, *shape)` in the data's units."""
    density = density_of(subject, density)
    options = {"components": subject.components} if density == "gmm" else {}
    return inference.sample(subject.run, density, n, subject.config.training.seed, **options).x


def _distance(kind: str) -> Callable[[Subject, str], float]:
    def distance(subject: Subject, density: str) -> float:
        if len(subject.dataset.shape) != 3 or not subject.dataset.preprocessing.bounded:
            raise InputError(
                f"Distances are measured on images, and {subject.config.data.source} holds none."
            )
        network = _extractor(subject, kind)
        if density == "reconstruction":
            fake = inference.decode(subject.run, subject.run.codes("test"))
        else:
            fake = generated(subject, density, subject.samples)
        real = real_features(subject.dataset.test.x, network, cache=cache_folder())
        return frechet_distance(real, features(fake, network))

    return distance


def _entropy(subject: Subject, _: str) -> float:
    classifier = _extractor(subject, "classifier")
    if not isinstance(classifier, Classifier):
        raise InputError("The entropy of interpolated images needs a classifier.")
    model, images = subject.run.model(), _seen(subject.dataset, subject.dataset.train.x)
    return interpolation_entropy(model, images, classifier, seed=subject.config.training.seed).mean


def _seen(dataset: Dataset, x: NDArray[Any]) -> NDArray[np.float32]:
    """Samples as networks see them, float32."""
    return np.asarray(dataset.preprocessing.normalise(x).numpy())


# --- probes -------------------------------------------------------------------------------------


def _labels(subject: Subject) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    train, test = subject.whole.train.labels, subject.whole.test.labels
    if train is None or test is None:
        raise InputError(f"The data {subject.config.data.source} has no labels to classify by.")
    return train, test


def _count(argument: str, available: int) -> int:
    count = available if argument == "all" else int(argument)
    if count > available:
        raise InputError(f"{count} labels were asked for, and there are {available}.")
    return count


def _draws(count: int) -> int:
    """Several choices of few labels, one of many: it hardly matters which they are."""
    return 3 if count < 10_000 else 1


@torch.no_grad()
def _codes(subject: Subject, x: NDArray[Any]) -> NDArray[np.float32]:
    model = subject.run.model()
    x = _seen(subject.whole, x)
    parts = [model.encode(to_float(x[i : i + _BATCH])) for i in range(0, len(x), _BATCH)]
    return np.asarray(torch.cat(parts).numpy())


def _accuracy(subject: Subject, argument: str) -> float:
    train, test = _labels(subject)
    count = _count(argument, len(train))
    found = probe(
        _codes(subject, subject.whole.train.x),
        train,
        _codes(subject, subject.whole.test.x),
        test,
        "mlp",
        count,
        _draws(count),
        subject.config.training.seed,
    )
    return 100 * found.accuracy_mean


def _supervised(subject: Subject, argument: str) -> float:
    train, test = _labels(subject)
    whole, config = subject.whole, subject.config
    count = _count(argument, len(train))

    def encoder() -> torch.nn.Module:
        width = config.latent_dim or whole.latent_dim
        return methods.build(config.method, whole.shape, width, config.net or whole.net).encoder

    found = supervised(
        encoder,
        _seen(whole, whole.train.x),
        train,
        _seen(whole, whole.test.x),
        test,
        count,
        _draws(count),
        config.training.seed,
        place(config.machine.device),
    )
    return 100 * found.accuracy_mean


def _wrong(right: Callable[[Subject, str], float]) -> Callable[[Subject, str], float]:
    return lambda subject, argument: 100 - right(subject, argument)


# --- latent space -------------------------------------------------------------------------------


def _metric(name: str) -> Callable[[Subject, str], float]:
    def metric(subject: Subject, _: str) -> float:
        value = subject.run.metrics[name]
        if value is None:
            raise InputError(f"The method {subject.config.method} has no {name.replace('_', ' ')}.")
        return float(value)

    return metric


@torch.no_grad()
def _posterior(subject: Subject) -> tuple[NDArray[Any], NDArray[Any]]:
    """Means and log-variances of the test samples' Gaussian posteriors."""
    model = subject.run.model()
    x = _seen(subject.dataset, subject.dataset.test.x)
    parts = [
        model.bottleneck.posterior(model.encoder(to_float(x[i : i + _BATCH])))
        for i in range(0, len(x), _BATCH)
    ]
    if parts[0] is None:
        raise InputError("There is no Gaussian posterior, as vae and vrrae have one.")
    means, logvars = (torch.cat(rows).numpy() for rows in zip(*parts, strict=True))
    return means, logvars


def _active_share(means: NDArray[Any]) -> float:
    """Of all units, so that codes of different width compare."""
    return active_units(means) / len(means.T)


def _contrast(subject: Subject, argument: str) -> float:
    if argument not in ("lowest", "median"):
        raise unknown("contrast", argument, ("lowest", "median"))
    found = relative_contrasts(subject.run.codes("test"), seed=subject.config.training.seed)
    return float(found.min() if argument == "lowest" else np.median(found))


def _gradient(subject: Subject, argument: str) -> float:
    """Smallest gradient norm of `argument` steps of theorem 1, from an untrained model.

    The loss is at least 0, which stands in for its unknown minimum; the bound on the gradient is
    the largest norm of a short pilot, and K is that bound, as the theorem says of the loss.
    """
    config = subject.config
    x = subject.dataset.preprocessing.normalise(subject.dataset.train.x)
    width = config.latent_dim or subject.dataset.latent_dim
    torch.manual_seed(config.training.seed)
    model = methods.build(
        config.method,
        subject.dataset.shape,
        width,
        config.net or subject.dataset.net,
        subject.dataset.preprocessing.bounded,
        **config.options.model_dump(),
    ).train()
    pilot, horizon = copy.deepcopy(model), int(argument)
    start = float(model.losses(x)["loss"].detach())
    bound = float(
        adam_gradient_norms(
            lambda: pilot.losses(x)["loss"],
            list(pilot.parameters()),
            _PILOT_STEP_SIZE,
            _PILOT_STEPS,
            EPSILON,
        ).max()
    )
    step_size = theorem_step_size(start, bound, bound, horizon, EPSILON)
    norms = adam_gradient_norms(
        lambda: model.losses(x)["loss"], list(model.parameters()), step_size, horizon, EPSILON
    )
    return float(norms.min())


@dataclass(frozen=True)
class _Measure:
    function: Callable[[Subject, str], float]
    argument: str = ""


_TABLE = {
    "rank": _Measure(_metric("rank")),
    "error": _Measure(_metric("validation_error")),
    "seconds": _Measure(_metric("seconds")),
    "fd": _Measure(_distance("classifier"), "DENSITY"),
    "fid": _Measure(_distance("inception"), "DENSITY"),
    "accuracy": _Measure(_accuracy, "LABELS"),
    "mistakes": _Measure(_wrong(_accuracy), "LABELS"),
    "supervised-accuracy": _Measure(_supervised, "LABELS"),
    "supervised-mistakes": _Measure(_wrong(_supervised), "LABELS"),
    "entropy": _Measure(_entropy),
    "relative-error": _Measure(lambda s, _: parameter_error(s.run.model(), s.dataset)),
    "active-units": _Measure(lambda s, _: active_units(_posterior(s)[0])),
    "active-share": _Measure(lambda s, _: _active_share(_posterior(s)[0])),
    "kl-per-unit": _Measure(lambda s, _: float(kl_per_unit(*_posterior(s)).mean())),
    "contrast": _Measure(_contrast, "lowest|median"),
    "gradient": _Measure(_gradient, "STEPS"),
}
