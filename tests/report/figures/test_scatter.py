import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.report import figures
from tests.report.figures.drawing import draws, panels


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


def test_classes_and_parameters_carry_their_names(rng):
    codes = rng.random((4, 2))
    figure = figures.latent_scatter(codes, np.array([0, 2, 2, 3]), ["cat", "dog", "owl"])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cat", "owl", "3"]
    assert not figure.axes[0].texts
    figure = figures.latent_scatter(codes, rng.random((4, 2)), ["speed (m/s)", "angle"])
    assert {"speed (m/s)", "angle"} <= set(panels(figure))
