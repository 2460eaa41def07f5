"""Options for feature networks, shared by evaluate and reproduce."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from latentrank.cli.app import option

Weights = Annotated[
    list[str] | None,
    option(
        "Weights file of a feature network, such as inception.pth or "
        "timm:tf_efficientnet_lite0=weights.safetensors; repeatable.",
        "[FEATURES=]FILE",
    ),
]


def weights_by_name(given: Sequence[str] | None, features: str) -> dict[str, Path]:
    """Weights files by the name of their features.

    Args:
        given: items of the form `FILE` or `FEATURES=FILE`.
        features: features of a file without a name.

    Example:
        >>> weights_by_name(["a.pth", "timm:resnet18=b.pth"], "inception")
        {'inception': PosixPath('a.pth'), 'timm:resnet18': PosixPath('b.pth')}
    """
    found = {}
    for text in given or ():
        name, equals, file = text.partition("=")
        named = bool(equals) and (name == "inception" or name.startswith("timm:"))
        found[name if named else features] = Path(file if named else text)
    return found
