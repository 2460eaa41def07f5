"""The uniform density on the box that the codes fill, in the coordinates of their subspace."""

import numpy as np
from numpy.typing import ArrayLike

from latentrank.density import Density, Subspace


class Box(Density):
    def __init__(self, subspace: Subspace, margin: float, coordinates: np.ndarray) -> None:
        super().__init__(subspace)
        self.low, self.high = coordinates.min(0) - margin, coordinates.max(0) + margin

    def _draw(self, n: int, rng: np.random.Generator) -> np.ndarray:
        return rng.uniform(self.low, self.high, (n, self.rank))

    def _log_density(self, coordinates: np.ndarray) -> np.ndarray:
        inside = ((coordinates >= self.low) & (coordinates <= self.high)).all(axis=1)
        return np.where(inside, -np.log(self.high - self.low).sum(), -np.inf)


def fit(codes: ArrayLike, *, margin: float = 0.0) -> Box:
    """The uniform density on the box that codes fill.

    Args:
        codes: `(N, L)`.
        margin: added on each side, in standard deviations, from 0.
    """
    subspace = Subspace.of(codes)
    return Box(subspace, margin, subspace.coordinates(codes))
