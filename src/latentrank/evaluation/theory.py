r"""LoRAE's three theoretical results as measurements: convergence, contrast, rank against lambda.

Theorem 1 (Mazumder et al., WACV 2024) is about Algorithm 1, Adam on the whole data set. The step
size is that of the paper's poster. The formula printed in the paper has the tolerance as its
numerator and a root that ends before :math:`/K\delta^2T`; taken literally, it does not shrink with
the loss gap. The theorem calls the *loss* K-Lipschitz, which is used here as printed: the smallest
such K is the bound on the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from latentrank.data.plain import unwrapped
from latentrank.errors import InputError, check_count
from latentrank.linalg.precision import to_float64

Floats = NDArray[np.float64]


class PowerLaw(NamedTuple):
    """A power law `y = factor * x ** exponent`.

    Attributes:
        factor: the value at x = 1.
        exponent: the slope of the logarithms.
        r_squared: share of the logarithms' variance that the line explains.
    """

    factor: float
    exponent: float
    r_squared: float


def fit_power(x: ArrayLike, y: ArrayLike) -> PowerLaw:
    """Fit a power law to measurements, by least squares on the logarithms.

    Args:
        x: `(N,)` positive numbers, at least two different ones.
        y: `(N,)` positive numbers.

    Returns:
        Factor, exponent, and the share of the variance that the fit explains.

    Raises:
        InputError: numbers without a logarithm, or fewer than two different `x`.

    Example:
        >>> found = fit_power([1.0, 10.0, 100.0], [2.0, 0.2, 0.02])
        >>> [round(value, 9) for value in found]
        [2.0, -1.0, 1.0]
    """
    from scipy.stats import linregress  # takes a second to import

    across, up = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    usable = across.ndim == 1 and across.shape == up.shape
    positive = usable and bool((across > 0).all() and (up > 0).all())
    if not positive or len(np.unique(across)) < 2:
        raise InputError(
            f"A power law was requested through {across.size} and {up.size} numbers, expected "
            "pairs of positive numbers with at least two different x; leave out the others."
        )
    line = linregress(np.log(across), np.log(up))
    explained = float(line.rvalue) ** 2 if np.ptp(up) > 0 else 1.0
    return PowerLaw(math.exp(line.intercept), float(line.slope), explained)


def theorem_step_size(
    gap: float, lipschitz: float, gradient_bound: float, horizon: int, epsilon: float
) -> float:
    r"""The step size of theorem 1, as on the poster.

    .. math:: \alpha = \sqrt{2 (L_0 - L_*) / (K \delta^2 T)}, \quad
        \delta^2 = \gamma^2 / \epsilon^2

    Args:
        gap: :math:`L_0 - L_*`, initial loss minus its minimum; at least 0.
        lipschitz: K.
        gradient_bound: :math:`\gamma`.
        horizon: T, at least 1.
        epsilon: Adam's.

    Raises:
        InputError: a number that is not positive.

    Example:
        >>> round(theorem_step_size(2.0, 1.0, 1.0, horizon=100, epsilon=1.0), 12)
        0.2
    """
    if gap < 0 or min(lipschitz, gradient_bound, horizon, epsilon) <= 0:
        raise InputError(
            f"The theorem's step size was requested with gap {gap}, K {lipschitz}, gradient bound "
            f"{gradient_bound}, T {horizon} and epsilon {epsilon}, expected positive numbers; "
            "check the loss."
        )
    return math.sqrt(2 * gap / (lipschitz * horizon)) * epsilon / gradient_bound


def adam_gradient_norms(
    loss: Callable[[], Tensor],
    parameters: Sequence[Tensor],
    step_size: float,
    steps: int,
    epsilon: float = 1e-8,
    betas: tuple[float, float] = (0.9, 0.999),
) -> Floats:
    r"""Norms of the gradient along Algorithm 1, Adam without correction of its early averages.

    .. math:: m \gets \beta_1 m + (1 - \beta_1) g, \quad v \gets \beta_2 v + (1 - \beta_2) g^2,
        \quad \theta \gets \theta - \alpha\, m / (\sqrt{v} + \epsilon)

    Args:
        loss: of the whole data, from `parameters`; deterministic.
        parameters: leaf tensors that require gradients; changed in place.
        step_size: :math:`\alpha`.
        steps: T, at least 1.
        epsilon: added to the root.
        betas: of the two averages.

    Returns:
        `(steps,)` norms of all gradients together, at :math:`\theta_0, \ldots, \theta_{T-1}`.

    Raises:
        InputError: `steps` below 1.

    Example:
        >>> theta = torch.tensor([3.0, 4.0], requires_grad=True)
        >>> norms = adam_gradient_norms(lambda: theta.square().sum() / 2, [theta], 0.1, 200)
        >>> float(norms[0]), bool(norms[-1] < 0.5)
        (5.0, True)
    """
    check_count(steps, "steps")
    first = [torch.zeros_like(parameter) for parameter in parameters]
    second = [torch.zeros_like(parameter) for parameter in parameters]
    norms = np.empty(steps)
    for step in range(steps):
        gradients = torch.autograd.grad(loss(), list(parameters), allow_unused=True)
        squared = 0.0
        with torch.no_grad():
            for parameter, m, v, given in zip(parameters, first, second, gradients, strict=True):
                g = torch.zeros_like(parameter) if given is None else given
                squared += float(to_float64(g).square().sum())
                m.lerp_(g, 1 - betas[0])
                v.lerp_(g.square(), 1 - betas[1])
                parameter.sub_(step_size * m / (v.sqrt() + epsilon))
        norms[step] = math.sqrt(squared)
    return norms


def relative_contrasts(
    codes: ArrayLike, draws: int = 100, neighbours: int = 1000, seed: int = 0
) -> Floats:
    r"""Relative contrast: how much farther the farthest code is than the nearest, for random codes.

    .. math:: (d_{\max} - d_{\min}) / d_{\min}, \quad d(x, x_j) = \|z - z_j\| / \mathrm{rank}(M)

    The rank of theorem 2 divides both distances and drops out.

    Args:
        codes: `(N, L)`, N at least 3.
        draws: number of codes to compare with others.
        neighbours: maximum number of others that each is compared with.
        seed: random seed.

    Returns:
        `(draws,)`, from 0 (all at the same distance); infinite where another code is identical. The
        smallest is the measured lower bound.

    Raises:
        InputError: fewer than three codes, or a count below 1.

    Example:
        >>> bool((relative_contrasts(np.eye(5), draws=3) < 1e-12).all())
        True
    """
    rows = np.asarray(unwrapped(codes, "codes"), dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 3 or min(draws, neighbours - 1) < 1:
        raise InputError(
            f"{draws} draws with {neighbours} neighbours were requested for codes of shape "
            f"{rows.shape}, expected a matrix of at least 3 rows, 1 draw and 2 neighbours."
        )
    rng = np.random.default_rng(seed)
    found = np.empty(draws)
    for draw in range(draws):
        chosen = rng.choice(len(rows), min(neighbours + 1, len(rows)), replace=False)
        distances = np.linalg.norm(rows[chosen[1:]] - rows[chosen[0]], axis=1)
        nearest, farthest = distances.min(), distances.max()
        found[draw] = (farthest - nearest) / nearest if nearest > 0 else math.inf
    return found
