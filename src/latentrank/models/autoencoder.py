"""The model of most methods: encoder -> bottleneck -> decoder."""

from __future__ import annotations

import copy
from bisect import bisect_left

import torch
from torch import Tensor, nn

from latentrank.bottlenecks import Bottleneck, Identity, Latent
from latentrank.bottlenecks.base import check_code
from latentrank.errors import InputError, check_returned
from latentrank.linalg.precision import to_float64
from latentrank.losses import Objective
from latentrank.models.base import LatentModel
from latentrank.models.spec import Spec
from latentrank.models.statistics import CodeStatistics
from latentrank.nets import evaluating, surgery
from latentrank.torch_state import own_defaults


class Autoencoder(LatentModel):
    """`x -> encoder -> bottleneck -> decoder -> x'`.

    Args:
        encoder: maps `(B, *input_shape)` to `(B, bottleneck.encoder_dim)`.
        bottleneck: maps that to the code, `(B, L)`.
        decoder: maps `(B, L)` to `(B, *input_shape)`.
        objective: the weighted sum of loss terms.
        spec: what the model was built from; `latentrank.build` fills it in.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("lorae", input_shape=(1, 8, 8), latent_dim=4)
        >>> x = torch.rand(5, 1, 8, 8)
        >>> model.encode(x).shape, model(x).shape
        (torch.Size([5, 4]), torch.Size([5, 1, 8, 8]))
    """

    def __init__(
        self,
        encoder: nn.Module,
        bottleneck: Bottleneck,
        decoder: nn.Module,
        objective: Objective,
        spec: Spec,
    ) -> None:
        super().__init__(encoder, bottleneck, decoder, spec)
        self.objective = objective

    @property
    def term_weights(self) -> dict[str, float]:
        """Weight of each loss term besides the reconstruction, by name; can be modified."""
        return self.objective.weights

    def forward(self, x: Tensor) -> Tensor:
        """Reconstruct `x`, `(B, *input_shape)`: as in training, or by `encode` in evaluation."""
        if not self.training:
            return self.decode(self.encode(x))
        return self.decode(self.bottleneck(self.encoder(x)).z)

    def losses(self, x: Tensor, index: Tensor | None = None) -> dict[str, Tensor]:
        """Every loss term by name, unweighted, and their weighted sum as `loss`.

        Args:
            x: `(B, *input_shape)`.
            index: `(B,)` int64, the rows of the training set; see `Bottleneck.forward`.
        """
        h = self.encoder(x)
        latent = self.bottleneck(h, index)
        check_returned(latent, Latent, type(self.bottleneck).forward)
        z, terms = latent
        check_code(z, h, self.bottleneck, "forward")
        return self.objective(self.decode(z), x, z, terms, self.decoder)

    @own_defaults()
    def fold(self) -> Autoencoder:
        """The same autoencoder with its linear part absorbed into the encoder's last layer.

        Codes and reconstructions are the same up to rounding; the bottleneck is removed, and with
        it the method's loss: training the result further minimises the squared error alone.

        Raises:
            InputError: inference is not linear in the encoder's output, or the model has not been
                finalized.

        Example:
            >>> import latentrank
            >>> model = latentrank.build("irmae", (6,), latent_dim=4, depth=3).eval()
            >>> x = torch.randn(5, 6)
            >>> torch.allclose(model.fold().encode(x), model.encode(x), atol=1e-5)
            True
        """
        encoder = surgery.absorb_output(self.encoder, self._linear_map("fold"))
        decoder = copy.deepcopy(self.decoder)
        statistics = copy.deepcopy(self.statistics)
        return self._inference(encoder, decoder, statistics, self.spec.code_dim)

    @own_defaults()
    @torch.no_grad()
    def compress(self, tol: float = 1e-3, x: Tensor | None = None) -> Autoencoder:
        """An autoencoder whose code has only as many numbers as the reconstructions need.

        The new code is the old one's leading principal coefficients, centred: the encoder's last
        layer and the decoder's first shrink. Enough coefficients `k` are kept that `||D(z) -
        D(z_k)|| <= tol ||D(z)||`; bisection finds the minimum if the change decreases with every
        additional one, as it nearly always does.

        Args:
            tol: largest relative change of the reconstructions, in (0, 1].
            x: `(B, *input_shape)`, samples on which the change is measured. By default it is
                measured on 512 codes drawn from a Gaussian fitted to the training codes.

        Raises:
            InputError: inference is not linear, the model has not been finalized, or `tol` is
                out of range.
        """
        matrix = to_float64(self._linear_map("compress"))
        self._need_statistics("compress")
        if not 0 < tol <= 1:
            raise InputError(
                f"tol is {tol:g}, expected a relative change of the reconstructions above 0 and "
                "at most 1, not a number of coefficients; give one, such as 0.001."
            )
        with evaluating(self):
            k = self._coefficients_needed(tol, x)
        mean = to_float64(self.statistics.mean)
        directions = to_float64(self.statistics.directions[:, :k])
        encoder = surgery.absorb_output(self.encoder, directions.T @ matrix, -directions.T @ mean)
        decoder = surgery.absorb_input(self.decoder, directions, mean)
        statistics = CodeStatistics(k).to(self.statistics.mean)
        statistics.directions = torch.eye(k).to(self.statistics.mean)
        statistics.variances = self.statistics.variances[:k].clone()
        return self._inference(encoder, decoder, statistics, k)

    def _coefficients_needed(self, tol: float, x: Tensor | None) -> int:
        stats = self.statistics
        if x is None:
            coefficients = stats.typical_coefficients()
        else:
            coefficients = (self.encode(x) - stats.mean) @ stats.directions
        exact = self.decode(stats.mean + coefficients @ stats.directions.T)

        def change(k: int) -> float:
            part = stats.mean + coefficients[:, :k] @ stats.directions[:, :k].T
            return float((self.decode(part) - exact).norm() / exact.norm())

        fewer = range(1, len(stats.variances))
        return 1 + bisect_left(fewer, True, key=lambda k: change(k) <= tol)

    def _inference(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        statistics: CodeStatistics,
        code_dim: int | None,
    ) -> Autoencoder:
        spec = self.spec.model_copy(update={"folded": True, "code_dim": code_dim})
        bottleneck = Identity(len(statistics.mean)).to(statistics.mean)
        model = Autoencoder(encoder, bottleneck, decoder, Objective(), spec)
        model.statistics = statistics
        return model.eval()

    def _linear_map(self, purpose: str) -> Tensor:
        matrix = self.bottleneck.linear_map()
        if matrix is None:
            self._need_statistics(purpose)  # a basis is computed along with them
            raise self._not_linear(purpose)
        check_returned(matrix, Tensor, type(self.bottleneck).linear_map)
        self._check_linear_map(matrix)
        return matrix.detach()

    @torch.no_grad()
    def _check_linear_map(self, matrix: Tensor) -> None:
        """Refuse a matrix of a bottleneck of the user's own that is not what `encode` applies."""
        part = self.bottleneck
        drawn = torch.randn(8, part.encoder_dim, generator=torch.Generator().manual_seed(0))
        h = drawn.to(matrix)
        with evaluating(part):
            z = self._encoded(h)
        shape = (self.latent_dim, part.encoder_dim)
        # A product of several matrices rounds more than once.
        tolerance = max(1e-3, 8 * torch.finfo(matrix.dtype).eps)
        if matrix.shape != shape or (z - h @ matrix.T).norm() > tolerance * z.norm():
            raise InputError(
                f"{type(part).__qualname__}.linear_map returned a matrix of shape "
                f"{tuple(matrix.shape)} with which encode(h) is not h @ matrix.T, for h of width "
                f"{part.encoder_dim}; correct it, or return None."
            )
