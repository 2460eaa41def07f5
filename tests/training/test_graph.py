"""Captured steps: what a replay may rely on, and that training is the same with it."""

import warnings
from copy import deepcopy

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch.nn.utils import parameters_to_vector, vector_to_parameters

import latentrank
from latentrank import methods
from latentrank.bottlenecks import Bottleneck, Gaussian
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.losses import Objective
from latentrank.term import Term
from latentrank.training import fit
from latentrank.training.graph import StepGraph, can_be_captured
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


def again(function):
    """Records without a GPU: each replay calls the function."""
    return function


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


class Derived(Gaussian):
    """Inherits the mark of a class that can be captured."""

    def forward(self, h, index=None):
        self.calls = getattr(self, "calls", 0) + 1
        return super().forward(h * self.calls)


def test_a_mark_does_not_extend_to_classes_that_inherit_it():
    model = build("vae")
    model.bottleneck = Derived(6)
    assert Derived.capturable
    assert not can_be_captured(model, fused(model))


def test_loss_terms_of_others_and_hooks_are_not_captured():
    model = build("ae-l2")
    hook = model.encoder.register_forward_hook(lambda *_: None)
    assert not can_be_captured(model, fused(model))
    hook.remove()
    assert can_be_captured(model, fused(model))
    model.objective = Objective(terms=[Term("own", 1.0, lambda z, decoder: z.mean())])
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


def replace_weights(model, optimizer):
    vector_to_parameters(parameters_to_vector(model.parameters()), model.parameters())


@pytest.mark.parametrize(
    "change",
    [
        lambda model, optimizer: optimizer.param_groups[0].update(weight_decay=0.1),
        lambda model, optimizer: optimizer.param_groups[0].update(betas=(0.8, 0.9)),
        lambda model, optimizer: optimizer.load_state_dict(deepcopy(optimizer.state_dict())),
        lambda model, optimizer: optimizer.state.clear(),
        replace_weights,
    ],
    ids=["weight_decay", "betas", "load_state_dict", "clear", "weights"],
)
def test_moved_tensors_and_options_of_the_optimiser_capture_another_step(change):
    model, recorded = build("ae").train(), []
    optimizer = fused(model)

    def record(function):
        recorded.append(function)
        return function

    graph = TrainingModule(model, TrainConfig().resolved("ae")).graph_of_steps(optimizer, record)
    for part in (1, 2):
        for _ in range(6):
            graph(torch.rand(8, *SHAPE), torch.arange(8))
        assert len(recorded) == part
        change(model, optimizer)


def test_the_loss_that_a_callback_keeps_does_not_change(dataset, monkeypatch):
    graphs, kept = [], []

    def in_place(function):
        """Like a replay, which writes its results where those of the captured step are."""
        first = {}

        def replay():
            function()
            for name, value in graphs[0]._terms.items():
                first.setdefault(name, torch.empty_like(value)).copy_(value)
            graphs[0]._terms = first

        return replay

    def graph(module):
        graphs.append(module.graph_of_steps(module.optimizers().optimizer, in_place))
        return graphs[0]

    class Keep(Callback):
        def on_train_batch_end(self, trainer, module, outputs, *_):
            kept.append((outputs["loss"], float(outputs["loss"])))

    monkeypatch.setattr(TrainingModule, "_graph", graph)
    config = TrainConfig(epochs=2, batch_size=8, schedule="constant")
    fit(build("ae"), dataset, config, progress=False, callbacks=[Keep()])
    assert graphs[0].captured
    assert [float(loss) for loss, _ in kept] == [value for _, value in kept]


def test_a_checkpoint_of_the_optimiser_can_be_used_on_a_cpu():
    graph, _ = steps(again)
    for i in range(6):
        graph(*batch(float(i)))
    assert not graph._optimizer.param_groups[0]["capturable"]
