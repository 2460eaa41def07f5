import numpy as np
import pytest
import torch

from latentrank.errors import InputError
from latentrank.linalg import (
    Gap,
    gap,
    rank,
    rank_of_spectrum,
    spectrum,
)
from latentrank.linalg.spectrum import NOISE_FLOOR

from .matrices import orthonormal

METHODS = ["count", "effective", "participation", "gap"]


def codes_of_rank(true_rank, n=200, width=12, dtype=torch.float64, offset=0.0):
    """Codes that spread over exactly `true_rank` directions, equally in each."""
    scores = torch.linalg.qr(
        torch.cat([torch.ones(n, 1), torch.randn(n, true_rank)], dim=1).double()
    ).Q[:, 1:]
    return (scores @ orthonormal(width, true_rank).mT + offset).to(dtype)


@pytest.mark.parametrize("shape", [(50, 6), (6, 50), (20, 20)])
def test_spectrum_is_that_of_numpys_covariance(shape):
    codes = np.random.default_rng(0).normal(3, 2, shape)
    expected = np.linalg.svd(np.cov(codes, rowvar=False), compute_uv=False)
    values = spectrum(codes)
    assert values.shape == (shape[1],)
    assert values.dtype == torch.float64
    np.testing.assert_allclose(values.numpy(), expected / expected[0], atol=1e-13)


def test_tensors_arrays_and_float32_give_the_same_spectrum():
    codes = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    values = spectrum(codes)
    assert torch.equal(values, spectrum(torch.tensor(codes, requires_grad=True)))
    assert torch.equal(values, spectrum(codes.astype(np.float64)))


@pytest.mark.filterwarnings("error")
def test_read_only_and_reversed_arrays_are_fine():
    codes = np.random.default_rng(0).normal(size=(30, 5))
    frozen = codes.copy()
    frozen.flags.writeable = False
    assert torch.equal(spectrum(frozen), spectrum(codes))
    assert torch.allclose(spectrum(codes[:, ::-1]), spectrum(codes))
    assert gap(np.array([1e-3, 0.5, 1.0])[::-1]).rank == 2


@pytest.mark.parametrize("dtype", [">f4", ">f8", "float16", "longdouble"])
def test_arrays_of_any_real_type_have_a_spectrum(dtype):
    codes = np.random.default_rng(0).normal(size=(30, 4)).astype(dtype)
    expected = spectrum(codes.astype(np.float64))
    torch.testing.assert_close(spectrum(codes), expected, rtol=1e-12, atol=0)
    assert rank_of_spectrum(expected.numpy().astype(dtype)) == 4


def test_integers_are_refused_in_words_for_arrays_too():
    with pytest.raises(InputError, match=r"torch\.int64, expected real .*; convert it to float32"):
        spectrum(np.arange(12).reshape(4, 3))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("true_rank", [1, 2, 7, 11])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_method_finds_an_exactly_known_rank(method, true_rank, dtype):
    # Equal spread in each direction: all four readings agree, and an index that is off by one
    # would show.
    assert rank(codes_of_rank(true_rank, dtype=dtype), method) == pytest.approx(true_rank)


@pytest.mark.parametrize("method", ["count", "effective", "participation"])
def test_full_rank_is_the_width(method):
    assert rank(codes_of_rank(12), method) == pytest.approx(12)


def test_count_reads_the_tolerance_against_the_largest_value():
    values = torch.tensor([5.0, 5e-3, 4.9e-4, 5e-5])
    assert rank_of_spectrum(values) == 2
    assert rank_of_spectrum(values, tol=1e-5 / 2) == 4
    assert rank_of_spectrum(values, tol=0.0) == 4
    assert rank_of_spectrum(values, tol=0.5) == 1
    assert isinstance(rank_of_spectrum(values), int)


def test_the_mean_does_not_count_as_a_direction():
    assert rank(codes_of_rank(3, offset=100.0)) == 3
    assert rank(codes_of_rank(3, dtype=torch.float32, offset=100.0)) == 3


@pytest.mark.parametrize("value", [0.0, 0.1, 1e6, 1e-30])
@pytest.mark.parametrize("method", METHODS)
def test_equal_codes_have_no_direction_at_all(method, value):
    # Rounding of the mean must not pass for spread: 1000 times 0.1 does not sum to 100.
    codes = np.full((1000, 5), value)
    assert torch.equal(spectrum(codes), torch.zeros(5).double())
    assert rank(codes, method) == 0


def test_effective_rank_and_participation_ratio_in_closed_form():
    # Two values in the ratio a: entropy and moments by hand.
    for a in (1.0, 0.5, 0.1, 0.0):
        p, q = 1 / (1 + a), a / (1 + a)
        values = np.array([7.0, 7 * a, 0.0])
        assert rank_of_spectrum(values, "effective") == pytest.approx(p**-p * q**-q)
        expected = (1 + a) ** 2 / (1 + a**2)
        assert rank_of_spectrum(values, "participation") == pytest.approx(expected)


def test_effective_rank_of_a_geometric_spectrum():
    # p_i = (1 - r) r^i has entropy -log(1 - r) - r log(r) / (1 - r).
    r = 0.5
    expected = np.exp(-np.log(1 - r) - r * np.log(r) / (1 - r))
    assert rank_of_spectrum(r ** np.arange(60), "effective") == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
def test_a_common_factor_does_not_matter(method):
    values = torch.tensor([1.0, 0.3, 0.2, 1e-5], dtype=torch.float64)
    assert rank_of_spectrum(1e-9 * values, method) == pytest.approx(
        rank_of_spectrum(values, method)
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([8.0, 4.0, 2.0, 1e-6], Gap(3, 2e6)),
        ([1.0, 1e-3, 9e-4], Gap(1, 1e3)),
        ([1.0, 0.5, 1e-17, 1e-32, 0.0], Gap(2, 0.5 / NOISE_FLOOR)),
        ([1.0, 0.0, 0.0], Gap(1, 1 / NOISE_FLOOR)),
        ([2.0], Gap(1, 1.0)),
        ([0.0, 0.0], Gap(0, 1.0)),
    ],
)
def test_gap_is_the_largest_fall_above_the_noise(values, expected):
    found = gap(np.array(values))
    assert found.rank == expected.rank
    assert found.ratio == pytest.approx(expected.ratio)
    assert rank_of_spectrum(np.array(values), "gap") == expected.rank


def test_a_single_direction_has_a_spectrum():
    assert spectrum(torch.randn(5, 1)).tolist() == [1.0]
    assert spectrum(torch.tensor([[1.0, 0.0], [2.0, 0.0]])).tolist() == [1.0, 0.0]


def test_few_samples_bound_the_rank():
    assert rank(torch.randn(4, 30)) == 3


def test_plain_sentences_for_codes_without_a_spectrum():
    with pytest.raises(InputError, match=r"codes has shape \(1, 5\), expected at least two rows"):
        spectrum(torch.zeros(1, 5))
    with pytest.raises(InputError, match=r"codes has shape \(5, 0\), expected at least two rows"):
        spectrum(torch.zeros(5, 0))
    with pytest.raises(InputError, match=r"codes has shape \(5,\), expected a matrix"):
        spectrum(torch.zeros(5))
    with pytest.raises(InputError, match=r"codes has dtype torch.int64"):
        spectrum(np.zeros((3, 2), dtype=np.int64))
    for bad in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="codes holds NaN or infinite values"):
            rank(np.array([[bad, 0.0], [1.0, 2.0]]))


def test_plain_sentences_for_readings_that_do_not_exist():
    with pytest.raises(InputError, match="no rank method 'cuont'; did you mean 'count'"):
        rank_of_spectrum(torch.ones(2), "cuont")
    for tol in (-0.1, 1.0, float("nan")):
        with pytest.raises(InputError, match=f"tol is {tol}, expected a number from 0 to below 1"):
            rank_of_spectrum(torch.ones(2), tol=tol)
    with pytest.raises(InputError, match=r"values has shape \(2, 2\), expected one number per"):
        gap(torch.ones(2, 2))
    for bad in ([1.0, 2.0], [1.0, -1.0], [float("nan"), 1.0]):
        with pytest.raises(InputError, match="values is not a spectrum"):
            gap(torch.tensor(bad))
