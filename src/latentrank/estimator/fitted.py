"""What a fitted estimator does with its model: codes, samples and scores in the data's units."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_array, check_is_fitted

from latentrank import inference
from latentrank.data.plain import unwrapped
from latentrank.density.base import RandomState
from latentrank.errors import InputError
from latentrank.estimator import samples
from latentrank.estimator.parameters import random_generator
from latentrank.estimator.storage import Stored
from latentrank.formatting import first_of
from latentrank.inference import need_reconstructions, squared_errors
from latentrank.linalg import rank_of_spectrum, spectrum
from latentrank.torch_state import own_defaults

Array = NDArray[Any]

_NAMED = 5  # columns in a message


class FittedAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, Stored):  # type: ignore[misc]
    """The methods that use a trained model; `LowRankAutoencoder` adds the training."""

    def transform(self, X: ArrayLike) -> NDArray[np.float32]:
        """The codes of `X`.

        Args:
            X: samples of the shape given to `fit`; except for tables, also a single sample.

        Returns:
            `(N, L)` float32.

        Raises:
            NotFittedError: before `fit`.
            ValueError: samples of a different shape, outside the bounds of the training data, or
                not finite.
        """
        x = self._samples(X)
        return self.model_.encode_array(x)

    def inverse_transform(self, X: ArrayLike) -> Array:
        """Decode codes to samples.

        Args:
            X: `(N, L)` codes; columns of a data frame must be in the order of `transform`.

        Returns:
            `(N, ...)` in the shape, units, bounds and dtype of the data.

        Raises:
            NotFittedError: before `fit`.
            ValueError: codes of a different width, in a different order, or not finite.
        """
        check_is_fitted(self)
        self._check_order(getattr(X, "columns", ()))
        codes = check_array(unwrapped(X, "X"), dtype=np.float32)
        if codes.shape[1] != self._n_features_out:
            raise InputError(
                f"The codes have {codes.shape[1]} numbers each, expected {self._n_features_out}; "
                "give what transform returns."
            )
        return self._decoded(codes)

    def _check_order(self, columns: Iterable[Any]) -> None:
        """Refuse codes by the names that `transform` gives them, in another order."""
        names = list(self.get_feature_names_out())
        found = [str(name).rpartition("__")[2] for name in columns]  # after the step of a pipeline
        if found != names and sorted(found) == sorted(names):
            raise InputError(
                f"The codes have their columns in the order {first_of(found, _NAMED)}, expected "
                f"{first_of(names, _NAMED)}; put them in the order that transform returns."
            )

    def sample(
        self, n: int = 1, *, density: str | None = None, random_state: RandomState = None
    ) -> Array:
        """New samples: codes drawn from a density fitted to `embedding_`, decoded.

        Args:
            n: how many, at least 1.
            density: one of `latentrank.density.names()`, alone or with options, such as
                `"gmm:components=5"`; by default `"gaussian"`, or `"prior"` for a GAN.
            random_state: None (NumPy's global state), an integer, or a NumPy `RandomState` or
                `Generator`.

        Returns:
            `(n, ...)` in the shape, units, bounds and dtype of the data.

        Raises:
            NotFittedError: before `fit`.
            ValueError: `n` below 1, an unknown density, or one that the method does not have.
        """
        check_is_fitted(self)
        chosen = density or self.model_.usual_densities[0]
        fitted = inference.density_of_model(self.model_, chosen, self.embedding_)
        return self._decoded(fitted.sample(n, seed=random_generator(random_state)))

    @own_defaults()
    def score(self, X: ArrayLike, y: object = None) -> float:
        """The fraction of the variance of `X` that its reconstruction explains.

        `1 - sum (x - x')^2 / sum (x - mean)^2`, with the mean sample of the training data. Columns
        or channels are divided by their standard deviation there, so that they have equal weight.

        Args:
            X: samples of the shape that `fit` saw.
            y: ignored.

        Returns:
            At most 1; 0 is the score of the mean sample, and of samples that all equal it unless
            they are reconstructed exactly, as in `sklearn.metrics.r2_score`.

        Raises:
            NotFittedError: before `fit`.
            ValueError: samples of a different shape or not finite, or the method is a GAN, which
                does not reconstruct.
        """
        x = self._samples(X)
        unexplained = -self._score_samples(x).sum()
        mean = torch.tensor(self._mean_sample)  # a copy: joblib may have mapped it read-only
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

    def _score_samples(self, x: Array) -> NDArray[np.float64]:
        need_reconstructions(self.model_.spec.method, "score; look at its samples")
        return -squared_errors(self.model_, x)

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

    def _samples(self, X: ArrayLike) -> Array:
        """Samples as networks take them, in their own units."""
        check_is_fitted(self)
        x = samples.checked(self, X, reset=False)
        return samples.for_model(self.model_, x)

    def _decoded(self, codes: Array) -> Array:
        return self.model_.preprocessing.to_own_layout(self.model_.decode_array(codes))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        tags.input_tags.three_d_array = True
        return tags
