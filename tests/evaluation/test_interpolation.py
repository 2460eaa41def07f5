"""Interpolation: exact where theory says so, closed forms elsewhere."""

from itertools import permutations

import numpy as np
import pytest
import torch

from latentrank.errors import InputError
from latentrank.evaluation.interpolation import linear, pca_grid, random_pairs, spherical


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_every_pair_of_different_samples_is_drawn(rng):
    start, end = random_pairs(3, 200, rng)
    assert set(zip(start.tolist(), end.tolist(), strict=True)) == {*permutations(range(3), 2)}


@pytest.mark.parametrize("way", [linear, spherical])
class TestBothWays:
    def test_shape_type_and_exact_ends(self, way, rng):
        a, b = rng.normal(size=(2, 4, 6)).astype(np.float32)
        path = way(a, b, 7)
        assert path.shape == (4, 7, 6)
        assert path.dtype == np.float32
        np.testing.assert_array_equal(path[:, 0], a)
        np.testing.assert_array_equal(path[:, -1], b)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
    def test_codes_may_be_tensors_as_a_model_returns_them(self, way, dtype):
        a = torch.tensor([[0.0, 4.0]], dtype=dtype, requires_grad=True)
        path = way(a, torch.zeros_like(a), 3)
        assert path.dtype == np.float32
        np.testing.assert_array_equal(path[0], [[0, 4], [0, 2], [0, 0]])

    def test_two_steps_are_the_ends(self, way, rng):
        a, b = rng.normal(size=(2, 4, 6))
        np.testing.assert_array_equal(way(a, b, 2), np.stack([a, b], axis=1))

    def test_backwards_is_the_same_way(self, way, rng):
        a, b = rng.normal(size=(2, 4, 6))
        np.testing.assert_allclose(way(a, b, 5), way(b, a, 5)[:, ::-1], atol=1e-12)

    @pytest.mark.parametrize(
        ("a", "b", "steps", "message"),
        [
            (np.zeros((2, 3)), np.zeros((1, 3)), 5, "expected equal shapes"),
            (np.zeros(3), np.zeros(3), 5, r"expected \(N, L\)"),
            (
                np.zeros((2, 3)),
                np.zeros((2, 3)),
                1,
                "steps is 1, expected an integer of at least 2",
            ),
        ],
    )
    def test_errors(self, way, a, b, steps, message):
        with pytest.raises(InputError, match=message):
            way(a, b, steps)


def test_linear_is_equidistant_and_straight(rng):
    a, b = rng.normal(size=(2, 3, 5))
    expected = np.broadcast_to((b - a)[:, None] / 6, (3, 6, 5))
    np.testing.assert_allclose(np.diff(linear(a, b, 7), axis=1), expected, atol=1e-12)


@pytest.mark.parametrize("way", [linear, spherical])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_paths_have_the_type_of_the_codes_and_end_exactly_at_them(rng, way, kind):
    a, b = rng.normal(size=(2, 6, 5)).astype(kind)
    path = way(a, b, 4)
    assert path.dtype == kind
    np.testing.assert_array_equal(path[:, 0], a)
    np.testing.assert_array_equal(path[:, -1], b)


class TestSpherical:
    def test_stays_on_the_sphere_at_equal_angles(self, rng):
        a, b = rng.normal(size=(2, 5, 4))
        a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (a, b))
        path = spherical(a, b, 9)
        np.testing.assert_allclose(np.linalg.norm(path, axis=-1), 1, atol=1e-12)
        cosines = (path[:, 1:] * path[:, :-1]).sum(axis=-1)
        expected = np.cos(np.arccos((a * b).sum(axis=1)) / 8)[:, None]
        np.testing.assert_allclose(cosines, np.broadcast_to(expected, (5, 8)), atol=1e-12)

    @pytest.mark.parametrize(
        ("a", "b"),
        [
            ([[1.0, 2.0]], [[3.0, 6.0]]),
            ([[1.0, 2.0]], [[1.0, 2.0 + 1e-9]]),
            ([[1.0, 2.0]], [[-1.0, -2.0]]),
            ([[0.0, 0.0]], [[3.0, 1.0]]),
            ([[0.0, 0.0]], [[0.0, 0.0]]),
        ],
    )
    def test_is_linear_where_there_is_no_one_arc(self, a, b):
        np.testing.assert_allclose(spherical(a, b, 5), linear(a, b, 5), atol=1e-12)

    def test_nearly_parallel_codes_join_smoothly(self):
        for angle in (1e-3, 1e-5, 1e-7):
            path = spherical([[1.0, 0.0]], [[np.cos(angle), np.sin(angle)]], 3)
            middle = [np.cos(angle / 2), np.sin(angle / 2)]
            np.testing.assert_allclose(path[0, 1], middle, atol=1e-13)


class TestPcaGrid:
    def test_spans_the_first_two_directions(self, rng):
        codes = rng.normal(size=(5000, 4)) * [0.1, 3.0, 1.0, 0.01] + 2
        grid = pca_grid(codes, size=5, extent=2.0)
        assert grid.shape == (5, 5, 4)
        assert grid.dtype == np.float32
        middle = codes.mean(axis=0)
        np.testing.assert_allclose(grid[2, 2], middle, atol=1e-6)
        values, axes = np.linalg.eigh(np.cov(codes.T))
        for offset, k in ((grid[2, 4] - middle, -1), (grid[4, 2] - middle, -2)):
            axis = axes[:, k] * np.sign(axes[np.abs(axes[:, k]).argmax(), k])
            np.testing.assert_allclose(offset, 2 * np.sqrt(values[k]) * axis, atol=1e-5)

    @pytest.mark.parametrize("rank", [0, 1])
    def test_directions_that_are_missing_count_as_zero(self, rank):
        codes = np.arange(6)[:, None] * [rank, 2.0 * rank, 0.0] + 1
        grid = pca_grid(codes, size=2)
        assert np.isfinite(grid).all()
        assert (grid == grid[:1]).all()
        assert (grid == grid[:, :1]).all() == (rank == 0)

    def test_too_small(self):
        with pytest.raises(InputError, match="size is 1, expected an integer of at least 2"):
            pca_grid(np.eye(3), size=1)
