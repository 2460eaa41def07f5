"""Options about feature networks, which evaluate and reproduce share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

Weights = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[FEATURES=]FILE",
        help="File of a feature network's weights, such as inception.pth or "
        "timm:tf_efficientnet_lite0=weights.safetensors; repeated.",
    ),
]


def weights_by_name(given: Sequence[str] | None, features: str) -> dict[str, Path]:
    """Files of weights by the name of the features that they are for.

    Args:
        given: `FILE` or `FEATURES=FILE`, each.
        features: those that a file without a name is for.

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
