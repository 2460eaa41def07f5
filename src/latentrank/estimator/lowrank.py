"""The estimator."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_array, check_is_fitted
from torch import nn

from latentrank import inference, methods
from latentrank.config import TrainConfig
from latentrank.data import Dataset
from latentrank.data.layout import as_samples
from latentrank.density.base import RandomState, generator, integer_seed
from latentrank.errors import InputError
from latentrank.estimator import samples, storage
from latentrank.estimator.parameters import NestedOptions
from latentrank.linalg import rank_of_spectrum, spectrum
from latentrank.models.base import LatentModel
from latentrank.serialization import load as load_model
from latentrank.serialization import save as save_model
from latentrank.training.callbacks import History

Array = NDArray[Any]

#: Relative change of the reconstructions that `compress=True` may cost.
COMPRESSION = 1e-2
#: Samples on which the change is measured.
_MEASURED = 1024
#: Validations in a training that does not stop early.
_VALIDATIONS = 20
_LARGEST_SEED = 2**31


class LowRankAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, NestedOptions):  # type: ignore[misc]
    """Nonlinear dimensionality reduction that finds how many dimensions the data need.

    Tables, `(N, F)`, use multilayer perceptrons; curves, images and volumes use convolutions.
    Arrays are read as files are on the command line: `(N, C, ...)`, `(N, ..., C)` and, of images,
    `(N, H, W)` are told apart where there is no doubt. Images of whole numbers from 0, and of real
    values in [0, 1], are brought from their range to [0, 1]; other data are centred and divided by
    their standard deviation, tables column by column and the rest channel by channel. Whatever is
    decoded has the shape, the units and the dtype of the data again.

    Args:
        method: one of `latentrank.methods.names()`.
        latent_dim: width `L` of the code, an upper bound of what the data need.
        rank: for methods that have this option, how many directions are kept, or `"auto"`.
        options: further options of the method, such as `{"penalty": 1e-2}`; a grid search sets
            one of them as `options__penalty`.
        net: family of networks, one of `latentrank.nets.families()`.
        encoder: a network of your own, see `latentrank.build`; `fit` trains a copy.
        decoder: likewise; give both or neither.
        kind: what a sample is: `"table"`, `"curves"`, `"images"` or `"volumes"`; by default the
            number of axes decides.
        layout: which axis is which, such as `"NHWC"`, where the shape leaves it in doubt.
        epochs: passes over the data, at most.
        batch_size: samples in a batch.
        learning_rate: of Adam at the start; it falls to zero along a cosine.
        n_iter_no_change: stop after so many epochs without a lower validation error, and keep the
            weights of the lowest; None trains on all samples for all epochs.
        validation_fraction: share of the samples held out for that.
        warm_start: `fit` goes on from the last fit, in the units of the data of the first.
        compress: give codes of only as many numbers as reconstructions need to within a relative
            change of 1e-2 (True), or of another (a number).
        device: `"cpu"`, `"gpu"`, `"auto"`, ... as Lightning's Trainer takes it.
        random_state: None, an integer, or a NumPy `RandomState` or `Generator`.
        verbose: show a progress line.

    Attributes:
        model_: the trained model; `model_.preprocessing` is what is done to data.
        rank_: covariance singular values of the training codes above 1e-4 of the largest.
        singular_values_: `(L,)`, those values, largest first, divided by the largest.
        explained_variance_: `(L,)`, variance of the training codes along their principal
            directions.
        explained_variance_ratio_: `(L,)`, the same as parts of their sum.
        embedding_: codes of the training data, `(N, L)` float32.
        n_iter_: epochs of training.
        history_: a row for each validation: epoch, loss terms, `validation_error` (on the training
            samples where none are held out).
        notes_: how the data were read, where that may surprise, a sentence each.
        rank_search_: the result of a rank search, with `reliable` and `message`; None without one.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn, for tables.

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
        learning_rate: float = 2e-3,
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
            ConvergenceWarning: a search for the rank did not come to a sure end.
        """
        rng = generator(self.random_state)
        before = getattr(self, "_trained", None) if self.warm_start else None
        x = samples.checked(self, X, reset=before is None)
        settings: dict[str, Any] = {
            "epochs": self.epochs,
            "schedule": "cosine",
            "validate_every": max(1, self.epochs // _VALIDATIONS) if self.epochs else 1,
        }
        train = held = x
        if self.n_iter_no_change is not None:
            self._need_reconstructions("validation error to stop by; leave n_iter_no_change out")
            train, held = samples.split(x, self.validation_fraction, rng)
            settings |= {"patience": self.n_iter_no_change, "validate_every": 1}
        if before is None:
            dataset = samples.as_dataset(train, held, self.kind, self.layout)
        else:
            dataset = samples.as_dataset_of(before, train).parts(
                *(samples.as_dataset_of(before, part).train for part in (train, held))
            )
        return self._train(dataset, before, settings, rng)

    def partial_fit(self, X: ArrayLike, y: object = None) -> Self:
        """Train for one epoch on `X`, going on from earlier calls.

        The units are those of the first call's samples. The codes in `embedding_`, with the rank
        and the basis of methods that have one, are those of the last call's samples.

        Args:
            X: `(N, ...)`, at least two samples.
            y: ignored.

        Returns:
            This estimator.

        Raises:
            ValueError: as `fit`; or the method is solved from all data at once.
        """
        if methods.get(self.method).closed_form:
            raise InputError(
                f"{self.method} is solved from all samples at once and not trained batch by "
                "batch; use fit."
            )
        before = getattr(self, "_trained", None)
        x = samples.checked(self, X, reset=before is None)
        dataset = (
            samples.as_dataset(x, x, self.kind, self.layout)
            if before is None
            else samples.as_dataset_of(before, x)
        )
        return self._train(dataset, before, {"epochs": 1}, generator(self.random_state))

    def _train(
        self,
        dataset: Dataset,
        before: LatentModel | None,
        settings: Mapping[str, Any],
        rng: np.random.Generator,
    ) -> Self:
        from latentrank.training import fit

        epochs = 0 if before is None else self.n_iter_
        seed = (integer_seed(rng) + epochs) % _LARGEST_SEED
        config = TrainConfig(
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            seed=seed,
            device=self.device,
            **settings,
        )
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = self._built(dataset, before)
            history = fit(model, dataset, config, progress=self.verbose)
        if before is None:
            self.notes_ = dataset.notes
        self._keep(model.requires_grad_(False), dataset, history, epochs)
        return self

    def _built(self, dataset: Dataset, before: LatentModel | None) -> LatentModel:
        """The model to train: a new one, or that of an earlier fit."""
        options = dict(self.options or {})
        if self.rank is not None:
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
        if new.spec != before.spec.model_copy(update={"preprocessing": None}):
            raise InputError(
                f"The estimator was fitted as {before.spec.method} with latent_dim "
                f"{before.spec.latent_dim} and other networks or options than it has now; set "
                "warm_start to False, or clone it, to train a new model."
            )
        return before.requires_grad_(True)

    def _keep(self, model: LatentModel, dataset: Dataset, history: History, epochs: int) -> None:
        x = dataset.train.x
        self._trained = model
        self.model_ = self._compressed(model, x)
        self.embedding_ = self.model_.encode_array(x)
        total = sum(batch.double().sum(dim=0) for batch in model.batches(x))
        self._mean_sample = (torch.as_tensor(total) / len(x)).numpy()
        rows = [{**row, "epoch": row["epoch"] + epochs} for row in history.rows]
        self.history_ = [*(self.history_ if epochs else []), *rows]
        self.n_iter_ = int(self.history_[-1]["epoch"])
        self.rank_search_ = history.reports.get("rank_search")
        if self.rank_search_ is not None and not self.rank_search_["reliable"]:
            warnings.warn(self.rank_search_["message"], ConvergenceWarning, stacklevel=4)
        self._describe()

    def _compressed(self, model: LatentModel, x: Array) -> LatentModel:
        if self.compress is False:
            return model
        tol = COMPRESSION if self.compress is True else float(self.compress)
        measured = model.preprocessing.normalise(x[:_MEASURED])
        return model.compress(tol, measured).requires_grad_(False)

    def _describe(self) -> None:
        values = spectrum(self.embedding_)
        largest = np.linalg.norm(np.atleast_2d(np.cov(self.embedding_.T.astype(np.float64))), 2)
        self.singular_values_ = values.numpy()
        self.explained_variance_ = self.singular_values_ * largest
        total = self.explained_variance_.sum()
        self.explained_variance_ratio_ = self.explained_variance_ / (total or 1.0)
        self.rank_ = int(rank_of_spectrum(values))

    @property
    def _n_features_out(self) -> int:
        return int(self.embedding_.shape[1])

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """The codes of `X`.

        Args:
            X: samples of the shape that `fit` saw; of images and the like also one alone.

        Returns:
            `(N, L)` float32.

        Raises:
            NotFittedError: before `fit`.
            ValueError: samples of another shape, or not finite.
        """
        return self.model_.encode_array(self._samples(X))

    def inverse_transform(self, Z: ArrayLike) -> Array:
        """The samples that codes stand for.

        Args:
            Z: `(N, L)` codes.

        Returns:
            `(N, ...)` in the shape, units, bounds and dtype of the data.

        Raises:
            NotFittedError: before `fit`.
            ValueError: codes of another width, or not finite.
        """
        check_is_fitted(self)
        codes = check_array(Z, dtype=np.float32)
        if codes.shape[1] != self._n_features_out:
            raise InputError(
                f"The codes have {codes.shape[1]} numbers each, expected {self._n_features_out}; "
                "give what transform returns."
            )
        return self._decoded(codes)

    def sample(
        self, n: int = 1, *, density: str | None = None, random_state: RandomState = None
    ) -> Array:
        """New samples: codes drawn from a density fitted to the training codes, decoded.

        Args:
            n: how many, from 1.
            density: one of `latentrank.density.names()`, alone or with options, such as
                `"gmm:components=5"`; by default `"gaussian"`, of a GAN `"prior"`.
            random_state: None, an integer, or a NumPy `RandomState` or `Generator`.

        Returns:
            `(n, ...)` in the shape, units, bounds and dtype of the data.

        Raises:
            NotFittedError: before `fit`.
            ValueError: `n` below 1, an unknown density, or one that the method does not have.
        """
        check_is_fitted(self)
        chosen = density or self.model_.usual_densities[0]
        fitted = inference.density_of_model(self.model_, chosen, self.embedding_)
        return self._decoded(fitted.sample(n, seed=random_state))

    def score(self, X: ArrayLike, y: object = None) -> float:
        """The share of the variance of `X` that its reconstruction explains.

        `1 - sum (x - x')^2 / sum (x - mean)^2`, with the mean sample of the training data, and
        columns and channels divided by their standard deviation there, so that each counts alike.

        Args:
            X: samples of the shape that `fit` saw.
            y: ignored.

        Returns:
            At most 1; 0 is the score of the mean sample, and of samples that all equal it unless
            they are reconstructed exactly, as in `sklearn.metrics.r2_score`.

        Raises:
            NotFittedError: before `fit`.
            ValueError: samples of another shape or not finite, or the method is a GAN, which
                reconstructs nothing.
        """
        x = self._samples(X)
        unexplained = -self._score_samples(x).sum()
        mean = torch.from_numpy(self._mean_sample)
        size = mean.numel()
        deviations = [(part.double() - mean).square().sum() for part in self.model_.batches(x)]
        total = float(torch.stack(deviations).sum()) / size
        # float32 cannot tell smaller deviations of constant data from none
        if total <= len(x) * torch.finfo(torch.float32).eps ** 2:
            return float(unexplained == 0)
        return float(1 - unexplained / total)

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """How well each sample is reconstructed; anomalies score low.

        Args:
            X: samples of the shape that `fit` saw.

        Returns:
            `(N,)`, at most 0: minus the mean squared error of the reconstruction, columns and
            channels divided by their standard deviation in the training data (bounded data by
            their range).

        Raises:
            NotFittedError: before `fit`.
            ValueError: as `score`.
        """
        return self._score_samples(self._samples(X))

    @torch.no_grad()
    def _score_samples(self, x: Array) -> NDArray[np.float64]:
        self._need_reconstructions("score; look at its samples")
        errors = [
            (self.model_(part) - part).double().square().flatten(1).mean(dim=1)
            for part in self.model_.batches(x)
        ]
        return np.asarray(-torch.cat(errors).numpy())

    def save(self, folder: str | Path) -> Path:
        """Write the fitted estimator to a folder; `load` reads it without running code from it.

        Besides, `latentrank.load(folder)` and `latentrank export` find its model there. What is
        kept for `partial_fit` of a compressed estimator, and a random state that is no integer,
        are left out.

        Args:
            folder: where; made if it does not exist.

        Returns:
            The folder.

        Raises:
            NotFittedError: before `fit`.
            ValueError: the folder cannot be written.
        """
        check_is_fitted(self)
        folder = save_model(self.model_, folder)
        params = self.get_params(deep=False)
        for name in ("encoder", "decoder"):
            del params[name]
        if not isinstance(self.random_state, int | np.integer):
            params["random_state"] = None
        kept = {name: getattr(self, name) for name in _PLAIN if hasattr(self, name)}
        if "feature_names_in_" in kept:
            kept["feature_names_in_"] = kept["feature_names_in_"].tolist()
        arrays = {"embedding": self.embedding_, "mean_sample": self._mean_sample}
        storage.write(folder, {"parameters": params, "fitted": kept}, arrays)
        return folder

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> Self:
        """Read a fitted estimator that `save` wrote.

        Args:
            folder: where it is.
            encoder: a network of your own, where the estimator had one.
            decoder: likewise.

        Raises:
            ValueError: no estimator was saved there, or its files are damaged.

        Example:
            >>> import tempfile
            >>> X = np.random.default_rng(0).normal(size=(40, 5))
            >>> ae = LowRankAutoencoder("ae", latent_dim=2, epochs=1, random_state=0).fit(X)
            >>> again = LowRankAutoencoder.load(ae.save(tempfile.mkdtemp()))
            >>> bool((again.transform(X) == ae.transform(X)).all())
            True
        """
        folder = Path(folder)
        description, arrays = storage.read(folder)
        networks = copy.deepcopy((encoder, decoder))
        try:
            estimator = cls(**description["parameters"], encoder=encoder, decoder=decoder)
            vars(estimator).update(description["fitted"])
            estimator.embedding_ = arrays["embedding"]
            estimator._mean_sample = arrays["mean_sample"]
        except (KeyError, TypeError, ValueError):
            raise InputError(f"The estimator in {folder} is damaged; save it again.") from None
        if hasattr(estimator, "feature_names_in_"):
            estimator.feature_names_in_ = np.array(estimator.feature_names_in_, dtype=object)
        model = load_model(folder, encoder=encoder, decoder=decoder).requires_grad_(False)
        estimator.model_ = model
        estimator._networks = None if None in networks else networks
        if model.spec.code_dim is None:
            estimator._trained = model
        estimator._describe()
        return estimator

    def to_onnx(self, path: str | Path, part: str = "encoder", **settings: Any) -> Path:
        """Write a part of the model as an ONNX file, see `latentrank.export.export_onnx`.

        Args:
            path: the file.
            part: `"encoder"`, `"decoder"` or `"autoencoder"`.
            **settings: of `export_onnx`, such as `precision="float16"`.

        Returns:
            The path.

        Raises:
            NotFittedError: before `fit`.
            ValueError: as `export_onnx`.
        """
        from latentrank.export import export_onnx

        check_is_fitted(self)
        return export_onnx(self.model_, path, part, **settings)

    def _samples(self, X: ArrayLike) -> Array:
        """Samples as networks take them, in their own units."""
        check_is_fitted(self)
        x = samples.checked(self, X, reset=False)
        return as_samples(x, self.model_.preprocessing, self.model_.spec.input_shape)

    def _decoded(self, codes: Array) -> Array:
        return self.model_.preprocessing.to_own_layout(self.model_.decode_array(codes))

    def _need_reconstructions(self, purpose: str) -> None:
        if methods.get(self.method).game is not None:
            raise InputError(f"{self.method} reconstructs nothing, so there is no {purpose}.")

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = storage.PackedModel.of(self.model_)
        if "_trained" in state:
            same = self._trained is self.model_
            state["_trained"] = None if same else storage.PackedModel.of(self._trained)
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(dict(state))
        for name in ("model_", "_trained"):
            packed = state.get(name)
            if packed is not None:
                setattr(self, name, packed.unpack(copy.deepcopy(self._networks)))
        if "_trained" in state and state["_trained"] is None:
            self._trained = self.model_

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.three_d_array = True
        return tags


#: What is fitted and goes into JSON.
_PLAIN = ("n_iter_", "history_", "notes_", "rank_search_", "n_features_in_", "feature_names_in_")
