"""The library for people with arrays: an estimator after scikit-learn's conventions."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from latentrank import inference, methods
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split, to_float
from latentrank.errors import InputError
from latentrank.linalg import rank_of_spectrum, spectrum
from latentrank.preprocessing import Preprocessing

Array = NDArray[Any]
_BATCH = 1024


class LowRankAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Nonlinear dimensionality reduction that finds how many dimensions the data need.

    Tables, `(N, F)`, use multilayer perceptrons; `(N, C, T)`, `(N, C, H, W)` and
    `(N, C, D, H, W)` use convolutions. Data are centred (tables column by column) and divided
    by one number, so that, as in PCA, columns keep their relative weight; uint8 is divided by
    255 instead.

    Args:
        method: one of `latentrank.methods.names()`.
        latent_dim: width `L` of the code, an upper bound of what the data need.
        rank: for methods that have this option, how many directions are kept, or `"auto"`.
        options: further options of the method, such as `{"penalty": 1e-2}`.
        net: family of networks, one of `latentrank.nets.families()`.
        epochs: passes over the data.
        batch_size: samples in a batch.
        learning_rate: of Adam at the start; it falls to zero along a cosine.
        compress: give codes of only as many numbers as reconstructions to within `tol` need.
        tol: relative change of the reconstructions that compression may cost.
        device: `"cpu"`, `"gpu"`, `"auto"`, ... as Lightning's Trainer takes it.
        random_state: None, a number, or a numpy random state.
        verbose: show a progress line.

    Attributes:
        model_: the trained `Autoencoder`.
        rank_: covariance singular values of the training codes above 1e-4 of the largest.
        singular_values_: `(L,)`, those values, largest first, divided by the largest.
        explained_variance_: `(L,)`, variance of the training codes along their principal
            directions.
        explained_variance_ratio_: `(L,)`, the same as parts of their sum.
        embedding_: codes of the training data, `(N, L)` float32.
        rank_search_: the result of a rank search, with `reliable` and `message`; None without one.
        mean_, scale_: what the data were centred by and divided by; uint8 data by 0 and 255.
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
        >>> ae.score(X) > 0.5
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
        epochs: int = 50,
        batch_size: int = 64,
        learning_rate: float = 2e-3,
        compress: bool = False,
        tol: float = 1e-2,
        device: str = "cpu",
        random_state: int | np.random.RandomState | None = None,
        verbose: bool = False,
    ) -> None:
        self.method = method
        self.latent_dim = latent_dim
        self.rank = rank
        self.options = options
        self.net = net
        self.epochs = epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.compress = compress
        self.tol = tol
        self.device = device
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: ArrayLike, y: object = None) -> Self:
        """Train on `X`.

        Args:
            X: `(N, F)` or `(N, C, ...)`, finite numbers, at least two samples.
            y: ignored.

        Returns:
            This estimator.

        Raises:
            ValueError: `X` cannot be used, or an option of the method is unknown or out of range.

        Warns:
            ConvergenceWarning: a search for the rank did not come to a sure end.
        """
        from latentrank.training import fit

        x = self._validated(X, reset=True)
        self._of_bytes = x.dtype == np.uint8
        self.mean_, self.scale_ = _centre_and_scale(x)
        self._mean_sample = x.mean(axis=0, dtype=np.float64)
        scaled = Split(self._scaled(x))
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        settings = {
            "epochs": self.epochs,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "schedule": "cosine",
            "validate_every": self.epochs,
            "seed": seed,
            "device": self.device,
        }
        # a run's configuration, since its check says in one sentence what is wrong
        config = TrainConfig(**settings)
        dataset = Dataset("the data", scaled, scaled, bounded=self._of_bytes)
        options = dict(self.options or {})
        if self.rank is not None:
            options["rank"] = self.rank
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            model = methods.build(
                self.method, dataset.shape, self.latent_dim, self.net, self._of_bytes, **options
            )
            if not self._of_bytes:
                preprocessing = Preprocessing.of_numbers(self.mean_, self.scale_)
                model.spec = model.spec.model_copy(update={"preprocessing": preprocessing})
            history = fit(model, dataset, config, progress=self.verbose)
        self.rank_search_ = history.reports.get("rank_search")
        if self.rank_search_ is not None and not self.rank_search_["reliable"]:
            warnings.warn(self.rank_search_["message"], ConvergenceWarning, stacklevel=2)
        self.model_ = (
            model.compress(self.tol, to_float(scaled.x[:_BATCH])) if self.compress else model
        )
        self.model_.requires_grad_(False)
        self.embedding_ = self._encode(scaled.x)
        self._describe()
        return self

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
            X: samples of the shape that `fit` saw.

        Returns:
            `(N, L)` float32.

        Raises:
            NotFittedError: before `fit`.
            ValueError: samples of another shape, or not finite.
        """
        check_is_fitted(self)
        return self._encode(self._scaled(self._validated(X, reset=False)))

    def inverse_transform(self, Z: ArrayLike) -> Array:
        """The samples that codes stand for, in the units of the data.

        Args:
            Z: `(N, L)` codes.

        Returns:
            `(N, F)` or `(N, C, ...)` float32; for uint8 data in [0, 255].

        Raises:
            NotFittedError: before `fit`.
            ValueError: codes of another width, or not finite.
        """
        check_is_fitted(self)
        codes = check_array(Z, dtype=np.float32)
        if codes.shape[1] != self.embedding_.shape[1]:
            raise InputError(
                f"The codes have {codes.shape[1]} numbers each, expected "
                f"{self.embedding_.shape[1]}; give what transform returns."
            )
        return self._unscaled(self._decode(codes))

    def sample(
        self,
        n: int = 1,
        *,
        density_name: str | None = None,
        random_state: int | np.random.RandomState | np.random.Generator | None = None,
    ) -> Array:
        """New samples: codes drawn from a density fitted to the training codes, decoded.

        Args:
            n: number of samples, from 1.
            density_name: a density, alone or with options, such as `"gmm:components=10"`; by
                default `"gaussian"`, for a GAN `"prior"`.
            random_state: random seed for sampling: an integer, a NumPy random state or
                generator, or None.

        Returns:
            `(n, F)` or `(n, C, ...)` float32, in the units of the data.

        Raises:
            NotFittedError: before `fit`.
            ValueError: `n` below 1, an unknown density, or one that the method does not have.
        """
        check_is_fitted(self)
        name = density_name or inference.usual_densities(self.model_)[0]
        drawn = inference.density_of_model(self.model_, name, self.embedding_)
        return self._unscaled(self._decode(drawn.sample(n, seed=random_state)))

    def score(self, X: ArrayLike, y: object = None) -> float:
        """The share of the variance of `X` that its reconstruction explains.

        `1 - sum (x - x')^2 / sum (x - mean)^2`, with the mean sample of the training data.

        Args:
            X: samples of the shape that `fit` saw.
            y: ignored.

        Returns:
            At most 1; 0 is the score of the mean sample.

        Raises:
            NotFittedError: before `fit`.
            ValueError: samples of another shape or not finite, or the method is a GAN, which
                reconstructs nothing.
        """
        check_is_fitted(self)
        if not self.model_.reconstructs:
            raise InputError(
                f"The method {self.method} reconstructs nothing, so there is no score; look at "
                "its samples."
            )
        x = self._validated(X, reset=False)
        rebuilt = self._unscaled(self._decode(self._encode(self._scaled(x))))
        unexplained = np.square(rebuilt - x.astype(np.float64)).sum()
        return float(1 - unexplained / np.square(x - self._mean_sample).sum())

    def _validated(self, X: ArrayLike, *, reset: bool) -> Array:
        shaped = getattr(X, "ndim", None) or (np.ndim(X) if isinstance(X, list | tuple) else 2)
        array: Array = validate_data(
            self,
            X,
            reset=reset,
            accept_sparse=False,
            allow_nd=True,
            dtype=[np.float32, np.float64, np.uint8] if shaped > 2 else [np.float64, np.float32],
            ensure_min_samples=2 if reset else 1,
        )
        if reset:
            self._sample_shape = array.shape[1:]
        elif array.shape[1:] != self._sample_shape:
            raise InputError(
                f"The samples have shape {array.shape[1:]}, expected {self._sample_shape} as in "
                "fit; give samples of that shape."
            )
        return array

    def _scaled(self, x: Array) -> Array:
        """As the model wants it: by what `fit` saw, whatever the dtype of `x`."""
        if self._of_bytes and x.dtype == np.uint8:
            return x
        return ((x - self.mean_) / self.scale_).astype(np.float32)

    def _unscaled(self, x: Array) -> Array:
        unscaled = (x * self.scale_ + self.mean_).astype(np.float32)
        return np.clip(unscaled, 0, 255) if self._of_bytes else unscaled

    def _encode(self, x: Array) -> NDArray[np.float32]:
        return _in_batches(self.model_.encode, x)

    def _decode(self, codes: Array) -> NDArray[np.float32]:
        return _in_batches(self.model_.decode, codes)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.three_d_array = True
        return tags


def _centre_and_scale(x: Array) -> tuple[Array | float, float]:
    if x.dtype == np.uint8:
        return 0.0, 255.0
    mean = x.mean(axis=0) if x.ndim == 2 else x.mean()
    return mean, float(np.sqrt(np.square(x - mean).mean())) or 1.0


@torch.no_grad()
def _in_batches(function: Any, x: Array) -> NDArray[np.float32]:
    parts = [function(to_float(x[i : i + _BATCH])).numpy() for i in range(0, len(x), _BATCH)]
    return np.concatenate(parts)
