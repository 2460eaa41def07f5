import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.report import figures

SHAPES = {
    "grey": (1, 8, 8),
    "colour": (3, 8, 8),
    "field": (2, 8, 8),
    "curves": (2, 50),
    "short": (4,),
    "volume": (1, 5, 8, 8),
}


@pytest.fixture(params=SHAPES.values(), ids=SHAPES.keys())
def shape(request):
    return request.param


def draws(figure):
    """Whether it can be drawn, and is not blank."""
    figure.canvas.draw()
    return len({*np.asarray(figure.canvas.buffer_rgba())[..., 0].ravel()}) > 1


def test_every_figure_of_samples_takes_every_kind(shape, rng):
    x = rng.random((2, *shape))
    assert draws(figures.reconstructions(x, x))
    assert draws(figures.labelled_rows({"a": x, "b": x}))
    assert draws(figures.interpolation(np.stack([x, x])))
    assert draws(figures.pca_grid(np.stack([x, x])))
    assert draws(figures.pca_grid(x[None]))
    assert draws(figures.samples(x))


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# --- samples ------------------------------------------------------------------------------------


def shown_pixels(figure):
    """The opaque pixels of a grid of grey images, one list for each row of images."""
    (image,) = figure.axes[0].images
    array = image.get_array()
    return array[array[..., 3].any(axis=1)][:, array[..., 3].any(axis=0), 0]


def test_originals_stand_above_reconstructions(rng):
    originals, versions = rng.random((3, 1, 4, 4)), np.zeros((3, 1, 4, 4))
    pixels = shown_pixels(figures.reconstructions(originals, versions, (0, 1)))
    assert (pixels[:4, :4] == np.round(originals[0, 0] * 255)).all()
    assert (pixels[4:] == 0).all()


def test_scale_is_that_of_the_originals():
    originals = np.array([0.0, 10.0]).reshape(2, 1, 1, 1) * np.ones((2, 1, 2, 2))
    pixels = shown_pixels(figures.reconstructions(originals, 2 * originals))
    assert sorted({*pixels.ravel()}) == [0, 255]
    half = shown_pixels(figures.reconstructions(originals, originals / 2))
    assert half[2:, 2:].tolist() == [[128, 128], [128, 128]]


def test_curve_and_its_reconstruction_share_a_panel(rng):
    x = rng.random((3, 1, 50))
    axes = figures.reconstructions(x, x + 1).axes
    assert len([panel for panel in axes if panel.get_visible()]) == 3
    for panel, curve in zip(axes, x, strict=False):
        original, version = panel.lines
        assert np.allclose(original.get_ydata(), curve[0])
        assert np.allclose(version.get_ydata(), curve[0] + 1)


def test_samples_of_different_shapes_are_refused(rng):
    for shape in ((2, 1, 8, 8), (2, 1, 50)):
        x = rng.random(shape)
        with pytest.raises(InputError, match=r"original .* give the same samples in every row"):
            figures.reconstructions(x, x[:1])


def test_nothing_to_compare():
    with pytest.raises(InputError, match="expected at least one"):
        figures.labelled_rows({})
    with pytest.raises(InputError, match="expected at least one"):
        figures.reconstructions(np.zeros((0, 1, 50)), np.zeros((0, 1, 50)))


def test_second_direction_points_upwards():
    grid = np.zeros((3, 3, 1, 2, 2))
    grid[2] = 1  # the far end of the second direction
    pixels = shown_pixels(figures.pca_grid(grid, (0, 1)))
    assert pixels[:2].min() == 255
    assert pixels[2:].max() == 0


def test_grid_axes_tell_standard_deviations():
    figure = figures.pca_grid(np.zeros((5, 5, 1, 2, 2)), (0, 1), reach=3)
    names = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert names == ["−3", "0", "+3"]
    up = figure.axes[0].get_yticks()
    assert up[0] > up[-1]  # counted downwards, so the plus is on top


def test_walk_has_no_second_direction():
    assert figures.pca_grid(np.zeros((1, 5, 1, 2, 2)), (0, 1)).axes[0].get_ylabel() == ""


def test_no_samples():
    with pytest.raises(InputError, match="draw some first"):
        figures.samples(np.zeros((0, 1, 8, 8)))


# --- spectrum -----------------------------------------------------------------------------------


def test_first_singular_value_stands_at_one_and_zeros_on_the_floor():
    values = np.array([1.0, 0.5, 0.0, np.nan])
    linear, logarithmic = figures.spectrum({"a": values}).axes
    assert linear.lines[0].get_xdata().tolist() == [1, 2, 3, 4]
    assert linear.lines[0].get_ydata().tolist() == [1, 0.5, 0, 0]
    drawn = logarithmic.lines[0].get_ydata()
    assert drawn.tolist() == [1, 0.5, figures.SPECTRUM_FLOOR, figures.SPECTRUM_FLOOR]
    low, high = logarithmic.get_ylim()
    assert 0 < low < drawn.min() < 1 < high


def test_rank_is_marked_on_its_curve():
    figure = figures.spectrum({"a": np.array([1.0, 0.5, 0.2])}, {"a": 2})
    for axes in figure.axes:
        (dot,) = [line for line in axes.lines if line.get_marker() == "o"]
        assert (dot.get_xdata(), dot.get_ydata()) == ([2], [0.5])
    (text,) = figure.axes[0].get_legend().get_texts()
    assert text.get_text() == "a (rank 2)"


@pytest.mark.parametrize("rank", [0, 0.4])
def test_rank_below_one_has_no_dot(rank):
    figure = figures.spectrum({"a": np.zeros(3)}, {"a": rank})
    assert not [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert draws(figure)


def test_fractional_rank_lies_on_the_curve():
    axes = figures.spectrum({"a": np.array([1.0, 0.5, 0.0])}, {"a": 1.5}).axes[0]
    dot = axes.lines[1]
    assert (dot.get_xdata(), dot.get_ydata()) == ([1.5], [0.75])


def test_true_dimension_is_a_dashed_line():
    for axes in figures.spectrum({"a": np.ones(9)}, None, 7).axes:
        (line,) = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert line.get_xdata() == [7, 7]


def test_every_index_tick_is_a_whole_number_from_one():
    for length in (1, 2, 5, 8, 32, 128, 2800):
        ticks = figures.spectrum({"a": np.ones(length)}).axes[0].get_xticks()
        assert ticks[0] == 1
        assert all(tick == int(tick) and tick <= length for tick in ticks)


def test_level_of_the_count_is_always_seen():
    figure = figures.spectrum({"a": np.array([1.0, 0.5])}, tolerance=1e-4)
    low, high = figure.axes[1].get_ylim()
    assert low < 1e-4 < high


def test_spectra_may_differ_in_length():
    assert draws(figures.spectrum({"a": np.ones(3), "b": np.ones(9)}, {"b": 9}))


@pytest.mark.parametrize("spectra", [{}, {"a": np.zeros(0)}])
def test_no_spectrum(spectra):
    with pytest.raises(InputError, match="no spectrum"):
        figures.spectrum(spectra)


# --- losses -------------------------------------------------------------------------------------


def panels(figure):
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}


def test_training_and_validation_of_a_term_share_a_panel():
    history = {
        "epoch": [1, 2, 3],
        "seconds": [1, 2, 3],
        "train/loss": [3.0, 2.0, 1.0],
        "val_loss": [4.0, 3.0, 2.0],
        "train/nuclear_norm": [5.0, 5.0, 5.0],
        "lr": [1e-3] * 3,
    }
    found = panels(figures.loss_curves(history))
    assert list(found) == ["loss", "nuclear norm"]
    assert [line.get_label() for line in found["loss"].lines] == ["training", "validation"]
    assert [line.get_linestyle() for line in found["loss"].lines] == ["-", "--"]
    assert found["loss"].get_xlabel() == "epoch"


def test_scale_is_logarithmic_only_where_all_is_positive_and_far_apart():
    history = {
        "train/wide": [100.0, 1.0],
        "train/narrow": [2.0, 1.0],
        "train/signed": [100.0, -1.0],
        "train/zero": [100.0, 0.0],
    }
    scales = {
        name: axes.get_yscale() for name, axes in panels(figures.loss_curves(history)).items()
    }
    assert scales == {"wide": "log", "narrow": "linear", "signed": "linear", "zero": "linear"}


def test_missing_entries_leave_no_gap():
    found = panels(figures.loss_curves({"step": [10, 20, 30], "val/loss": [1.0, np.nan, 3.0]}))
    assert found["loss"].lines[0].get_xdata().tolist() == [10, 30]
    assert found["loss"].get_xlabel() == "step"


def test_rank_has_whole_ticks():
    axes = panels(figures.loss_curves({"rank": [2.0, 2.0, 3.0]}))["rank"]
    assert all(tick == int(tick) for tick in axes.get_yticks())


def test_one_epoch_is_a_point():
    (line,) = panels(figures.loss_curves({"epoch": [1], "train/loss": [2.0]}))["loss"].lines
    assert line.get_marker() == "."


@pytest.mark.parametrize("history", [{}, {"epoch": [1, 2]}, {"train/loss": [np.nan]}])
def test_no_history(history):
    with pytest.raises(InputError, match="train for longer"):
        figures.loss_curves(history)


# --- points -------------------------------------------------------------------------------------


def test_every_class_has_its_colour_and_its_number(rng):
    labels = np.array([3, 3, 8, 8, 8])
    axes = figures.latent_scatter(rng.random((5, 2)), labels).axes[0]
    assert [text.get_text() for text in axes.texts] == ["3", "8"]
    colours = axes.collections[0].get_facecolors()
    assert (colours[:2] == colours[0]).all()
    assert (colours[2:] == colours[2]).all()
    assert (colours[0] != colours[2]).any()


def test_more_classes_than_colours_still_differ(rng):
    labels = np.arange(40)
    colours = figures.latent_scatter(rng.random((40, 2)), labels).axes[0].collections[0]
    assert len(np.unique(colours.get_facecolors(), axis=0)) == 40


@pytest.mark.parametrize(("parameters", "count"), [((20,), 1), ((20, 1), 1), ((20, 7), 7)])
def test_every_parameter_has_a_panel(rng, parameters, count):
    figure = figures.latent_scatter(rng.random((20, 2)), rng.random(parameters))
    assert sum(title.startswith("parameter") for title in panels(figure)) == count


def test_code_of_one_direction_is_drawn_against_what_is_known(rng):
    codes, parameter = rng.random((20, 1)), rng.random((20, 1))
    axes = figures.latent_scatter(codes, parameter).axes[0]
    points = axes.collections[0].get_offsets()
    assert np.allclose(points, np.hstack([codes, parameter]))
    assert draws(figures.latent_scatter(codes, np.arange(20) % 3))
    assert draws(figures.latent_scatter(codes))


def test_scatter_without_labels_has_one_colour(rng):
    axes = figures.latent_scatter(rng.random((20, 2))).axes[0]
    assert len(axes.collections[0].get_facecolors()) == 1


def test_labels_of_another_length(rng):
    with pytest.raises(InputError, match="3 labels for 5 codes"):
        figures.latent_scatter(rng.random((5, 2)), np.zeros(3))


@pytest.mark.parametrize("shape", [(5, 3), (5, 0), (0, 2), (5,)])
def test_codes_that_are_not_in_a_plane(shape):
    with pytest.raises(InputError, match="project them"):
        figures.latent_scatter(np.zeros(shape))


# --- measurements -------------------------------------------------------------------------------


def test_fit_and_theory_pass_through_each_other_in_the_middle():
    x = np.array([1.0, 10.0, 100.0])
    fit, theory, measured = (
        figures.power_law(x, 2 * x**-0.5, (2.0, -0.5), expected=-0.25).axes[0].lines
    )
    assert np.allclose(fit.get_ydata(), [2, 0.2])
    middle = np.exp(np.log(theory.get_ydata()).mean())
    assert middle == pytest.approx(2 * 10**-0.5)
    slope = np.diff(np.log(theory.get_ydata())) / np.diff(np.log(theory.get_xdata()))
    assert slope == pytest.approx(-0.25)
    assert np.allclose(measured.get_ydata(), 2 * x**-0.5)


def test_measured_places_are_named_on_the_axis():
    axes = figures.power_law(np.array([25.0, 400, 50]), np.ones(3), (1.0, 0.0)).axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["25", "50", "400"]


@pytest.mark.parametrize(("x", "y"), [([1, 2], [1, 0]), ([1], [1, 2]), ([], []), ([1], [np.nan])])
def test_numbers_without_a_logarithm(x, y):
    with pytest.raises(InputError, match="pairs of positive numbers"):
        figures.power_law(np.array(x), np.array(y), (1.0, 1.0))


def test_bars_stand_from_top_to_bottom_with_their_spread():
    figure = figures.bars({"a": (2.0, 0.5), "b": (1.0, float("nan"))}, "rank", {"b": 1.5})
    axes = figure.axes[0]
    assert [bar.get_width() for bar in axes.patches] == [2.0, 1.0]
    top, bottom = (bar.get_window_extent().y0 for bar in axes.patches)
    assert top > bottom
    (whisker,) = axes.collections[0].get_segments()
    assert whisker[:, 0].tolist() == [1.5, 2.5]
    assert axes.lines[-1].get_xdata() == [1.5]


def test_no_bars():
    with pytest.raises(InputError, match="at least one bar"):
        figures.bars({}, "rank")
