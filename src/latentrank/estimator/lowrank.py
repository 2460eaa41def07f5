"""The estimator."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.metaestimators import available_if
from torch import nn

from latentrank import methods
from latentrank.config import MachineConfig, TrainConfig
from latentrank.data import Dataset
from latentrank.data.layout import as_samples
from latentrank.data.views import spread_evenly
from latentrank.density.base import RandomState, integer_seed
from latentrank.errors import InputError
from latentrank.estimator import samples
from latentrank.estimator.fitted import Array, FittedAutoencoder
from latentrank.estimator.parameters import check, random_generator
from latentrank.estimator.storage import PackedModel
from latentrank.inference import need_reconstructions, squared_errors
from latentrank.models.base import LatentModel
from latentrank.runs.restarts import check as check_restarts
from latentrank.torch_state import isolated, own_defaults

if TYPE_CHECKING:
    from latentrank.training.callbacks import History  # and with it Lightning

#: Relative change of the reconstructions that `compress=True` may cost.
COMPRESSION = 1e-2
#: Samples on which the change is measured.
_MEASURED = 1024
#: Validations in a training that does not stop early.
_VALIDATIONS = 20
_LARGEST_SEED = 2**31
#: What a model that is trained further must have in common with the one asked for.
_BUILT_FROM = ("method", "input_shape", "latent_dim", "net", "bounded", "options")


def _is_solved_at_once(method: str) -> bool:
    """Whether there are no steps, as in PCA; `fit` reports an unknown method."""
    return method in methods.names() and methods.get(method).closed_form


def _learns_by_steps(estimator: Any) -> bool:
    """Whether the estimator has `partial_fit`."""
    if _is_solved_at_once(estimator.method):
        raise AttributeError(f"{estimator.method} is solved from all samples at once; use fit.")
    return True


@contextmanager
def _unchanged_by_failure(estimator: Any) -> Iterator[None]:
    """A context after whose failure an estimator is unfitted, or fitted, as before."""
    before = dict(vars(estimator))
    try:
        yield
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class LowRankAutoencoder(FittedAutoencoder):
    """Nonlinear dimensionality reduction that finds how many dimensions the data need.

    Tables, `(N, F)`, use multilayer perceptrons; curves, images and volumes use convolutions.
    Arrays are read like files on the command line: `(N, C, ...)`, `(N, ..., C)` and, for images,
    `(N, H, W)` are distinguished if the shape is unambiguous. Images of nonnegative integers, or of
    real values in [0, 1], are scaled to [0, 1]; other data are centred and divided by their
    standard deviation, tables column by column and the rest channel by channel. Decoded samples
    have the shape, the units and the dtype of the data.

    Args:
        method: one of `latentrank.methods.names()`.
        latent_dim: width `L` of the code, an upper bound on its rank.
        rank: number of directions to keep, or `"auto"`, for methods that have this option.
        options: further options of the method, such as `{"penalty": 1e-2}`; a grid search sets
            one of them as `options__penalty`.
        net: family of networks, one of `latentrank.nets.families()`.
        encoder: your own network, see `latentrank.build`; `fit` trains a copy.
        decoder: like `encoder`; give both or neither.
        kind: what a sample is: `"table"`, `"curves"`, `"images"` or `"volumes"`; by default the
            number of axes decides. Two are a table, or curves in an xarray `DataArray` whose second
            dimension is not stacked from several.
        layout: order of the axes, such as `"NHWC"`, if neither the shape nor the dimension names of
            an xarray `DataArray` determine it.
        epochs: maximum number of passes over the data.
        batch_size: samples in a batch.
        learning_rate: initial learning rate of Adam, by default 2e-3, or 3e-4 after a geodesic
            start; in `fit` it decays to zero along a cosine.
        init: `"random"`, or `"geodesic"` to start from Isomap coordinates of the data, for methods
            whose code has a basis of a given rank.
        init_steps: number of batches of a geodesic start.
        n_init: number of trainings from different initial weights; the one with the lowest error
            on held-out samples is kept, as in `sklearn.mixture.GaussianMixture`. `partial_fit`, and
            `fit` where it continues, train once.
        n_iter_no_change: stop after this many epochs without a lower validation error, and keep the
            weights with the lowest error; None trains for all epochs. PCA has no epochs.
        validation_fraction: fraction of the samples held out for `n_init` and `n_iter_no_change`;
            if neither is used, no samples are held out.
        warm_start: `fit` continues from the last fit, with the preprocessing of the first.
        compress: reduce codes to the fewest numbers that keep reconstructions within a relative
            change of 1e-2 (True), or of the given tolerance (a number in (0, 1)).
        device: `"cpu"`, `"gpu"`, `"auto"`, ... as in Lightning's Trainer.
        random_state: None (NumPy's global state), an integer, or a NumPy `RandomState` or
            `Generator`.
        verbose: show a progress line.

    Attributes:
        model_: the trained model; `model_.preprocessing` maps data to its inputs and back.
        rank_: number of covariance singular values of `embedding_` above 1e-4 of the largest.
        singular_values_: `(L,)`, these singular values, largest first, divided by the largest.
        explained_variance_: `(L,)`, variance of `embedding_` along its principal directions.
        explained_variance_ratio_: `(L,)`, `explained_variance_` divided by its sum.
        embedding_: codes of all samples given to `fit`, in their order, `(N, L)` float32.
        n_iter_: number of epochs trained.
        history_: a row for each validation: epoch, loss terms, `validation_error` (on the training
            samples if none are held out).
        notes_: notes on how the data were read, if that may be surprising, one sentence each.
        rank_search_: the result of a rank search, with `reliable` and `message`; None without one.
        n_features_in_, feature_names_in_: as in scikit-learn, for tables.

    Example:
        >>> from sklearn.datasets import load_digits
        >>> X, _ = load_digits(return_X_y=True)
        >>> ae = LowRankAutoencoder("rrae", latent_dim=16, rank=5, epochs=10, random_state=0)
        >>> codes = ae.fit_transform(X)
        >>> codes.shape, ae.rank_
        ((1797, 16), 5)
        >>> ae.inverse_transform(codes).shape, ae.sample(3, random_state=0).shape
        ((1797, 64), (3, 64))
        >>> ae.score(X) > 0.3
        True
    """

    history_: list[dict[str, float]]
    n_iter_: int

    def __init__(
        self,
        method: str = "lorae",
        latent_dim: int = 16,
        *,
        rank: int | str | None = None,
        options: Mapping[str, Any] | None = None,
        net: str = "auto",
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
        kind: str | None = None,
        layout: str | None = None,
        epochs: int = 50,
        batch_size: int = 64,
        learning_rate: float | None = None,
        init: str = "random",
        init_steps: int = 3000,
        n_init: int = 1,
        n_iter_no_change: int | None = None,
        validation_fraction: float = 0.1,
        warm_start: bool = False,
        compress: bool | float = False,
        device: str = "cpu",
        random_state: RandomState = None,
        verbose: bool = False,
    ) -> None:
        self.method = method
        self.latent_dim = latent_dim
        self.rank = rank
        self.options = options
        self.net = net
        self.encoder = encoder
        self.decoder = decoder
        self.kind = kind
        self.layout = layout
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.init = init
        self.init_steps = init_steps
        self.n_init = n_init
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.warm_start = warm_start
        self.compress = compress
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Train on `X`.

        Args:
            X: `(N, ...)`, finite real numbers, at least two samples.
            y: ignored.

        Returns:
            This estimator.

        Raises:
            ValueError: `X` cannot be used, or a parameter is unknown or out of range.

        Warns:
            ConvergenceWarning: the result of a rank search or of a geodesic start is not reliable.
        """
        with _unchanged_by_failure(self):
            check(self)
            rng = random_generator(self.random_state)
            before = getattr(self, "_trained", None) if self.warm_start else None
            x = samples.checked(self, X, reset=before is None)
            settings: dict[str, Any] = {
                "epochs": self.epochs,
                "schedule": "cosine",
                "validate_every": max(1, self.epochs // _VALIDATIONS),
            }
            train = held = x
            stops = self.n_iter_no_change is not None and not _is_solved_at_once(self.method)
            if stops:
                purpose = "validation error to stop by; leave n_iter_no_change out"
                need_reconstructions(self.method, purpose)
                settings |= {"patience": self.n_iter_no_change, "validate_every": 1}
            if before is None:  # a model that is trained on has no other initial weights
                settings |= {"n_init": self.n_init}
            if stops or settings.get("n_init", 1) > 1:
                train, held = samples.split(x, self.validation_fraction, rng)
            return self._train(x, self._dataset(X, before, train, held), before, settings, rng)

    @available_if(_learns_by_steps)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:
        """Train for one epoch on `X`, continuing from earlier calls.

        The preprocessing is fitted to the samples of the first call; columns that are constant
        there stay so, with a warning once they vary. `embedding_`, the rank, and the basis of
        methods that have one, are computed from the samples of the last call.

        Args:
            X: `(N, ...)`, at least two samples.
            y: ignored.

        Returns:
            This estimator.

        Raises:
            ValueError: as `fit`.
            AttributeError: the method, such as `pca`, needs all samples at once.
        """
        with _unchanged_by_failure(self):
            check(self)
            before = getattr(self, "_trained", None)
            x = samples.checked(self, X, reset=before is None)
            dataset = self._dataset(X, before, x, x)
            rng = random_generator(self.random_state)
            return self._train(x, dataset, before, {"epochs": 1}, rng)

    def _dataset(
        self, X: ArrayLike, before: LatentModel | None, train: Array, held: Array
    ) -> Dataset:
        if before is None:
            return samples.as_dataset(X, train, held, self.kind, self.layout)
        return samples.as_dataset_of(before, train, held)

    def _train(
        self,
        x: Array,
        dataset: Dataset,
        before: LatentModel | None,
        settings: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> Self:
        epochs = 0 if before is None else self.n_iter_
        seed = (integer_seed(rng) + epochs) % _LARGEST_SEED
        start: dict[str, Any] = {"init": self.init, "init_steps": self.init_steps}
        if before is None:
            settings = {**start, **settings}
        rate = self.learning_rate
        if rate is None:  # also when training on, which has no start of its own
            usual = TrainConfig(**start).resolved(self.method).learning_rate
            rate = 2e-3 if self.init == "random" else usual
        config = TrainConfig(
            batch_size=self.batch_size,
            learning_rate=rate,
            seed=seed,
            machine=MachineConfig(device=self.device),
            **settings,
        )
        found = [self._fitted(dataset, before, config, one) for one in config.restarts]
        if config.n_init > 1:
            found.sort(key=lambda pair: float(squared_errors(pair[0], dataset.test.x).mean()))
        model, history = found[0]
        if before is None:
            self.notes_ = dataset.notes
        with own_defaults():
            self._keep(model.requires_grad_(False), x, dataset, history, epochs)
        return self

    def _fitted(
        self, dataset: Dataset, before: LatentModel | None, asked: TrainConfig, one: TrainConfig
    ) -> tuple[LatentModel, History]:
        """One of the trainings that are asked for."""
        from latentrank.training import fit

        with isolated(one.seed):
            model = self._built(dataset, before)
            check_restarts(asked.n_init, model.spec)
            return model, fit(model, dataset, one, progress=self.verbose)

    def _built(self, dataset: Dataset, before: LatentModel | None) -> LatentModel:
        """The model to train: a new one, or that of an earlier fit."""
        options = self.options if self.options is not None else {}
        if not (isinstance(options, Mapping) and all(isinstance(name, str) for name in options)):
            raise InputError(
                f"options is {self.options!r}, expected names and values, such as "
                "{'penalty': 1e-3}; give a dictionary."
            )
        options = dict(options)
        if self.rank is not None:
            if "rank" in options:
                raise InputError(
                    f"rank is {self.rank!r}, and {options['rank']!r} in options; give only one."
                )
            options["rank"] = self.rank
        networks = copy.deepcopy({"encoder": self.encoder, "decoder": self.decoder})
        bounded = dataset.preprocessing.bounded
        new = methods.build(
            self.method, dataset.shape, self.latent_dim, self.net, bounded, **networks, **options
        )
        if before is None:
            # pickle rebuilds a model from networks as they were given
            custom = new.spec.net == "custom"
            self._networks = copy.deepcopy((self.encoder, self.decoder)) if custom else None
            return new
        if any(getattr(new.spec, name) != getattr(before.spec, name) for name in _BUILT_FROM):
            raise InputError(
                f"The estimator was fitted as {before.spec.method} with latent_dim "
                f"{before.spec.latent_dim} and other networks or options than it has now; set "
                "warm_start to False, or clone it, to train a new model."
            )
        return PackedModel.of(before).unpack(copy.deepcopy(self._networks))

    def _keep(
        self, model: LatentModel, x: Array, dataset: Dataset, history: History, epochs: int
    ) -> None:
        self._trained = model
        self.model_ = self._compressed(model, dataset.train.x)
        given = as_samples(x, model.preprocessing, model.spec.input_shape)
        self.embedding_ = self.model_.encode_array(given)
        self._mean_sample = model.mean_sample(dataset.train.x).numpy()
        rows = [{**row, "epoch": row["epoch"] + epochs} for row in history.rows]
        self.history_ = [*(self.history_ if epochs else []), *rows]
        self.n_iter_ = int(self.history_[-1]["epoch"])
        self.rank_search_ = history.reports.get("rank_search")
        for report in history.reports.values():
            if not report["reliable"]:
                warnings.warn(report["message"], ConvergenceWarning, stacklevel=4)
        self._describe()

    def _compressed(self, model: LatentModel, x: Array) -> LatentModel:
        if not self.compress:
            return model
        tol = COMPRESSION if self.compress is True else float(self.compress)
        measured = model.preprocessing.normalise(x[spread_evenly(len(x), _MEASURED)])
        return model.compress(tol, measured).requires_grad_(False)
