"""One look for every figure, and the two forms in which a figure leaves this package."""

from __future__ import annotations

import io
import re
from typing import Any, Final

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

INK: Final = "#24292f"
MUTED: Final = "#6b7580"
GRID: Final = "#dde2e7"
CELL: Final = "#f3f5f7"
PAPER: Final = "#fefefe"

# Petroff's ten-colour cycle (arXiv:2107.02270), strong colours first: told apart with every common
# colour vision, and readable as lines on white and on black.
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
# Without its darkest part, which is lost on a dark ground.
CONTINUOUS: Final = ListedColormap(colormaps["cividis"](np.linspace(0.18, 1, 256)), "continuous")

WIDTH: Final = 9.4  # inches: the text width of the report page

# Any: stubs of matplotlib differ between releases in what they take for settings.
STYLE: Final[Any] = {
    "figure.facecolor": PAPER,
    "figure.dpi": 96,
    "savefig.dpi": 160,
    "svg.hashsalt": "latentrank",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",  # ships with matplotlib, so every machine draws the same
    "font.size": 9,
    "text.color": INK,
    "axes.facecolor": PAPER,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.labelsize": 9,
    "axes.titlesize": 9,
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
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
}

# A decorator: the function draws in this look and leaves matplotlib's own settings untouched.
styled = rc_context(STYLE)

# The drawing's own greys become variables, so that an embedded figure follows the page into dark
# mode; the data's colours stay as they are, and paper is always white.
_SHADES: Final = {
    INK: ("ink", "#e3e7eb"),
    MUTED: ("muted", "#98a3ae"),
    GRID: ("grid", "#343b43"),
    CELL: ("cell", "#20262c"),
    PAPER: ("paper", "#14181c"),
}


def new_figure(width: float, height: float, *, constrained: bool = True) -> Figure:
    """An empty figure with a canvas of its own, in no global list of figures.

    Args:
        width: in inches.
        height: in inches.
        constrained: let matplotlib place the axes so that no label is cut.

    Returns:
        The figure.

    Example:
        >>> new_figure(4, 2).get_size_inches().tolist()
        [4.0, 2.0]
    """
    figure = Figure(figsize=(width, height), layout="constrained" if constrained else None)
    FigureCanvasAgg(figure)
    return figure


@styled
def to_png(figure: Figure) -> bytes:
    """The figure as a PNG on white paper, 160 dots to the inch.

    Args:
        figure: a figure of this package.

    Returns:
        The bytes of the PNG file.

    Example:
        >>> to_png(new_figure(1, 1))[1:4]
        b'PNG'
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    _settle(figure)
    return buffer.getvalue()


@styled
def to_svg(figure: Figure) -> str:
    """The figure as an SVG without ground, whose greys follow the reader's colour scheme.

    Args:
        figure: a figure of this package.

    Returns:
        The SVG document; the same figure always gives the same text.

    Example:
        >>> "prefers-color-scheme: dark" in to_svg(new_figure(1, 1))
        True
    """
    buffer = io.StringIO()
    nothing = {"Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
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


def _settle(figure: Figure) -> None:
    """Keep the places of all axes: finding them again takes half the time of the next drawing."""
    figure.set_layout_engine("none")
