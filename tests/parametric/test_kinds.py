"""Kinds of interpolation: exact where theory says so, each by another derivation elsewhere."""

import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel

from latentrank.errors import InputError
from latentrank.parametric import KINDS, ParameterMap, kinds


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def grid_of(*axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def at(known, codes, query, kind="auto"):
    return ParameterMap.fit(known, codes, kind)(query)


def multilinear_function(p):
    a, b = p.T
    return np.stack([1 + 2 * a - b + 3 * a * b, a * b, np.full_like(a, 4)], axis=1)


def smooth(p):
    """Of two parameters, the second of which matters less."""
    return np.stack([np.sin(3 * p[:, 0] + 0.4 * p[:, 1]), np.exp(p[:, 0] - 0.2 * p[:, 1])], axis=1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [1, 2])
def test_every_kind_goes_through_its_nodes(kind, count):
    """Up to sqrt(jitter) = 1e-5 of the norm of the values, which is that of the process, ~ 100."""
    known = grid_of(*[np.linspace(-1, 1, 7)] * count)
    values = smooth(known if count == 2 else np.hstack([known, known]))
    np.testing.assert_allclose(at(known, values, known, kind), values, atol=1e-3)


@pytest.mark.parametrize("kind", ["linear", "multilinear", "radial"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_what_is_linear_in_the_parameters_is_exact_also_outside(kind, count, rng):
    known = grid_of(*[np.array([0.0, 0.2, 1.0])] * count) * 10.0 ** np.arange(count)
    query = rng.uniform(-0.5, 1.5, size=(40, count)) * 10.0 ** np.arange(count)
    slope = rng.normal(size=(count, 5))
    found = at(known, known @ slope + 1, query, kind)
    np.testing.assert_allclose(found, query @ slope + 1, atol=1e-9 * np.abs(known).max())


class TestLinear:
    def test_is_piecewise_in_one_parameter(self):
        known = np.array([[2.0], [0.0], [1.0]])  # in any order
        assert at(known, known**2, [[0.5], [1.5]], "linear").tolist() == [[0.5], [2.5]]

    def test_equals_scipy_inside_scattered_nodes(self, rng):
        known = np.vstack([rng.uniform(size=(40, 2)), grid_of([0.0, 1.0], [0.0, 1.0])])
        query = rng.uniform(size=(50, 2))
        expected = LinearNDInterpolator(known, smooth(known))(query)
        found = at(known, smooth(known), query, "linear")
        np.testing.assert_allclose(found, expected, atol=1e-9)

    def test_continues_the_outermost_triangle(self):
        known = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [0.5, 0.5]])
        height = np.abs(known[:, :1] - 0.5)  # a roof whose sides are triangles
        found = at(known, height, [[1.1, 0.5], [-0.2, 0.5]], "linear")
        np.testing.assert_allclose(found, [[0.6], [0.7]], atol=1e-9)

    def test_at_most_five_dimensions_are_triangulated(self, rng):
        with pytest.raises(InputError, match="over 6 parameters was requested, expected at most 5"):
            at(rng.normal(size=(30, 6)), rng.normal(size=(30, 2)), np.zeros((1, 6)), "linear")
        known, query = rng.normal(size=(30, 5)), rng.normal(size=(3, 5))
        np.testing.assert_allclose(at(known, known, query, "linear"), query, atol=1e-9)


class TestMultilinear:
    @pytest.mark.parametrize("kind", ["auto", "multilinear"])
    def test_is_exact_on_a_shuffled_uneven_grid_also_outside(self, kind, rng):
        known = rng.permutation(grid_of([0.0, 0.1, 0.5, 1.0], [-2.0, 0.0, 7.0]))
        query = np.stack([rng.uniform(-0.5, 1.5, 20), rng.uniform(-3, 9, 20)], axis=1)
        found = at(known, multilinear_function(known), query, kind)
        np.testing.assert_allclose(found, multilinear_function(query), atol=1e-11)

    def test_takes_points_in_any_order(self, rng):
        known = rng.permutation(grid_of([0.0, 0.1, 1.0], [0.0, 0.5, 0.7, 1.0]))
        found = kinds.multilinear(known, multilinear_function(known))(known)
        np.testing.assert_allclose(found, multilinear_function(known), atol=1e-12)

    def test_a_grid_is_one_up_to_rounding(self, rng):
        known = grid_of(np.linspace(0, 1, 4), np.linspace(5, 6, 3))
        rounded = known * (1 + 1e-13 * rng.normal(size=known.shape))
        found = ParameterMap.fit(rounded, multilinear_function(known))
        assert found.kind == "multilinear"
        expected = multilinear_function(np.array([[0.2, 5.3]]))
        np.testing.assert_allclose(found([[0.2, 5.3]]), expected, rtol=1e-9)

    def test_a_grid_with_a_hole_is_no_grid(self):
        known = grid_of([0.0, 1.0, 2.0], [0.0, 1.0, 2.0])[:-1]
        codes = known @ [[1.0], [2.0]]
        assert ParameterMap.fit(known, codes).kind == "radial"
        np.testing.assert_allclose(at(known, codes, [[2.0, 2.0]]), [[6.0]], atol=1e-9)
        with pytest.raises(InputError, match="8 training parameters are not a full regular grid"):
            at(known, codes, known, "multilinear")


class TestRadial:
    def test_solves_the_system_of_cubic_functions(self, rng):
        """Weights with a linear part from the system itself, written out."""
        known, query = rng.uniform(size=(20, 2)), rng.uniform(size=(6, 2))
        known[0], known[1] = 0, 1  # so that scaling to [0, 1] changes nothing
        values = rng.normal(size=(20, 3))
        distance = lambda a, b: np.linalg.norm(a[:, None] - b, axis=-1) ** 3  # noqa: E731
        plane = np.hstack([np.ones((20, 1)), known])
        system = np.block([[distance(known, known), plane], [plane.T, np.zeros((3, 3))]])
        weights = np.linalg.solve(system, np.vstack([values, np.zeros((3, 3))]))
        expected = np.hstack([distance(query, known), np.ones((6, 1)), query]) @ weights
        found = kinds.radial(known, values)(query)
        np.testing.assert_allclose(found, expected, atol=1e-9)
        np.testing.assert_allclose(at(known, values, query, "radial"), expected, atol=1e-9)

    def test_too_many_centres_are_refused(self, monkeypatch):
        monkeypatch.setattr(kinds, "_MOST_CENTRES", 2)
        for kind in ("radial", "gaussian-process"):
            with pytest.raises(InputError, match="over 3 different parameters are asked"):
                ParameterMap.fit(np.eye(3), np.eye(3), kind)
            known = np.array([[0.0], [1.0]])
            np.testing.assert_allclose(at(known, known, known, kind), known, atol=1e-4)


class TestGaussianProcess:
    @pytest.mark.parametrize(
        ("smoothness", "covariance"),
        [
            (np.inf, lambda d: np.exp(-(d**2) / 2)),
            (2.5, lambda d: (1 + np.sqrt(5) * d + 5 * d**2 / 3) * np.exp(-np.sqrt(5) * d)),
        ],
    )
    def test_is_the_posterior_mean_written_out(self, smoothness, covariance, rng):
        known, query = rng.uniform(size=(15, 2)), rng.uniform(size=(4, 2))
        values, scales = rng.normal(size=(15, 3)), np.array([0.2, 0.7])
        kernel = lambda a, b: covariance(np.linalg.norm((a[:, None] - b) / scales, axis=-1))  # noqa: E731
        mean = values.mean(0)
        inverse = np.linalg.inv(kernel(known, known) + 1e-10 * np.eye(15))
        expected = mean + kernel(query, known) @ inverse @ (values - mean)
        found = kinds.gaussian_process(known, values, np.array([smoothness, *scales]))(query)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

    def test_length_scales_are_those_of_the_values_themselves(self, rng):
        """Not of their directions: the last column hardly varies, and in another parameter."""
        known = rng.uniform(size=(40, 2))
        values = np.hstack([smooth(known), 1e-3 * np.sin(9 * known[:, 1:])])
        reference = GaussianProcessRegressor(ConstantKernel() * RBF([0.3, 0.3]), alpha=1e-10)
        reference.fit(known, (values - values.mean(0)) / values.std())
        smoothness, *scales = kinds.learn_kernel(known, values)
        assert smoothness == np.inf
        np.testing.assert_allclose(scales, np.exp(reference.kernel_.theta[1:]), rtol=0.02)

    def test_learns_how_smooth_the_values_are(self, rng):
        """Draws of a Matern 5/2 process of length 0.2, and an analytic function."""
        known = np.linspace(0, 1, 30)[:, None]
        near = np.sqrt(5) * np.abs(known - known.T) / 0.2
        covariance = (1 + near + near**2 / 3) * np.exp(-near)
        rough = np.linalg.cholesky(covariance) @ rng.normal(size=(30, 5))
        assert kinds.learn_kernel(known, rough)[0] == 2.5
        assert kinds.learn_kernel(known, np.sin(3 * known))[0] == np.inf

    def test_learns_which_parameter_matters(self, rng):
        known, query = rng.uniform(size=(40, 2)), rng.uniform(0.1, 0.9, size=(50, 2))
        made = ParameterMap.fit(known, smooth(known), "gaussian-process")
        assert made.kernel[1] < made.kernel[2] / 2
        np.testing.assert_allclose(made(query), smooth(query), atol=1e-3)

    def test_learns_from_some_of_many_nodes(self, rng, monkeypatch):
        known, query = rng.uniform(size=(60, 2)), rng.uniform(0.2, 0.8, size=(20, 2))
        monkeypatch.setattr(kinds, "_LEARNT_FROM", 30)
        found = at(known, smooth(known), query, "gaussian-process")
        np.testing.assert_allclose(found, smooth(query), atol=1e-3)


class TestAllOfThem:
    @pytest.mark.parametrize("kind", ["radial", "gaussian-process"])
    @pytest.mark.parametrize("unit", [1.0, 1e-9, 1e9])
    def test_units_make_no_difference(self, kind, unit, rng):
        known, query = rng.uniform(size=(20, 2)), rng.uniform(size=(5, 2))
        codes, units = smooth(known), np.array([1e9, 1e-6])
        expected = at(known, codes, query, kind)
        found = at(known * units, codes * unit, query * units, kind) / unit
        np.testing.assert_allclose(found, expected, atol=1e-4)

    @pytest.mark.parametrize("kind", [*KINDS, "auto"])
    def test_parameters_on_a_line_are_one(self, kind):
        known = np.linspace(0, 1, 7)[:, None] * [1.0, 2.0]
        found = at(known, known[:, :1] * 3, [[0.25, 0.5]], kind)
        np.testing.assert_allclose(found, [[0.75]], atol=1e-4)

    @pytest.mark.parametrize("kind", KINDS)
    def test_repeated_parameters_count_as_their_mean(self, kind):
        """In any unit, beside a parameter that does not vary."""
        known = np.array([[0.0, 5.0], [1.0, 5.0], [1.0, 5.0], [2.0, 5.0]]) * [1e-6, 1.0]
        codes = [[0.0], [0.5], [1.5], [2.0]]
        np.testing.assert_allclose(at(known, codes, known[1:2], kind), [[1.0]], atol=1e-6)

    @pytest.mark.parametrize("kind", KINDS)
    def test_constant_codes_stay_what_they_are(self, kind):
        known, codes = np.arange(4.0)[:, None], np.tile([1.0, -2.0], (4, 1))
        np.testing.assert_allclose(at(known, codes, [[0.5]], kind), [[1.0, -2.0]])
