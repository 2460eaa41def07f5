"""A normalizing flow trained on the codes (needs zuko)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from latentrank.density.base import Array, Density, Subspace, generator
from latentrank.density.gaussian import Gaussian
from latentrank.errors import InputError

_BATCH = 512
_LEARNING_RATE = 2e-3
_CHECK_EVERY = 50  # steps between two looks at the held-out codes
_PATIENCE = 8  # looks without a better likelihood before training stops
_ROWS = 8192  # rows evaluated at a time


class Flow(Density):
    r"""A neural spline flow `u = T(v)`, `v ~ N(0, I)`, in whitened coordinates.

    `log p(u) = log N(T^-1(u)) + log |det dT^-1/du|`.

    Args:
        subspace: where the density lives.
        network: a zuko flow over `r` features, trained.
    """

    def __init__(self, subspace: Subspace, network: nn.Module) -> None:
        super().__init__(subspace)
        self.network = network

    @torch.no_grad()
    def _draw(self, n: int, rng: np.random.Generator) -> Array:
        # The noise comes from the caller's generator, not from torch's global one.
        noise = _tensor(rng.standard_normal((n, self.rank)))
        inverse = self.network().transform.inv
        return np.concatenate([inverse(part).double().numpy() for part in _parts(noise)])

    @torch.no_grad()
    def _log_density(self, coordinates: Array) -> Array:
        return np.concatenate(
            [
                _log_prob(self.network, part).double().numpy()
                for part in _parts(_tensor(coordinates))
            ]
        )


def fit(codes: ArrayLike, steps: int = 2000, seed: int | None = 0) -> Flow | Gaussian:
    """A neural spline flow of coupling layers, by maximum likelihood with Adam.

    A tenth of the codes is held out; the state with the best likelihood there is kept, and
    training stops when it no longer improves. Coupling layers, because sampling from a fully
    autoregressive flow takes one pass per dimension.

    Args:
        codes: `(N, L)`, `N` from 2.
        steps: the most Adam steps, from 1.
        seed: of the initial weights, the held-out codes and the batches; `None` for
            fresh entropy.

    Returns:
        The density; for constant codes, which leave nothing to learn, the Gaussian of rank 0.

    Raises:
        InputError: if the codes are no finite matrix or have fewer than 2 rows, if `steps` is
            below 1, or if zuko is not installed.

    Example:
        >>> codes = np.random.default_rng(0).normal(size=(50, 1)) * [1.0, 2.0, 0.0]
        >>> density = fit(codes, steps=1)
        >>> density.rank, density.sample(4, seed=0).shape
        (1, (4, 3))
    """
    subspace = Subspace.of(codes)
    if steps < 1:
        raise InputError(f"steps is {steps}, expected a whole number from 1; raise it.")
    rng = generator(seed)
    network = _network(subspace.rank, int(rng.integers(2**31)))
    if subspace.rank == 0:
        return Gaussian(subspace)
    shuffled = _tensor(rng.permutation(subspace.coordinates(codes)))
    held_out = max(1, len(shuffled) // 10)
    _train(network, shuffled[held_out:], shuffled[:held_out], steps, rng)
    return Flow(subspace, network)


def _network(features: int, seed: int) -> Any:
    try:
        from zuko.flows import NSF
    except ImportError as error:
        raise InputError(
            "The density 'flow' needs zuko; install it with: pip install 'latentrank[flow]'"
        ) from error
    with torch.random.fork_rng(devices=[]):
        # Not torch.manual_seed, which would also reseed every accelerator.
        torch.default_generator.manual_seed(seed)
        return NSF(
            max(features, 1),
            transforms=4,
            passes=2,
            randperm=features > 2,  # two features must swap roles, which chance may not do
            hidden_features=(64, 64),
        ).eval()


def _train(
    network: nn.Module, train: Tensor, held_out: Tensor, steps: int, rng: np.random.Generator
) -> None:
    """Maximise the likelihood of `train` and leave the state that is best on `held_out`."""
    optimiser = torch.optim.Adam(network.parameters(), lr=_LEARNING_RATE)
    best, state, since = _mean_log_prob(network, held_out), copy.deepcopy(network.state_dict()), 0
    for step in range(1, steps + 1):
        batch = train[torch.from_numpy(rng.integers(len(train), size=min(_BATCH, len(train))))]
        optimiser.zero_grad()
        torch.autograd.backward(-_log_prob(network, batch).mean())
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        if step % _CHECK_EVERY and step != steps:
            continue
        value = _mean_log_prob(network, held_out)
        since += 1
        if value > best:
            best, state, since = value, copy.deepcopy(network.state_dict()), 0
        if since == _PATIENCE:
            break
    network.load_state_dict(state)


@torch.no_grad()
def _mean_log_prob(network: nn.Module, coordinates: Tensor) -> float:
    parts = [_log_prob(network, part) for part in _parts(coordinates)]
    return float(torch.cat(parts).double().mean())


def _log_prob(network: nn.Module, coordinates: Tensor) -> Tensor:
    values: Tensor = network().log_prob(coordinates)
    return values


def _parts(coordinates: Tensor) -> Sequence[Tensor]:
    return [coordinates[i : i + _ROWS] for i in range(0, len(coordinates), _ROWS)]


def _tensor(coordinates: Array) -> Tensor:
    return torch.from_numpy(coordinates.astype(np.float32))
