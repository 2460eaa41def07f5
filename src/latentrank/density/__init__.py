"""Probability densities on codes: fit them to training codes, sample, and decode.

Each density is a file with one `fit(codes, ...)`; all of them live in the subspace that the
codes fill, so codes of low rank are the normal case and not an error.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from numpy.typing import ArrayLike

from latentrank.density.base import Density, Subspace
from latentrank.errors import InputError, unknown

__all__ = ["Density", "Subspace", "defaults", "fit", "names"]

# By name of the module, so that scikit-learn and torch are imported only by who needs them.
_MODULES = {
    "gaussian": "gaussian",
    "gmm": "mixture",
    "prior": "prior",
    "kde": "kde",
    "flow": "flow",
}


def names() -> tuple[str, ...]:
    """The names that `fit` knows.

    Returns:
        The names, the simplest density first.

    Example:
        >>> names()
        ('gaussian', 'gmm', 'prior', 'kde', 'flow')
    """
    return tuple(_MODULES)


def defaults(name: str) -> Mapping[str, Any]:
    """The options of a density and their defaults.

    Args:
        name: one of `names()`.

    Returns:
        Option name to default.

    Raises:
        InputError: if there is no such density.

    Example:
        >>> defaults("gmm")
        {'components': 4, 'max_components': 10, 'seed': 0}
    """
    parameters = inspect.signature(_fitter(name)).parameters
    return {key: value.default for key, value in parameters.items() if key != "codes"}


def fit(name: str, codes: ArrayLike, **options: Any) -> Density:
    """Fit a density to training codes.

    Args:
        name: one of `names()`: `gaussian`, `gmm` (Gaussian mixture), `prior` (standard normal,
            whatever the codes), `kde` (kernel density) or `flow` (normalizing flow).
        codes: `(N, L)`, `N` from 2, rows are samples; any rank, also constant.
        **options: as the density's own `fit` has them; `defaults(name)` lists them.

    Returns:
        The density, with `sample(n, seed)`, `log_prob(codes)` and `rank`.

    Raises:
        InputError: if there is no such density or option, or the codes cannot be used.

    Example:
        >>> density = fit("kde", [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
        >>> density.rank, density.sample(2, seed=0).shape
        (1, (2, 2))
    """
    known = defaults(name)
    for option in options:
        if not known:
            raise InputError(f"The density {name} has no options; leave out '{option}'.")
        if option not in known:
            raise unknown(f"option of the density {name}", option, known)
    density: Density = _fitter(name)(codes, **options)
    return density


def _fitter(name: str) -> Any:
    if name not in _MODULES:
        raise unknown("density", name, names())
    return import_module(f"{__name__}.{_MODULES[name]}").fit
