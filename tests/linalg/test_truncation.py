import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from latentrank.errors import InputError
from latentrank.linalg import GramAccumulator, leading_basis, truncate_rank

from .matrices import orthonormal, relative_error, with_singular_values

RANK = 3
SHAPES = {"tall": (9, 6), "wide": (6, 9), "square": (7, 7)}
SPECTRA = {
    "distinct": [5, 4, 3, 2, 1, 0.5],
    "repeated kept": [3, 3, 3, 1, 0.5, 0.2],
    "repeated dropped": [5, 4, 3, 1, 1, 1],
    "both repeated": [3, 3, 3, 1, 1, 1],
    "zero dropped": [5, 4, 3, 0, 0, 0],
    "some zero dropped": [5, 4, 3, 1, 0, 0],
    "repeated kept and zero dropped": [5, 4, 4, 0, 0, 0],
}

shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
spectra = pytest.mark.parametrize("values", SPECTRA.values(), ids=SPECTRA.keys())


def svd_truncation(y: Tensor, rank: int) -> Tensor:
    u, s, vh = torch.linalg.svd(y, full_matrices=False)
    return (u[:, :rank] * s[:rank]) @ vh[:rank]


def gradient_of_distance(truncate, y: Tensor, target: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Value of the truncation and gradient of its squared distance to a fixed target."""
    y = y.clone().requires_grad_()
    y_k = truncate(y, rank)
    (y_k - target.to(y)).square().sum().backward()
    return y_k.detach(), y.grad


@shapes
@spectra
def test_value_is_the_truncated_singular_value_decomposition(shape, values):
    y = with_singular_values(values, *shape)
    y_k = truncate_rank(y, RANK)
    assert torch.allclose(y_k, svd_truncation(y, RANK), atol=1e-12)
    assert torch.linalg.matrix_rank(y_k) <= RANK
    left_out = sum(s**2 for s in values[RANK:]) ** 0.5
    assert (y - y_k).norm().item() == pytest.approx(left_out, abs=1e-12)


@shapes
@spectra
def test_jacobian_is_exact(shape, values):
    y = with_singular_values(values, *shape).requires_grad_()
    assert gradcheck(lambda y: truncate_rank(y, RANK), y)


@shapes
@spectra
def test_gradient_of_a_distance_equals_finite_differences(shape, values):
    # A loss that rotations of the singular vectors change: ||U S V|| would hide wrong gaps.
    y, target = with_singular_values(values, *shape), torch.randn(shape, dtype=torch.float64)
    _, gradient = gradient_of_distance(truncate_rank, y, target, RANK)
    step = 1e-5
    for _ in range(3):
        direction = torch.randn(shape, dtype=torch.float64)

        def loss(t, direction=direction):
            return (truncate_rank(y + t * direction, RANK) - target).square().sum().item()

        expected = (loss(step) - loss(-step)) / (2 * step)
        assert (gradient * direction).sum().item() == pytest.approx(expected, rel=1e-6, abs=1e-6)


@shapes
def test_gradient_equals_that_of_the_svd_where_all_values_differ(shape):
    y, target = torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    _, ours = gradient_of_distance(truncate_rank, y, target, RANK)
    _, reference = gradient_of_distance(svd_truncation, y, target, RANK)
    assert torch.allclose(ours, reference, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("shape", [(60, 100), (100, 60), (80, 80)])
def test_float32_keeps_five_digits_on_random_data(shape):
    y, target = torch.randn(shape), torch.randn(shape)
    value, gradient = gradient_of_distance(truncate_rank, y, target, 12)
    true_value, true_gradient = gradient_of_distance(svd_truncation, y.double(), target, 12)
    assert value.dtype == gradient.dtype == torch.float32
    assert relative_error(value, true_value) <= 1e-5
    assert relative_error(gradient, true_gradient) <= 1e-5


@pytest.mark.parametrize("shape", [(48, 90), (90, 48), (48, 48)])
@pytest.mark.parametrize("rank", [4, 24, 47])
def test_float32_is_no_worse_than_torch_svd_at_condition_1e4(shape, rank):
    y = with_singular_values(torch.logspace(0, -4, 48), *shape).float()
    target = torch.randn(shape)
    truth = gradient_of_distance(svd_truncation, y.double(), target, rank)
    ours = gradient_of_distance(truncate_rank, y, target, rank)
    theirs = gradient_of_distance(svd_truncation, y, target, rank)
    for given, svd, true in zip(ours, theirs, truth, strict=True):
        assert relative_error(given, true) <= max(relative_error(svd, true), 1e-6)


@shapes
def test_gradient_is_finite_where_kept_and_dropped_values_coincide(shape):
    for values in ([2.0] * 6, [5, 4, 3, 3, 3, 1], [1.0, 1.0]):
        y = with_singular_values(values, *shape)
        _, gradient = gradient_of_distance(truncate_rank, y, torch.randn(shape), RANK)
        assert gradient.isfinite().all()


def test_coinciding_pair_holds_the_kept_directions_still():
    identity = torch.eye(2, dtype=torch.float64, requires_grad=True)
    truncated = truncate_rank(identity, 1)
    grad_output = torch.randn(2, 2, dtype=torch.float64)
    (gradient,) = torch.autograd.grad(truncated, identity, grad_output)
    projector = truncated.detach()  # of the identity, the truncation is the projector itself
    assert torch.allclose(gradient, projector @ grad_output)


@shapes
@pytest.mark.parametrize("values", [[2.0, 1.0], [1.0, 1.0], [1.0], [0.0]])
def test_gradient_passes_unchanged_where_nothing_is_cut(shape, values):
    y = with_singular_values(values, *shape).requires_grad_()
    y_k = truncate_rank(y, RANK)
    grad_output = torch.randn_like(y)
    (gradient,) = torch.autograd.grad(y_k, y, grad_output)
    assert torch.allclose(y_k, y, atol=1e-14)
    assert torch.equal(gradient, grad_output)


@pytest.mark.parametrize("shape", [(1, 5), (3, 8), (8, 3), (3, 3)])
@pytest.mark.parametrize("rank", [3, 4, 100])
def test_rank_beyond_the_smaller_side_returns_the_input_itself(shape, rank):
    y = torch.randn(shape, requires_grad=True)
    assert truncate_rank(y, rank) is y


@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_scale_leaves_the_gradient_alone(scale):
    y, grad_output = torch.randn(6, 9), torch.randn(6, 9)
    small, large = y.clone().requires_grad_(), (scale * y).requires_grad_()
    truncate_rank(small, RANK).backward(grad_output)
    truncate_rank(large, RANK).backward(grad_output)
    assert relative_error(large.grad, small.grad.double()) < 1e-4


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_goes_in_and_comes_out(dtype):
    y = torch.randn(6, 9).to(dtype).requires_grad_()
    y_k = truncate_rank(y, RANK)
    y_k.sum().backward()
    assert y_k.dtype == y.grad.dtype == dtype
    assert torch.equal(y_k, truncate_rank(y.double(), RANK).to(dtype))


def test_mixed_precision_does_not_round_the_inner_products():
    y, target = torch.randn(6, 9), torch.randn(6, 9)
    plain = gradient_of_distance(truncate_rank, y, target, RANK)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = gradient_of_distance(truncate_rank, y, target, RANK)
    assert torch.equal(mixed[0], plain[0])
    assert torch.equal(mixed[1], plain[1])


def test_second_derivative_is_refused():
    y = torch.randn(6, 9, requires_grad=True)
    loss = truncate_rank(y, RANK).square().sum()
    (gradient,) = torch.autograd.grad(loss, y, create_graph=True)
    with pytest.raises(RuntimeError, match="truncate_rank has only a first derivative"):
        gradient.square().sum().backward()


def test_plain_sentences_for_what_cannot_be_truncated():
    with pytest.raises(InputError, match=r"y has shape \(2, 3, 4\), expected a matrix"):
        truncate_rank(torch.zeros(2, 3, 4), 1)
    with pytest.raises(InputError, match=r"y has dtype torch.int64, expected real floating-point"):
        truncate_rank(torch.zeros(3, 4, dtype=torch.int64), 1)
    with pytest.raises(InputError, match="rank is 0, expected an integer of at least 1"):
        truncate_rank(torch.zeros(3, 4), 0)
    with pytest.raises(InputError, match=r"rank is 1.5, expected an integer of at least 1"):
        truncate_rank(torch.zeros(3, 4), 1.5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_codes_that_are_not_finite_are_named(bad):
    y = torch.randn(5, 8)
    y[1, 2] = bad
    for function in (truncate_rank, leading_basis):
        with pytest.raises(InputError, match=r"NaN or infinite.*lower the learning rate"):
            function(y, 2)


@shapes
@pytest.mark.parametrize("rank", [1, 3, 6, 8, 20])
@pytest.mark.parametrize("values", [[5, 4, 3, 2, 1, 0.5], [5, 4], [0.0]])
def test_basis_is_orthonormal_and_complete(shape, rank, values):
    y = with_singular_values(values, *shape)
    basis = leading_basis(y, rank)
    assert basis.shape == (shape[1], min(rank, shape[1]))
    assert torch.allclose(basis.mT @ basis, torch.eye(basis.shape[1]).double(), atol=1e-12)
    if rank <= 6:
        assert torch.allclose(y @ basis @ basis.mT, svd_truncation(y, rank), atol=1e-12)


@shapes
def test_basis_columns_are_right_singular_directions_in_order(shape):
    y = with_singular_values(SPECTRA["distinct"], *shape)
    basis = leading_basis(y, 6)
    assert torch.allclose((y @ basis).norm(dim=0), torch.tensor(SPECTRA["distinct"]).double())


def test_basis_signs_do_not_depend_on_the_order_of_the_rows():
    y = torch.randn(20, 7)
    basis = leading_basis(y, 4)
    assert torch.allclose(basis, leading_basis(y.flip(0), 4), atol=1e-5)
    assert torch.allclose(basis, leading_basis(-y, 4), atol=1e-5)
    assert (basis.gather(0, basis.abs().argmax(dim=0, keepdim=True)) > 0).all()


def test_basis_keeps_the_dtype_and_carries_no_gradient():
    basis = leading_basis(torch.randn(5, 8, requires_grad=True), 2)
    assert basis.dtype == torch.float32
    assert not basis.requires_grad


@pytest.mark.parametrize("n_rows", [3, 50, 400])
def test_accumulated_basis_equals_that_of_all_rows_at_once(n_rows):
    # 3 and 50 rows of length 120 take the way for few rows, 400 the full eigenproblem.
    rows = torch.randn(n_rows, 120) * torch.logspace(0, -2, 120)
    sums = GramAccumulator(120)
    for batch in rows.split(17):
        sums.update(batch)
    assert int(sums.count) == n_rows
    assert torch.allclose(sums.basis(3), leading_basis(rows.double(), 3), atol=1e-9)


@pytest.mark.parametrize(("n_rows", "rank"), [(5, 30), (5, 200), (50, 10)])
def test_accumulated_basis_is_completed_where_rows_are_few(n_rows, rank):
    rows = torch.randn(n_rows, 100, dtype=torch.float64)
    sums = GramAccumulator(100)
    sums.update(rows)
    basis = sums.basis(rank)
    assert basis.shape == (100, min(rank, 100))
    assert torch.allclose(basis.mT @ basis, torch.eye(basis.shape[1]).double(), atol=1e-12)
    if rank >= n_rows:
        assert torch.allclose(rows @ basis @ basis.mT, rows, atol=1e-10)


def test_few_ill_conditioned_rows_keep_their_smallest_direction():
    rows = with_singular_values(torch.logspace(0, -4, 12), 12, 90)
    sums = GramAccumulator(90)
    sums.update(rows)
    assert torch.allclose(sums.basis(12), leading_basis(rows, 12), atol=1e-6)


def test_accumulator_is_not_centred_and_knows_mean_and_covariance():
    rows = torch.randn(40, 6) + 3
    sums = GramAccumulator(6)
    sums.update(rows[:1])
    assert torch.allclose(sums.mean(), rows[0].double())
    sums.update(rows[1:])
    assert torch.allclose(sums.matrix, rows.double().mT @ rows.double())
    assert torch.allclose(sums.mean(), rows.double().mean(dim=0))
    assert torch.allclose(sums.covariance(), torch.cov(rows.double().mT))


@pytest.mark.parametrize("n_rows", [2, 30, 400])
def test_principal_directions_and_variances_are_those_of_the_centred_rows(n_rows):
    # 2 and 30 rows of length 100 take the way for few rows, 400 the full eigenproblem.
    rows = torch.randn(n_rows, 100, dtype=torch.float64) * torch.logspace(0, -3, 100) + 5
    sums = GramAccumulator(100)
    sums.update(rows)
    values, directions = sums.principal()
    assert torch.allclose(sums.variances(), values, atol=1e-12 * float(values[0]))
    _, expected, vh = torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False)
    known = min(n_rows - 1, 100)
    assert torch.allclose(values[:known], expected[:known] ** 2 / (n_rows - 1), atol=1e-10)
    assert (values[known:].abs() < 1e-10).all()
    assert (values >= 0).all()
    assert torch.allclose(directions.mT @ directions, torch.eye(len(values)).double(), atol=1e-10)
    leading = min(known, 3)
    overlap = (vh[:leading] @ directions[:, :leading]).abs()
    assert torch.allclose(overlap, torch.eye(leading).double(), atol=1e-6)


def test_merged_accumulators_equal_one_that_saw_everything():
    rows = torch.randn(30, 4)
    whole, first, second = GramAccumulator(4), GramAccumulator(4), GramAccumulator(4)
    whole.update(rows)
    first.update(rows[:11])
    second.update(rows[11:])
    first.merge(second)
    for merged, expected in zip(first.tensors, whole.tensors, strict=True):
        assert torch.allclose(merged, expected)


def test_accumulator_explains_what_it_cannot_use():
    sums = GramAccumulator(4)
    with pytest.raises(InputError, match=r"h has shape \(4,\), expected a matrix"):
        sums.update(torch.randn(4))
    with pytest.raises(InputError, match="rows of length 5, expected 4"):
        sums.update(torch.randn(2, 5))
    with pytest.raises(InputError, match="0 rows were seen, expected at least 1"):
        sums.basis(1)
    sums.update(torch.randn(1, 4))
    with pytest.raises(InputError, match="1 rows were seen, expected at least 2"):
        sums.covariance()
    sums.update(torch.full((1, 4), float("nan")))
    with pytest.raises(InputError, match="NaN or infinite"):
        sums.basis(1)


def test_truncation_is_the_projection_on_the_leading_basis():
    y = orthonormal(8, 5) * torch.tensor([9.0, 5.0, 3.0, 2.0, 1.0], dtype=torch.float64)
    basis = leading_basis(y, 2)
    assert torch.allclose(truncate_rank(y, 2), y @ basis @ basis.mT)


@pytest.mark.parametrize("value", [0.1, 1e-20, 3e8])
@pytest.mark.parametrize("n_rows", [2, 300, 20_000])
def test_rows_that_are_all_alike_have_no_principal_direction(value, n_rows):
    sums = GramAccumulator(5)
    for batch in torch.full((n_rows, 5), value).split(64):
        sums.update(batch)
    assert set(sums.principal()[0].tolist()) == {0.0}
    assert set(sums.variances().tolist()) == {0.0}
