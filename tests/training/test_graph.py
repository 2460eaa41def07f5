"""Captured steps: what a replay may rely on, and that training is the same with it."""

import warnings

import numpy as np
import pytest
import torch

import latentrank
from latentrank import methods
from latentrank.bottlenecks import Bottleneck
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.training import fit
from latentrank.training.graph import StepGraph, again, can_be_captured
from latentrank.training.module import TrainingModule

NAMES = [
    name
    for name in methods.names()
    if methods.get(name).game is None and not methods.get(name).closed_form
]
SHAPE = (1, 8, 8)


def build(method):
    torch.manual_seed(0)
    return latentrank.build(method, SHAPE, 6)


def fused(model):
    return torch.optim.Adam(model.parameters(), fused=True)


CAPTURED = [name for name in NAMES if can_be_captured(build(name), fused(build(name)))]


def test_the_papers_large_trainings_are_captured():
    assert {"ae", "vae", "wae", "rae-l2", "irmae", "lorae"} <= set(CAPTURED)


@pytest.fixture
def dataset():
    x = np.random.default_rng(0).random((70, *SHAPE), dtype=np.float32)
    return Dataset("noise", Split(x[:50]), Split(x[50:]))


@pytest.mark.parametrize("schedule", ["constant", "multistep", "cosine"])
@pytest.mark.parametrize("method", CAPTURED)
def test_training_is_the_same(method, schedule, dataset, monkeypatch):
    config = TrainConfig(epochs=4, batch_size=8, schedule=schedule)  # and a batch of two
    plain = build(method)
    fit(plain, dataset, config, progress=False)
    graphs = []

    def graph(module):
        graphs.append(module.graph_of_steps(module.optimizers().optimizer, again))
        return graphs[-1]

    monkeypatch.setattr(TrainingModule, "_graph", graph)
    model = build(method)
    fit(model, dataset, config, progress=False)
    # The cosine schedule has another rate in each step.
    assert graphs[0].captured is (schedule != "cosine")
    for one, other in zip(plain.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0)


def state(model):
    """What a step could keep from one call to the next: where tensors lie, and all else."""
    found = {}
    for name, module in model.named_modules():
        tensors = dict(module.named_parameters(recurse=False))
        tensors |= dict(module.named_buffers(recurse=False))
        for key, value in {**vars(module), **tensors}.items():
            if isinstance(value, torch.Tensor):
                found[name, key] = value.data_ptr()
            elif isinstance(value, int | float | str | tuple | list | None):
                found[name, key] = repr(value)
    return found


@pytest.mark.parametrize("method", CAPTURED)
def test_a_step_keeps_nothing_but_tensors_in_place(method):
    model = build(method).train()
    optimizer = fused(model)
    x, index = torch.rand(8, *SHAPE), torch.arange(8)
    before = state(model)
    for _ in range(2):
        optimizer.zero_grad()
        model.losses(x, index)["loss"].backward()
        optimizer.step()
        assert state(model) == before


class Counting(Bottleneck):
    """Keeps a number in Python, which a replay would not change."""

    def __init__(self, latent_dim):
        super().__init__(latent_dim)
        self.calls = 0

    def encode(self, h):
        self.calls += 1
        return h * self.calls


def test_bottlenecks_and_networks_of_others_are_not_captured_unless_they_say_so():
    model = build("ae")
    assert can_be_captured(model, fused(model))
    model.bottleneck = Counting(6)
    assert not can_be_captured(model, fused(model))
    model.bottleneck.capturable = True
    assert can_be_captured(model, fused(model))

    class Own(torch.nn.Module):
        pass

    model.encoder = Own()
    assert not can_be_captured(model, fused(model))


def test_optimisers_without_fused_kernels_are_not_captured():
    model = build("ae")
    assert not can_be_captured(model, torch.optim.SGD(model.parameters(), lr=0.1))
    assert not can_be_captured(model, torch.optim.Adam(model.parameters(), foreach=True))


def steps(record, settings=lambda: 1):
    weight = torch.zeros(1, requires_grad=True)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    taken = []

    def step(x, index):
        taken.append(float(x))
        return {"loss": weight.detach() + x}

    return StepGraph(step, settings, optimizer, record), taken


def batch(value):
    return torch.full((1,), value), torch.zeros(1, dtype=torch.int64)


def test_what_cannot_be_captured_is_run_with_one_warning():
    def record(function):
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    graph, taken = steps(record)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        losses = [float(graph(*batch(float(i)))["loss"]) for i in range(6)]
    assert losses == taken == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]
    assert not graph.captured
    (warning,) = caught
    assert "operation not permitted when stream is capturing)" in str(warning.message)


def test_new_settings_capture_another_step():
    settings, recorded = [0.1], []

    def record(function):
        recorded.append(settings[0])
        return function

    graph, taken = steps(record, lambda: settings[0])
    for i in range(12):
        settings[0] = 0.1 if i < 6 else 0.01
        graph(*batch(float(i)))
    assert recorded == [0.1, 0.01]
    assert taken == [float(i) for i in range(12)]


def test_a_checkpoint_of_the_optimiser_can_be_used_on_a_cpu():
    graph, _ = steps(again)
    for i in range(6):
        graph(*batch(float(i)))
    assert not graph._optimizer.param_groups[0]["capturable"]
