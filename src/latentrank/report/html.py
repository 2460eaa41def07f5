"""Report pages: one self-contained HTML file each, from Jinja2 templates and packaged assets.

Text given to the functions below is escaped; only the `Markup` they return is inserted verbatim. A
page loads no external resources, and its content security policy forbids it.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

_TEMPLATES: Final = Environment(
    loader=PackageLoader("latentrank.report"),
    autoescape=True,
    undefined=StrictUndefined,
)


def macros(template: str) -> Any:
    """The macros of a template in `templates/`, as attributes.

    Args:
        template: its name without `.html.j2`.

    Returns:
        The template as a module; each macro takes values and returns `Markup`.
    """
    return _TEMPLATES.get_template(f"{template}.html.j2").module


def render(template: str, **values: Any) -> str:
    """A template of this package, filled in."""
    return _TEMPLATES.get_template(template).render(**values)


def asset(name: str) -> Markup:
    """The text of a style sheet or script in `assets/`."""
    return Markup((files(__package__) / "assets" / name).read_text(encoding="utf-8"))


_blocks: Final = macros("blocks")


def page(
    title: str,
    lead: str,
    facts: Markup,
    sections: Sequence[Markup],
    footer: str,
    *,
    interactive: str = "",
    values: Mapping[str, Any] | None = None,
    live: bool = False,
) -> str:
    """A complete HTML document.

    Args:
        title: the page's title and heading.
        lead: one sentence below the heading.
        facts: result of `facts`.
        sections: results of `section`, in order.
        footer: the last line.
        interactive: name of a style sheet and a script in `assets/`; without, the page allows no
            scripts.
        values: what the script finds in `page`.
        live: the script may send requests to the page's server.

    Example:
        >>> document = page("a < b", "Lead.", facts({}), [section("S", note("n"))], "End.")
        >>> "<h1>a &lt; b</h1>" in document
        True
    """
    return render(
        "page.html.j2",
        title=title,
        lead=lead,
        facts=facts,
        sections=sections,
        footer=footer,
        style=asset("page.css") + (asset(f"{interactive}.css") if interactive else ""),
        script=asset(f"{interactive}.js") if interactive else "",
        values=values,
        live=live,
    )


def facts(values: Mapping[str, str | tuple[str, str]]) -> Markup:
    """The headline numbers, side by side.

    Args:
        values: name to value, or to a value and smaller text after it.

    Returns:
        A definition list; empty if there are no facts.

    Example:
        >>> print(facts({"rank": ("18", "of 128")}))
        <dl class="facts"><div><dt>rank</dt><dd>18 <small>of 128</small></dd></div></dl>
    """
    return Markup(_blocks.facts(values)) if values else Markup()


def section(title: str, *blocks: Markup) -> Markup:
    """A heading with figures, tables and notes below it.

    Example:
        >>> print(section("Settings", note("none")))
        <section><h2>Settings</h2>
        <p class="note">none</p></section>
    """
    return Markup(_blocks.section(title, blocks))


def picture(
    content: str | bytes, alt: str, caption: str, width: float, heading: str = ""
) -> Markup:
    """An embedded drawing with its caption.

    Args:
        content: an SVG document, or the bytes of a PNG file.
        alt: alternative text.
        caption: one sentence below; may be empty.
        width: natural width in CSS pixels; reduced on narrower pages.
        heading: a few words above, used in `side_by_side`.

    Returns:
        A figure element.

    Raises:
        ValueError: no alternative text.

    Example:
        >>> str(picture("<svg/>", "a curve", "What it is.", 300))[:62]
        '<figure><div class="pane"><img alt="a curve" width="300" style'
    """
    if not alt.strip():
        raise ValueError("A picture needs alternative text.")
    return Markup(_blocks.picture(data_url(content), alt, caption, round(width), heading))


def data_url(content: str | bytes) -> str:
    """An SVG or a PNG as a URL.

    Example:
        >>> data_url("<svg/>")
        'data:image/svg+xml;base64,PHN2Zy8+'
    """
    kind, data = ("svg+xml", content.encode()) if isinstance(content, str) else ("png", content)
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def side_by_side(blocks: Sequence[Markup], caption: str = "", most: int = 3) -> Markup:
    """Pictures or tables in a grid, with one caption.

    Args:
        blocks: results of `picture` or `table`.
        caption: one sentence below all of them; may be empty.
        most: maximum number of blocks per row, at least 1; a narrow page stacks them.

    Returns:
        The grid; more than `most` blocks continue in the next row.

    Example:
        >>> print(side_by_side([Markup("<figure></figure>")], "One."))
        <div class="columns wide" style="--columns:1">
        <figure></figure>
        </div><p class="below">One.</p>
    """
    return Markup(_blocks.side_by_side(blocks, caption, across(len(blocks), most)))


def across(count: int, most: int = 3) -> int:
    """The number of blocks in a row of `side_by_side`.

    Example:
        >>> [across(count) for count in (1, 3, 4, 5)]  # four are two and two, not three and one
        [1, 3, 2, 3]
    """
    rows = max(1, math.ceil(count / most))
    return max(1, math.ceil(count / rows))


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    best: Mapping[int, int] | None = None,
) -> Markup:
    """A table whose first column names the rows.

    Args:
        header: a name for every column; omitted if all are empty.
        rows: cells as text, every row as long as the header.
        best: row index to the index of the cell that is marked.

    Returns:
        The table, in a box that scrolls if the page is too narrow.

    Example:
        >>> "<strong>3</strong>" in table(["", "ae", "lorae"], [["rank", "9", "3"]], best={0: 2})
        True
    """
    return Markup(_blocks.table(header, rows, best or {}))


def note(*texts: str) -> Markup:
    """A note, such as why a figure is missing, or a list of notes.

    Args:
        texts: each of one or two sentences.

    Returns:
        A paragraph, or a list if there are several.

    Example:
        >>> print(note("a & b"))
        <p class="note">a &amp; b</p>
        >>> print(note("a", "b"))
        <ul class="note"><li>a</li><li>b</li></ul>
    """
    return Markup(_blocks.note(texts))
