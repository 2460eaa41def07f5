"""Folding an affine map into the end of an encoder or the start of a decoder."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import TypeVar, cast

import torch
from torch import Tensor, nn

from latentrank.errors import InputError
from latentrank.nets.conv import CONVOLUTIONS, TRANSPOSED

Layer = TypeVar("Layer", bound=nn.Module)
Layers = tuple[type[nn.Module], ...]


def output_layer(encoder: nn.Module) -> nn.Module | None:
    """The encoder's last layer, where nothing but Flatten follows it.

    Args:
        encoder: any module; only an `nn.Sequential` without a `forward` of its own can be
            inspected.

    Returns:
        A linear layer or convolution of the encoder itself, or None.

    Example:
        >>> output_layer(nn.Sequential(nn.Flatten(), nn.Linear(6, 2)))
        Linear(in_features=6, out_features=2, bias=True)
        >>> output_layer(nn.Sequential(nn.Linear(6, 2), nn.ReLU())) is None
        True
    """
    index = _output_index(encoder)
    return None if index is None else cast(nn.Sequential, encoder)[index]


def input_layer(decoder: nn.Module) -> nn.Module | None:
    """The decoder's first layer, where nothing but Unflatten comes before it.

    Args:
        decoder: any module; only an `nn.Sequential` can be inspected.

    Returns:
        A linear layer or (transposed) convolution of the decoder itself, or None.

    Example:
        >>> input_layer(nn.Sequential(nn.Linear(2, 6), nn.Unflatten(1, (2, 3))))
        Linear(in_features=2, out_features=6, bias=True)
        >>> input_layer(nn.Sequential(nn.ReLU(), nn.Linear(2, 6))) is None
        True
    """
    index = _input_index(decoder)
    return None if index is None else cast(nn.Sequential, decoder)[index]


def weight_of(network: nn.Module) -> Tensor:
    """A real tensor on the device of a network's weights and in their precision, as inputs are.

    Of complex weights, such as those of a Fourier layer, it is the real part. A network without
    any counts as one in float32 on the CPU.

    Example:
        >>> weight_of(nn.Linear(2, 1, dtype=torch.complex128)).dtype
        torch.float64
    """
    return next(network.parameters(), torch.empty(0)).real


def is_plain(module: nn.Module, *kinds: type[nn.Module]) -> bool:
    """Whether a module computes what one of these classes does.

    A class derived from it may have a `forward` of its own, and a hook may change inputs, outputs
    or, like `torch.nn.utils.weight_norm`, weights.

    Args:
        module: any module.
        *kinds: classes of torch.

    Example:
        >>> layer = nn.Linear(2, 2)
        >>> is_plain(layer, nn.Linear)
        True
        >>> _ = layer.register_forward_hook(lambda layer, inputs, output: 2 * output)
        >>> is_plain(layer, nn.Linear)
        False
    """
    hooked = module._forward_pre_hooks or module._forward_hooks or "forward" in vars(module)
    same = (isinstance(module, kind) and type(module).forward is kind.forward for kind in kinds)
    return not hooked and any(same)


def span(encoder: nn.Module, width: int) -> int:
    """Number of dimensions that the encoder's outputs span at most.

    A linear last layer with `p` inputs and a bias spans `p + 1`, unless it is applied to several
    rows of each sample, which Flatten then joins.

    Args:
        encoder: returns `(B, width)`.
        width: `width`.

    Example:
        >>> span(nn.Sequential(nn.Linear(6, 2), nn.ReLU(), nn.Linear(2, 9)), 9)
        3
    """
    last = output_layer(encoder)
    if isinstance(last, nn.Linear) and last.out_features == width:
        return min(width, last.in_features + 1)
    return width


def absorb_output(
    encoder: nn.Module, matrix: Tensor, offset: Tensor | None = None
) -> nn.Sequential:
    """A new encoder with `new(x) = encoder(x) @ matrix.T + offset`.

    The map is folded into the last layer where that is linear, and otherwise appended as a
    linear layer. The product is computed in float64. The layers of the result depend only on the
    layers and sizes given, never on values, so they can be rebuilt before loading saved weights.

    Args:
        encoder: returns `(B, d)`; not modified.
        matrix: `(k, d)`.
        offset: `(k,)`, or None for zero; a layer without bias gets one for it.

    Returns:
        The new encoder, `(B, *input_shape)` to `(B, k)`, sharing no tensor with the old one.

    Raises:
        InputError: when the matrix is empty or does not have two axes, or the offset does not have
            length `k`.

    Example:
        >>> encoder = nn.Sequential(nn.Linear(6, 4))
        >>> absorb_output(encoder, torch.ones(2, 4))
        Sequential(
          (0): Linear(in_features=6, out_features=2, bias=True)
        )
    """
    matrix, offset = _checked(matrix, offset)
    new = _copied(encoder)
    index = _output_index(encoder)
    if index is None or not _mixable(new[index], matrix.shape[1]):
        new.append(_linear(matrix, offset, like=weight_of(encoder)))
    else:
        new[index] = _mixed(new[index], matrix, offset)
    return new if encoder.training else new.eval()


def absorb_input(decoder: nn.Module, matrix: Tensor, offset: Tensor | None = None) -> nn.Sequential:
    """A new decoder with `new(c) = decoder(c @ matrix.T + offset)`.

    The map is folded into the first layer where that is linear, and otherwise put before it as
    a linear layer. A convolution on a 1x1 grid becomes a linear layer and an Unflatten: through
    it the offset reaches every pixel differently, which a bias per channel cannot express. The
    product is computed in float64. The layers of the result depend only on the layers and sizes
    given, never on values.

    Args:
        decoder: takes `(B, L)`; not modified.
        matrix: `(L, k)`.
        offset: `(L,)`, or None for zero; a layer without bias gets one for it.

    Returns:
        The new decoder, `(B, k)` to `(B, *input_shape)`, sharing no tensor with the old one.

    Raises:
        InputError: when the matrix is empty or does not have two axes, or the offset does not have
            length `L`.

    Example:
        >>> decoder = nn.Sequential(nn.Unflatten(1, (4, 1, 1)), nn.ConvTranspose2d(4, 3, 2))
        >>> absorb_input(decoder, torch.ones(4, 2))
        Sequential(
          (0): Linear(in_features=2, out_features=12, bias=True)
          (1): Unflatten(dim=1, unflattened_size=(3, 2, 2))
        )
    """
    matrix, offset = _checked(matrix, offset)
    new = _copied(decoder)
    index = _input_index(decoder)
    if index is None or _size_in(new[index]) != matrix.shape[0]:
        layers = [_linear(matrix, offset, like=weight_of(decoder)), *new]
    else:
        layers = [*_merged(new[: index + 1], matrix, offset), *new[index + 1 :]]
    return nn.Sequential(*layers) if decoder.training else nn.Sequential(*layers).eval()


@torch.no_grad()
def _mixed(layer: nn.Module, matrix: Tensor, offset: Tensor | None) -> nn.Module:
    """The layer with its output channels mixed: `matrix @ layer(x) + offset`."""
    # In training mode, a spectral norm takes a power iteration step at every access.
    layer = copy.deepcopy(layer).eval()
    weight, bias = cast(Tensor, layer.weight), cast(Tensor | None, layer.bias)
    flat = matrix @ _exact(weight).flatten(1)
    constant = offset
    if bias is not None:
        constant = matrix @ _exact(bias) + (0 if offset is None else offset)
    if isinstance(layer, nn.Linear):
        return _linear(flat, constant, like=weight)
    return _convolution(layer, flat.view(len(matrix), *weight.shape[1:]), constant, like=weight)


@torch.no_grad()
def _merged(head: nn.Sequential, matrix: Tensor, offset: Tensor | None) -> list[nn.Module]:
    """The affine head after `c @ matrix.T + offset`, as Linear and, if needed, Unflatten."""
    layer = head[-1]
    has_bias = cast(Tensor | None, layer.bias) is not None
    exact = copy.deepcopy(head).cpu().double().eval()
    zero = torch.zeros(1, matrix.shape[0], dtype=torch.float64)
    weight = exact(matrix.T) - exact(zero)
    bias = exact(zero if offset is None else offset[None])[0]
    merged: list[nn.Module] = [
        _linear(
            weight.flatten(1).T,
            bias.flatten() if has_bias or offset is not None else None,
            like=cast(Tensor, layer.weight),
        )
    ]
    if bias.ndim > 1:
        merged.append(nn.Unflatten(1, tuple(bias.shape)))
    return merged


def _mixable(layer: nn.Module, size_out: int) -> bool:
    """Whether the layer's output channels are the encoder's entire output."""
    if isinstance(layer, nn.Linear):
        return layer.out_features == size_out
    # With groups, output channels of different groups cannot be mixed.
    return bool(layer.out_channels == size_out) and bool(layer.groups == 1)


def _size_in(layer: nn.Module) -> int:
    """The layer's input channels."""
    return cast(int, layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels)


def _linear(weight: Tensor, bias: Tensor | None, like: Tensor) -> nn.Linear:
    """A linear layer holding these values, of the type and on the device of `like`."""
    size_out, size_in = weight.shape
    # Without storage, so that no random initial values are drawn from the caller's generator.
    new = nn.Linear(size_in, size_out, bias=bias is not None, device="meta")
    return _filled(new, weight, bias, like)


def _convolution(old: nn.Module, weight: Tensor, bias: Tensor | None, like: Tensor) -> nn.Module:
    """A convolution with the geometry of `old` and these values."""
    kind = next(kind for kind in CONVOLUTIONS if isinstance(old, kind))
    geometry = cast(nn.Conv2d, old)
    new = kind(
        weight.shape[1],
        weight.shape[0],
        geometry.kernel_size,
        geometry.stride,
        geometry.padding,
        geometry.dilation,
        bias=bias is not None,
        padding_mode=geometry.padding_mode,
        device="meta",
    )
    return _filled(new, weight, bias, like)


def _filled(layer: Layer, weight: Tensor, bias: Tensor | None, like: Tensor) -> Layer:
    """The layer with these values as parameters, of the type and on the device of `like`."""
    for name, values in (("weight", weight), ("bias", bias)):
        if values is not None:
            given = nn.Parameter(values.to(like.device, like.dtype).contiguous())
            setattr(layer, name, given)
    return layer


def _copied(net: nn.Module) -> nn.Sequential:
    """A copy that can be modified."""
    new = copy.deepcopy(net)
    return cast(nn.Sequential, new) if is_plain(new, nn.Sequential) else nn.Sequential(new)


def _exact(values: Tensor) -> Tensor:
    """The values in float64, on the CPU: not every device supports it."""
    return values.detach().cpu().double()


def _checked(matrix: Tensor, offset: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Both in float64; InputError unless it is a matrix, and the offset has a number per row."""
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise InputError(
            f"The matrix to absorb has shape {tuple(matrix.shape)}, expected two axes "
            "of at least 1; give one row per output and one column per input."
        )
    if offset is not None and offset.shape != matrix.shape[:1]:
        raise InputError(
            f"The offset to absorb has shape {tuple(offset.shape)}, expected "
            f"({matrix.shape[0]},); give one number per row of the matrix."
        )
    return _exact(matrix), None if offset is None else _exact(offset)


def _output_index(encoder: nn.Module) -> int | None:
    """Where in a Sequential the last layer is linear, Flatten aside."""
    return _first_linear(reversed(_layers(encoder)), CONVOLUTIONS, nn.Flatten)


def _input_index(decoder: nn.Module) -> int | None:
    """Where in a Sequential the first layer is linear, Unflatten aside."""
    return _first_linear(_layers(decoder), (*CONVOLUTIONS, *TRANSPOSED), nn.Unflatten)


def _layers(net: nn.Module) -> list[tuple[int, nn.Module]]:
    """The layers of a Sequential with their places; none of another module."""
    plain = is_plain(net, nn.Sequential)
    return list(enumerate(cast(nn.Sequential, net))) if plain else []


def _first_linear(
    layers: Iterable[tuple[int, nn.Module]], convolutions: Layers, passed: type[nn.Module]
) -> int | None:
    """The first index of a linear layer, unless another than a reshaping one comes before it."""
    for index, layer in layers:
        if is_plain(layer, nn.Linear, *convolutions):
            return index
        if not is_plain(layer, passed):
            return None
    return None
