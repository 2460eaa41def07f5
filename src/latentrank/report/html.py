"""A report page from its parts: one HTML file that needs nothing else, neither network nor script.

Text given to the functions below is escaped; only what they return (`Html`) enters a page as it is.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final, NewType

Html = NewType("Html", str)

_CSS: Final = """
:root {
  color-scheme: light dark;
  --paper: #fefefe; --ink: #24292f; --muted: #5d6771; --line: #e1e5e9; --accent: #2a6fb0;
  --well: #f5f7f9;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #14181c; --ink: #e3e7eb; --muted: #9aa5b0; --line: #2e353c; --accent: #7db7ea;
    --well: #1b2026;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; padding: 4rem 1.5rem 5rem; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
}
main, header, footer { max-width: 56.5rem; margin: 0 auto; }
h1 { font-size: 2.1rem; line-height: 1.2; font-weight: 650; letter-spacing: -0.015em; margin: 0; }
h2 { font-size: 1.2rem; line-height: 1.3; font-weight: 650; margin: 0 0 1.1rem; }
.lead { color: var(--muted); margin: 0.5rem 0 0; max-width: 42rem; }
.facts {
  display: flex; flex-wrap: wrap; gap: 1.2rem 3.2rem; margin: 2.2rem 0 0; padding: 1.3rem 0;
  border-top: 1px solid var(--line); border-bottom: 1px solid var(--line);
}
.facts div { min-width: 6rem; }
.facts dt { color: var(--muted); font-size: 0.82rem; }
.facts dd {
  margin: 0.1rem 0 0; font-size: 1.45rem; font-weight: 600; line-height: 1.25;
  font-variant-numeric: tabular-nums;
}
.facts dd small { font-size: 0.85rem; font-weight: 400; color: var(--muted); }
section { margin-top: 4rem; }
figure { margin: 0; }
figure + figure { margin-top: 2.4rem; }
figure img { display: block; max-width: 100%; height: auto; }
figcaption, .note { color: var(--muted); font-size: 0.9rem; max-width: 42rem; }
figcaption { margin-top: 0.9rem; }
.note { margin: 0; padding: 0.8rem 1.1rem; background: var(--well); border-radius: 6px; }
ul.note { padding-left: 2.2rem; }
.note li + li { margin-top: 0.4rem; }
.note + *, .below + .note, .scroll + .note { margin-top: 1.4rem; }
.columns {
  display: grid; gap: 1.8rem; grid-template-columns: repeat(var(--columns), minmax(0, 1fr));
  align-items: start;
}
.columns figure + figure { margin-top: 0; }
.columns h3 { font-size: 0.95rem; font-weight: 600; margin: 0 0 0.5rem; }
.columns img { width: 100%; }
.below { color: var(--muted); font-size: 0.9rem; max-width: 42rem; margin: 0.9rem 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 0.42rem 1.6rem 0.42rem 0; vertical-align: baseline; }
tr { border-bottom: 1px solid var(--line); }
thead th { color: var(--muted); font-weight: 500; font-size: 0.82rem; }
tbody th { font-weight: 400; color: var(--muted); }
td { overflow-wrap: anywhere; }
.numbers th, .numbers td { white-space: nowrap; }
td strong { color: var(--accent); }
td strong::after { content: " \\2713"; font-weight: 400; }
footer {
  margin-top: 5rem; padding-top: 1.2rem; border-top: 1px solid var(--line);
  color: var(--muted); font-size: 0.82rem;
}
@media screen and (max-width: 40rem) {
  body { padding: 2.5rem 1.1rem 3rem; }
  .columns { grid-template-columns: 1fr; }
}
@media print {
  body { padding: 0; font-size: 10.5pt; }
  section { margin-top: 2rem; }
  h2 { break-after: avoid; }
  footer { margin-top: 2rem; }
  figure, tr, .facts { break-inside: avoid; }
}
"""


def page(
    title: str,
    lead: str,
    facts: Html,
    sections: Sequence[Html],
    footer: str,
    script: str = "",
) -> str:
    """A whole HTML document.

    Args:
        title: the page's title and heading.
        lead: one sentence below the heading.
        facts: what `facts` returned, or `Html("")`.
        sections: what `section` returned, in order.
        footer: the last line.
        script: code that the page runs, of this package and no user's text; none by default.

    Returns:
        The document. Its own policy forbids whatever is not inside the file, and without
        `script` any script.

    Example:
        >>> document = page("a < b", "Lead.", facts({}), [section("S", note("n"))], "End.")
        >>> "<h1>a &lt; b</h1>" in document
        True
    """
    body = "\n".join(sections)
    allowed = "; script-src 'unsafe-inline'" if script else ""
    code = f"<script>{script}</script>\n" if script else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'{allowed}">
<title>{escape(title)}</title>
<style>{_CSS}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
<p class="lead">{escape(lead)}</p>
{facts}
</header>
<main>
{body}
</main>
<footer>{escape(footer)}</footer>
{code}</body>
</html>
"""


def facts(values: Mapping[str, str | tuple[str, str]]) -> Html:
    """The headline numbers, side by side.

    Args:
        values: name to value, or to a value and the small words after it.

    Returns:
        A definition list; nothing for no facts.

    Example:
        >>> print(facts({"rank": ("18", "of 128")}))
        <dl class="facts"><div><dt>rank</dt><dd>18 <small>of 128</small></dd></div></dl>
    """
    cells = []
    for name, value in values.items():
        number, rest = (value, "") if isinstance(value, str) else value
        small = f" <small>{escape(rest)}</small>" if rest else ""
        cells.append(f"<div><dt>{escape(name)}</dt><dd>{escape(number)}{small}</dd></div>")
    return Html(f'<dl class="facts">{"".join(cells)}</dl>' if cells else "")


def section(title: str, *blocks: Html) -> Html:
    """A heading and what stands below it.

    Args:
        title: the heading.
        *blocks: figures, tables, notes.

    Returns:
        The section.

    Example:
        >>> print(section("Settings", note("none")))
        <section><h2>Settings</h2>
        <p class="note">none</p></section>
    """
    return Html("\n".join([f"<section><h2>{escape(title)}</h2>", *blocks]) + "</section>")


def picture(svg: str, alt: str, caption: str, width: float, heading: str = "") -> Html:
    """An embedded drawing with its caption.

    Args:
        svg: the SVG document.
        alt: what is seen, for a reader who does not see it.
        caption: one sentence below; may be empty.
        width: natural width in CSS pixels; a narrower page shrinks it.
        heading: a few words above, used in `columns`.

    Returns:
        A figure element.

    Raises:
        ValueError: no alternative text.

    Example:
        >>> picture("<svg/>", "a curve", "What it is.", 300)[:45]
        '<figure><img alt="a curve" width="300" src="d'
    """
    if not alt.strip():
        raise ValueError("A picture without alternative text says nothing to some readers.")
    source = base64.b64encode(svg.encode()).decode()
    head = f"<h3>{escape(heading)}</h3>" if heading else ""
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Html(
        f'<figure>{head}<img alt="{escape(alt)}" width="{round(width)}" '
        f'src="data:image/svg+xml;base64,{source}">{below}</figure>'
    )


def side_by_side(blocks: Sequence[Html], caption: str = "", most: int = 3) -> Html:
    """Pictures or tables side by side, with one caption.

    Args:
        blocks: what `picture` or `table` returned.
        caption: one sentence below all of them; may be empty.
        most: blocks in a row, at least 1; a narrow page puts them below each other.

    Returns:
        A grid of them; more than `most` continue below.

    Example:
        >>> print(side_by_side([Html("<figure></figure>")], "One."))
        <div class="columns" style="--columns:1">
        <figure></figure>
        </div><p class="below">One.</p>
    """
    rows = max(1, math.ceil(len(blocks) / most))
    count = max(1, math.ceil(len(blocks) / rows))  # four are two and two, not three and one
    inner = "\n".join(blocks)
    below = f'<p class="below">{escape(caption)}</p>' if caption else ""
    return Html(f'<div class="columns" style="--columns:{count}">\n{inner}\n</div>{below}')


def table(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    best: Mapping[int, int] | None = None,
) -> Html:
    """A table whose first column names the rows.

    Args:
        header: a name for every column; none of them shown if all are empty.
        rows: cells as text, every row as long as the header.
        best: row index to the index of the cell that is marked.

    Returns:
        The table, in a box that scrolls where the page is too narrow.

    Example:
        >>> "<strong>3</strong>" in table(["", "ae", "lorae"], [["rank", "9", "3"]], best={0: 2})
        True
    """
    marked = best or {}
    lines = []
    for index, row in enumerate(rows):
        cells = [f'<th scope="row">{escape(row[0])}</th>']
        for column, text in enumerate(row[1:], start=1):
            inner = escape(text)
            cells.append(
                f"<td>{f'<strong>{inner}</strong>' if marked.get(index) == column else inner}</td>"
            )
        lines.append(f"<tr>{''.join(cells)}</tr>")
    head = ""
    if any(header):
        names = "".join(f'<th scope="col">{escape(name)}</th>' for name in header)
        head = f"<thead><tr>{names}</tr></thead>"
    kind = ' class="numbers"' if head else ""
    body = f"<tbody>{''.join(lines)}</tbody>"
    return Html(f'<div class="scroll"><table{kind}>{head}{body}</table></div>')


def note(*texts: str) -> Html:
    """A plain remark, such as why a figure is missing, or a list of them.

    Args:
        texts: each of one or two sentences.

    Returns:
        A paragraph, or a list where there are several.

    Example:
        >>> print(note("a & b"))
        <p class="note">a &amp; b</p>
        >>> print(note("a", "b"))
        <ul class="note"><li>a</li><li>b</li></ul>
    """
    if len(texts) == 1:
        return Html(f'<p class="note">{escape(texts[0])}</p>')
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return Html(f'<ul class="note">{items}</ul>')
