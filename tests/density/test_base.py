"""What holds for every density: subspace, rank, units, seeds."""

import numpy as np
import pytest
import torch
from scipy.integrate import cumulative_trapezoid

from latentrank import density
from latentrank.density import Subspace
from latentrank.density.base import as_codes, generator
from latentrank.errors import InputError
from tests.density.conftest import FITTED, low_rank, quick


def numeric_rank(matrix):
    values = np.linalg.svd(matrix.astype(np.float64), compute_uv=False)
    return int((values > 1e-6 * values[0]).sum())


def legacy_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002 - the state that must not change


class TestSubspace:
    @pytest.mark.parametrize(
        ("samples", "width", "rank"),
        [(300, 32, 5), (6, 40, 3), (300, 8, 8), (5, 64, 20), (17, 999, 1)],
    )
    @pytest.mark.parametrize("mean", [0.0, 10.0])
    def test_rank_of_float32_codes(self, samples, width, rank, mean):
        codes = low_rank(samples, width, rank, mean=mean)
        assert Subspace.of(codes).rank == min(rank, samples - 1)

    def test_small_directions_are_kept(self):
        rng = np.random.default_rng(0)
        codes = rng.normal(size=(200, 3)) * [1.0, 1e-2, 1e-5]
        assert Subspace.of(codes).rank == 3

    def test_coordinates_are_white_and_go_back(self):
        codes = low_rank(200, 12, 4, mean=3.0)
        subspace = Subspace.of(codes)
        coordinates = subspace.coordinates(codes)
        np.testing.assert_allclose(coordinates.mean(axis=0), 0, atol=1e-10)
        np.testing.assert_allclose(np.cov(coordinates.T), np.eye(4), atol=1e-10)
        np.testing.assert_allclose(subspace.points(coordinates), codes, atol=1e-5)

    def test_basis_is_orthonormal_with_fixed_signs(self):
        codes = low_rank(50, 9, 3)
        basis = Subspace.of(codes).basis
        np.testing.assert_allclose(basis.T @ basis, np.eye(3), atol=1e-12)
        assert (np.take_along_axis(basis, np.abs(basis).argmax(axis=0)[None], axis=0) > 0).all()
        mirrored = Subspace.of(2 * codes.mean(axis=0) - codes.astype(np.float64))
        np.testing.assert_allclose(mirrored.basis, basis, atol=1e-6)

    @pytest.mark.parametrize("value", [0.0, 0.1, -1e6])
    def test_constant_codes_have_rank_zero(self, value):
        subspace = Subspace.of(np.full((50, 3), value, dtype=np.float32))
        assert subspace.rank == 0
        assert subspace.contains(np.full((1, 3), np.float32(value))).all()
        assert not subspace.contains(np.full((1, 3), value + 1 + abs(value))).any()

    def test_contains_the_codes_it_was_made_from_and_no_others(self):
        codes = low_rank(400, 20, 3, mean=2.0)
        subspace = Subspace.of(codes[:200])
        assert subspace.contains(codes).all()
        away = np.random.default_rng(1).normal(size=(50, 20))
        assert not subspace.contains(codes[:50] + 0.01 * away).any()


class TestEveryDensity:
    @pytest.mark.parametrize(("samples", "width", "rank"), [(200, 16, 3), (12, 30, 5), (200, 4, 4)])
    def test_samples_have_the_rank_of_the_codes(self, name, samples, width, rank):
        fitted = quick(name, low_rank(samples, width, rank))
        drawn = fitted.sample(300, seed=0)
        assert drawn.shape == (300, width)
        assert drawn.dtype == np.float32
        assert fitted.rank == numeric_rank(drawn) == rank

    def test_samples_stay_in_the_subspace(self, name):
        codes = low_rank(100, 10, 2, mean=1.0)
        fitted = quick(name, codes)
        assert np.isfinite(fitted.log_prob(fitted.sample(500, seed=0))).all()
        assert np.isfinite(fitted.log_prob(codes)).all()

    def test_no_mass_off_the_subspace(self, name):
        codes = low_rank(100, 10, 2).astype(np.float64)
        away = np.random.default_rng(1).normal(size=(20, 10))
        mixed = np.concatenate([codes[:3], codes[:20] + 0.1 * away])
        log_prob = quick(name, codes).log_prob(mixed)
        assert np.isfinite(log_prob[:3]).all()
        assert (log_prob[3:] == -np.inf).all()

    # not the flow: its layers tell the axes apart, and turning may flip an axis
    @pytest.mark.parametrize("name", [name for name in FITTED if name != "flow"])
    def test_turning_the_codes_into_more_dimensions_changes_nothing(self, name):
        rng = np.random.default_rng(0)
        plane = rng.normal(size=(60, 2)) * [1.0, 0.3]
        isometry = np.linalg.qr(rng.normal(size=(7, 2)))[0]
        flat, turned = quick(name, plane), quick(name, plane @ isometry.T)
        expected = flat.log_prob(plane)
        np.testing.assert_allclose(turned.log_prob(plane @ isometry.T), expected, rtol=1e-6)

    @pytest.mark.parametrize("factor", [1e-3, 1e4])
    def test_units_do_not_matter(self, name, factor):
        codes = low_rank(80, 6, 2).astype(np.float64)
        fitted, scaled = quick(name, codes), quick(name, factor * codes + 5 * factor)
        np.testing.assert_allclose(
            scaled.sample(20, seed=1) / factor - 5, fitted.sample(20, seed=1), atol=1e-4
        )
        np.testing.assert_allclose(
            scaled.log_prob(factor * codes + 5 * factor),
            fitted.log_prob(codes) - 2 * np.log(factor),
            atol=1e-3,
        )

    def test_constant_codes(self, name):
        fitted = quick(name, np.full((10, 3), 0.1))
        assert fitted.rank == 0
        assert (fitted.sample(4, seed=0) == np.float32(0.1)).all()
        assert fitted.log_prob([[0.1, 0.1, 0.1], [0.1, 0.1, 0.3]]).tolist() == [0.0, -np.inf]

    def test_two_codes_and_duplicates(self, name):
        for codes in ([[0.0, 1.0], [1.0, 3.0]], np.repeat(np.eye(3), 10, axis=0)):
            fitted = quick(name, codes)
            assert fitted.rank == len(np.unique(codes, axis=0)) - 1
            assert np.isfinite(fitted.sample(50, seed=0)).all()
            assert np.isfinite(fitted.log_prob(codes)).all()

    @pytest.mark.parametrize("kind", [int, np.random.RandomState, np.random.default_rng])
    def test_a_seed_of_any_kind_repeats_the_codes(self, name, kind):
        fitted = quick(name, low_rank(50, 5, 2))
        first = fitted.sample(10, seed=kind(3))
        np.testing.assert_array_equal(first, fitted.sample(10, seed=kind(3)))
        assert not np.array_equal(first, fitted.sample(10, seed=kind(4)))

    @pytest.mark.parametrize("kind", [np.random.RandomState, np.random.default_rng])
    def test_drawing_advances_a_state(self, name, kind):
        fitted, state = quick(name, low_rank(50, 5, 2)), kind(0)
        assert not np.array_equal(fitted.sample(10, seed=state), fitted.sample(10, seed=state))

    def test_samples_follow_the_density(self, name):
        """Their distribution function is the integral of the density, along a line.

        By the inequality of Dvoretzky, Kiefer and Wolfowitz, the two differ by more than
        `sqrt(log(2 / a) / 2n)` anywhere with probability below `a`, whatever the density.
        """
        direction = np.array([0.6, 0.0, 0.8])
        codes = np.random.default_rng(0).gamma(2.0, size=(200, 1)) * direction
        fitted, n = quick(name, codes), 20_000
        t = np.linspace(-10, 25, 100_001)  # hardly trained, the flow has narrow peaks
        integral = cumulative_trapezoid(
            np.exp(fitted.log_prob(t[:, None] * direction)), t, initial=0
        )
        drawn = np.sort(fitted.sample(n, seed=0).astype(np.float64) @ direction)
        difference = np.abs(np.interp(drawn, t, integral) - (np.arange(n) + 0.5) / n)
        assert integral[-1] == pytest.approx(1, abs=1e-3)
        assert difference.max() < np.sqrt(np.log(2 / 1e-6) / (2 * n)) + 0.5 / n + 1e-3

    def test_samples_are_in_no_order(self, name):
        """As many runs of one side as independent draws have, in the direction of largest variance.

        With a share `q` of draws above 0, neighbours differ with probability `2 q (1 - q)`.
        """
        rng = np.random.default_rng(0)
        codes = rng.normal(size=(200, 3)) + np.outer(np.arange(200) % 2, [9.0, 9.0, 0.0])
        fitted = quick(name, codes)
        above = fitted.subspace.coordinates(fitted.sample(1000, seed=0))[:, 0] > 0
        expected = 2 * above.mean() * (1 - above.mean())
        changes = (above[1:] != above[:-1]).mean()
        assert abs(changes - expected) < 5 * np.sqrt(expected / 1000)

    def test_without_a_seed_every_draw_is_another(self, name):
        fitted = quick(name, low_rank(50, 5, 2))
        assert not np.array_equal(fitted.sample(10), fitted.sample(10))

    def test_global_random_state_is_left_alone(self, name):
        legacy, state = legacy_state(), torch.get_rng_state()
        quick(name, low_rank(50, 5, 2)).sample(10)
        np.testing.assert_array_equal(legacy_state(), legacy)
        assert torch.equal(torch.get_rng_state(), state)

    def test_fitting_leaves_the_codes_alone(self, name):
        codes = low_rank(50, 5, 2, dtype=np.float64)
        before = codes.copy()
        quick(name, codes).log_prob(codes)
        np.testing.assert_array_equal(codes, before)

    def test_log_prob_of_no_codes_is_empty(self, name):
        assert quick(name, low_rank(20, 5, 2)).log_prob(np.zeros((0, 5))).shape == (0,)


class TestErrors:
    @pytest.mark.parametrize(
        ("codes", "message"),
        [
            (np.zeros(4), r"shape \(4,\), expected \(N, L\)"),
            (np.zeros((4, 0)), r"shape \(4, 0\), expected \(N, L\)"),
            ([["a", "b"]], "not an array of numbers"),
            ([[0.0, np.nan], [0.0, 1.0]], "1 of 2 codes hold NaN or infinity"),
            ([[0.0, 1.0]], "1 code is given, expected at least 2"),
            (np.zeros((0, 3)), "No codes are given, expected at least 2"),
        ],
    )
    def test_codes_that_cannot_be_fitted(self, codes, message):
        with pytest.raises(InputError, match=message):
            density.fit("gaussian", codes)

    def test_codes_of_another_width(self):
        with pytest.raises(InputError, match="have 3 columns, expected 2"):
            density.fit("gaussian", np.eye(2)).log_prob(np.eye(3))

    @pytest.mark.parametrize("n", [0, 2.5, True])
    def test_invalid_numbers_of_samples_are_refused(self, n):
        with pytest.raises(InputError, match=f"n is {n!r}, expected an integer of at least 1"):
            density.fit("gaussian", np.eye(2)).sample(n)

    @pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
    def test_invalid_seeds_are_refused(self, seed):
        with pytest.raises(
            InputError, match=f"seed is {seed!r}, expected None, an integer of at least 0"
        ):
            generator(seed)

    def test_tensors_are_codes(self):
        assert as_codes(torch.ones(2, 3)).shape == (2, 3)
