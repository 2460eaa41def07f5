"""Options for feature networks, shared by evaluate and reproduce."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated

from latentrank.cli.app import option
from latentrank.errors import InputError
from latentrank.io import expanded

Weights = Annotated[
    list[str] | None,
    option(
        "Weights file of a feature network, such as inception.pth or "
        "timm:tf_efficientnet_lite0=weights.safetensors; repeatable.",
        "[FEATURES=]FILE",
    ),
]


def weights_by_name(given: Sequence[str] | None, used: Collection[str]) -> dict[str, Path]:
    """Weights files by the name of their features.

    Args:
        given: items of the form `FILE` or `FEATURES=FILE`.
        used: the features that will be computed; if one of them has weights, a file without a
            name belongs to that one.

    Raises:
        InputError: a file without a name could belong to several networks or to none.

    Example:
        >>> weights_by_name(["a.pth", "timm:resnet18=b.pth"], ["inception", "classifier"])
        {'inception': PosixPath('a.pth'), 'timm:resnet18': PosixPath('b.pth')}
    """
    networks = sorted(name for name in used if _has_weights(name))
    found = {}
    for text in given or ():
        name, equals, file = text.partition("=")
        if equals and _has_weights(name):
            found[name] = expanded(file)
        elif len(networks) == 1:
            found[networks[0]] = expanded(text)
        else:
            raise InputError(
                f"--weights is {text}, but the networks in use are {' and '.join(networks)}; write "
                f"which it is for, as in --weights {networks[0]}={text}."
                if networks
                else f"--weights is {text}, and no network with such a file is used; name one with "
                "--features inception or timm:NAME, or leave --weights out."
            )
    return found


def _has_weights(features: str) -> bool:
    return features == "inception" or features.startswith("timm:")
