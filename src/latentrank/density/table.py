"""The densities by name, their options, and the text form of both."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from numpy.typing import ArrayLike

from latentrank.density.base import Density
from latentrank.errors import InputError, check_known, check_returned, check_takes
from latentrank.io import parse_value
from latentrank.registry import Registry

_FILES = {
    "gaussian": "gaussian",
    "gmm": "mixture",
    "kde": "kde",
    "flow": "flow",
    "prior": "prior",
}

# Imported on first use, since scikit-learn and torch take seconds to import.
#: Densities by name. Another package adds one with an entry point in `latentrank.densities`.
DENSITIES = Registry[Callable[..., Density]](
    "density",
    "latentrank.densities",
    lazy={name: f"latentrank.density.{file}:fit" for name, file in _FILES.items()},
    check=lambda what, value: check_takes(value, ("codes",), what),
)
"""By name, a function `fit(codes, *, option=default) -> Density`.

The first line of its docstring is the summary of the density, its `Args` describe the options.
"""


class Option(NamedTuple):
    """An option of a density.

    Attributes:
        name: keyword of the density's `fit`.
        default: its default.
        help: what it means.
    """

    name: str
    default: Any
    help: str


class Spec(NamedTuple):
    """A density as written in text.

    Attributes:
        name: one of `names()`.
        options: by name; only those given.
    """

    name: str
    options: dict[str, Any]


def names() -> tuple[str, ...]:
    """The names of all densities, including those of installed packages.

    Example:
        >>> names()[:5]
        ('gaussian', 'gmm', 'kde', 'flow', 'prior')
    """
    return tuple(DENSITIES.names())


def options(name: str) -> dict[str, Option]:
    """The options of a density, by name.

    Args:
        name: one of `names()`.

    Raises:
        InputError: there is no such density.

    Example:
        >>> options("kde")["bandwidth"].default
        'scott'
    """
    fitter = DENSITIES.get(name)
    help_of = _argument_help(fitter)
    parameters = list(inspect.signature(fitter).parameters.values())[1:]  # without the codes
    return {p.name: Option(p.name, p.default, help_of.get(p.name, "")) for p in parameters}


def summary(name: str) -> str:
    """A density's description in one sentence.

    Args:
        name: one of `names()`.

    Raises:
        InputError: there is no such density.

    Example:
        >>> summary("gaussian")
        'One Gaussian with the mean and the covariance of the codes.'
    """
    return (inspect.getdoc(DENSITIES.get(name)) or "").partition("\n")[0]


def parse(text: str) -> Spec:
    """A density written as `NAME` or `NAME:OPTION=VALUE,...`.

    Args:
        text: such as `"gmm:components=10,covariance=diag"`; values are read as in YAML.

    Returns:
        The name and the options given.

    Raises:
        InputError: there is no such density or option, or the text is not of this form.

    Example:
        >>> parse("gmm:components=10,covariance=diag")
        Spec(name='gmm', options={'components': 10, 'covariance': 'diag'})
        >>> parse("gmm:component=3")
        Traceback (most recent call last):
        latentrank.errors.InputError: There is no option of the density gmm 'component'; ...
    """
    name, colon, rest = text.strip().partition(":")
    name, given = name.rstrip(), {}
    for item in re.split(r",(?=\s*[\w-]+\s*=)", rest) if colon else []:
        option, equals, value = item.partition("=")
        if not (equals and option.strip() and value.strip()):
            raise InputError(
                f"The density is '{text}', expected NAME or NAME:OPTION=VALUE,OPTION=VALUE; "
                f"write it like 'gmm:components=10'."
            )
        given[option.strip().replace("-", "_")] = parse_value(value.strip())
    _check_options(name, given)
    return Spec(name, given)


def split_specs(text: str) -> list[str]:
    """Several densities in one text, separated by commas.

    A comma before `OPTION=` belongs to the density on its left.

    Args:
        text: such as `"gaussian,gmm:components=10,covariance=diag"`.

    Returns:
        The text of each density, as `parse` reads it.

    Example:
        >>> split_specs("gaussian, gmm:components=10,covariance=diag, prior")
        ['gaussian', 'gmm:components=10,covariance=diag', 'prior']
    """
    return [part.strip() for part in re.split(r",(?!\s*[\w-]+\s*=)", text) if part.strip()]


def fit(spec: str, codes: ArrayLike, **options: Any) -> Density:
    """Fit a density to training codes.

    Args:
        spec: a name, alone or with options, such as `"gmm:components=10"`.
        codes: `(N, L)`, `N` at least 2, one row per sample; of any rank, constant codes included.
        **options: options of the density; these override those of `spec`.

    Returns:
        The density, with `sample(n, seed)`, `log_prob(codes)` and `rank`.

    Raises:
        InputError: there is no such density or option, an option is out of range, or the codes
            cannot be used.

    Example:
        >>> density = fit("kde:bandwidth=0.1", [[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]])
        >>> density.rank, density.sample(2, seed=0).shape
        (1, (2, 2))
    """
    name, written = parse(spec)
    _check_options(name, options)
    make = DENSITIES.get(name)
    density = make(codes, **{**written, **options})
    check_returned(density, Density, make)
    return density


def _check_options(name: str, given: Mapping[str, Any]) -> None:
    known = options(name)
    for option in given:
        if not known:
            raise InputError(f"The density {name} has no options; leave out '{option}'.")
        check_known(f"option of the density {name}", option, known)


def _argument_help(function: Callable[..., Any]) -> dict[str, str]:
    """The entries of the section `Args` of a docstring, each on one line."""
    section = re.search(r"^Args:\n((?: +.*\n|\n)+)", (inspect.getdoc(function) or "") + "\n", re.M)
    entries = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", section[1] if section else "", re.M)
    return {name: " ".join(text.split()) for name, text in entries}
