"""Loss terms as pure functions of tensors, and the objective: their weighted sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from latentrank.distributed import batch_mean, gather_rows, noise_like, total
from latentrank.errors import InputError, check_known
from latentrank.linalg.precision import at_least_float32
from latentrank.term import RESERVED, Term


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """`sum (x - x')^2` over each sample, averaged over the batch.

    Args:
        output: `(B, *shape)`.
        target: `(B, *shape)`.

    Returns:
        A scalar.

    Example:
        >>> float(squared_error(torch.zeros(2, 3), torch.ones(2, 3)))
        3.0
    """
    # Sums over a sample or a batch exceed the range of float16.
    return batch_mean(at_least_float32(output - target).square().flatten(1).sum(1))


def binary_cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """`-sum x log x' + (1 - x) log(1 - x')` over each sample, averaged over the batch.

    Args:
        output: `(B, *shape)`, strictly inside (0, 1) up to rounding.
        target: `(B, *shape)`, in [0, 1].
    """
    # The sigmoid of a large logit rounds to exactly 0 or 1. Other outputs stay as they are: beyond
    # a bound there is no gradient, however wrong they are. The logarithms are written out because
    # torch's own function refuses to run in mixed precision.
    inside = at_least_float32(output)
    limits = torch.finfo(inside.dtype)
    inside = inside.clamp(limits.tiny, 1 - limits.eps / 2)
    target = at_least_float32(target)
    likelihood = target * inside.log() + (1 - target) * torch.log1p(-inside)
    return -batch_mean(likelihood.flatten(1).sum(1))


def relative_error(output: Tensor, target: Tensor) -> Tensor:
    """`||x - x'|| / ||x||` over the whole batch (the RRAE papers' loss).

    For a batch of zeros, to which nothing is relative, it is `||x - x'||`.

    Args:
        output: `(B, *shape)`.
        target: `(B, *shape)`.
    """
    misfit = total(at_least_float32(output - target).square().sum())
    size = total(at_least_float32(target).square().sum())
    size = torch.where(size > torch.finfo(size.dtype).tiny, size, torch.ones_like(size))
    # The square root's slope is infinite at zero: a perfect fit must not give NaN.
    return (misfit + torch.finfo(misfit.dtype).tiny).sqrt() / size.sqrt()


def l1(z: Tensor, decoder: nn.Module | None = None) -> Tensor:
    """`sum |z|` over each code, averaged over the batch (IRMAE figure 2).

    Args:
        z: `(B, L)`.
        decoder: not used.
    """
    return batch_mean(z.abs().sum(-1))


def l2(z: Tensor, decoder: nn.Module | None = None) -> Tensor:
    """`sum z^2` over each code, averaged over the batch (IRMAE figure 2).

    Args:
        z: `(B, L)`.
        decoder: not used.
    """
    return batch_mean(z.square().sum(-1))


def half_l2(z: Tensor, decoder: nn.Module | None = None) -> Tensor:
    """`||z||^2 / 2`, averaged over the batch: RAE's penalty on the code (Ghosh et al. 2020).

    Args:
        z: `(B, L)`.
        decoder: not used.
    """
    return 0.5 * l2(z)


def decoder_l2(z: Tensor, decoder: nn.Module | None = None) -> Tensor:
    """`||theta||^2 / 2` over all parameters of the decoder (RAE-L2, Ghosh et al. 2020, 3.1).

    A complex parameter counts as its real and its imaginary part.

    Args:
        z: not used.
        decoder: the module.

    Raises:
        InputError: no decoder.

    Example:
        >>> decoder = nn.Linear(2, 3)
        >>> value = decoder_l2(torch.zeros(1, 2), decoder)
        >>> bool(value.isclose((decoder.weight.square().sum() + decoder.bias.square().sum()) / 2))
        True
    """
    if decoder is None:
        raise InputError("decoder_l2 was called without a decoder; pass one.")
    real = [torch.view_as_real(p) if p.is_complex() else p for p in decoder.parameters()]
    squares = [parameter.square().sum() for parameter in real]
    return 0.5 * torch.stack(squares).sum()


def mmd(z: Tensor, decoder: nn.Module | None = None, prior: Tensor | None = None) -> Tensor:
    """Squared maximum mean discrepancy between codes and N(0, I).

    Inverse multiquadric kernel `k(a, b) = C / (C + ||a - b||^2)` summed over
    `C = 2 L s`, s in {.1, .2, .5, 1, 2, 5, 10}; the self terms are unbiased, so the value may
    be negative (Tolstikhin et al. 2018, section 4).

    Args:
        z: `(B, L)`; under data parallelism the batch of all processes is compared.
        decoder: not used.
        prior: `(B, L)` draws from the prior; drawn here by default.

    Returns:
        A scalar. With one sample there are no self terms, only the cross term.
    """
    prior = noise_like(z) if prior is None else prior
    z, prior = (at_least_float32(gather_rows(points)) for points in (z, prior))
    # Cancellation in the distances and between the terms would leave only noise in half precision.
    with torch.autocast(z.device.type, enabled=False):
        between = _multiquadric(z, prior).mean()
        return _mean_of_pairs(z) + _mean_of_pairs(prior) - 2 * between


def _multiquadric(a: Tensor, b: Tensor) -> Tensor:
    """The summed kernel of all pairs, `(len(a), len(b))`."""
    # cdist's gradient is NaN for coinciding points, as each is with itself.
    squared = (a.square().sum(1)[:, None] + b.square().sum(1) - 2 * a @ b.T).clamp_min(0)
    scales = [2 * a.shape[1] * s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)]
    return torch.stack([c / (c + squared) for c in scales]).sum(0)


def _mean_of_pairs(a: Tensor) -> Tensor:
    """The mean kernel over pairs of two different points; 0 with fewer than two."""
    values = _multiquadric(a, a)
    return (values.sum() - values.diagonal().sum()) / max(len(a) * (len(a) - 1), 1)


def decoder_gradient(z: Tensor, decoder: nn.Module | None = None) -> Tensor:
    """`||grad_z D(z)||^2`, averaged over the batch (RAE-GP, Ghosh et al. 2020, 3.1).

    The squared norm of the full Jacobian is estimated without bias by one random direction
    `v` of unit variance per output: `E ||v^T J||^2 = ||J||_F^2`. Its own gradient is a second
    derivative of the decoder, so that a step costs about twice that of a plain autoencoder.

    Args:
        z: `(B, L)`.
        decoder: maps `(B, L)` to `(B, *shape)`, each sample by itself, differentiable twice.

    Raises:
        InputError: no decoder.
    """
    if decoder is None:
        raise InputError("decoder_gradient was called without a decoder; pass one.")
    with torch.enable_grad():
        point = z if z.requires_grad else z.detach().requires_grad_()
        output = decoder(point)
        (gradient,) = torch.autograd.grad(
            output, point, grad_outputs=noise_like(output), create_graph=True
        )
    return batch_mean(gradient.square().sum(-1))


RECONSTRUCTIONS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": squared_error,
    "bce": binary_cross_entropy,
    "relative": relative_error,
}


@dataclass
class Objective:
    """`reconstruction + sum of weight * term`, with every part reported by name.

    Attributes:
        reconstruction: `"mse"`, `"bce"` or `"relative"`.
        reduction: `"mean"` divides the squared error and the cross-entropy by the numbers in
            a sample; `"sum"` does not. It changes the meaning of every weight. The relative error
            does not depend on it.
        terms: additional terms, with numeric weights.
        weights_assume_sum: the weights are published for a reconstruction summed over a sample,
            so under `"mean"` they are divided as the reconstruction is.
        weights: the present weight of each term by name; a rank search may change it.

    Raises:
        InputError: unknown reconstruction or reduction.

    Example:
        >>> objective = Objective(terms=[Term("l2", 0.5, l2)])
        >>> x, z = torch.zeros(2, 4), torch.ones(2, 3)
        >>> losses = objective(x + 1, x, z, {}, decoder=nn.Identity())
        >>> {name: float(value) for name, value in losses.items()}
        {'loss': 2.5, 'reconstruction': 1.0, 'l2': 3.0}
    """

    reconstruction: str = "mse"
    reduction: str = "mean"
    terms: Sequence[Term] = ()
    weights_assume_sum: bool = False
    weights: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        check_known("reconstruction", self.reconstruction, RECONSTRUCTIONS)
        check_known("reduction", self.reduction, ("mean", "sum"))
        self.weights = {term.name: float(term.weight) for term in self.terms}

    def __call__(
        self,
        output: Tensor,
        target: Tensor,
        z: Tensor,
        terms: Mapping[str, Tensor],
        decoder: nn.Module,
    ) -> dict[str, Tensor]:
        """Every term by name, and their weighted sum as `loss`.

        Args:
            output: `(B, *shape)`, the reconstruction.
            target: `(B, *shape)`.
            z: `(B, L)`, the decoder's input.
            terms: the bottleneck's terms; one without a weight is only reported.
            decoder: for terms on the decoder.
        """
        # The relative error is a ratio, which the reduction does not affect.
        averaged = self.reduction == "mean" and self.reconstruction != "relative"
        per_sample = target[0].numel() if averaged else 1
        reconstruction = RECONSTRUCTIONS[self.reconstruction](output, target) / per_sample
        named = dict(terms)
        named |= {t.name: t.function(z, decoder) for t in self.terms if t.function is not None}
        self._check(named)
        scale = 1 / per_sample if self.weights_assume_sum else 1.0
        loss = reconstruction
        for name, weight in self.weights.items():
            loss = loss + scale * weight * named[name]
        return {"loss": loss, "reconstruction": reconstruction, **named}

    def _check(self, named: Mapping[str, Any]) -> None:
        """Refuse terms of the user's own that cannot be added up."""
        for name in self.weights:
            if name not in named:
                raise InputError(
                    f"The loss term {name} has neither a function nor a value, and the bottleneck "
                    f"returned {', '.join(named) or 'no terms'}; return it, or give a function."
                )
        for name, value in named.items():
            if name in RESERVED:
                raise InputError(
                    f"The bottleneck returned a term named '{name}', which is the name of the "
                    "objective's own value; rename it."
                )
            if not isinstance(value, Tensor) or value.ndim:
                shaped = isinstance(value, Tensor)
                found = f"has shape {tuple(value.shape)}" if shaped else f"is {value!r}"
                raise InputError(
                    f"The loss term {name} {found}, expected a scalar tensor; take its sum or "
                    "its mean."
                )


def cross_entropy(real: Tensor, fake: Tensor) -> Tensor:
    """`-log D(x) - log(1 - D(G(z)))`, `D` the sigmoid of the score (Goodfellow et al. 2014).

    Args:
        real: `(B,)`, scores of real samples.
        fake: `(B',)`, scores of generated ones.

    Returns:
        A scalar, the discriminator's loss.

    Example:
        >>> round(float(cross_entropy(torch.zeros(3), torch.zeros(3))), 4)
        1.3863
    """
    return batch_mean(softplus(-real)) + batch_mean(softplus(fake))


def saturating(fake: Tensor) -> Tensor:
    """`log(1 - D(G(z)))`, the generator's part of the minimax game (Goodfellow et al. 2014, eq. 1).

    Its gradient vanishes where the discriminator is confident, which is why their section 3
    proposes `non_saturating`.

    Args:
        fake: `(B,)`, scores of generated samples.
    """
    return -batch_mean(softplus(fake))


def non_saturating(fake: Tensor) -> Tensor:
    """`-log D(G(z))` (Goodfellow et al. 2014, section 3).

    Args:
        fake: `(B,)`, scores of generated samples.
    """
    return batch_mean(softplus(-fake))


def least_squares(real: Tensor, fake: Tensor) -> Tensor:
    """`(D(x) - 1)^2 / 2 + D(G(z))^2 / 2`, `D` the score itself (Mao et al. 2017, eq. 9).

    Args:
        real: `(B,)`, scores of real samples.
        fake: `(B',)`, scores of generated ones.

    Returns:
        A scalar, the discriminator's loss.
    """
    return 0.5 * (batch_mean((real - 1).square()) + batch_mean(fake.square()))


def least_squares_generator(fake: Tensor) -> Tensor:
    """`(D(G(z)) - 1)^2 / 2` (Mao et al. 2017, eq. 9).

    Args:
        fake: `(B,)`, scores of generated samples.
    """
    return 0.5 * batch_mean((fake - 1).square())


@dataclass(frozen=True)
class Game:
    """The losses of the two networks of a GAN.

    Attributes:
        discriminator: function of the scores of real and generated samples.
        generator: function of the scores of generated samples.
        threshold: score above which a sample is classified as real.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]
    threshold: float


GAMES = {
    "minimax": Game(cross_entropy, saturating, 0.0),
    "non-saturating": Game(cross_entropy, non_saturating, 0.0),
    "least-squares": Game(least_squares, least_squares_generator, 0.5),
}
