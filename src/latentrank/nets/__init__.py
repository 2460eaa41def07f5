"""Networks by name: an encoder and a decoder for samples of a given shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from torch import nn

from latentrank.errors import (
    InputError,
    check_count,
    check_returned,
    check_takes,
    described,
    unknown,
)
from latentrank.nets.conv import conv
from latentrank.nets.mlp import Pair, Shape, mlp
from latentrank.nets.paper import celeba, curves, mnist, rrae_mnist, shapes
from latentrank.nets.surgery import (
    absorb_input,
    absorb_output,
    input_layer,
    is_plain,
    output_layer,
    span,
    weight_of,
)
from latentrank.registry import Registry

__all__ = [
    "NETWORKS",
    "absorb_input",
    "absorb_output",
    "build",
    "check_pair",
    "evaluating",
    "families",
    "input_layer",
    "output_layer",
    "pair_of",
    "span",
    "weight_of",
]


def _auto(input_shape: Shape, encoder_dim: int, latent_dim: int) -> Pair:
    """`mlp` for vectors, `conv` for everything else."""
    family = mlp if len(input_shape) == 1 else conv
    return family(input_shape, encoder_dim, latent_dim)


#: Builds an encoder and a decoder from the shape of a sample, the encoder's output width and the
#: decoder's input width.
Family = Callable[[Shape, int, int], Pair]

#: Networks by name. Another package adds one with an entry point in `latentrank.networks`.
NETWORKS = Registry[Family](
    "network",
    "latentrank.networks",
    {
        "auto": _auto,
        "shapes": shapes,
        "mnist": mnist,
        "celeba": celeba,
        "rrae-mnist": rrae_mnist,
        "curves": curves,
        "conv": conv,
        "mlp": mlp,
    },
    check=lambda what, value: check_takes(
        value, ("input_shape", "encoder_dim", "latent_dim"), what
    ),
)

_BOUNDS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def families() -> list[str]:
    """The network families that `build` accepts.

    Returns:
        The names, `"auto"` first.

    Example:
        >>> families()
        ['auto', 'shapes', 'mnist', 'celeba', 'rrae-mnist', 'curves', 'conv', 'mlp']
    """
    return NETWORKS.names()


def build(
    family: str,
    input_shape: Shape,
    encoder_dim: int,
    latent_dim: int,
    bounded_output: Literal["tanh", "sigmoid"] | None = None,
) -> tuple[nn.Sequential, nn.Sequential]:
    """Build an encoder and a decoder.

    The encoder ends and the decoder begins with a layer that is linear in its input.

    Args:
        family: one of `families()`.
        input_shape: shape of one sample: `(F,)`, `(C, T)`, `(C, H, W)` or `(C, D, H, W)`.
        encoder_dim: numbers that the encoder returns per sample, at least 1.
        latent_dim: numbers that the decoder takes per sample, at least 1.
        bounded_output: final activation of the decoder, None for real-valued data.

    Returns:
        Encoder, `(B, *input_shape)` to `(B, encoder_dim)`, and decoder, `(B, latent_dim)` to
        `(B, *input_shape)`.

    Raises:
        InputError: when a name is unknown, a size is not positive, or the family does not accept
            samples of this shape.

    Example:
        >>> import torch
        >>> encoder, decoder = build("mnist", (1, 32, 32), 128, 128, bounded_output="tanh")
        >>> decoder(encoder(torch.zeros(2, 1, 32, 32))).shape
        torch.Size([2, 1, 32, 32])
    """
    make = NETWORKS.get(family)
    if bounded_output is not None and bounded_output not in _BOUNDS:
        raise unknown("output bound", bounded_output, _BOUNDS)
    shape = tuple(int(size) for size in input_shape)
    if not shape or min(shape) < 1:
        raise InputError(
            f"The samples have shape {shape}, expected axes of at least 1; check the data."
        )
    for name, size in (("encoder_dim", encoder_dim), ("latent_dim", latent_dim)):
        check_count(size, name)
    encoder, decoder = pair_of(make(shape, encoder_dim, latent_dim), make)
    if not getattr(make, "__module__", "").startswith("latentrank."):
        check_pair(encoder, decoder, shape, encoder_dim, latent_dim)
        decoder = decoder if is_plain(decoder, nn.Sequential) else nn.Sequential(decoder)
    if bounded_output is not None:
        decoder.append(_BOUNDS[bounded_output]())
    return encoder, decoder


def pair_of(made: Any, maker: Callable[..., Any]) -> Pair:
    """The encoder and the decoder that a function of the user's own has returned.

    Args:
        made: a tuple or a list of both.
        maker: the function, or anything else that was called, to name.

    Raises:
        InputError: it did not return two values.
    """
    made = tuple(made) if isinstance(made, list) else made
    check_returned(made, tuple, maker)
    if len(made) != 2:
        name = getattr(maker, "__qualname__", str(maker))
        raise InputError(
            f"{name} returned {len(made)} values, expected an encoder and a decoder; return both."
        )
    return cast(Pair, made)


@torch.no_grad()
def check_pair(
    encoder: nn.Module, decoder: nn.Module, input_shape: Shape, encoder_dim: int, latent_dim: int
) -> None:
    """Reject custom networks that do not fit the data, the code, or each other.

    Args:
        encoder: should map `(B, *input_shape)` to `(B, encoder_dim)`.
        decoder: should map `(B, latent_dim)` to `(B, *input_shape)`.
        input_shape: shape of one sample.
        encoder_dim: numbers that the encoder must return per sample.
        latent_dim: numbers that the decoder must take per sample.

    Raises:
        InputError: a network is not an instance, rejects such an input, or its output has another
            shape.

    Example:
        >>> check_pair(nn.Linear(3, 2), nn.Linear(2, 4), (3,), 2, 2)
        Traceback (most recent call last):
        latentrank.errors.InputError: The decoder maps (2, 2) to (2, 4), expected (2, 3); ...
    """
    for name, network, given, expected in (
        ("encoder", encoder, (2, *input_shape), (2, encoder_dim)),
        ("decoder", decoder, (2, latent_dim), (2, *input_shape)),
    ):
        if not isinstance(network, nn.Module):
            raise InputError(
                f"{name} is {network!r}, expected an instance of torch.nn.Module; call the class."
            )
        like = weight_of(network)
        try:
            with evaluating(network):
                made = network(torch.zeros(given).to(like))
        except (RuntimeError, ValueError, IndexError) as error:
            raise InputError(
                f"The {name} cannot take samples of shape {given} ({described(error)}); change its "
                "first layer."
            ) from None
        found = tuple(made.shape) if isinstance(made, torch.Tensor) else f"a {type(made).__name__}"
        if found != expected:
            raise InputError(
                f"The {name} maps {given} to {found}, expected {expected}; change its last layer."
            )


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """A context in which a module is in evaluation mode; after it each part is as it was before."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
