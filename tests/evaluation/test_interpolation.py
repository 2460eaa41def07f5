"""Interpolation: exact where theory says so, closed forms elsewhere."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.evaluation import parameter_error, relative_error
from latentrank.evaluation.interpolation import linear, parameters, pca_grid, spherical


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("way", [linear, spherical])
class TestBothWays:
    def test_shape_type_and_exact_ends(self, way, rng):
        a, b = rng.normal(size=(2, 4, 6)).astype(np.float32)
        path = way(a, b, 7)
        assert path.shape == (4, 7, 6)
        assert path.dtype == np.float32
        np.testing.assert_array_equal(path[:, 0], a)
        np.testing.assert_array_equal(path[:, -1], b)

    def test_backwards_is_the_same_way(self, way, rng):
        a, b = rng.normal(size=(2, 4, 6))
        np.testing.assert_allclose(way(a, b, 5), way(b, a, 5)[:, ::-1], atol=1e-12)

    @pytest.mark.parametrize(
        ("a", "b", "steps", "message"),
        [
            (np.zeros((2, 3)), np.zeros((1, 3)), 5, "expected equal shapes"),
            (np.zeros(3), np.zeros(3), 5, r"expected \(N, L\)"),
            (np.zeros((2, 3)), np.zeros((2, 3)), 1, "steps is 1, expected an integer from 2"),
        ],
    )
    def test_errors(self, way, a, b, steps, message):
        with pytest.raises(InputError, match=message):
            way(a, b, steps)


def test_linear_is_equidistant_and_straight(rng):
    a, b = rng.normal(size=(2, 3, 5))
    expected = np.broadcast_to((b - a)[:, None] / 6, (3, 6, 5))
    np.testing.assert_allclose(np.diff(linear(a, b, 7), axis=1), expected, atol=1e-12)


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
        grid = pca_grid(codes, size=4)
        assert np.isfinite(grid).all()
        assert (grid == grid[:1]).all()
        assert (grid == grid[:, :1]).all() == (rank == 0)

    def test_too_small(self):
        with pytest.raises(InputError, match="size is 1, expected an integer from 2"):
            pca_grid(np.eye(3), size=1)


def grid_of(*axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def multilinear_function(p):
    a, b = p.T
    return np.stack([1 + 2 * a - b + 3 * a * b, a * b, np.full_like(a, 4)], axis=1)


class TestParameters:
    def test_linear_in_one_parameter_is_exact_also_outside(self, rng):
        known, query = rng.uniform(size=(9, 1)), np.array([[-1.0], [0.37], [2.0]])
        codes = 3 * known * [1.0, -2.0] + 1
        for kind in ("auto", "linear", "multilinear"):
            found = parameters(known, codes, query, kind)
            np.testing.assert_allclose(found, 3 * query * [1.0, -2.0] + 1, atol=1e-12)

    def test_linear_is_piecewise(self):
        known = np.array([[2.0], [0.0], [1.0]])  # in any order
        assert parameters(known, known**2, [[0.5], [1.5]]).tolist() == [[0.5], [2.5]]

    @pytest.mark.parametrize("kind", ["auto", "multilinear"])
    def test_multilinear_on_a_shuffled_uneven_grid_is_exact_also_outside(self, kind, rng):
        known = rng.permutation(grid_of([0.0, 0.1, 0.5, 1.0], [-2.0, 0.0, 7.0]))
        query = np.stack([rng.uniform(-0.5, 1.5, 20), rng.uniform(-3, 9, 20)], axis=1)
        found = parameters(known, multilinear_function(known), query, kind)
        np.testing.assert_allclose(found, multilinear_function(query), atol=1e-11)

    def test_a_grid_is_one_up_to_rounding(self, rng):
        known = grid_of(np.linspace(0, 1, 4), np.linspace(5, 6, 3))
        codes = multilinear_function(known)
        rounded = known * (1 + 1e-13 * rng.normal(size=known.shape))
        found = parameters(rounded, codes, [[0.2, 5.3]])
        np.testing.assert_allclose(found, multilinear_function(np.array([[0.2, 5.3]])), rtol=1e-9)

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_rbf_reproduces_known_points_and_linear_functions(self, count, rng):
        known, query = rng.uniform(size=(30, count)), rng.uniform(size=(10, count))
        codes = rng.normal(size=(30, 4))
        kind = "rbf" if count == 1 else "auto"
        np.testing.assert_allclose(parameters(known, codes, known, kind), codes, atol=1e-8)
        slope = rng.normal(size=(count, 2))
        found = parameters(known, known @ slope + 1, query, kind)
        np.testing.assert_allclose(found, query @ slope + 1, atol=1e-8)

    def test_rbf_of_parameters_on_a_line(self):
        known = np.linspace(0, 1, 7)[:, None] * [1.0, 2.0]
        found = parameters(known, known[:, :1] * 3, [[0.25, 0.5]])
        np.testing.assert_allclose(found, [[0.75]], atol=1e-9)

    def test_rbf_does_not_mind_units(self, rng):
        known, query = rng.uniform(size=(20, 2)), rng.uniform(size=(5, 2))
        codes, units = rng.normal(size=(20, 3)), np.array([1e9, 1e-6])
        expected = parameters(known, codes, query)
        np.testing.assert_allclose(
            parameters(known * units, codes, query * units), expected, atol=1e-8
        )

    def test_a_grid_with_a_hole_falls_back_to_rbf(self):
        known = grid_of([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])[:-1]
        codes = known @ [[1.0], [2.0]]
        np.testing.assert_allclose(parameters(known, codes, [[2.0, 2.0]]), [[6.0]], atol=1e-9)

    @pytest.mark.parametrize("kind", ["linear", "rbf"])
    def test_repeated_parameters_count_as_their_mean(self, kind):
        known, codes = [[0.0], [1.0], [1.0], [2.0]], [[0.0], [0.5], [1.5], [2.0]]
        np.testing.assert_allclose(parameters(known, codes, [[1.0]], kind), [[1.0]], atol=1e-9)

    def test_a_parameter_that_never_varies_is_left_out(self):
        known, codes = [[0.0, 9.0], [1.0, 9.0]], [[0.0], [2.0]]
        assert parameters(known, codes, [[0.5, 9.0]]).tolist() == [[1.0]]

    def test_codes_and_coefficients_interpolate_alike(self, rng):
        known, query = rng.uniform(size=(2, 15, 2))
        a, basis = rng.normal(size=(15, 3)), rng.normal(size=(3, 8))
        through = parameters(known, a, query) @ basis
        np.testing.assert_allclose(parameters(known, a @ basis, query), through, atol=1e-9)

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ((np.zeros((3, 1)), np.zeros((3, 2)), np.zeros((1, 1))), "same parameters, expected"),
            ((np.eye(2), np.eye(2), np.eye(2), "linear"), "over 2 parameters is asked, expected 1"),
            ((np.eye(3), np.eye(3), np.eye(3), "multilinear"), "no full regular grid"),
            ((np.eye(3), np.eye(3), np.eye(2)), "3 training parameters and 2 new ones"),
            ((np.eye(3), np.eye(2), np.eye(3)), "3 rows of training parameters and 2 training"),
            ((np.zeros(3), np.eye(3), np.eye(3)), r"training parameters have shape \(3,\)"),
            ((np.eye(3), np.eye(3), np.full((1, 3), np.nan)), "new parameters .* finite numbers"),
            ((np.eye(3), np.eye(3), np.eye(3), "rfb"), "did you mean 'rbf'"),
        ],
    )
    def test_errors(self, arguments, message):
        with pytest.raises(InputError, match=message):
            parameters(*arguments)

    def test_too_many_centres(self, monkeypatch):
        monkeypatch.setattr("latentrank.evaluation.interpolation._MOST_CENTRES", 2)
        with pytest.raises(
            InputError, match="over 3 different parameters are asked, expected at most 2"
        ):
            parameters(np.eye(3), np.eye(3), np.eye(3))


class TestRelativeError:
    def test_closed_form(self):
        truth = np.array([[3.0, 0.0], [0.0, 4.0]])
        assert relative_error(truth, truth) == 0
        assert relative_error(1.1 * truth, truth) == pytest.approx(10)
        assert relative_error(truth + np.diag([0.3, 0.4]), truth) == pytest.approx(10)
        assert relative_error(np.zeros((2, 2)), truth) == 100

    def test_is_taken_over_all_samples_together(self):
        # sqrt(1^2 + 1^2) / sqrt(1^2 + 7^2), not the mean of 100 % and 1/7
        assert relative_error([[2.0], [8.0]], [[1.0], [7.0]]) == pytest.approx(20)

    def test_errors(self):
        with pytest.raises(InputError, match=r"shape \(2,\) and the truth \(1,\)"):
            relative_error([1.0, 2.0], [1.0])
        with pytest.raises(InputError, match="zero everywhere"):
            relative_error([1.0], [0.0])


class TestParameterError:
    @staticmethod
    def lines(**options):
        known, new = np.linspace(0, 1, 6)[:, None], np.array([[0.33], [0.5], [0.91]])
        splits = [Split((p * [1.0, -1.0]).astype(np.float32), parameters=p) for p in (known, new)]
        return Dataset("lines", *splits, bounded=False, **options)

    def test_a_linear_family_through_a_linear_coder_is_exact(self):
        matrix = torch.tensor([[1.0, 2.0, 0.0], [0.5, -1.0, 1.0]])
        coder = SimpleNamespace(
            encode=lambda x: x @ matrix, decode=lambda z: z @ torch.linalg.pinv(matrix)
        )
        assert parameter_error(coder, self.lines(), batch_size=2) < 1e-4

    def test_is_measured_in_the_original_units(self):
        coder = SimpleNamespace(encode=lambda x: x, decode=lambda z: z + 0.1)
        data = self.lines(mean=10.0, std=2.0)
        truth = data.test.x
        expected = 100 * 0.2 * np.sqrt(6) / np.linalg.norm(truth)
        assert parameter_error(coder, data) == pytest.approx(expected, rel=1e-4)

    def test_bytes_become_fractions(self):
        p = np.array([[0.0], [1.0], [2.0]])
        split = Split((p * [[100, 50]]).astype(np.uint8), parameters=p)
        seen = []
        coder = SimpleNamespace(encode=lambda x: seen.append(x) or x, decode=lambda z: z)
        assert parameter_error(coder, Dataset("bytes", split, split, bounded=True)) < 1e-4
        assert seen[0].dtype == torch.float32
        assert float(seen[0].max()) == pytest.approx(200 / 255)

    def test_data_without_parameters(self):
        split = Split(np.zeros((3, 2), dtype=np.float32))
        coder = SimpleNamespace(encode=lambda x: x, decode=lambda z: z)
        with pytest.raises(InputError, match="'plain' has no parameters to interpolate over"):
            parameter_error(coder, Dataset("plain", split, split))
