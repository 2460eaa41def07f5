"""Single pictures of a run, for the command line."""

from __future__ import annotations

from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrank.errors import check_known
from latentrank.evaluation import interpolation as ways
from latentrank.report import figures
from latentrank.report.panels import plane, walks
from latentrank.report.view import View
from latentrank.runs import Run

KINDS = ("linear", "spherical", "pca")


def interpolation(run: Run, kind: str = "linear") -> Figure:
    """An interpolation between test samples, or the plane of the first two principal directions.

    Args:
        run: a finished run.
        kind: `"linear"` or `"spherical"`, paths between the codes of pairs of test samples; or
            `"pca"`, a grid of two standard deviations in each direction around the mean training
            code.

    Raises:
        InputError: an unknown kind, constant codes, fewer than two test samples, or a GAN.
    """
    check_known("kind of interpolation", kind, KINDS)
    view = View(run)
    view.need_codes("nothing to interpolate between; give a run of an autoencoder")
    if kind == "pca":
        return plane(view).figure
    return walks(view, ways.linear if kind == "linear" else ways.spherical)


def sample_grid(run: Run, x: NDArray[Any], most: int = 64) -> Figure:
    """Generated samples in a grid.

    Args:
        run: the run that generated them; its data are not needed.
        x: `(n, *shape)`, in the units of the data.
        most: maximum number of samples to draw.
    """
    view = View(run)
    shown = view.as_drawn(x[:most])
    return figures.samples(shown, view.limits_of(shown))
