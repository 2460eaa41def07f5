import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from latentrank.errors import InputError
from latentrank.linalg import nuclear_norm
from latentrank.linalg.nuclear import _polar_schedule, _svd

from .matrices import relative_error, with_singular_values

SOLVERS = ["svd", "gram", "polar", "auto"]
SHAPES = {"tall": (9, 6), "wide": (6, 9), "square": (7, 7), "row": (1, 5), "column": (5, 1)}

solvers = pytest.mark.parametrize("solver", SOLVERS)
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())


def value_and_gradient(m, solver):
    m = m.clone().requires_grad_()
    norm = nuclear_norm(m, solver)
    norm.backward()
    return norm.detach(), m.grad


def reference(m):
    """Value and subgradient of a full-rank matrix by numpy's decomposition in float64."""
    u, s, vh = np.linalg.svd(m.double().numpy(), full_matrices=False)
    return torch.tensor(s.sum()), torch.tensor(u @ vh)


@solvers
@shapes
def test_value_is_the_sum_of_singular_values_and_gradient_the_polar_factor(solver, shape):
    m = torch.randn(shape, dtype=torch.float64)
    value, gradient = value_and_gradient(m, solver)
    true_value, true_gradient = reference(m)
    assert relative_error(value, true_value) < 1e-12
    assert relative_error(gradient, true_gradient) < 1e-11


@solvers
@shapes
def test_gradient_equals_finite_differences(solver, shape):
    m = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda m: nuclear_norm(m, solver), m)


@solvers
@pytest.mark.parametrize(
    ("dtype", "of_value", "of_gradient"),
    [(torch.float32, 1e-6, 2e-4), (torch.float64, 1e-12, 1e-8)],
    ids=["float32", "float64"],
)
@pytest.mark.parametrize("condition", [1, 1e2, 1e4])
@pytest.mark.parametrize("shape", [(128, 128), (100, 64), (64, 100)])
def test_documented_tolerance_holds_for_ill_conditioned_matrices(
    solver, dtype, of_value, of_gradient, condition, shape
):
    values = torch.logspace(0, -float(np.log10(condition)), min(shape))
    m = with_singular_values(values, *shape)
    true_value, true_gradient = reference(m)
    value, gradient = value_and_gradient(m.to(dtype), solver)
    assert value.dtype == gradient.dtype == dtype
    assert relative_error(value, true_value) <= of_value
    assert relative_error(gradient, true_gradient) <= of_gradient


@solvers
@pytest.mark.parametrize("size", [8, 200])
def test_float32_keeps_five_digits_on_random_data(solver, size):
    m = torch.randn(size, size + 50)
    value, gradient = value_and_gradient(m, solver)
    true_value, true_gradient = reference(m)
    assert relative_error(value, true_value) < 1e-5
    assert relative_error(gradient, true_gradient) < 1e-5


@solvers
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("values", [[3.0, 2.0], [1.0], [0.0], [1.0, 1e-30]])
@shapes
def test_subgradient_inequality_holds_below_full_rank(solver, dtype, values, shape):
    m = with_singular_values(values[: min(shape)], *shape)
    value, gradient = value_and_gradient(m.to(dtype), solver)
    assert gradient.isfinite().all()
    assert torch.linalg.matrix_norm(gradient.double(), ord=2) <= 1 + 1e-5
    for scale in (1e-3, 1.0, 1e3):
        x = m + scale * torch.randn(shape, dtype=torch.float64)
        bound = value + (gradient.double() * (x - m)).sum()
        assert torch.linalg.matrix_norm(x, ord="nuc") >= bound - 1e-5 * (1 + bound.abs())


@pytest.mark.parametrize("solver", ["svd", "gram"])
@pytest.mark.parametrize("scale", [1.0, 1e20])
def test_directions_of_zero_singular_value_receive_nothing(solver, scale):
    m = with_singular_values([3.0, 2.0, 1.0], 20, 30)
    u, _, vh = np.linalg.svd(m.numpy())
    expected = torch.tensor(u[:, :3] @ vh[:3])
    _, gradient = value_and_gradient(scale * m.float(), solver)
    assert relative_error(gradient, expected) < 1e-5


@pytest.mark.parametrize("solver", ["svd", "gram"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(2, 1000), (1000, 2)])
def test_singular_values_up_to_eps_times_the_longer_side_count_as_zero(solver, dtype, shape):
    limit = 1000 * torch.finfo(dtype).eps
    for value, counts in ((limit / 4, 0.0), (limit * 4, 1.0)):
        m = torch.zeros(shape, dtype=dtype)
        m[0, 0], m[1, 1] = 1.0, value
        _, gradient = value_and_gradient(m, solver)
        assert gradient[1, 1] == pytest.approx(counts, abs=1e-3)


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-6), (torch.float64, 1e-8)])
def test_polar_counts_singular_values_above_its_limit_in_full_and_damps_smaller_ones(dtype, limit):
    """Products of diagonal matrices do not mix the values, so that each has all its digits."""
    m = torch.diag(torch.tensor([1.0, 1.1 * limit, 0.1 * limit], dtype=dtype))
    _, gradient = value_and_gradient(m, "polar")
    largest, above, below = gradient.diagonal().tolist()
    assert [largest, above] == pytest.approx([1.0, 1.0], abs=1e-6)
    assert 0 < below < 0.9


def test_polar_agrees_on_the_directions_that_are_not_zero():
    m = with_singular_values([3.0, 2.0, 1.0], 20, 30)
    u, _, vh = np.linalg.svd(m.numpy())
    left, right = torch.tensor(u[:, :3]), torch.tensor(vh[:3])
    value, gradient = value_and_gradient(m.float(), "polar")
    assert relative_error(value, torch.tensor(6.0)) < 1e-5
    assert torch.allclose(left.mT @ gradient.double() @ right.mT, torch.eye(3).double(), atol=1e-4)


@solvers
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(4, 4), (5, 3), (3, 5), (130, 130)])
def test_zero_matrix_has_zero_norm_and_zero_gradient(solver, dtype, shape):
    value, gradient = value_and_gradient(torch.zeros(shape, dtype=dtype), solver)
    assert value == 0
    assert torch.equal(gradient, torch.zeros(shape, dtype=dtype))


@solvers
@pytest.mark.parametrize("scale", [1e-20, 1e-3, 1e3, 1e20])
def test_scale_multiplies_the_value_and_leaves_the_gradient(solver, scale):
    m = torch.randn(12, 8)
    value, gradient = value_and_gradient(m, solver)
    scaled_value, scaled_gradient = value_and_gradient(scale * m, solver)
    assert (scaled_value / scale).item() == pytest.approx(value.item(), rel=1e-5)
    assert relative_error(scaled_gradient, gradient.double()) < 1e-4


@solvers
def test_upstream_gradient_scales_the_gradient(solver):
    m = torch.randn(5, 6, requires_grad=True)
    (1e-3 * nuclear_norm(m, solver)).backward()
    assert torch.allclose(m.grad, 1e-3 * value_and_gradient(m.detach(), solver)[1])


@solvers
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_goes_in_and_comes_out(solver, dtype):
    m = torch.randn(6, 6).to(dtype)
    value, gradient = value_and_gradient(m, solver)
    assert value.dtype == gradient.dtype == dtype
    assert value == nuclear_norm(m.float(), solver).to(dtype)


@solvers
def test_mixed_precision_does_not_round_the_iterates(solver):
    m = torch.randn(20, 20)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = nuclear_norm(m, solver)
    assert mixed == nuclear_norm(m, solver)


@solvers
def test_second_derivative_is_refused(solver):
    m = torch.randn(4, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(nuclear_norm(m, solver), m, create_graph=True)
    with pytest.raises(RuntimeError, match="nuclear_norm has only a first derivative"):
        gradient.square().sum().backward()


@pytest.mark.parametrize(
    ("shape", "dtype", "solver"),
    [
        ((20, 30), torch.float32, "svd"),
        ((20, 40), torch.float32, "gram"),
        ((40, 20), torch.float32, "gram"),
        ((40, 20), torch.float64, "svd"),
    ],
)
def test_auto_takes_the_gram_matrix_of_elongated_matrices_on_a_cpu(shape, dtype, solver):
    m = torch.randn(shape, dtype=dtype)
    auto, named = value_and_gradient(m, "auto"), value_and_gradient(m, solver)
    assert torch.equal(auto[0], named[0])
    assert torch.equal(auto[1], named[1])


def test_parts_of_the_decomposition_have_the_same_shapes_on_every_device():
    for shape in ((7, 3), (3, 7)):
        ours, theirs = (_svd(torch.ones(shape, device=device)) for device in ("cpu", "meta"))
        assert [part.shape for part in ours] == [part.shape for part in theirs]


@pytest.mark.parametrize(("lower", "tolerance"), [(1e-6, 1e-7), (1e-8, 1e-14), (0.5, 1e-7)])
def test_cubics_bring_every_singular_value_to_one_and_fade_smaller_ones(lower, tolerance):
    values = np.concatenate([np.geomspace(lower, 1, 20_001), np.linspace(0, lower, 1001)])
    images = values.copy()
    for a, b in _polar_schedule(lower, tolerance):
        images = a * images - b * images**3
        assert images.min() >= 0
    assert np.abs(images[:20_001] - 1).max() <= tolerance + 1e-15
    faded = images[20_001:]
    assert faded.max() <= 1 + tolerance
    assert (np.diff(faded) >= -tolerance).all()


def test_a_cubic_is_as_far_below_one_at_both_ends_as_above_it_at_its_maximum():
    """By Chebyshev's equioscillation, what the odd cubic nearest to 1 on an interval does."""
    (a, b), *_ = _polar_schedule(0.5, 1e-7)
    below = 1 - (a / 2 - b / 8)
    assert below == pytest.approx(1 - (a - b))
    assert below == pytest.approx(2 * a / 3 * np.sqrt(a / (3 * b)) - 1)


def test_no_step_of_the_polar_iteration_cancels_the_largest_values():
    upper = 1.0
    for a, b in _polar_schedule(1e-6, 1e-7):
        assert a - b * upper**2 > 0.3 * a / 2.6
        upper = max(1.0, 2 * a / 3 * np.sqrt(a / (3 * b)))


def test_plain_sentences_for_what_has_no_nuclear_norm():
    with pytest.raises(InputError, match=r"m has shape \(3,\), expected a matrix"):
        nuclear_norm(torch.zeros(3))
    with pytest.raises(InputError, match="no nuclear norm solver 'polr'; did you mean 'polar'"):
        nuclear_norm(torch.eye(2), "polr")
    for value in (float("nan"), float("inf")):
        one_wrong = torch.eye(2).index_put((torch.tensor(0), torch.tensor(1)), torch.tensor(value))
        for solver in ("svd", "gram"):
            with pytest.raises(InputError, match="m holds NaN or infinite values"):
                nuclear_norm(one_wrong, solver)
        assert nuclear_norm(one_wrong, "polar").isnan()
