"""The figures of a run's report, with their captions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from latentrank import methods
from latentrank.data.views import spread_evenly
from latentrank.errors import InputError
from latentrank.evaluation import interpolation as ways
from latentrank.evaluation.coefficients import MOST_SAMPLES
from latentrank.formatting import as_text
from latentrank.linalg import RANK_THRESHOLD
from latentrank.report import figures
from latentrank.report.cells import Array, FieldLimits
from latentrank.report.errors import pca_needs, percent
from latentrank.report.limits import in_deviations
from latentrank.report.lines import MOST_CHANNELS, channel_names
from latentrank.report.view import View

SAMPLES: Final = 64
ERRORS_CAPTION: Final = (
    "Squared error of reconstructed test samples as a share of their variance about the mean "
    "training sample, from codes truncated to their leading principal directions; PCA is fitted to "
    "the training samples. "
    f"At most {MOST_SAMPLES} test samples are used, evenly spread."
)
_STEPS: Final = 9
_GRID: Final = 9  # odd, so that the mean is one of its points
_SCATTERED: Final = 4000


class Drawn(NamedTuple):
    """A figure with its texts.

    Attributes:
        figure: the figure.
        alt: alternative text.
        caption: what is shown and how it is computed, in a sentence or two.
        remarks: further remarks.
    """

    figure: Figure
    alt: str
    caption: str
    remarks: tuple[str, ...] = ()


def _axis(view: View) -> str:
    """The unit of the axis where columns or channels may have different units."""
    if not in_deviations(view.shape, view.preprocessing):
        return ""
    each = "Columns of the table, in order," if view.noun == "row" else "Channels"
    return f" {each} in standard deviations from their means."


def _first_channel(view: View) -> str:
    """Which channel is drawn, if only one can be."""
    if view.shape[0] == 1 or view.in_colour:
        return ""
    names = channel_names(view.shape[0], view.axes)
    return f" Of {len(names)} channels, {names[0]} is drawn."


def walked_channels(view: View) -> str:
    """Which channels of walks between samples are drawn."""
    if not view.as_lines:
        return _first_channel(view)
    if view.noun == "row" or view.shape[0] == 1:
        return ""
    return _first_channels(view) or " Each channel has a row."


def _first_channels(view: View) -> str:
    """Which channels of several are drawn, if a figure has rows for only some."""
    if view.shape[0] <= MOST_CHANNELS:
        return ""
    return f" Of {view.shape[0]} channels, the first {MOST_CHANNELS} are drawn."


def reading(view: View) -> str:
    """How to read a grid of samples."""
    return _axis(view) if view.as_lines else _first_channel(view)


def _coefficients(view: View) -> Drawn:
    """Errors of codes truncated to their leading directions, compared with PCA."""
    found = view.errors
    rank = {view.name: view.metrics["rank"]}
    complete = (
        f" The complete code leaves {percent(view.share)} of the variance of all test samples; "
        f"{pca_needs(view.share, found.pca)}."
        if view.share is not None
        else ""
    )
    return Drawn(
        figures.error_by_coefficients({view.name: found.model}, found.pca, rank),
        f"Falling curves of the error of {view.name} and of PCA.",
        f"{ERRORS_CAPTION} The dot marks the rank.{complete}",
    )


def _reconstructions(view: View) -> Drawn:
    """Originals beside reconstructions; for fields, also the error."""
    view.need_codes("nothing to reconstruct")
    found, noun = view.decode(view.starts), view.noun
    if isinstance(view.limits, FieldLimits):
        return _fields(view, found)
    figure = figures.reconstructions(view.originals, found, view.limits, view.axes)
    count = len(found)
    if not view.as_lines:
        caption = f"Top: {count} test {noun}s{_held_out(view)}. Bottom: their reconstructions."
    else:
        caption = (
            f"{count} test {noun}s{_held_out(view)} (grey), and their reconstructions (coloured)."
        )
    return Drawn(
        figure, f"{count} test {noun}s beside their reconstructions.", caption + _axis(view)
    )


def _fields(view: View, found: Array) -> Drawn:
    """Original, reconstruction and error of a few fields."""
    rows = spread_evenly(len(found), 3)
    named = [view.titles[row] for row in rows if view.titles[row]]
    from_top = f" From the top: {'; '.join(named)}." if named and view.shape[0] == 1 else ""
    return Drawn(
        figures.fields(view.originals[rows], found[rows], view.axes),
        f"Test {view.noun}s, their reconstructions and errors, with colour bars.",
        f"Test {view.noun}s{_held_out(view)}; their reconstructions; and the error, reconstruction "
        f"minus original.{from_top}{_first_channels(view)}",
    )


def _held_out(view: View) -> str:
    return ", not trained on" if view.run.held_out else ""


def _spectrum(view: View) -> Drawn:
    """The run's own spectrum with its rank."""
    rank, true = view.metrics["rank"], view.metrics.get("true_dimension")
    values = np.asarray(view.metrics["singular_values"], dtype=np.float64)
    figure = figures.spectrum({view.name: values}, {view.name: rank}, true, RANK_THRESHOLD)
    return Drawn(
        figure,
        f"Falling curve of {len(values)} singular values; {rank} of them are above the threshold.",
        f"Singular values of the covariance of the {coded(view)}, divided by the largest, on a "
        f"linear and on a logarithmic axis. The rank is {rank}: the number of values above "
        f"{RANK_THRESHOLD:g}{', marked by the dot' if rank >= 1 else ''}."
        + ("" if true is None else f" Dashed: the number of parameters of the data, {true}."),
        tuple(_messages(view)),
    )


def coded(view: View) -> str:
    """The figures' name for the codes of test samples or, without data, of training samples."""
    split = "test" if view.has_samples else "training"
    noise = view.starts_from_noise
    return f"discriminator's features of {split} samples" if noise else f"{split} codes"


def _messages(view: View) -> list[str]:
    """Messages that parts of the training left in the metrics, such as how a rank was found."""
    parts = [part for part in view.metrics.values() if isinstance(part, Mapping)]
    return [str(part["message"]) for part in parts if part.get("message")]


def _interpolation(view: View) -> Drawn:
    """Straight lines between codes of test samples."""
    ends = (
        f"Great circles between pairs of noise vectors, decoded at {_STEPS} equidistant angles."
        if view.starts_from_noise
        else f"Straight lines between the codes of two {view.start_noun}s, decoded at {_STEPS} "
        f"equidistant points{'; both ends are reconstructions' if view.has_samples else ''}."
    )
    return Drawn(
        walks(view),
        f"Paths, each changing step by step from one {view.noun} into another.",
        ends + walked_channels(view),
    )


def walks(view: View, way: Callable[..., Array] | None = None) -> Figure:
    """Decoded paths between the first half of the starting codes and the second.

    Args:
        view: the run that decodes.
        way: of `evaluation.interpolation`; by default straight lines, and arcs between noise.

    Raises:
        InputError: constant codes, or fewer than two test samples.
    """
    if not view.starts_from_noise:
        view.need_directions("nothing to interpolate")
    pairs = len(view.starts) // 2
    if not pairs:
        raise InputError("An interpolation needs two test samples, but there is only one.")
    # Noise vectors have nearly equal norms; a straight line would leave the trained region.
    way = way or (ways.spherical if view.starts_from_noise else ways.linear)
    rows = view.decode(way(view.starts[:pairs], view.starts[pairs : 2 * pairs], steps=_STEPS))
    return figures.interpolation(rows, view.first.limits, view.first.axes)


def plane(view: View) -> Drawn:
    """The grid along the first two principal directions, or a walk along the only one."""
    view.need_codes("no plane of codes to walk in")
    view.need_directions("no principal direction to walk along")
    grid = ways.pca_grid(view.plane, size=_GRID, extent=2.0)
    if view.directions == 1:
        walk = view.decode(grid[_GRID // 2 : _GRID // 2 + 1])
        return Drawn(
            figures.pca_grid(walk, view.limits),
            f"A row of {view.noun}s along the only principal direction.",
            "The code has only one principal direction, so a line replaces the grid: "
            "decoded points along it, from two standard deviations below the mean of the "
            f"training codes to two above.{reading(view)}",
        )
    return Drawn(
        figures.pca_grid(view.decode(grid), view.limits),
        f"A grid of {view.noun}s that vary along two directions.",
        "Decoded points of the plane of the first two principal directions of the training "
        "codes, two standard deviations each way, everything else at its mean. They explain "
        f"{100 * view.explained[:2].sum():.0f} % of the codes' variance.{reading(view)}",
    )


def _samples(view: View) -> Drawn:
    """Samples from one Gaussian."""
    origin = (
        f"{SAMPLES} draws of noise, N(0, I) with seed 0, decoded"
        if view.starts_from_noise
        else f"{SAMPLES} codes drawn from one Gaussian fitted to the training codes (seed 0), "
        "decoded"
    )
    return Drawn(
        figures.samples(generated(view, SAMPLES), view.limits),
        f"A grid of {SAMPLES} generated {view.noun}s.",
        f"{origin}; not selected.{reading(view)}",
    )


def generated(view: View, count: int) -> Array:
    """Decoded random codes."""
    if not view.starts_from_noise:
        view.need_directions("nothing to sample")
    return view.decode(view.random_codes(count))


def scattered(count: int) -> NDArray[np.int64]:
    """Rows of codes to draw as points, a random selection if there are too many."""
    return np.sort(np.random.default_rng(0).permutation(count)[:_SCATTERED])


def _latent(view: View) -> Drawn:
    """Test codes in the principal plane, coloured by label or parameter."""
    view.need_directions("no plane to look at")
    test = view.test
    codes, parameters = test["codes"], test.get("parameters")
    rows = scattered(len(codes))
    known = test.get("labels") if parameters is None else parameters
    figure = figures.latent_scatter(
        view.in_plane(codes[rows]),
        None if known is None else known[rows],
        view.kept.class_names if parameters is None else view.parameter_labels,
    )
    named = ", its name at the median" if figure.axes[0].texts else ""
    colour = f"coloured by class{named}" if parameters is None else "one panel for each parameter"
    place = (
        "in the plane of the first two principal directions"
        if view.directions > 1
        else "along the only principal direction"
    )
    return Drawn(
        figure,
        f"A cloud of {len(rows)} points, one for each test {view.noun}.",
        f"The {'features' if view.starts_from_noise else 'codes'} of {as_text(len(rows))} test "
        f"{view.noun}s {place} of those of the training set"
        + ("." if known is None else f", {colour}."),
    )


def _losses(view: View) -> Drawn:
    """The training history by term."""
    history = dict(view.run.history)
    if np.array_equal(history.get("train/loss", []), history.get("train/reconstruction", [])):
        history.pop("train/loss", None)
    shared = _trains_on_mean_squares(view) and "train/reconstruction" in history
    validated = ""
    if "validation_error" in history:
        validated = "the validation error (mean square); "
    if shared and validated:
        history = {
            "validation/reconstruction" if name == "validation_error" else name: values
            for name, values in history.items()
        }
        validated = (
            "the validation error, a mean square like the reconstruction term, in the same panel; "
        )
    return Drawn(
        figures.loss_curves(history),
        "Curves of every loss term over the epochs of training.",
        f"Every loss term before weighting, averaged over each epoch; {validated}and the rank of "
        f"the {coded(view)} at each validation.",
    )


def _trains_on_mean_squares(view: View) -> bool:
    """Whether the reconstruction term is in the units of the validation error."""
    options = view.config.get("options", {})
    method = methods.get(str(view.config["method"]))
    usual = method.default_reconstruction(view.preprocessing.bounded)
    kind = options.get("reconstruction") or usual
    return bool(kind == "mse" and options.get("reduction", "mean") == "mean")


class Panel(NamedTuple):
    """A part of the report.

    Attributes:
        name: of the figure's file.
        title: heading.
        draw: draws it.
        needs: what a run must not lack.
    """

    name: str
    title: str
    draw: Callable[[View], Drawn]
    needs: str = ""


PANELS: Final = (
    Panel("coefficients", "Error by number of coefficients", _coefficients, "samples"),
    Panel("reconstructions", "Reconstructions", _reconstructions, "samples"),
    Panel("spectrum", "Number of directions the code uses", _spectrum),
    Panel("interpolation", "Between two samples", _interpolation),
    Panel("pca_grid", "The first two principal directions", plane),
    Panel("samples", "Samples", _samples),
    Panel("latent", "The latent space", _latent, "samples"),
    Panel("losses", "Training", _losses, "history"),
)
