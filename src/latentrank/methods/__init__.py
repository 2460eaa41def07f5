"""The table of methods, their options, and their rank targets.

The table does not import torch; `build` is imported on first use.
"""

from typing import TYPE_CHECKING, Any

from latentrank.methods.option_types import MethodOptions, ReconstructionOptions
from latentrank.methods.table import (
    METHODS,
    Method,
    get,
    names,
    options,
    register,
)

if TYPE_CHECKING:
    from latentrank.methods.factory import build

__all__ = [
    "METHODS",
    "Method",
    "MethodOptions",
    "ReconstructionOptions",
    "build",
    "get",
    "names",
    "options",
    "register",
]


def __getattr__(name: str) -> Any:
    if name == "build":
        from latentrank.methods.factory import build

        return build
    raise AttributeError(f"module 'latentrank.methods' has no attribute '{name}'")
