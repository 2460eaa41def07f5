"""The convex hull of known parameters."""

import numpy as np
import pytest

from latentrank.parametric import Coordinates


@pytest.mark.parametrize("dimensions", [1, 2, 3, 6, 7])
def test_a_simplex_has_the_hull_that_its_inequalities_say(dimensions):
    """With and without the list of faces: all p_i >= 0 and their sum at most 1."""
    known = np.vstack([np.zeros(dimensions), np.eye(dimensions)])
    rng = np.random.default_rng(0)
    query = rng.dirichlet(np.ones(dimensions + 1), size=60)[:, 1:] + rng.normal(
        scale=0.05, size=(60, dimensions)
    )
    inside = (query >= 0).all(axis=1) & (query.sum(axis=1) <= 1)
    assert 0 < inside.sum() < 60
    found = Coordinates.of(known).outside(known, query)
    np.testing.assert_array_equal(found, ~inside)


def test_known_parameters_are_scaled_to_the_unit_interval_and_constant_ones_keep_their_unit():
    known = np.array([[-3.0, 9.0, 1e9 + 1], [1.0, 9.0, 1e9 + 2], [-1.0, 9.0, 1e9 + 5]])
    coordinates = Coordinates.of(known)
    np.testing.assert_array_equal(coordinates(known), [[0, 0], [1, 0.25], [0.5, 1]])
    found = coordinates.scaled(np.array([[5.0, 8.5, 1e9 + 1]]))
    np.testing.assert_array_equal(found, [[2, -0.5, 0]])


def test_nodes_are_inside_in_any_units():
    rng = np.random.default_rng(1)
    known = rng.normal(size=(50, 3)) * [1e9, 1e-6, 1.0] + [1e12, 0.0, 5.0]
    assert not Coordinates.of(known).outside(known, known).any()


def test_a_constant_parameter_that_changes_is_outside():
    known = np.array([[0.0, 9.0], [1.0, 9.0]])
    found = Coordinates.of(known).outside(known, np.array([[0.5, 9.0], [0.5, 8.0], [2.0, 9.0]]))
    assert found.tolist() == [False, True, True]


@pytest.mark.parametrize("slope", [2.0, -2.0])
def test_a_point_off_the_line_is_outside(slope):
    known = np.linspace(0, 1, 5)[:, None] * [1.0, slope]
    query = np.array([[0.5, 0.5], [0.5, 0.6], [1.5, 1.5]]) * [1.0, slope]
    assert Coordinates.of(known).outside(known, query).tolist() == [False, True, True]
