"""The base class of bottlenecks, the modules between encoder and decoder."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from latentrank.distributed import gather_rows, local_rows
from latentrank.errors import InputError, check_count, check_returned, check_takes
from latentrank.linalg import GramAccumulator, truncate_rank


class Latent(NamedTuple):
    """The output of a bottleneck, for the decoder and the objective.

    Attributes:
        z: `(B, L)`, input of the decoder.
        terms: loss terms by name, scalars, not yet weighted.
    """

    z: Tensor
    terms: dict[str, Tensor]


class Bottleneck(nn.Module):
    """Maps the encoder's output, `(B, encoder_dim)`, to the code, `(B, latent_dim)`.

    A subclass overrides `encode` and, where training differs from inference, `forward`.

    Args:
        latent_dim: width `L` of the code.
        encoder_dim: width of the encoder's output; `latent_dim` by default.

    Attributes:
        adjustable_rank: whether `rank` can be changed during training, by a rank search.
        begins_with_basis: whether codes lie in a basis of `rank` directions that training can
            start from, see `begin`.
        is_identity: codes are the encoder's output itself.
        capturable: in training, `forward` does the same to the same tensors in every call: it reads
            no value of a tensor and keeps no state but in buffers that it changes in place. On a
            GPU, steps are then captured in a CUDA graph, see `latentrank.training.graph`. A class
            of your own has to say so itself; it does not inherit it.
        rank: number of directions, where `begins_with_basis`.

    Raises:
        InputError: `latent_dim` is not an integer of at least 1.
    """

    adjustable_rank: ClassVar[bool] = False
    begins_with_basis: ClassVar[bool] = False
    is_identity: ClassVar[bool] = False
    capturable: bool = False
    rank: int

    def __init__(self, latent_dim: int, encoder_dim: int | None = None) -> None:
        super().__init__()
        check_count(latent_dim, "latent_dim")
        self.latent_dim = latent_dim
        self.encoder_dim = latent_dim if encoder_dim is None else encoder_dim

    def forward(self, h: Tensor, index: Tensor | None = None) -> Latent:
        """The code and its loss terms, as in training when `self.training`.

        Args:
            h: `(B, encoder_dim)`, the encoder's output.
            index: `(B,)` int64, indices of the samples in the training set; needed only by
                bottlenecks with per-sample state.
        """
        return Latent(self.encode(h), {})

    def encode(self, h: Tensor) -> Tensor:
        """The deterministic code used at inference.

        Args:
            h: `(B, encoder_dim)`.

        Returns:
            `(B, latent_dim)`.
        """
        raise InputError(f"{type(self).__qualname__} has no method encode; define it.")

    def finalize(self, h_batches: Iterable[Tensor]) -> None:
        """Compute what depends on all training encodings; called after training.

        It is also called before each validation, with part of the training set, so it replaces
        what it computed before. Its results are buffers that `__init__` registers in their final
        shape, since a model is loaded into a new one.

        Args:
            h_batches: the encodings of the whole training set, batch by batch. They are the same
                in every process of a distributed training.
        """

    def narrow(self, span: int) -> None:
        """Lower `encoder_dim` if fewer numbers can express the same codes; called before training.

        Args:
            span: maximum number of dimensions that the encoder's outputs span.
        """

    def prepare(self, samples: int) -> None:
        """Allocate what depends on the size of the training set; called before training.

        Args:
            samples: size of the training set.
        """

    def begin(self, basis: Tensor, coefficients: Tensor) -> None:
        """Initialise the basis: the encoder starts with codes close to `coefficients U^T`.

        Args:
            basis: `U`, `(latent_dim, rank)`, orthonormal.
            coefficients: `(N, rank)`, of the training samples.
        """

    def posterior(self, h: Tensor) -> tuple[Tensor, Tensor] | None:
        """Means and log-variances of the Gaussian posterior, or None if there is none.

        Args:
            h: `(B, encoder_dim)`.
        """
        return None

    def linear_map(self) -> Tensor | None:
        """The matrix `A`, `(latent_dim, encoder_dim)`, with `encode(h) = h A^T`, or None.

        None means that inference is not linear in `h`.
        """
        return None

    def basis(self) -> Tensor | None:
        """Orthonormal directions, `(latent_dim, k)`, that hold every code, or None.

        They are constants: no gradient flows through them.
        """
        return None

    def learning_rate_factors(self) -> dict[nn.Parameter, float]:
        """Parameters whose learning rate is a multiple of the common one, with the multiple."""
        return {}


#: The arguments of each method that others call.
_CALLED = {
    name: list(inspect.signature(getattr(Bottleneck, name)).parameters)[1:]
    for name in (
        "forward", "encode", "finalize", "narrow", "prepare", "begin", "posterior", "linear_map",
        "basis", "learning_rate_factors",
    )
}  # fmt: skip


def check_bottleneck(bottleneck: Bottleneck, latent_dim: int) -> None:
    """Reject a bottleneck whose methods cannot be called as those of `Bottleneck` are.

    Args:
        bottleneck: of a class of the user's own, or of this library.
        latent_dim: width `L` of the code that it was built for.

    Raises:
        InputError: it was not initialised, has another width, or a method takes other arguments.
    """
    name = type(bottleneck).__qualname__
    if "encoder_dim" not in vars(bottleneck):
        raise InputError(
            f"{name} was not initialised; call super().__init__(latent_dim) in its __init__."
        )
    if bottleneck.latent_dim != latent_dim:
        raise InputError(
            f"{name} has latent_dim {bottleneck.latent_dim}, expected {latent_dim}; give it the "
            "one that the method is built with."
        )
    for method in _CALLED:
        check_takes(getattr(bottleneck, method), _CALLED[method], f"{name}.{method}")
    check_takes(bottleneck.forward, ["h"], f"{name}.forward")


def check_code(z: Any, h: Tensor, bottleneck: Bottleneck, method: str) -> None:
    """Reject what a bottleneck returned as codes.

    Args:
        z: the codes, expected to be `(B, L)`.
        h: `(B, encoder_dim)`, what it was given.
        bottleneck: what returned them.
        method: name of its method that did.

    Raises:
        InputError: they are no tensor, or have another shape or a wider type than `h`.
    """
    check_returned(z, Tensor, getattr(type(bottleneck), method))
    name = f"{type(bottleneck).__qualname__}.{method}"
    rows, width = h.shape[0], bottleneck.latent_dim  # not len(h): an exported model is traced
    if tuple(z.shape) != (rows, width):
        raise InputError(
            f"{name} returned codes of shape {tuple(z.shape)}, expected {(rows, width)}; correct "
            "it."
        )
    if z.dtype.itemsize > max(h.dtype.itemsize, 4):
        raise InputError(
            f"{name} returned codes of type {z.dtype}, expected {h.dtype}; correct it."
        )


def check_rank(rank: int, latent_dim: int) -> None:
    """Reject a rank that a code of this width cannot have.

    Args:
        rank: `k`.
        latent_dim: width `L` of the code.

    Raises:
        InputError: `rank` is not from 1 to `latent_dim`.
    """
    if not 1 <= rank <= latent_dim:
        raise InputError(
            f"rank is {rank} with latent_dim {latent_dim}, expected 1 to {latent_dim}; "
            "lower the rank or raise latent_dim."
        )


class RankBottleneck(Bottleneck):
    """A bottleneck whose code has rank at most `rank`, with a fixed basis after training.

    During training each batch has its own leading directions. `finalize` then computes one basis
    `U`, `(L, k)`, of all training encodings, and inference projects onto it: `encode(h) = h U U^T`.
    Until then, inference truncates each batch, and warns.

    `rank` may be lowered or raised during training, up to the value given here.

    Args:
        latent_dim: width `L` of the code.
        rank: `k`, at least 1 and at most `latent_dim`.

    Raises:
        InputError: `rank` is out of range.
    """

    adjustable_rank = True
    begins_with_basis = True

    _basis: Tensor
    _state: Tensor

    def __init__(self, latent_dim: int, rank: int) -> None:
        super().__init__(latent_dim)
        check_rank(rank, latent_dim)
        self.max_rank = rank
        self._rank = rank
        self._finalized = False
        self.register_buffer("_basis", torch.zeros(latent_dim, rank))
        # [rank, finalized]: kept as a tensor so that weights files hold it, and mirrored
        # in Python numbers so that reading it never waits for a device.
        self.register_buffer("_state", torch.tensor([rank, 0]))

    @property
    def rank(self) -> int:
        """The number of directions kept, `k`."""
        return self._rank

    @rank.setter
    def rank(self, value: int) -> None:
        if not 1 <= value <= self.max_rank:
            raise InputError(
                f"rank is {value}, expected 1 to {self.max_rank}; choose one in that range."
            )
        if value != self._rank:
            self._set_state(value, False)

    def _set_state(self, rank: int, finalized: bool) -> None:
        self._rank, self._finalized = rank, finalized
        self._state.copy_(torch.tensor([rank, int(finalized)]))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args)
        rank, finalized = self._state.tolist()
        self._rank, self._finalized = int(rank), bool(finalized)

    def encode(self, h: Tensor) -> Tensor:
        """`h U U^T`; before `finalize`, the best rank-k approximation of the batch."""
        basis = self.basis()
        if basis is None:
            if not self.training:
                warnings.warn(
                    "The model has no basis yet, so codes depend on the batch they "
                    "are computed in; train it with fit, or call finalize with the training "
                    "data.",
                    stacklevel=2,
                )
            return truncate_rank(h, self.rank)
        return (h @ basis) @ basis.T

    def finalize(self, h_batches: Iterable[Tensor]) -> None:
        """Compute the basis of all encodings, accumulated in float64."""
        gram = GramAccumulator(self.latent_dim)
        for h in h_batches:
            gram.update(h)
        self._keep_basis(gram.basis(self.rank))

    def truncated(self, h: Tensor) -> Tensor:
        """The rows of `h`, `(B, L)`, as they are in the best rank-k approximation of the batch."""
        return local_rows(truncate_rank(gather_rows(h), self.rank), h)

    def _keep_basis(self, basis: Tensor) -> None:
        kept = torch.zeros_like(self._basis)
        kept[:, : self.rank] = basis.to(kept)
        self._basis.copy_(kept)
        self._set_state(self.rank, True)

    def basis(self) -> Tensor | None:
        """`U`, `(L, k)`, or None before `finalize`."""
        return self._basis[:, : self.rank] if self._finalized else None

    def linear_map(self) -> Tensor | None:
        """`U U^T`, `(L, L)`, or None before `finalize`."""
        basis = self.basis()
        return None if basis is None else basis @ basis.T
