"""A normalizing flow trained on the codes (needs zuko)."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from latentrank.density.base import Array, Density, RandomState, Subspace, generator, integer_seed
from latentrank.density.gaussian import Normal
from latentrank.errors import check_count, need
from latentrank.torch_state import isolated, own_defaults

_BATCH = 512
_LEARNING_RATE = 2e-3
_CHECK_EVERY = 50  # steps between evaluations on the held-out codes
_PATIENCE = 400  # steps without improvement before training stops
_ROWS = 8192  # rows evaluated at a time


class Flow(Density):
    r"""A neural spline flow `u = T(v)`, `v ~ N(0, I)`, in whitened coordinates.

    `log p(u) = log N(T^-1(u)) + log |det dT^-1/du|`.

    Args:
        subspace: the subspace the density lives in.
        network: a zuko flow over `r` features, trained.
    """

    def __init__(self, subspace: Subspace, network: nn.Module) -> None:
        super().__init__(subspace)
        self.network = network

    @own_defaults()
    @torch.no_grad()
    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        # The noise comes from the caller's generator, not from torch's global one.
        noise = _tensor(rng.standard_normal((n, self.rank)))
        inverse = self.network().transform.inv
        drawn = torch.cat([inverse(part) for part in torch.split(noise, _ROWS)])
        return np.asarray(drawn.double().numpy())

    @own_defaults()
    @torch.no_grad()
    def _log_density(self, coordinates: Array) -> Array:
        return np.asarray(_log_prob(self.network, _tensor(coordinates)).double().numpy())


@own_defaults()
def fit(codes: ArrayLike, *, steps: int = 2000, seed: RandomState = 0) -> Flow | Normal:
    """A normalizing flow: a neural spline flow with coupling layers (needs zuko).

    Trained by maximum likelihood with Adam. A tenth of the codes is held out; the weights with
    the best likelihood on it are kept, and training stops when it no longer improves. Coupling
    layers are used because sampling from an autoregressive flow takes one pass per dimension.

    Args:
        codes: `(N, L)`, `N` at least 2.
        steps: maximum number of Adam steps, at least 1.
        seed: random seed for the initial weights, the held-out codes and the batches.

    Returns:
        The density; for constant codes, a normal distribution of rank 0.

    Raises:
        InputError: the codes are not a finite matrix or have fewer than 2 rows, an option is out
            of range, or zuko is not installed.

    Example:
        >>> codes = np.random.default_rng(0).normal(size=(50, 1)) * [1.0, 2.0, 0.0]
        >>> density = fit(codes, steps=1)
        >>> density.rank, density.sample(4, seed=0).shape
        (1, (4, 3))
    """
    subspace = Subspace.of(codes)
    check_count(steps, "steps")
    rng = generator(seed)
    network = _network(subspace.rank, integer_seed(rng))
    if subspace.rank == 0:
        return Normal(subspace)
    shuffled = _tensor(rng.permutation(subspace.coordinates(codes)))
    held_out = max(1, len(shuffled) // 10)
    _train(network, shuffled[held_out:], shuffled[:held_out], steps, rng)
    return Flow(subspace, network)


def _network(features: int, seed: int) -> Any:
    zuko = need("zuko.flows", "flow", "The density 'flow'")
    with isolated(seed):
        return zuko.NSF(
            max(features, 1),
            transforms=4,
            passes=2,
            # A random permutation of two features may leave them unswapped.
            randperm=features > 2,
            hidden_features=(64, 64),
        ).eval()


def _train(
    network: nn.Module, train: Tensor, held_out: Tensor, steps: int, rng: np.random.Generator
) -> None:
    """Maximise the likelihood of `train`; keep the weights that are best on `held_out`."""
    optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    best, weights, best_step = -float("inf"), network.state_dict(), 0
    for step in range(steps + 1):
        if step % _CHECK_EVERY == 0 or step == steps:
            with torch.no_grad():
                value = float(_log_prob(network, held_out).double().mean())
            if value > best:
                best, weights, best_step = value, copy.deepcopy(network.state_dict()), step
            if step == steps or step - best_step >= _PATIENCE:
                break
        batch = train[torch.from_numpy(rng.integers(len(train), size=min(_BATCH, len(train))))]
        optimiser.zero_grad()
        torch.autograd.backward(-_log_prob(network, batch).mean())
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
    network.load_state_dict(weights)


def _log_prob(network: nn.Module, coordinates: Tensor) -> Tensor:
    return torch.cat([network().log_prob(part) for part in torch.split(coordinates, _ROWS)])


def _tensor(coordinates: Array) -> Tensor:
    return torch.from_numpy(coordinates.astype(np.float32))
