"""IRMAE: a chain of square matrices, which gradient descent drives to low rank."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from latentrank.bottlenecks.base import Bottleneck
from latentrank.errors import InputError


class LinearChain(Bottleneck):
    """`z = W_l ... W_1 E(x)`, without bias (Jing, Zbontar and LeCun 2020, eq. 1).

    There is no penalty: the product of several matrices, trained by gradient descent, loses rank
    by itself. The options are the paper's ablations.

    Args:
        latent_dim: width `L` of the code.
        depth: number of matrices `l`, at least 1.
        init_variance: variance of the initial entries as a multiple of the usual `1 / (3 L)`
            (table 5 tries 1, 2 and 4).
        fixed: do not train the matrices (figure 9).
        nonlinear: a ReLU between them (figure 10); inference is then nonlinear.
        shared: one matrix, applied `depth` times (figure 11).

    Raises:
        InputError: `depth` below 1 or `init_variance` not positive.

    Example:
        >>> chain = LinearChain(8, depth=3)
        >>> h = torch.randn(5, 8)
        >>> torch.allclose(chain.encode(h), h @ chain.linear_map().T, atol=1e-6)
        True
    """

    capturable = True

    def __init__(
        self,
        latent_dim: int,
        depth: int = 4,
        init_variance: float = 1.0,
        fixed: bool = False,
        nonlinear: bool = False,
        shared: bool = False,
    ) -> None:
        super().__init__(latent_dim)
        if depth < 1:
            raise InputError(f"depth is {depth}, expected at least one matrix; raise it.")
        if not init_variance > 0:
            raise InputError(
                f"init_variance is {init_variance}, expected a positive factor; raise it."
            )
        self.depth = depth
        self.nonlinear = nonlinear
        bound = math.sqrt(init_variance / latent_dim)
        self.matrices = nn.ParameterList()
        for i in range(1 if shared else depth):
            matrix = torch.empty(latent_dim, latent_dim).uniform_(-bound, bound)
            if fixed:
                self.register_buffer(f"matrix_{i}", matrix)
            else:
                self.matrices.append(nn.Parameter(matrix))
        self._n_fixed = len(list(self.buffers()))

    def chain(self) -> list[Tensor]:
        """`W_1 ... W_l`, each `(L, L)`, in order of application."""
        matrices: list[Tensor] = list(self.matrices)
        matrices += [self.get_buffer(f"matrix_{i}") for i in range(self._n_fixed)]
        return matrices * (self.depth // len(matrices))

    def encode(self, h: Tensor) -> Tensor:
        """The chain applied to `h`."""
        for i, matrix in enumerate(self.chain()):
            if self.nonlinear and i > 0:
                h = torch.relu(h)
            h = h @ matrix.T
        return h

    def linear_map(self) -> Tensor | None:
        """`W_l ... W_1`, or None with a nonlinearity between the matrices."""
        if self.nonlinear:
            return None
        product, *rest = self.chain()
        for matrix in rest:
            product = matrix @ product
        return product
