"""Options of a method as parameters of the estimator: `options__penalty` and the like."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from latentrank.density.base import RandomState, generator
from latentrank.errors import InputError, check_count

_PREFIX = "options__"


class NestedOptions(BaseEstimator):  # type: ignore[misc]
    """A `BaseEstimator` with a parameter `options`, a mapping whose entries are parameters too.

    Example:
        >>> from latentrank import LowRankAutoencoder
        >>> ae = LowRankAutoencoder("lorae").set_params(options__penalty=1e-2)
        >>> ae.options, ae.get_params()["options__penalty"]
        ({'penalty': 0.01}, 0.01)
    """

    options: Mapping[str, Any] | None

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name.

        Args:
            deep: include each entry of `options` as `options__NAME`.
        """
        params: dict[str, Any] = super().get_params(deep=deep)
        if not deep or not isinstance(self.options, Mapping):  # which `fit` refuses
            return params
        return params | {_PREFIX + name: value for name, value in self.options.items()}

    def set_params(self, **params: Any) -> Self:
        """Set parameters; `options__NAME` sets one option of the method and keeps the others.

        Args:
            **params: by name. Whether the method has an option is checked by `fit`.

        Raises:
            ValueError: there is no such parameter.
        """
        nested = {
            name.removeprefix(_PREFIX): params.pop(name)
            for name in list(params)
            if name.startswith(_PREFIX)
        }
        super().set_params(**params)
        if nested:
            self.options = {**(self.options or {}), **nested}
        return self


def random_generator(state: RandomState) -> np.random.Generator:
    """The generator of a random state; None is NumPy's global state, as in scikit-learn.

    Args:
        state: None, an integer, or a NumPy `RandomState` or `Generator`.

    Raises:
        InputError: it is none of these.

    Example:
        >>> draws = []
        >>> for _ in range(2):
        ...     np.random.seed(0)
        ...     draws.append(float(random_generator(None).random()))
        >>> draws[0] == draws[1]
        True
    """
    return generator(np.random if state is None else state)


def check(estimator: Any) -> None:
    """Reject parameters that have the wrong type or are out of range.

    Those that are names, or that a method or the configuration has, are checked there.

    Args:
        estimator: a `LowRankAutoencoder`.

    Raises:
        InputError: one is not.

    Example:
        >>> from latentrank import LowRankAutoencoder
        >>> check(LowRankAutoencoder(epochs="3"))
        Traceback (most recent call last):
        latentrank.errors.InputError: epochs is '3', expected an integer of at least 1; choose one.
    """
    for name in ("latent_dim", "epochs", "batch_size", "init_steps", "n_init"):
        check_count(getattr(estimator, name), name)
    if estimator.n_iter_no_change is not None:
        check_count(estimator.n_iter_no_change, "n_iter_no_change")
    _check_number(estimator, "validation_fraction", "a number above 0 and below 1", 1)
    if estimator.learning_rate is not None:
        _check_number(estimator, "learning_rate", "a number above 0")
    if not isinstance(estimator.compress, bool):
        _check_number(estimator, "compress", "a boolean or a number above 0 and below 1", 1)
    for name in ("method", "net", "init", "device", "kind", "layout"):
        value = getattr(estimator, name)
        inferred = value is None and name in ("kind", "layout")
        if not (isinstance(value, str) or inferred):
            raise InputError(f"{name} is {value!r}, expected a name in text; give one.")


def _check_number(estimator: Any, name: str, expected: str, below: float = math.inf) -> None:
    value = getattr(estimator, name)
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) < below:
        raise InputError(f"{name} is {value!r}, expected {expected}; change it.")
