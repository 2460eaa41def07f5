"""The model interface that training, runs, reports and exports rely on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from latentrank.bottlenecks import Bottleneck
from latentrank.bottlenecks.base import check_code
from latentrank.distributed import gathered_batches
from latentrank.errors import InputError, check_returned
from latentrank.linalg import RANK_THRESHOLD, rank_of_spectrum
from latentrank.linalg.precision import to_float64
from latentrank.models.spec import Spec
from latentrank.models.statistics import CodeStatistics
from latentrank.models.threads import threads
from latentrank.nets import evaluating, weight_of
from latentrank.preprocessing import Preprocessing
from latentrank.torch_state import own_defaults

Array = NDArray[Any]

#: Training samples: all, in batches, or a function that returns an iterator over batches.
Samples = Tensor | Iterable[Tensor] | Callable[[], Iterable[Tensor]]

#: Samples in one forward pass. On a CPU, larger batches take more time per image
#: (`benchmarks/inference.py`).
BATCH = 128


class LatentModel(nn.Module):
    """An encoder, a bottleneck and a decoder.

    Args:
        encoder: maps `(B, *input_shape)` to `(B, bottleneck.encoder_dim)`.
        bottleneck: maps that to the code, `(B, L)`.
        decoder: maps `(B, L)` to `(B, *input_shape)`.
        spec: what the model was built from.

    Attributes:
        reconstructs: whether `decode(encode(x))` reconstructs `x`.
        usual_densities: default densities for new codes.
        trained_by: the kind of training it needs, a name in `latentrank.training`.
    """

    reconstructs: ClassVar[bool] = True
    usual_densities: ClassVar[tuple[str, ...]] = ("gaussian", "gmm")
    trained_by: ClassVar[str] = "gradient"

    def __init__(
        self, encoder: nn.Module, bottleneck: Bottleneck, decoder: nn.Module, spec: Spec
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.bottleneck = bottleneck
        self.decoder = decoder
        self.spec = spec
        self.statistics = CodeStatistics(bottleneck.latent_dim)

    @property
    def latent_dim(self) -> int:
        """Width of the code."""
        return self.bottleneck.latent_dim

    @property
    def term_weights(self) -> dict[str, float]:
        """Weight of each loss term besides the reconstruction, by name; can be modified."""
        return {}

    @property
    def preprocessing(self) -> Preprocessing:
        """The preprocessing of data for the networks, and its inverse."""
        return self.spec.preprocessing or Preprocessing()

    @preprocessing.setter
    def preprocessing(self, made: Preprocessing) -> None:
        """Training with `fit` sets it; your own loop can set it, so that it is saved."""
        self.spec = self.spec.model_copy(update={"preprocessing": made})

    def encode(self, x: Tensor) -> Tensor:
        """The deterministic codes, `(B, L)`, of `x`, `(B, *input_shape)`."""
        return self._encoded(self.encoder(x))

    def _encoded(self, h: Tensor) -> Tensor:
        z = self.bottleneck.encode(h)
        check_code(z, h, self.bottleneck, "encode")
        return z

    def decode(self, z: Tensor) -> Tensor:
        """The samples, `(B, *input_shape)`, decoded from codes `z`, `(B, L)`."""
        output: Tensor = self.decoder(z)
        return output

    def forward(self, x: Tensor) -> Tensor:
        """`decode(encode(x))`, `(B, *input_shape)`."""
        return self.decode(self.encode(x))

    def losses(self, x: Tensor, index: Tensor | None = None) -> dict[str, Tensor]:
        """Every loss term by name, and their weighted sum as `loss`.

        Args:
            x: `(B, *input_shape)`.
            index: `(B,)` int64, rows of the training set; see `Bottleneck.forward`.
        """
        raise NotImplementedError

    def coefficients(self, x: Tensor) -> Tensor:
        """The codes in the bottleneck's own basis: `U^T z`, `(B, k)`, or `z` without a basis."""
        basis = self.bottleneck.basis()
        z = self.encode(x)
        return z if basis is None else z @ basis

    def diagnose(self, x: Tensor) -> dict[str, Any]:
        """Additional metrics of the trained model, by name; empty by default.

        Args:
            x: `(N, *input_shape)`, test samples.
        """
        return {}

    @torch.no_grad()
    def finalize(self, batches: Samples) -> None:
        """Compute what depends on the entire training set: a basis, and the codes' statistics.

        Args:
            batches: the training samples, `(N, *input_shape)`; or batches of them, `(B,
                *input_shape)`, such as a list, or a function that returns a fresh iterator.

        Raises:
            InputError: samples of a different shape, or an iterator, which ends after one pass.

        Example:
            >>> import latentrank
            >>> model = latentrank.build("rrae", (6,), latent_dim=4, rank=2)
            >>> model.finalize(torch.randn(20, 6))
            >>> model.rank()
            2
        """
        again = _repeatable(batches)

        def encodings() -> Iterator[Tensor]:
            for x in again():
                self._check_batch(x)
                yield self.encoder(x)

        with evaluating(self):
            self.finalize_bottleneck(encodings())
            self.statistics.update(self._encoded(h) for h in encodings())

    @torch.no_grad()
    def finalize_bottleneck(self, encodings: Iterable[Tensor]) -> None:
        """Compute what the bottleneck needs of the encodings alone, such as a basis.

        Args:
            encodings: `(B, encoder_dim)`, batch by batch; this process's share of them.

        Raises:
            InputError: the result of a bottleneck of your own cannot be used.
        """
        part, name = self.bottleneck, type(self.bottleneck).__qualname__
        before = {key: value.shape for key, value in part.state_dict().items()}
        part.finalize(gathered_batches(encodings, part.encoder_dim, weight_of(self)))
        after = {key: value.shape for key, value in part.state_dict().items()}
        loads = type(part)._load_from_state_dict is not nn.Module._load_from_state_dict
        changed = [key for key in after if after[key] != before.get(key)]
        if changed and not loads:
            raise InputError(
                f"{name}.finalize changed the shape of {', '.join(changed)}, so that the model "
                "could not be loaded; register such buffers in __init__, in their final shape."
            )
        basis = part.basis()
        if basis is None:
            return
        check_returned(basis, Tensor, type(part).basis)
        fits = basis.ndim == 2 and len(basis) == self.latent_dim
        if fits:
            products = to_float64(basis).T @ to_float64(basis)
            fits = bool((products - torch.eye(len(products)).to(products)).abs().max() < 0.01)
        if not fits:
            raise InputError(
                f"{name}.basis returned a tensor of shape {tuple(basis.shape)}, expected "
                f"orthonormal columns of length {self.latent_dim}; correct it."
            )

    def _check_batch(self, x: Any) -> None:
        if not isinstance(x, Tensor) or tuple(x.shape[1:]) != self.spec.input_shape:
            found = tuple(x.shape) if isinstance(x, Tensor) else f"a {type(x).__name__}"
            raise InputError(
                f"finalize got {found} for a batch, expected a tensor of shape (B, "
                f"{', '.join(map(str, self.spec.input_shape))}); give samples alone."
            )

    def rank(self, tol: float = RANK_THRESHOLD) -> int:
        """The number of singular values of the training codes' covariance above the threshold.

        Args:
            tol: threshold relative to the largest value, in [0, 1).

        Raises:
            InputError: the model has not been finalized.
        """
        self._need_statistics("rank")
        return int(rank_of_spectrum(self.statistics.variances, tol=tol))

    def fold(self) -> LatentModel:
        """The same model with its linear part absorbed into the encoder, if it has one.

        Raises:
            InputError: inference is not linear in the encoder's output.
        """
        raise self._not_linear("fold")

    def compress(self, tol: float = 1e-3, x: Tensor | None = None) -> LatentModel:
        """A model whose code has only as many numbers as its outputs need, if possible.

        Args:
            tol: largest relative change of the outputs, in (0, 1].
            x: `(B, *input_shape)`, samples on which the change is measured.

        Raises:
            InputError: inference is not linear in the encoder's output.
        """
        raise self._not_linear("compress")

    def _not_linear(self, purpose: str) -> InputError:
        return InputError(
            f"{purpose} needs a code that is linear in the encoder's output, and that of "
            f"{self.spec.method} is not; do without it."
        )

    def prior_basis(self) -> Tensor | None:
        """Directions `(L, k)` over which the standard normal prior extends; None for all `L`.

        Raises:
            InputError: the model is compressed, and its codes have no prior.
        """
        if self.spec.code_dim is not None:
            raise InputError(
                "The codes of a compressed model are principal coefficients, which have no prior; "
                "choose another density, such as gaussian."
            )
        return self.bottleneck.basis()

    @own_defaults()
    @torch.no_grad()
    def encode_array(self, x: Array | Tensor) -> NDArray[np.float32]:
        """Encode samples in the units of the training data, in evaluation mode.

        Args:
            x: `(N, *input_shape)` in the units of the training data, any real dtype.

        Returns:
            `(N, L)` float32.

        Raises:
            InputError: samples of a different shape, or beyond the bounds of the training data.
        """
        batches = self.batches(x)
        if isinstance(x, Tensor) or self.preprocessing.can_be_exceeded(x.dtype):
            parts = (x[start : start + BATCH] for start in range(0, len(x), BATCH))
            self.preprocessing.check_range(parts, "x")
        with evaluating(self), self.threads(min(BATCH, len(x))):
            codes = [self.encode(self._as_weights(part)).float().cpu() for part in batches]
        return np.asarray(torch.cat(codes).numpy())

    @own_defaults()
    @torch.no_grad()
    def decode_array(self, z: Array) -> Array:
        """Decode codes to samples in the units of the training data, in evaluation mode.

        Args:
            z: `(N, L)`.

        Returns:
            `(N, *input_shape)` in the units, bounds and dtype of the training data.
        """
        codes = torch.from_numpy(np.require(z, np.float32, ["C", "W"]))
        if codes.shape[1:] != (self.latent_dim,):
            raise InputError(
                f"The codes have shape {tuple(codes.shape)}, expected (N, {self.latent_dim}); give "
                "what encode_array returns."
            )
        undo = self.preprocessing.denormalise
        parts = torch.split(codes, BATCH)
        with evaluating(self), self.threads(min(BATCH, len(z))):
            return np.concatenate([undo(self.decode(self._as_weights(part))) for part in parts])

    def batches(self, x: Array | Tensor) -> Iterator[Tensor]:
        """Preprocessed batches of samples given in the units of the training data.

        Args:
            x: `(N, *input_shape)`.

        Returns:
            An iterator over `(B, *input_shape)` float32.

        Raises:
            InputError: samples of a different shape, or none.
        """
        shape, wanted = tuple(x.shape), self.spec.input_shape
        if not len(x) or shape[1:] != wanted:
            advice = "give samples like those of the training"
            if len(shape) > 2 and (shape[-1], *shape[1:-1]) == wanted:
                advice = "their channels come last, so give np.moveaxis(x, -1, 1)"
            raise InputError(
                f"The samples have shape {shape}, expected (N, {', '.join(map(str, wanted))}) with "
                f"N at least 1; {advice}."
            )
        normalise = self.preprocessing.normalise
        return (normalise(x[start : start + BATCH]) for start in range(0, len(x), BATCH))

    @own_defaults()
    def mean_sample(self, x: Array) -> Tensor:
        """The mean of samples `(N, *input_shape)` as networks see them, `(*input_shape)` float64.

        Of the training samples, it is what errors as shares of the variance refer to.
        """
        total = sum(part.double().sum(dim=0) for part in self.batches(x))
        return torch.as_tensor(total) / len(x)

    @cached_property
    def operations(self) -> float:
        """Floating point operations of matrix products and convolutions per sample, forward."""
        from torch.utils.flop_counter import FlopCounterMode  # takes a tenth of a second

        # Two samples are counted, since some layers refuse one.
        x = self._as_weights(torch.zeros(2, *self.spec.input_shape))
        z = self._as_weights(torch.zeros(2, self.latent_dim))  # an encoder's outputs may be wider
        with torch.no_grad(), evaluating(self), FlopCounterMode(display=False) as counter:
            self.encoder(x)
            self.decoder(z)
        return float(counter.get_total_flops()) / 2

    def threads(
        self, samples: int, passes: int = 1, number: int | None = None
    ) -> AbstractContextManager[int]:
        """A context in which torch computes on as many threads as help, see `models.threads`.

        Args:
            samples: in a batch.
            passes: forward passes that the work on a batch amounts to; a training step is 3.
            number: of threads; None decides.
        """
        return threads(lambda: self.operations * samples * passes, number)

    def _as_weights(self, x: Tensor) -> Tensor:
        """`x` on the device and in the precision of the weights."""
        return x.to(weight_of(self))

    def _need_statistics(self, purpose: str) -> None:
        if not self.statistics.known:
            raise InputError(
                f"{purpose} needs the statistics of the training codes, and this model has "
                "none; train it with latentrank, or call model.finalize(batches) first."
            )


def _repeatable(batches: Samples) -> Callable[[], Iterable[Tensor]]:
    """A function that returns the batches, as often as it is called."""
    if isinstance(batches, Tensor):
        return lambda: torch.split(batches, BATCH)
    if callable(batches):
        return batches
    if isinstance(batches, Iterator) or not isinstance(batches, Iterable):
        raise InputError(
            f"finalize got a value of type {type(batches).__name__}, expected samples, a list of "
            "batches, or a function that returns an iterator over them, since it needs several "
            "passes."
        )
    return lambda: batches
