"""The style of all figures, a user's style on top of it, and the output formats."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, ParamSpec, TypeVar

import numpy as np
from matplotlib import colormaps, rc_context, rc_params_from_file, style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import font_scalings
from matplotlib.text import Text
from matplotlib.textpath import TextPath

from latentrank.errors import InputError
from latentrank.io import write_bytes

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")
Format = Literal["png", "pdf", "svg"]

INK: Final = "#24292f"
MUTED: Final = "#6b7580"
GRID: Final = "#dde2e7"
CELL: Final = "#f3f5f7"
PAPER: Final = "#fefefe"

# Petroff's ten-colour cycle (arXiv:2107.02270), strong colours first: distinguishable under common
# colour vision deficiencies, and readable as lines on white and on black.
PALETTE: Final = (
    "#3f90da",
    "#e76300",
    "#832db6",
    "#bd1f01",
    "#ffa90e",
    "#94a4a2",
    "#a96b59",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
# Without its darkest part, which is invisible on a dark background.
CONTINUOUS: Final = ListedColormap(colormaps["cividis"](np.linspace(0.18, 1, 256)), "continuous")

#: Line styles, which distinguish curves where colours do not, such as in print.
DASHES: Final = ("-", (0, (5, 1.6)), (0, (1.2, 1.4)), (0, (6, 1.5, 1.2, 1.5)))

WIDTH: Final = 9.4  # inches: the text width of the report page
_NARROW: Final = 5.5  # inches: below this width, panels are stacked

# Any: matplotlib's stubs for settings differ between releases.
STYLE: Final[Any] = {
    "figure.facecolor": PAPER,
    "figure.dpi": 96,
    "figure.labelsize": "medium",
    "savefig.dpi": 160,
    "svg.hashsalt": "latentrank",
    "svg.fonttype": "none",  # text stays text, in the reader's font
    "pdf.fonttype": 42,  # likewise, embedded as TrueType
    "font.family": "DejaVu Sans",  # ships with matplotlib, so figures are the same on every machine
    "font.size": 9,
    "text.color": INK,
    "axes.facecolor": PAPER,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlesize": "medium",
    "axes.titlelocation": "left",
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": "small",
    "ytick.labelsize": "small",
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "legend.frameon": False,
    "legend.fontsize": "small",
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}

# Settings of a user's style file, on top of `STYLE`.
_OWN_STYLE: ContextVar[Any] = ContextVar("own_style", default=MappingProxyType({}))


def styled(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make a function draw in this style, without changing matplotlib's settings.

    Current settings, such as a dark background from a matplotlibrc, are replaced by matplotlib's
    defaults: a mixture of two styles may be unreadable.
    """

    @wraps(function)
    def wrapped(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        with style.context({**STYLE, **_OWN_STYLE.get()}, after_reset=True):
            return function(*args, **kwargs)

    return wrapped


def own_style(file: Path | None) -> AbstractContextManager[None]:
    """Draw with the settings of a matplotlib style file, such as a journal's.

    `figure.figsize` gives the width of figures, such as that of a column; heights follow from the
    content.

    Args:
        file: a style file; None changes nothing.

    Raises:
        InputError: it cannot be read, or contains something other than settings.
    """
    return _drawing_with({} if file is None else _read_style(file))


def page_of(width: float) -> AbstractContextManager[None]:
    """Draw for a page of another width, in inches.

    Example:
        >>> with page_of(3.25):
        ...     page_width()
        3.25
    """
    return _drawing_with({**_OWN_STYLE.get(), "figure.figsize": (width, width)})


@contextmanager
def _drawing_with(settings: Mapping[str, Any]) -> Iterator[None]:
    token = _OWN_STYLE.set(settings)
    try:
        yield
    finally:
        _OWN_STYLE.reset(token)


def _read_style(file: Path) -> dict[str, Any]:
    """The settings in a style file; matplotlib would only log errors."""
    if not file.is_file():
        raise InputError(f"There is no style file {file}; give the path of a .mplstyle file.")
    try:
        settings: dict[Any, Any] = dict(
            rc_params_from_file(file, fail_on_error=True, use_default_template=False)
        )
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        raise InputError(
            f"{file} is not a matplotlib style file ({reason}); write lines such as 'font.size: 8'."
        ) from None
    if not settings:
        raise InputError(f"{file} contains no settings; write lines such as 'font.size: 8'.")
    return settings


def page_width() -> float:
    """The page width in inches: `WIDTH`, or `figure.figsize` in a user's style file."""
    size = _OWN_STYLE.get().get("figure.figsize")
    return WIDTH if size is None else float(size[0])


def narrow() -> bool:
    """Whether the page is as narrow as a column of a paper, so that panels are stacked."""
    return page_width() < _NARROW


# Greys become CSS variables, so that an embedded figure follows the page into dark mode; data
# colours do not change, and print is always on white.
_SHADES: Final = {
    INK: ("ink", "#e3e7eb"),
    MUTED: ("muted", "#98a3ae"),
    GRID: ("grid", "#343b43"),
    CELL: ("cell", "#20262c"),
    PAPER: ("paper", "#14181c"),
}


# No metadata that differs from one file to the next.
_NO_METADATA: Final[dict[str, dict[str, None]]] = {
    "png": {},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None, "Format": None, "Type": None},
}


def new_figure(width: float, height: float, *, constrained: bool = True) -> Figure:
    """An empty figure with its own canvas, not registered with pyplot.

    Args:
        width: in inches.
        height: in inches.
        constrained: use matplotlib's constrained layout, so that no label is clipped.

    Example:
        >>> new_figure(4, 2).get_size_inches().tolist()
        [4.0, 2.0]
    """
    figure = Figure(figsize=(width, height), layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


def one_panel(widest: float, height: float) -> tuple[Figure, Axes]:
    """A figure with one panel, at most as wide as the page.

    Args:
        widest: in inches.
        height: in inches.
    """
    figure = new_figure(min(widest, page_width()), height)
    return figure, figure.subplots()


def panel_grid(
    count: int,
    most: int,
    size: Callable[[int, int], tuple[float, float]],
    sharex: bool = False,
    sharey: bool = False,
) -> tuple[Figure, list[Axes]]:
    """Panels in rows, from left to right.

    Args:
        count: number of panels.
        most: maximum number of panels in a row.
        size: width and height of the figure in inches, from the numbers of columns and rows.
        sharex: the panels share their horizontal axis.
        sharey: they share their vertical axis.

    Returns:
        The figure and its `count` panels.

    Example:
        >>> figure, panels = panel_grid(3, 2, lambda columns, rows: (2 * columns, 2 * rows))
        >>> len(panels), figure.get_size_inches().tolist()
        (3, [4.0, 4.0])
    """
    columns = min(most, count)
    rows = math.ceil(count / columns)
    figure = new_figure(*size(columns, rows))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=sharex, sharey=sharey)
    panels: list[Axes] = list(grid.flat)
    for empty in panels[count:]:
        empty.set_visible(False)
    for lowest in panels[count - columns : columns * (rows - 1)]:
        lowest.tick_params(labelbottom=True)  # the empty panels below have no numbers
    return figure, panels[:count]


def small_colours(count: int) -> list[str]:
    """Colours of the channels of a curve in a small picture: dark if there is one.

    Example:
        >>> small_colours(1), len(small_colours(12))
        (['#24292f'], 12)
    """
    return [INK] if count == 1 else [PALETTE[index % len(PALETTE)] for index in range(count)]


def curve_style(index: int) -> tuple[str, Any]:
    """Colour and line style of the curve with this index: the first 40 combinations are distinct.

    Example:
        >>> curve_style(0), len({str(curve_style(index)) for index in range(40)})
        (('#3f90da', '-'), 40)
    """
    turn = index // len(PALETTE)
    return PALETTE[index % len(PALETTE)], DASHES[(index + turn) % len(DASHES)]


def legend_above(figure: Figure, handles: Sequence[Artist], labels: Sequence[str]) -> None:
    """A legend above the axes, never over them, in as many lines as needed.

    Args:
        figure: with constrained layout.
        handles: the handle of each label.
        labels: the labels.
    """
    if not labels:
        return
    size = font_size("legend.fontsize")
    widest = max(text_inches(label, size) for label in labels) + 4.5 * size / 72
    across = max(1, min(len(labels), int(figure.get_figwidth() / widest)))
    figure.legend(handles, labels, loc="outside upper left", ncols=across)


def font_size(name: str = "font.size") -> float:
    """A setting of the style that is a font size, in points."""
    scale = {**STYLE, **_OWN_STYLE.get()}
    base = float(scale["font.size"])
    size = scale.get(name, base)
    return base * font_scalings.get(size, 1.0) if isinstance(size, str) else float(size)


def text_inches(text: str, size: float | None = None) -> float:
    """The width of a text, at a size in points or at the style's default."""
    path = TextPath((0, 0), text.replace("$", r"\$"), size=size or font_size())
    return float(path.get_extents().width) / 72 if text.strip() else 0.0


@styled
def to_bytes(figure: Figure, kind: Format = "png") -> bytes:
    """The figure as a file: PNG at 160 dots to the inch, or PDF or SVG with text as text.

    Args:
        figure: a figure of this package.
        kind: the format.

    Returns:
        The file's bytes, identical for identical figures.

    Example:
        >>> to_bytes(new_figure(1, 1))[1:4]
        b'PNG'
    """
    buffer = io.BytesIO()
    _as_written(figure)
    figure.savefig(buffer, format=kind, metadata=_NO_METADATA[kind])
    _settle(figure)
    return buffer.getvalue()


def write_figure(figure: Figure, path: str | Path) -> Path:
    """Write a figure in the format given by the file suffix.

    Args:
        figure: a figure of this package.
        path: a name that ends in .png, .pdf or .svg.

    Raises:
        InputError: it cannot be written.
    """
    path = Path(path)
    content = to_bytes(figure, path.suffix[1:].lower())  # type: ignore[arg-type]
    write_bytes(path, content)
    return path


@styled
def to_svg(figure: Figure) -> str:
    """The figure as an SVG for a page: transparent, with greys that follow the colour scheme.

    Its text is drawn as paths, so that it does not depend on installed fonts.

    Returns:
        The SVG document, identical for identical figures.

    Example:
        >>> "prefers-color-scheme: dark" in to_svg(new_figure(1, 1))
        True
    """
    buffer = io.StringIO()
    _as_written(figure)
    with rc_context({"svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata=_NO_METADATA["svg"])
    _settle(figure)
    document = re.sub(r"<!DOCTYPE.*?>", "", buffer.getvalue(), count=1, flags=re.DOTALL)
    for colour, (name, _) in _SHADES.items():
        document = document.replace(colour, f"var(--{name})")
    light = "".join(f"--{name}:{colour};" for colour, (name, _) in _SHADES.items())
    dark = "".join(f"--{name}:{shade};" for name, shade in _SHADES.values())
    rules = (
        f"<style>:root{{{light}}}"
        f"@media screen and (prefers-color-scheme: dark){{:root{{{dark}}}}}</style>"
    )
    return re.sub(r"(<svg\b[^>]*>)", lambda match: match[1] + rules, document, count=1)


def _as_written(figure: Figure) -> None:
    """Draw dollar signs in names as such; only numbers of an axis are set as formulas."""
    for text in figure.findobj(Text):
        if isinstance(text, Text) and "$" in (shown := text.get_text()):
            text.set_parse_math(r"\mathdefault" in shown)


def _settle(figure: Figure) -> None:
    """Freeze the layout: computing it again would take half the time of the next drawing."""
    figure.set_layout_engine("none")
