"""The run to be measured, and everything that metrics need from it, computed once."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from latentrank import data, inference, methods
from latentrank.config import SAMPLES, RunConfig
from latentrank.data import Dataset
from latentrank.data.cache import folder as cache_folder
from latentrank.errors import InputError
from latentrank.evaluation.features import (
    Extractor,
    extractor,
    features,
    place,
    real_features,
    weights_of,
)
from latentrank.evaluation.images import as_images, weights_digest
from latentrank.evaluation.interpolation import random_pairs
from latentrank.filenames import CONFIG, METRICS
from latentrank.models.base import LatentModel
from latentrank.runs import Run, finished_run, load_data
from latentrank.runs.cache import Stamps, stamps
from latentrank.runs.train import new_model

Array = NDArray[Any]
T = TypeVar("T")

# Samples decoded from codes of test samples; these names take the place of a density's.
FROM_TEST_CODES = ("reconstruction", "interpolation")


@dataclass(frozen=True)
class Subject:
    """A run, and the settings for measuring it.

    Attributes:
        config: configuration of the run, including its data root.
        folder: folder of the run; if nothing is trained, the folder for the values.
        samples: number of generated samples for a distance.
        seed: random seed for samples and draws; the run's by default.
        weights: weights files by the name of the features.
        download: whether weights may be downloaded.
        say: called with a message on what is being computed.
        opened: the run, if it has been opened already.
        loaded: the data, if nothing is trained and they have been read already.
    """

    config: RunConfig
    folder: Path
    samples: int = SAMPLES
    seed: int = -1
    weights: Mapping[str, Path] = field(default_factory=dict)
    download: bool = False
    say: Callable[[str], None] = lambda text: None
    opened: Run | None = None
    loaded: Dataset | None = None
    _known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.seed < 0:
            object.__setattr__(self, "seed", self.config.training.seed)

    @cached_property
    def run(self) -> Run:
        """The finished run."""
        return self.opened or finished_run(self.folder).expect_data(self.config)

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Everything training wrote; the data are not read."""
        return self.run.metrics

    @cached_property
    def model(self) -> LatentModel:
        """The trained model, in evaluation mode."""
        return self.run.model()

    @cached_property
    def dataset(self) -> Dataset:
        """The data that the run was, or will be, trained on."""
        # Values measured without a model are in a folder without a run.
        trained = self.opened or all((self.folder / name).is_file() for name in (CONFIG, METRICS))
        if trained:
            return self.run.dataset()
        return load_data(self.config) if self.loaded is None else self.loaded

    @cached_property
    def full_dataset(self) -> Dataset:
        """The complete data, so that evaluation does not depend on the subset trained on."""
        about, own = self.config.data, self.dataset  # refuses data that have changed
        if about.train_size is None and about.test_size is None:
            return own
        return _full_dataset(*self._all_of_it)

    @property
    def _all_of_it(self) -> tuple[str, Stamps]:
        """The configuration of the complete data as text, and their files, for a cache key."""
        every = {"train_size": None, "test_size": None, "seed": 0}
        source = self.config.data.source
        files = () if source in data.names() else stamps(source)
        return self.config.updated(every).model_dump_json(), files

    @property
    def measured_on(self) -> str | None:
        """The fingerprint of the data, if they are not those of the run's training."""
        return self.opened.measured_on if self.opened else None

    @property
    def reconstructs(self) -> bool:
        """Whether the method encodes samples; known before it is trained."""
        return methods.get(self.config.method).game is None

    def codes(self, split: str) -> NDArray[np.float32]:
        """Codes of the run's own `"train"` or `"test"` samples, `(N, L)`."""
        return self.run.codes(split)

    def all_codes(self, split: str) -> NDArray[np.float32]:
        """Codes of the `"train"` or `"test"` samples of the complete data, `(N, L)`."""
        if self.full_dataset is self.dataset:
            return self.codes(split)
        return self.model.encode_array(getattr(self.full_dataset, split).x)

    @property
    def has_posterior(self) -> bool:
        """Whether codes have a Gaussian posterior; known before the method is trained."""
        if not self.reconstructs:
            return False
        trained = self.opened or (self.folder / METRICS).is_file()
        part = (self.model if trained else new_model(self.config, self.dataset).eval()).bottleneck
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an untrained bottleneck warns that it has no basis
            return part.posterior(torch.zeros(1, part.encoder_dim)) is not None

    @torch.no_grad()
    def posterior(self) -> tuple[Array, Array]:
        """Means and log-variances, `(N, k)` each, of the test samples' Gaussian posteriors.

        A metric that calls this declares that it needs a posterior.
        """
        model = self.model
        batches = model.batches(self.dataset.test.x)
        found: Any = [model.bottleneck.posterior(model.encoder(x)) for x in batches]
        means, logvars = (torch.cat(rows).numpy() for rows in zip(*found, strict=True))
        return means, logvars

    def density(self, text: str) -> str:
        """A density as text; `"usual"` is the model's first usual one."""
        return self.model.usual_densities[0] if text == "usual" else text

    def generated(self, density: str, n: int | None = None) -> Array:
        """Samples of a density fitted to the training codes.

        Args:
            density: as text, or `"reconstruction"` for reconstructed test samples, or
                `"interpolation"` for random points on the lines between codes of test samples.
            n: number of samples, of a density or an interpolation; by default the subject's
                `samples`.

        Returns:
            `(n, *shape)`, in the data's units, in network layout.
        """
        if density in FROM_TEST_CODES:
            if not self.reconstructs:
                raise InputError(f"The method {self.config.method} does not reconstruct samples.")
            codes: Array = self.codes("test")
            if density == "interpolation":
                codes = _between(codes, n or self.samples, self.seed)
            return self.model.decode_array(codes)
        fitted = inference.fit_density(self.run, self.density(density))
        return self.model.decode_array(fitted.sample(n or self.samples, seed=self.seed))

    def images(self, x: Array) -> Array:
        """Samples for feature networks: uint8, or float32 in [0, 1]."""
        return as_images(x, self.dataset.preprocessing)

    # --- features -------------------------------------------------------------------------------

    def extractor(self, name: str) -> Extractor:
        """A feature network; a classifier is trained once on the complete data, for all runs."""
        self.say(f"features, {name}")
        return _extractor(
            name,
            self._all_of_it if name == "classifier" else None,
            self.weights.get(name),
            self.download and name != "classifier",
            place(self.config.machine.device),
        )

    def features(self, name: str, density: str) -> tuple[Array, Array]:
        """Features of real test images and of generated ones, `(N, d)` and `(M, d)` float32."""
        if (name, density) not in self._known:
            network = self.extractor(name)
            self.say(f"samples, {density}")
            made = features(self.images(self.generated(density)), network)
            real = real_features(self.images(self.dataset.test.x), network, cache=cache_folder())
            self._known[name, density] = real, made
        found: tuple[Array, Array] = self._known[name, density]
        return found

    def once(self, compare: Callable[[Array, Array], T], name: str, density: str) -> T:
        """The comparison of real and generated features, computed once."""
        if (compare, name, density) not in self._known:
            self._known[compare, name, density] = compare(*self.features(name, density))
        found: T = self._known[compare, name, density]
        return found

    def weights_key(self, name: str) -> str | None:
        """A hash of a network's weights, if present; nothing is downloaded."""
        if name == "classifier":
            return None
        try:
            path = weights_of(name, self.weights.get(name))
        except InputError:
            if name in self.weights:
                raise
            return None
        return weights_digest(path)


def _between(codes: Array, n: int, seed: int) -> Array:
    """A random point on the line between each of `n` pairs of different codes."""
    if len(codes) < 2:
        raise InputError("There is one test sample; an interpolation needs at least two.")
    rng = np.random.default_rng(seed)
    start, end = random_pairs(len(codes), n, rng)
    share = rng.random((n, 1)).astype(codes.dtype)
    return np.asarray(codes[start] + share * (codes[end] - codes[start]))


@lru_cache(maxsize=2)
def _full_dataset(config: str, files: Stamps) -> Dataset:
    return load_data(RunConfig(**json.loads(config)))


@lru_cache(maxsize=4)
def _extractor(
    name: str,
    trained_on: tuple[str, Stamps] | None,
    weights: Path | None,
    download: bool,
    device: str,
) -> Extractor:
    full_dataset = _full_dataset(*trained_on) if trained_on else None
    return extractor(
        name, full_dataset, weights=weights, download=download, cache=cache_folder(), device=device
    )
