"""Optimisers by name, and schedules against their formulas."""

import math
import sys

import pytest
import torch

from latentrank.errors import InputError
from latentrank.training import optimizers


def parameters():
    torch.manual_seed(0)
    return list(torch.nn.Linear(3, 2).parameters())


def rates(name, steps, rate=1.0):
    optimizer = optimizers.create("sgd", parameters(), rate)
    course = optimizers.schedule(name, optimizer, steps)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        course.step()
    return found


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 100, 1001])
def test_cosine_is_half_a_cosine(steps):
    expected = [0.5 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]
    assert rates("cosine", steps) == pytest.approx(expected, abs=5e-13)


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 100, 1001])
def test_multistep_is_a_tenth_from_each_third_on(steps):
    expected = [10.0 ** -(3 * step // steps) for step in range(steps)]
    assert rates("multistep", steps) == pytest.approx(expected, rel=5e-13)


def test_a_constant_rate_has_no_schedule():
    assert optimizers.schedule("constant", optimizers.create("adam", parameters(), 1.0), 5) is None


def test_each_group_keeps_its_multiple_of_the_rate():
    slow, fast = parameters()
    optimizer = optimizers.create("adam", [{"params": [slow], "lr": 0.1}, {"params": [fast]}], 1.0)
    course = optimizers.schedule("multistep", optimizer, 3)
    for _ in range(3):
        lr = [group["lr"] for group in optimizer.param_groups]
        assert lr[0] == pytest.approx(0.1 * lr[1])
        optimizer.step()
        course.step()


def test_advancing_goes_through_all_rates_and_ends():
    optimizer = optimizers.create("sgd", parameters(), 1.0)
    course = optimizers.schedule("multistep", optimizer, 300)
    found = [optimizer.param_groups[0]["lr"]]
    while optimizers.advance(course):
        found.append(optimizer.param_groups[0]["lr"])
    assert found == pytest.approx([1.0, 0.1, 0.01])
    assert course.last_epoch == 200
    for _ in range(100):
        optimizer.step()
        course.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def test_adam_is_adam():
    ours, theirs = parameters(), parameters()
    pairs = [
        (optimizers.create("adam", ours, 0.1), ours),
        (torch.optim.Adam(theirs, lr=0.1), theirs),
    ]
    for optimizer, weights in pairs:
        for step in range(5):
            for weight in weights:
                weight.grad = torch.full_like(weight, 1.0 + step)
            optimizer.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize(("name", "coupled"), [("adam", True), ("adamw", False)])
def test_weight_decay_is_part_of_the_loss_or_beside_it(name, coupled):
    """As Adam without decay on `loss + decay / 2 |w|^2`, or with weights shrunk before a step."""
    rate, decay = 0.1, 0.3
    ours, plain = ([p.double().detach().requires_grad_() for p in parameters()] for _ in range(2))
    decayed = optimizers.create(name, ours, rate, weight_decay=decay)
    reference = torch.optim.Adam(plain, lr=rate)
    for _ in range(5):
        for optimizer, weights in ((decayed, ours), (reference, plain)):
            loss = sum((weight - 3).square().sum() for weight in weights)
            if weights is plain and coupled:
                loss = loss + decay / 2 * sum(weight.square().sum() for weight in weights)
            optimizer.zero_grad()
            loss.backward()
        if not coupled:
            with torch.no_grad():
                for weight in plain:
                    weight.mul_(1 - rate * decay)
        decayed.step()
        reference.step()
    for a, b in zip(ours, plain, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("name", ["sgd", "nadam", "rmsprop", "adabelief", "lion"])
def test_optimisers_of_torch_and_of_the_library_lower_a_loss(name):
    weights = parameters()
    optimizer = optimizers.create(name, weights, 1e-2, weight_decay=0.0)
    losses = []
    for _ in range(50):
        loss = sum(weight.square().sum() for weight in weights)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0]


def test_adabelief_takes_its_first_step_as_its_paper_has_it():
    """Zhuang et al. 2020: m / (1 - b1) over sqrt(s / (1 - b2)), s of the deviation from m."""
    weight = torch.nn.Parameter(torch.tensor([1.0, -2.0], dtype=torch.float64))
    weight.grad = torch.tensor([0.5, 3.0], dtype=torch.float64)
    optimizer = optimizers.create("adabelief", [weight], 0.1)
    before, gradient = weight.detach().clone(), weight.grad.clone()
    optimizer.step()
    first = gradient  # of the mean, corrected for its start at zero
    second = (gradient - 0.1 * gradient).square()
    torch.testing.assert_close(
        weight.detach(), before - 0.1 * first / second.sqrt(), atol=1e-6, rtol=1e-6
    )


def test_unknown_names_are_refused_with_the_nearest():
    with pytest.raises(InputError, match="did you mean 'adabelief'"):
        optimizers.create("adabelif", parameters(), 0.1)
    with pytest.raises(InputError, match="not available"):
        optimizers.create("lbfgs", parameters(), 0.1)


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "pytorch_optimizer", None)
    with pytest.raises(InputError, match=r"pip install 'latentrank\[optimizers\]'"):
        optimizers.create("adabelief", parameters(), 0.1)
    optimizers.create("sgd", parameters(), 0.1)


def test_an_optimiser_that_cannot_be_made_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="optimizer is ranger21, which cannot train this model"):
        optimizers.create("ranger21", parameters(), 0.1)


@pytest.mark.parametrize("name", ["rprop", "sm3"])
def test_weight_decay_that_an_optimiser_does_not_have_is_refused(name):
    with pytest.raises(InputError, match=f"weight_decay is 0.1, but the optimizer {name} has none"):
        optimizers.create(name, parameters(), 0.1, weight_decay=0.1)
    optimizers.create(name, parameters(), 0.1)


@pytest.mark.parametrize("schedule", ["cosine", "multistep"])
def test_a_schedule_of_an_optimiser_without_a_rate_is_refused(schedule):
    optimizer = optimizers.create("a2grad", parameters(), 0.1)
    with pytest.raises(InputError, match=f"schedule is {schedule}, but the optimizer"):
        optimizers.schedule(schedule, optimizer, 10)
    assert optimizers.schedule("constant", optimizer, 10) is None


@pytest.mark.parametrize("name", ["schedulefreeadamw", "schedulefreesgd", "splus"])
def test_optimisers_that_swap_weights_for_evaluation_are_refused(name):
    """Without their call of `eval`, a run would end with the weights that are not averaged."""
    with pytest.raises(InputError, match=f"optimizer is {name}, which averages weights"):
        optimizers.create(name, parameters(), 0.1)


@pytest.mark.parametrize("name", ["adahessian", "alig", "sara"])
def test_optimisers_that_need_what_a_step_does_not_have_are_not_available(name):
    with pytest.raises(InputError, match=f"optimizer is '{name}', which is not available"):
        optimizers.create(name, parameters(), 0.1)


@pytest.mark.parametrize("name", ["cosine", "multistep"])
@pytest.mark.parametrize("steps", [11, 12, 20, 40])
def test_a_schedule_of_another_length_is_as_if_it_had_begun_with_it(name, steps):
    """After 10 steps, with two, one or no milestone of `multistep` behind it."""
    optimizer = optimizers.create("sgd", parameters(), 1.0)
    course = optimizers.schedule(name, optimizer, 10)
    for _ in range(10):
        optimizer.step()
        course.step()
    optimizers.fit_length(course, steps)
    rest = []
    for _ in range(10, steps):
        rest.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        course.step()
    assert rest == pytest.approx(rates(name, steps)[10:], rel=1e-9, abs=1e-12)
