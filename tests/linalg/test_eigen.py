"""A few eigenvectors against all of them, for spectra that are hard to tell apart."""

import pytest
import torch

from latentrank.errors import InputError
from latentrank.linalg import truncate_rank
from latentrank.linalg.eigen import FullEigen, TridiagonalEigen, gram_eigen

from .matrices import relative_error, with_singular_values

ROWS, COLUMNS, RANK = 120, 160, 8
TAIL = torch.linspace(1, 0.1, ROWS - RANK)
SPECTRA = {
    "random": torch.randn(ROWS, COLUMNS, generator=torch.Generator().manual_seed(0)).svd()[1],
    "falling by 1e4": torch.logspace(0, -4, ROWS),
    "repeated on either side": torch.cat([torch.full((RANK,), 2.0), torch.ones(ROWS - RANK)]),
    "zero beyond": torch.cat([torch.linspace(2, 1, RANK), torch.zeros(ROWS - RANK)]),
    "gap of 1e-4": torch.cat([torch.linspace(3, 1.0001, RANK), TAIL]),
    "kept and dropped equal": torch.cat([torch.linspace(3, 1, RANK), TAIL]),
    "kept down to 1e-4": torch.cat([torch.logspace(0, -4, RANK), 1e-5 * TAIL]),
}
spectra = pytest.mark.parametrize("values", SPECTRA.values(), ids=SPECTRA.keys())


@spectra
def test_few_eigenvectors_are_those_of_the_full_problem(values):
    y = with_singular_values(values, ROWS, COLUMNS)
    few, full = gram_eigen(y, RANK), FullEigen(y, RANK)
    # Values err by rounding of the largest; a direction by that over its distance to the others.
    assert (few.values - full.values).abs().max() <= 1e-12 * full.values[-1]
    assert torch.allclose(few.vectors.mT @ few.vectors, torch.eye(RANK).double(), atol=1e-12)
    images = few.vectors.mT @ y
    assert torch.allclose(few.kept_rows, images, atol=1e-12 * float(values[0]))


@pytest.mark.filterwarnings("error")  # which a method that failed would give
@pytest.mark.parametrize(
    ("dtype", "scale"),
    [
        *((torch.float64, scale) for scale in (1e-12, 1e12)),
        # powers of two, which change no digit; the squares of the outer ones are beyond float32
        *((torch.float32, 2.0**power) for power in (-90, -73, -30, 30, 73)),
    ],
)
def test_few_eigenvectors_are_found_in_any_units(dtype, scale):
    y = with_singular_values(SPECTRA["random"], ROWS, COLUMNS).to(dtype)
    few, full = gram_eigen(scale * y, RANK), FullEigen(y, RANK)
    assert isinstance(few, TridiagonalEigen)
    torch.testing.assert_close(few.values / scale**2, full.values)
    torch.testing.assert_close((few.vectors.mT @ full.vectors).abs(), torch.eye(RANK).double())


@pytest.mark.parametrize("name", [name for name in SPECTRA if name != "kept and dropped equal"])
def test_quotients_by_gaps_are_those_of_the_full_problem(name):
    y = with_singular_values(SPECTRA[name], ROWS, COLUMNS)
    few, full = gram_eigen(y, RANK), FullEigen(y, RANK)
    # For each kept vector the same right-hand side, whatever sign or basis it was found in.
    c = few.vectors.mT @ torch.randn(ROWS, ROWS, dtype=torch.float64)
    turn = full.vectors.mT @ few.vectors
    expected = turn.mT @ full.divide_by_gaps(turn @ c)
    gap = float(full.values[0] - full._others[-1]) / float(full.values[-1])
    assert relative_error(few.divide_by_gaps(c), expected) <= 1e-13 / gap


def test_spectra_that_gram_matrices_in_float32_cannot_tell_apart_are_done_in_float64():
    y = with_singular_values(SPECTRA["kept down to 1e-4"], ROWS, COLUMNS).float()
    assert not TridiagonalEigen(y, RANK).separated
    assert isinstance(gram_eigen(y, RANK), FullEigen)
    easy = with_singular_values(SPECTRA["gap of 1e-4"], ROWS, COLUMNS).float()
    assert TridiagonalEigen(easy, RANK).separated
    # It is the smallest kept value that must be apart.
    last = torch.cat([torch.linspace(3, 2, RANK - 1), torch.ones(ROWS - RANK + 1)])
    assert not TridiagonalEigen(with_singular_values(last, ROWS, COLUMNS), RANK).separated
    # Eigenvalues 1e-3 and 1e-4 of the largest: too close for float32, not for float64.
    values = torch.cat([torch.logspace(0, -1.5, RANK), 1e-2 * TAIL])
    between = with_singular_values(values, ROWS, COLUMNS).float()
    assert not TridiagonalEigen(between, RANK).separated
    assert isinstance(gram_eigen(between, RANK), TridiagonalEigen)


@pytest.mark.parametrize("rows", [ROWS, 30])
def test_values_that_differ_by_rounding_of_the_largest_alone_do_not_count_as_different(rows):
    """Kept and dropped values are equal, but computed with an error of `eps l_1`."""
    y = with_singular_values([1.0, *(rows - 1) * [1e-3]], rows, COLUMNS)
    c = torch.randn(RANK, rows, dtype=torch.float64)
    assert not FullEigen(y, RANK).divide_by_gaps(c)[:-1].any()


@pytest.mark.filterwarnings("error")  # which a method that failed would give
@pytest.mark.parametrize("rank", [ROWS - 1, ROWS // 2])
def test_most_directions_may_be_kept(rank):
    y = torch.randn(ROWS, COLUMNS, dtype=torch.float64)
    assert relative_error(truncate_rank(y, rank), svd_truncation(y, rank)) < 1e-12


def svd_truncation(y, rank):
    u, s, vh = torch.linalg.svd(y, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vh[:rank]


def value_and_gradient(truncate, y, weights):
    y = y.clone().requires_grad_()
    value = truncate(y, RANK)
    value.backward(weights.to(y))
    return value.detach(), y.grad


@pytest.mark.parametrize("name", ["random", "falling by 1e4", "gap of 1e-4", "kept down to 1e-4"])
@pytest.mark.parametrize("transposed", [False, True])
def test_float32_is_no_worse_than_torchs_decomposition(name, transposed):
    y = with_singular_values(SPECTRA[name], ROWS, COLUMNS).float()
    y = y.T.contiguous() if transposed else y
    weights = torch.randn(y.shape, dtype=torch.float64)
    truth = value_and_gradient(svd_truncation, y.double(), weights)
    ours = value_and_gradient(truncate_rank, y, weights)
    theirs = value_and_gradient(svd_truncation, y, weights)
    for given, svd, true in zip(ours, theirs, truth, strict=True):
        # Torch's gradient may be undefined, as where dropped values repeat.
        bound = relative_error(svd, true)
        assert relative_error(given, true) <= (max(bound, 2e-6) if bound == bound else 2e-6)


@spectra
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_gradients_are_finite_whatever_the_spectrum(values, dtype):
    y = with_singular_values(values, ROWS, COLUMNS).to(dtype)
    value, gradient = value_and_gradient(truncate_rank, y, torch.randn(ROWS, COLUMNS))
    assert value.dtype == gradient.dtype == dtype
    assert value.isfinite().all()
    assert gradient.isfinite().all()


@spectra
def test_the_gradient_equals_finite_differences(values):
    if values is SPECTRA["kept and dropped equal"]:
        pytest.skip("there is no derivative")
    y = with_singular_values(values, ROWS, COLUMNS)
    weights, direction = torch.randn(2, ROWS, COLUMNS, dtype=torch.float64)
    _, gradient = value_and_gradient(truncate_rank, y, weights)
    squares = values.double().square()
    gap = float((squares[RANK - 1] - squares[RANK]) / values[0])
    # The error of a central difference falls with the square of the step over the gap.
    step = 1e-4 * gap
    ends = [(truncate_rank(y + t * direction, RANK) * weights).sum() for t in (step, -step)]
    slope = float(ends[0] - ends[1]) / (2 * step)
    rounding = 1e-15 * float(values[0]) * ROWS / step
    assert float((gradient * direction).sum()) == pytest.approx(
        slope, rel=1e-4, abs=100 * rounding + 1e-4
    )


def test_what_is_not_finite_is_named():
    y = torch.randn(ROWS, COLUMNS)
    y[3, 4] = float("inf")
    with pytest.raises(InputError, match="NaN or infinite"):
        gram_eigen(y, RANK)


def test_a_zero_matrix_has_a_basis_and_passes_gradients_on():
    y, weights = torch.zeros(ROWS, COLUMNS), torch.randn(ROWS, COLUMNS)
    value, gradient = value_and_gradient(truncate_rank, y, weights)
    assert torch.equal(value, y)
    assert torch.equal(gradient, weights)
