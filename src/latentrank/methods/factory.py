"""Build a model from the name of a method and its options."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn

from latentrank import nets
from latentrank.bottlenecks import Bottleneck
from latentrank.bottlenecks.base import check_bottleneck
from latentrank.errors import InputError, check_count, check_known, check_returned
from latentrank.losses import GAMES, Objective
from latentrank.methods.option_types import validate
from latentrank.methods.rank_target import rank_target
from latentrank.methods.table import Method, get
from latentrank.models.autoencoder import Autoencoder
from latentrank.models.base import LatentModel
from latentrank.models.gan import GAN
from latentrank.models.pca import PCA
from latentrank.models.spec import WIDEST, Spec


def build(
    method: str,
    input_shape: Sequence[int] | int,
    latent_dim: int,
    net: str = "auto",
    bounded: bool = True,
    *,
    encoder: nn.Module | None = None,
    decoder: nn.Module | None = None,
    **options: Any,
) -> LatentModel:
    """Build the model of a method.

    Args:
        method: one of `latentrank.methods.names()`.
        input_shape: shape of one sample: `(F,)` or `F`, `(C, T)`, `(C, H, W)` or `(C, D, H, W)`.
        latent_dim: width `L` of the code, at least 1.
        net: family of the networks, one of `latentrank.nets.families()`.
        bounded: data lie in [0, 1]; the decoder then ends in Tanh (a VAE's in a sigmoid).
        encoder: your own network, `(B, *input_shape)` to `(B, latent_dim)` (twice as wide for a
            VAE), in place of the family's.
        decoder: your own network, `(B, latent_dim)` to `(B, *input_shape)`.
        **options: options of the method, see `latentrank methods NAME`.

    Raises:
        InputError: an unknown method, family or option, a value out of range, only one of
            `encoder` and `decoder`, or a network of the wrong width.

    Example:
        >>> model = build("irmae", (1, 16, 16), latent_dim=8, depth=2)
        >>> len(model.bottleneck.matrices)
        2
    """
    row = get(method)
    chosen = validate(method, row.options, options)
    check_count(latent_dim, "latent_dim", WIDEST)
    shape, width = _shape(input_shape), int(latent_dim)
    # All options, so that a saved model does not change with the defaults.
    values = chosen.model_dump()
    spec = partial(
        Spec, method=method, input_shape=shape, latent_dim=width, bounded=bounded, options=values
    )
    if row.closed_form:
        if encoder is not None or decoder is not None:
            raise InputError(
                f"{method} is linear and takes no networks; leave encoder and decoder out."
            )
        return PCA(spec(net="linear"))
    target = rank_target(method, row.rank_search, width, values)
    part = row.bottleneck(width, chosen, target.directions)
    check_returned(part, Bottleneck, row.bottleneck, f"The bottleneck of {method}")
    check_bottleneck(part, width)
    activation = _output(row, chosen, bounded)
    if (encoder is None) != (decoder is None):
        raise InputError("Only one of encoder and decoder was given; give both, or neither.")
    if encoder is None or decoder is None:
        encoder, decoder = nets.build(net, shape, part.encoder_dim, width, activation)
        wide = part.encoder_dim
        part.narrow(nets.span(encoder, wide))
        if part.encoder_dim < wide:
            encoder = nets.absorb_output(encoder, torch.eye(part.encoder_dim, wide))
    else:
        net = "custom"
        nets.check_pair(encoder, decoder, shape, part.encoder_dim, width)
    if row.prepare_encoder is not None:
        encoder = row.prepare_encoder(encoder)
    if row.prepare_decoder is not None:
        decoder = row.prepare_decoder(decoder)
    if row.game is not None:
        check_known("game", row.game, GAMES)
        return GAN(encoder, part, decoder, GAMES[row.game], spec(net=net))  # type: ignore[arg-type]
    return Autoencoder(encoder, part, decoder, _objective(row, chosen, bounded), spec(net=net))


def _shape(given: Sequence[int] | int) -> tuple[int, ...]:
    sizes = tuple(given) if isinstance(given, Iterable) else (given,)
    for size in sizes:
        check_count(size, f"A size in input_shape {given}")
    return tuple(map(int, sizes))


def _output(row: Method, chosen: Any, bounded: bool) -> Any:
    """Final activation of the decoder.

    Cross-entropy needs probabilities; it would have no gradient for negative Tanh outputs.
    """
    if not bounded:
        return None
    loss = getattr(chosen, "reconstruction", None) or row.reconstruction
    return "sigmoid" if loss == "bce" else row.output


def _objective(row: Method, chosen: Any, bounded: bool) -> Objective:
    if chosen.reconstruction == "bce" and not bounded:
        raise InputError(
            "reconstruction is bce, which requires data in [0, 1], but these are not; use mse."
        )
    return Objective(
        reconstruction=chosen.reconstruction or row.default_reconstruction(bounded),
        reduction=chosen.reduction,
        terms=[
            replace(t, weight=getattr(chosen, t.weight)) if isinstance(t.weight, str) else t
            for t in row.terms
        ],
        weights_assume_sum=row.weights_assume_sum,
    )
