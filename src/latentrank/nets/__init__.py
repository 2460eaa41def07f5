"""Networks by name: an encoder and a decoder for samples of a given shape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from torch import nn

from latentrank.errors import InputError, unknown
from latentrank.nets.conv import conv
from latentrank.nets.mlp import Pair, Shape, mlp
from latentrank.nets.paper import celeba, curves, mnist, rrae_mnist, shapes
from latentrank.nets.surgery import absorb_input, absorb_output, input_layer, output_layer

__all__ = [
    "absorb_input",
    "absorb_output",
    "build",
    "families",
    "input_layer",
    "output_layer",
]


def _auto(input_shape: Shape, encoder_dim: int, latent_dim: int) -> Pair:
    """`mlp` for vectors, `conv` for everything else."""
    family = mlp if len(input_shape) == 1 else conv
    return family(input_shape, encoder_dim, latent_dim)


_FAMILIES: dict[str, Callable[[Shape, int, int], Pair]] = {
    "auto": _auto,
    "shapes": shapes,
    "mnist": mnist,
    "celeba": celeba,
    "rrae-mnist": rrae_mnist,
    "curves": curves,
    "conv": conv,
    "mlp": mlp,
}

_BOUNDS: dict[str, type[nn.Module]] = {"tanh": nn.Tanh, "sigmoid": nn.Sigmoid}


def families() -> list[str]:
    """The names that `build` knows.

    Returns:
        The names, `"auto"` first.

    Example:
        >>> families()
        ['auto', 'shapes', 'mnist', 'celeba', 'rrae-mnist', 'curves', 'conv', 'mlp']
    """
    return list(_FAMILIES)


def build(
    family: str,
    input_shape: Shape,
    encoder_dim: int,
    latent_dim: int,
    bounded_output: Literal["tanh", "sigmoid"] | None = None,
) -> tuple[nn.Sequential, nn.Sequential]:
    """An encoder and a decoder, freshly initialised.

    The encoder ends and the decoder begins with a layer that is linear in its input.

    Args:
        family: one of `families()`.
        input_shape: shape of one sample: `(F,)`, `(C, T)`, `(C, H, W)` or `(C, D, H, W)`.
        encoder_dim: numbers that the encoder returns per sample, at least 1.
        latent_dim: numbers that the decoder takes per sample, at least 1.
        bounded_output: what ends the decoder, None for real-valued data.

    Returns:
        Encoder, `(B, *input_shape)` to `(B, encoder_dim)`, and decoder, `(B, latent_dim)` to
        `(B, *input_shape)`.

    Raises:
        InputError: when a name is unknown, a size is not positive, or the family does not take
            samples of this shape.

    Example:
        >>> import torch
        >>> encoder, decoder = build("mnist", (1, 32, 32), 128, 128, bounded_output="tanh")
        >>> decoder(encoder(torch.zeros(2, 1, 32, 32))).shape
        torch.Size([2, 1, 32, 32])
    """
    if family not in _FAMILIES:
        raise unknown("network", family, _FAMILIES)
    if bounded_output is not None and bounded_output not in _BOUNDS:
        raise unknown("output bound", bounded_output, _BOUNDS)
    shape = tuple(int(size) for size in input_shape)
    if not shape or min(shape) < 1:
        raise InputError(
            f"The samples have shape {shape}, expected axes of at least 1; check the data."
        )
    for name, size in (("encoder_dim", encoder_dim), ("latent_dim", latent_dim)):
        if size < 1:
            raise InputError(f"{name} is {size}, expected a whole number from 1; raise it.")
    encoder, decoder = _FAMILIES[family](shape, encoder_dim, latent_dim)
    if bounded_output is not None:
        decoder.append(_BOUNDS[bounded_output]())
    return encoder, decoder
