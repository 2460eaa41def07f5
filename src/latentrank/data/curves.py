"""Families of curves over one or two parameters, from RRAE (Mounayer et al., 2024)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from latentrank.errors import check_known

if TYPE_CHECKING:
    from latentrank.data.base import Dataset
    from latentrank.data.generated import Floats

_STAIR_STARTS = np.linspace(3.5 / 4, 3 * 3.5 / 4, 100)[:2]


def shifted_sine(p: ArrayLike, t: Floats) -> Floats:
    """The curves `sin(t - p pi)`.

    Args:
        p: `(N,)` or a number; in the paper from [0, 1.7].
        t: `(T,)` times.

    Returns:
        `(N, T)`, or `(T,)` for a single parameter.

    Example:
        >>> bool(np.allclose(shifted_sine(1, np.array([np.pi / 2])), -1))
        True
    """
    return np.sin(t - _column(p) * np.pi)


def stairs(p: ArrayLike, t: Floats) -> Floats:
    """Monotone steps: `cumsum(max(f - 2.3, 0)^5)` with `f = p sqrt(t) sin(2 pi (t - phase))`.

    The phase is `a0 + 10 (p - 1) (a1 - a0)`, where `a0` and `a1` are the first two of 100
    equidistant values from 3.5/4 to 3*3.5/4.

    Args:
        p: `(N,)` or a number; the paper takes it from [1, 5].
        t: `(T,)` times from 0 up; the sum runs over them, so the step of `t` sets the height.

    Returns:
        `(N, T)`, or `(T,)` for a single parameter; nondecreasing along `t`.

    Example:
        >>> bool((np.diff(stairs(3.0, np.linspace(0, 3.5, 501))) >= 0).all())
        True
    """
    p = _column(p)
    first, second = _STAIR_STARTS
    phase = first + (p - 1) / 0.1 * (second - first)
    height = p * np.sqrt(t) * np.sin(2 * np.pi * (t - phase))
    return np.cumsum(np.maximum(height - 2.3, 0) ** 5, axis=-1)


def two_sines(p1: ArrayLike, p2: ArrayLike, t: Floats) -> Floats:
    """The curves `sin(p1 pi t) + sin(p2 pi t)`.

    Args:
        p1: `(N,)` or a number; the paper takes it from [0.3, 0.5].
        p2: `(N,)` or a number; the paper takes it from [0.8, 1.0].
        t: `(T,)` times.

    Returns:
        `(N, T)`, or `(T,)` for single parameters.

    Example:
        >>> float(two_sines(0.5, 1.0, np.array([1.0]))[0].round(6))
        1.0
    """
    return np.sin(_column(p1) * np.pi * t) + np.sin(_column(p2) * np.pi * t)


def two_gaussians(p1: ArrayLike, p2: ArrayLike, t: Floats) -> Floats:
    """The curves `1.3 exp(-(t - p1)^2 / 0.08) + 1.3 exp(-(t - p2)^2 / 0.08)`.

    Args:
        p1: `(N,)` or a number; the paper takes it from [1, 3].
        p2: `(N,)` or a number; the paper takes it from [4, 6].
        t: `(T,)` times.

    Returns:
        `(N, T)`, or `(T,)` for single parameters.

    Example:
        >>> two_gaussians(1.0, 5.0, np.array([1.0, 3.0, 5.0])).round(6).tolist()
        [1.3, 0.0, 1.3]
    """
    first, second = (np.exp(-((t - _column(p)) ** 2) / 0.08) for p in (p1, p2))
    return 1.3 * first + 1.3 * second


@dataclass(frozen=True)
class Family:
    """How the paper samples one family of curves.

    Args:
        function: parameters and times to curves.
        ranges: lowest and highest value of each parameter.
        t: `(T,)` times.
        train_size: training curves, on a grid over the ranges.
        test_size: test curves, drawn uniformly over the ranges.
        latent_dim: latent width.
        formula: the curve in one line.
    """

    function: Callable[..., Floats]
    ranges: tuple[tuple[float, float], ...]
    t: Floats
    train_size: int
    test_size: int
    latent_dim: int
    formula: str


FAMILIES = {
    "shifted-sine": Family(
        shifted_sine, ((0, 1.7),), np.linspace(0, 2 * np.pi, 200), 17, 80, 4500, "sin(t - p pi)"
    ),
    # 40 values from 1 in steps of 0.1 end at 4.9; test parameters stay within the training range
    "stairs": Family(
        stairs, ((1, 4.9),), np.linspace(0, 3.5, 501), 40, 300, 4500, "rising steps, one parameter"
    ),
    "two-sines": Family(
        two_sines,
        ((0.3, 0.5), (0.8, 1.0)),
        np.arange(1571) / 100,
        15**2,
        1000,
        2800,
        "sin(p1 pi t) + sin(p2 pi t)",
    ),
    "two-gaussians": Family(
        two_gaussians,
        ((1, 3), (4, 6)),
        np.arange(1200) / 200,
        10**2,
        1000,
        2800,
        "bumps at p1 and p2",
    ),
}


def load(
    family: str, train_size: int | None = None, test_size: int | None = None, seed: int = 0
) -> Dataset:
    """One family of curves, sampled as in the paper.

    Args:
        family: `shifted-sine`, `stairs`, `two-sines` or `two-gaussians`.
        train_size: training curves, by default the paper's number; a square number for the
            families of two parameters.
        test_size: test curves, by default the paper's number.
        seed: random seed for the test parameters.

    Returns:
        float32 curves `(N, 1, T)` with their parameters.

    Raises:
        InputError: for an unknown family, or a `train_size` that does not form a grid.

    Example:
        >>> data = load("two-gaussians")
        >>> data.shape, len(data.train), len(data.test), data.true_dimension
        ((1, 1200), 100, 1000, 2)
    """
    from latentrank.data.generated import generate  # with it comes torch

    check_known("family of curves", family, FAMILIES)
    chosen = FAMILIES[family]
    return generate(
        f"curves:{family}",
        lambda parameters: chosen.function(*parameters.T, chosen.t)[:, None],
        chosen.ranges,
        chosen.train_size if train_size is None else train_size,
        chosen.test_size if test_size is None else test_size,
        seed=seed,
        net="curves",
    )


def _column(p: ArrayLike) -> Floats:
    return np.asarray(p, dtype=np.float64)[..., None]
