"""Rename the sections `Example:` of docstrings to `Examples:`, where griffe looks for doctests."""

from __future__ import annotations

import re
from typing import Any

import griffe


class ExamplesSections(griffe.Extension):
    """Rename the section before it is parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE
            )
