"""Options of a method as parameters of the estimator: `options__penalty` and the like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from sklearn.base import BaseEstimator

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
