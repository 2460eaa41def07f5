import inspect
from importlib import import_module

import numpy as np
import pytest
import scipy.linalg

from latentrank.errors import InputError
from latentrank.evaluation.distances import (
    _squared_distances,
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from latentrank.evaluation.statistics import RunningStatistics, Statistics, statistics


def correlated(rng, count, width, shift=0.0, decay=0.9):
    scales = decay ** np.arange(width)
    return (rng.normal(size=(count, width)) * scales) @ rng.normal(size=(width, width)) + shift


def frechet_by_eigenvalues(a, b):
    """The published formula, the root's trace from the eigenvalues of the product."""
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = np.sqrt(np.clip(np.linalg.eigvals(cov_a @ cov_b).real, 0, None)).sum()
    shift = a.mean(0) - b.mean(0)
    return shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * root


def frechet_by_symmetric_root(a, b):
    """The published formula with tr (A^1/2 B A^1/2)^1/2, the root from the data's own SVD."""
    _, s, vt = np.linalg.svd((a - a.mean(0)) / np.sqrt(len(a) - 1), full_matrices=False)
    cov_b = np.cov(b, rowvar=False)
    inner = (s[:, None] * vt) @ cov_b @ (s[:, None] * vt).T
    root = np.sqrt(np.clip(np.linalg.eigvalsh(inner), 0, None)).sum()
    shift = a.mean(0) - b.mean(0)
    return shift @ shift + np.square(s).sum() + np.trace(cov_b) - 2 * root


def test_frechet_of_axis_aligned_gaussians_is_the_closed_form():
    scales_a, scales_b, shift = np.array([1.0, 2.0, 0.5]), np.array([3.0, 1.0, 0.0]), 2.0
    a = Statistics(np.zeros(3), np.diag(scales_a**2), 100)
    b = Statistics(np.full(3, shift), np.diag(scales_b**2), 100)
    expected = 3 * shift**2 + np.square(scales_a - scales_b).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("count", [7, 40, 300], ids=["fewer", "about", "more than the width"])
def test_frechet_of_a_shifted_set_is_the_squared_shift(rng, count):
    x, shift = correlated(rng, count, 40), rng.normal(size=40)
    assert frechet_distance(x, x + shift) == pytest.approx(shift @ shift, rel=1e-9)


@pytest.mark.parametrize("scale", [0.5, 3.0])
def test_frechet_of_a_scaled_set_is_the_closed_form(rng, scale):
    x = correlated(rng, 25, 40)
    x -= x.mean(0)
    expected = (1 - scale) ** 2 * np.square(x).sum() / 24
    assert frechet_distance(x, scale * x) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize(("n", "m"), [(200, 150), (20, 150), (20, 30), (150, 12)])
def test_frechet_agrees_with_the_published_formula(rng, n, m):
    a, b = correlated(rng, n, 50), correlated(rng, m, 50, shift=0.3)
    assert frechet_distance(a, b) == pytest.approx(frechet_by_symmetric_root(a, b), rel=1e-6)
    assert frechet_distance(a, b) == pytest.approx(frechet_by_eigenvalues(a, b), rel=1e-5)
    if min(n, m) > 50:
        covs = np.cov(a, rowvar=False) @ np.cov(b, rowvar=False)
        root = np.trace(scipy.linalg.sqrtm(covs)).real
        spread = np.trace(np.cov(a, rowvar=False)) + np.trace(np.cov(b, rowvar=False)) - 2 * root
        shift = a.mean(0) - b.mean(0)
        assert frechet_distance(a, b) == pytest.approx(spread + shift @ shift, rel=1e-8)


@pytest.mark.parametrize(("n", "m"), [(300, 200), pytest.param(2200, 300, marks=pytest.mark.slow)])
def test_frechet_at_2048_features_agrees_with_a_float64_reference(rng, n, m):
    a = np.abs(rng.normal(size=(n, 2048)) * rng.uniform(0.1, 1, 2048))
    b = np.abs(rng.normal(size=(m, 2048)) * rng.uniform(0.1, 1, 2048)) + 0.01
    # the reference takes the root of its first argument: the smaller set is the cheap one
    assert frechet_distance(a, b) == pytest.approx(frechet_by_symmetric_root(b, a), rel=1e-6)


@pytest.mark.parametrize(("n", "m"), [(10, 30), (220, 30), (20, 230), (210, 220)])
def test_statistics_may_stand_for_the_features(rng, n, m):
    a, b = rng.normal(size=(n, 200)) * 100, rng.normal(size=(m, 200))
    expected = frechet_distance(a, b)
    # eigenvalues that are only rounding would show in the tenth digit
    assert frechet_distance(statistics(a), b) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(statistics(a), statistics(b)) == pytest.approx(expected, rel=1e-12)


def test_statistics_are_numpys(rng):
    x = correlated(rng, 30, 4).astype(np.float32)
    found = statistics(x)
    np.testing.assert_allclose(found.mean, x.astype(np.float64).mean(0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(x.astype(np.float64).T), rtol=1e-10)
    assert found.count == 30


@pytest.mark.parametrize(("n", "m"), [(30, 90), (10, 12)])
def test_frechet_is_symmetric_and_blind_to_order_and_rotation(rng, n, m):
    a, b = correlated(rng, n, 40), correlated(rng, m, 40)
    turn, _ = np.linalg.qr(rng.normal(size=(40, 40)))
    expected = frechet_distance(a, b)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(rng.permutation(a), b) == pytest.approx(expected, rel=1e-10)
    assert frechet_distance(a @ turn, b @ turn) == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("count", [5, 300])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_frechet_of_identical_sets_is_zero_and_never_negative(rng, count, scale):
    x = scale * correlated(rng, count, 40)
    found = frechet_distance(x, x.copy())
    assert 0.0 <= found <= 1e-11 * np.trace(np.cov(x.T))


def test_frechet_of_constant_features_is_the_squared_shift():
    assert frechet_distance(np.zeros((5, 3)), np.ones((9, 3))) == 3.0


def test_frechet_agrees_with_torch_fidelity(rng):
    metric = pytest.importorskip("torch_fidelity.metric_fid")
    a = correlated(rng, 200, 32).astype(np.float32)
    b = correlated(rng, 150, 32, shift=0.1).astype(np.float32)
    stats = [{"mu": x.mean(0), "sigma": np.cov(x, rowvar=False)} for x in (a, b)]
    theirs = metric.fid_statistics_to_metric(*stats, verbose=False)
    assert frechet_distance(a, b) == pytest.approx(theirs[metric.KEY_METRIC_FID], rel=1e-5)


def test_kernel_distance_agrees_with_torch_fidelity(rng):
    torch = pytest.importorskip("torch")
    metric = pytest.importorskip("torch_fidelity.metric_kid")
    a = rng.normal(size=(120, 16)).astype(np.float32)
    b = rng.normal(0.5, size=(90, 16)).astype(np.float32)
    theirs = metric.kid_features_to_metric(
        torch.from_numpy(a), torch.from_numpy(b), kid_subsets=7, kid_subset_size=50, verbose=False
    )
    ours = kernel_distance(a, b, subsets=7, subset_size=50)
    assert ours.mean == pytest.approx(theirs[metric.KEY_METRIC_KID_MEAN], rel=1e-4)
    assert ours.std == pytest.approx(theirs[metric.KEY_METRIC_KID_STD], rel=1e-3)


def test_kernel_distance_has_the_subsets_of_torch_fidelity_by_default():
    usual = pytest.importorskip("torch_fidelity.defaults").DEFAULTS
    own = inspect.signature(kernel_distance).parameters
    for name in ("subsets", "subset_size"):
        assert own[name].default == usual[f"kid_{name}"]
    assert own["seed"].default == usual["rng_seed"]


@pytest.mark.parametrize("sizes", [(5, 8), (8, 5)])
def test_kernel_distance_takes_subsets_as_large_as_the_smaller_set(rng, sizes):
    a, b = (rng.normal(size=(n, 3)) for n in sizes)
    found = kernel_distance(a, b, subsets=4)
    assert found == kernel_distance(a, b, subsets=4, subset_size=5)
    assert found.std > 0  # the larger set is drawn from


def test_kernel_distance_is_unbiased_for_equal_distributions(rng):
    found = [
        kernel_distance(rng.normal(size=(30, 4)), rng.normal(size=(30, 4)), subsets=1).mean
        for _ in range(300)
    ]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(300)
    assert min(found) < 0 < max(found)


def test_kernel_distance_of_whole_sets_is_the_double_sum(rng):
    a, b = rng.normal(size=(6, 3)), rng.normal(size=(6, 3))
    kernel = [[[(x @ y / 3 + 1) ** 3 for y in v] for x in u] for u, v in ((a, a), (b, b), (a, b))]
    same_a, same_b, cross = np.array(kernel)
    off = ~np.eye(6, dtype=bool)
    expected = same_a[off].mean() + same_b[off].mean() - 2 * cross.mean()
    found = kernel_distance(a, b, subsets=3)
    assert found.mean == pytest.approx(expected)
    assert found.std == pytest.approx(0, abs=1e-12)


def balls_by_loops(points, k):
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    return np.sort(distances, axis=1)[:, k]


def test_precision_recall_density_coverage_follow_their_definitions(rng):
    real, fake = rng.normal(size=(60, 5)), rng.normal(0.8, 0.7, size=(40, 5))
    cross = np.linalg.norm(real[:, None] - fake[None], axis=2)
    inside_real = cross <= balls_by_loops(real, 3)[:, None]
    inside_fake = cross <= balls_by_loops(fake, 3)[None]
    expected = (inside_real.any(0).mean(), inside_fake.any(1).mean())
    assert precision_recall(real, fake) == pytest.approx(expected)
    assert precision_recall(real + 1e7, fake + 1e7) == pytest.approx(expected)
    inside_real = cross <= balls_by_loops(real, 5)[:, None]
    expected = (inside_real.sum() / (5 * 40), inside_real.any(1).mean())
    assert density_coverage(real, fake) == pytest.approx(expected)


def test_precision_recall_agrees_with_torch_fidelity(rng):
    torch = pytest.importorskip("torch")
    metric = pytest.importorskip("torch_fidelity.metric_prc")
    real = rng.normal(size=(90, 8)).astype(np.float32)
    fake = rng.normal(0.5, 0.8, size=(70, 8)).astype(np.float32)
    theirs = metric.prc_features_to_metric(
        torch.from_numpy(fake), torch.from_numpy(real), verbose=False
    )
    assert precision_recall(real, fake) == pytest.approx((theirs["precision"], theirs["recall"]))


def test_chunks_do_not_change_the_shares(rng, monkeypatch):
    real, fake = rng.normal(size=(50, 3)), rng.normal(0.5, size=(33, 3))
    whole = precision_recall(real, fake), density_coverage(real, fake)
    monkeypatch.setattr(import_module("latentrank.evaluation.distances"), "CHUNK", 7)
    assert (precision_recall(real, fake), density_coverage(real, fake)) == whole


def test_copies_lie_in_every_neighbourhood_and_far_samples_in_none(rng):
    real = rng.normal(size=(50, 300)) + 100  # far from the origin, where rounding is coarse
    assert precision_recall(real, rng.permutation(real)) == (1.0, 1.0)
    assert density_coverage(real, rng.permutation(real)).coverage == 1.0
    assert precision_recall(real, real + 1e3) == (0.0, 0.0)
    assert density_coverage(real, real + 1e3) == (0.0, 0.0)


def test_the_distance_of_a_copy_is_exactly_zero(rng):
    x = rng.normal(size=(20, 300))
    (found,) = _squared_distances(x, x.copy())
    assert (found.diagonal() == 0.0).all()
    expected = np.square(x[:, None] - x[None]).sum(axis=2)
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_copy_lies_in_the_ball_of_radius_zero_around_repeated_samples(rng):
    real = np.repeat(rng.normal(size=(4, 200)), 6, axis=0)
    assert precision_recall(real, rng.permutation(real)) == (1.0, 1.0)
    # each of them lies in the balls of its 6 copies, and in no other
    assert density_coverage(real, rng.permutation(real), k=5) == (6 / 5, 1.0)


def test_density_is_one_on_average_for_equal_distributions(rng):
    found = density_coverage(rng.normal(size=(1000, 2)), rng.normal(size=(1000, 2)))
    assert found.density == pytest.approx(1.0, abs=0.05)
    assert found.coverage > 0.9


@pytest.mark.parametrize("measure", [frechet_distance, kernel_distance, precision_recall])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((4, 3, 2)), r"shape \(4, 3, 2\), expected \(samples, features\)"),
        (np.zeros((1, 3)), "1 sample, expected at least 2"),
        (np.full((9, 3), np.nan), "NaN or infinite"),
        (np.where(np.eye(9, 3), np.inf, 0.0), "NaN or infinite"),
        (np.zeros((9, 4)), "3 and 4 features, expected the same"),
    ],
)
def test_unusable_features_are_explained(measure, bad, message):
    with pytest.raises(InputError, match=message):
        measure(np.zeros((9, 3)), bad)


@pytest.mark.parametrize(
    ("measure", "sizes", "k"),
    [
        (precision_recall, (9, 4), 4),
        (precision_recall, (4, 9), 4),
        (density_coverage, (9, 4), 9),
        (density_coverage, (4, 9), 4),
    ],
)
def test_too_few_samples_for_the_neighbours_are_explained(measure, sizes, k):
    real, generated = (np.zeros((n, 3)) for n in sizes)
    with pytest.raises(InputError, match=f"k is {k}, expected .* below the number of samples"):
        measure(real, generated, k=k)
    measure(real, generated, k=k - 1)
    with pytest.raises(InputError, match=r"k is 1\.5, expected an integer"):
        measure(real, generated, k=1.5)


@pytest.mark.parametrize("how", [{"subsets": 0}, {"subset_size": 1}])
def test_subsets_without_an_estimate_are_refused(how):
    with pytest.raises(InputError, match="expected at least 1 of at least 2"):
        kernel_distance(np.eye(3), np.eye(3), **how)


def test_density_has_neighbourhoods_of_real_samples_alone():
    """Two generated samples on one of nine points of a line."""
    real = np.arange(9.0)[:, None]
    hits = int((balls_by_loops(real, 5) >= np.abs(real[:, 0] - 4)).sum())
    assert density_coverage(real, [[4.0], [4.0]]) == (hits / 5, hits / 9)


def test_wide_distance_agrees_with_the_matrix_square_root(rng):
    """Against scipy in float64; wider than 512, so that the fast way is taken."""
    width = 520
    a = rng.normal(size=(1100, width)) * np.logspace(0, -2, width)
    b = (rng.normal(size=(900, width)) + 0.1) * np.logspace(0, -2, width)[::-1]
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    shift = a.mean(0) - b.mean(0)
    expected = shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root).real
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-7)
    assert frechet_distance(statistics(a), b) == pytest.approx(expected, rel=1e-7)


def test_wide_covariances_without_full_rank_are_no_trouble(rng):
    x = rng.normal(size=(700, 600))
    x[:, 300:] = x[:, :300]
    shift = rng.normal(size=600)
    # sqrt(eps) of the largest singular value for each of 300 directions that are rounding
    bound = 600 * 2e-8 * np.linalg.norm(np.cov(x.T), 2)
    assert frechet_distance(x, x + shift) == pytest.approx(shift @ shift, abs=bound)


def test_statistics_of_batches_are_those_of_the_whole(rng):
    x = 1e6 + rng.normal(size=(2500, 5))
    running = RunningStatistics(5)
    for rows in np.split(x, [1, 1, 900, 2499]):
        running.update(rows)
    found = running.result()
    assert found.count == 2500
    np.testing.assert_allclose(found.mean, x.mean(0), rtol=1e-14)
    np.testing.assert_allclose(found.covariance, np.cov(x, rowvar=False), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("batches", [[], [[[1.0, 2.0]]]])
def test_statistics_of_batches_need_two_samples(batches):
    running = RunningStatistics(2)
    for batch in batches:
        running.update(batch)
    with pytest.raises(InputError, match=f"hold {len(batches)} sample.*at least 2"):
        running.result()
