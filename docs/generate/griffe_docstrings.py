"""Docstrings for griffe: doctests under `Examples:`, and the comments `#:` of constants."""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Any

import griffe


class Docstrings(griffe.Extension):
    """Change docstrings before they are parsed."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rename the section `Example:`, where griffe looks for no doctests."""
        if obj.docstring:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE
            )

    def on_attribute_instance(self, *, attr: griffe.Attribute, **kwargs: Any) -> None:
        """Take the comment before a constant that its module or package exports."""
        places = (attr.parent, attr.parent.parent)
        exported = any(attr.name in (place.exports or ()) for place in places if place)
        if attr.docstring or attr.lineno is None or not exported:
            return
        before = reversed(attr.lines_collection[attr.filepath][: attr.lineno - 1])
        comment = [*takewhile(lambda line: line.startswith("#: "), before)]
        if comment:
            text = "\n".join(line.removeprefix("#: ") for line in reversed(comment))
            attr.docstring = griffe.Docstring(text, parent=attr)
