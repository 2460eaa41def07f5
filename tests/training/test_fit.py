"""Training: what is repeated, resumed and recorded."""

import copy
import itertools
import logging
import time
import warnings

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

import latentrank
from latentrank import methods
from latentrank.config import RunConfig, TrainConfig
from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.training import fit
from latentrank.training.module import seed_step


@pytest.fixture
def dataset():
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(70, 2)) @ rng.normal(size=(2, 6))).astype(np.float32)
    return Dataset("plane", Split(x[:50]), Split(x[50:]), bounded=False, latent_dim=4)


def build(method="ae", **options):
    torch.manual_seed(0)
    return latentrank.build(method, (6,), 4, bounded=False, **options)


NAMES = [
    name
    for name in methods.names()
    if methods.get(name).game is None and not methods.get(name).closed_form
]
TRAINED = [name for name in methods.names() if not methods.get(name).closed_form]


class StopAfter(Callback):
    """Interrupts as Ctrl-C does, in the middle of an epoch."""

    def __init__(self, step):
        self.step = step

    def on_train_batch_end(self, trainer, *args):
        if trainer.global_step == self.step:
            raise KeyboardInterrupt


class EveryCheckpoint(Callback):
    """Lets a checkpoint be written after every epoch, however long it takes."""

    def on_train_epoch_start(self, trainer, *args):
        trainer.checkpoint_callback._due = 0.0


@pytest.mark.parametrize(
    ("method", "schedule"),
    [*((name, "cosine") for name in NAMES), ("ae", "constant"), ("vrrae", "constant")],
)
def test_a_resumed_run_equals_an_uninterrupted_one(method, schedule, dataset, tmp_path):
    """With noise, momentum and schedule; interrupted in the middle of an epoch."""
    config = TrainConfig(epochs=4, batch_size=16, seed=3, schedule=schedule)
    whole = build(method)
    whole_history = fit(whole, dataset, config, folder=tmp_path / "whole", progress=False)
    part = build(method)
    with pytest.raises(KeyboardInterrupt):
        fit(
            part,
            dataset,
            config,
            folder=tmp_path / "part",
            progress=False,
            callbacks=[StopAfter(10)],
        )
    resumed = build(method)
    history = fit(resumed, dataset, config, folder=tmp_path / "part", resume=True, progress=False)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
    kept = ("epoch", "step", "train/loss", "validation_error", "rank")
    for row, expected in zip(history.rows, whole_history.rows, strict=True):
        assert {k: row[k] for k in kept} == {k: expected[k] for k in kept}


@pytest.mark.parametrize("steps", [15, 17])
@pytest.mark.parametrize("every", [1, 2, 3])
@pytest.mark.parametrize("stop", [7, 12])
def test_a_run_of_steps_is_resumed_as_one_of_epochs(steps, every, stop, dataset, tmp_path):
    """Of five steps an epoch; the checkpoint may follow an epoch that was not validated."""
    config = TrainConfig(
        steps=steps, batch_size=10, validate_every=every, schedule="cosine", seed=3
    )
    whole, part, resumed = build("vae"), build("vae"), build("vae")
    whole_history = fit(whole, dataset, config, progress=False)
    stopping = [EveryCheckpoint(), StopAfter(stop)]
    with pytest.raises(KeyboardInterrupt):
        fit(part, dataset, config, folder=tmp_path, progress=False, callbacks=stopping)
    history = fit(resumed, dataset, config, folder=tmp_path, resume=True, progress=False)
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
    assert [{**row, "seconds": 0} for row in history.rows] == [
        {**row, "seconds": 0} for row in whole_history.rows
    ]


def test_a_run_of_steps_that_is_done_is_not_continued(dataset, tmp_path):
    config = TrainConfig(steps=7, batch_size=10)
    done, again, longer = build(), build(), build()
    fit(done, dataset, config, folder=tmp_path, progress=False)
    history = fit(again, dataset, config, folder=tmp_path, resume=True, progress=False)
    assert history.rows[-1]["step"] == 7
    for name, tensor in done.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], tensor, rtol=0, atol=0, msg=name)
    more = TrainConfig(steps=12, batch_size=10)
    history = fit(longer, dataset, more, folder=tmp_path, resume=True, progress=False)
    assert history.rows[-1]["step"] == 12


class Rates(Callback):
    """The learning rate of each step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, *_):
        self.seen += [group["lr"] for group in trainer.optimizers[0].param_groups]


@pytest.mark.parametrize("length", [{"epochs": 3}, {"steps": 15}], ids=str)
@pytest.mark.parametrize("schedule", ["cosine", "multistep"])
@pytest.mark.parametrize("method", ["ae", "nsgan"])
@pytest.mark.filterwarnings("ignore:Epoch . The generator has collapsed")
def test_the_schedule_of_a_run_trained_for_longer_ends_with_it(
    method, schedule, length, dataset, tmp_path
):
    def rates(length, **settings):
        seen = Rates()
        config = TrainConfig(batch_size=10, schedule=schedule, learning_rate=1e-3, **length)
        fit(build(method), dataset, config, progress=False, callbacks=[seen], **settings)
        return seen.seen

    longer = {unit: 3 * number for unit, number in length.items()}
    short, whole = rates(length, folder=tmp_path), rates(longer)
    rest = rates(longer, folder=tmp_path, resume=True)
    assert len(short) < len(whole) == len(short) + len(rest)
    assert rest == pytest.approx(whole[len(short) :], abs=1e-15)


def test_the_history_file_holds_one_row_per_validation(dataset, tmp_path):
    config = TrainConfig(epochs=5, validate_every=2)
    fit(build("lorae"), dataset, config, folder=tmp_path, progress=False)
    history = np.genfromtxt(
        tmp_path / "history.csv", delimiter=",", names=True, deletechars="", dtype=np.float64
    )
    assert history["epoch"].tolist() == [2, 4, 5]
    assert np.isfinite(history["train/nuclear_norm"]).all()
    assert np.isfinite(history["validation_error"]).tolist() == [True, True, False]


def test_steps_stop_the_run(dataset):
    history = fit(build(), dataset, TrainConfig(steps=7, batch_size=10), progress=False)
    assert [(row["epoch"], row["step"]) for row in history.rows] == [(1, 5), (2, 7)]


def test_patience_stops_when_nothing_improves(dataset):
    config = TrainConfig(epochs=50, learning_rate=1e-12, patience=2)
    history = fit(build(), dataset, config, progress=False)
    assert len(history.rows) < 10


def test_samples_of_another_shape_are_refused(dataset):
    model = latentrank.build("ae", (5,), 4)
    with pytest.raises(InputError, match=r"takes samples of shape \(5,\).*\(6,\)"):
        fit(model, dataset, TrainConfig(), progress=False)


def test_resuming_without_a_checkpoint_is_refused(dataset, tmp_path):
    with pytest.raises(InputError, match="There is no checkpoint"):
        fit(build(), dataset, TrainConfig(), folder=tmp_path, resume=True, progress=False)


def test_only_the_coefficients_of_the_weak_form_learn_at_their_own_rate(dataset):
    from latentrank.training.module import TrainingModule

    model = build("rrae-weak", learned_coefficients=True, kappa=0.1, rank=2)
    model.bottleneck.prepare(50)
    (optimizer,) = TrainingModule(model, TrainConfig(learning_rate=0.01)).configure_optimizers()
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert len(rates) == len(list(model.parameters()))
    slow = [name for name, p in model.named_parameters() if rates[id(p)] == pytest.approx(1e-3)]
    assert slow == ["bottleneck.coefficients"]


def test_a_seed_repeats_a_run_and_another_changes_it(tmp_path, dataset):
    path = tmp_path / "x.npy"
    np.save(path, dataset.train.x)

    def codes(seed, name):
        config = RunConfig(method="vae", data=str(path), epochs=1, latent_dim=3, seed=seed)
        return latentrank.train(config, tmp_path / name, progress=False).codes("test")

    first = codes(0, "a")
    np.testing.assert_array_equal(first, codes(0, "b"))
    assert not np.array_equal(first, codes(1, "c"))


@pytest.mark.parametrize(
    ("method", "options"),
    [*((name, {}) for name in methods.names()), ("rrae-weak", {"learned_coefficients": True})],
)
def test_a_training_depends_on_its_seed_and_not_on_what_was_drawn_before(method, options, dataset):
    model = latentrank.build(method, (6,), 4, bounded=False, **options)
    again = copy.deepcopy(model)
    for state, one in enumerate((model, again)):
        torch.manual_seed(state)
        fit(one, dataset, TrainConfig(epochs=1, device="cpu"), progress=False)
    for name, tensor in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name


@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
@pytest.mark.parametrize("method", TRAINED)
def test_every_method_trains_in_every_precision_and_is_float32_afterwards(
    method, precision, dataset
):
    model = build(method)
    config = TrainConfig(epochs=1, batch_size=20, precision=precision, device="cpu")
    fit(model, dataset, config, progress=False)
    assert {tensor.dtype for tensor in model.parameters()} == {torch.float32}
    assert torch.isfinite(model(torch.from_numpy(dataset.test.x))).all()


def test_the_order_of_the_training_set_does_not_matter_to_the_validation_error():
    """Two classes in subspaces that have nothing in common, one after the other in the file."""
    rng = np.random.default_rng(0)
    x = np.zeros((9000, 8), dtype=np.float32)
    x[:4500, :2] = rng.normal(size=(4500, 2))
    x[4500:, 2:4] = rng.normal(size=(4500, 2))
    test = Split(x[::45])
    data = Dataset("sorted", Split(x), test, bounded=False)
    torch.manual_seed(0)
    model = latentrank.build("rrae", (8,), 6, bounded=False, rank=4)
    config = TrainConfig(epochs=2, batch_size=250, learning_rate=3e-3, device="cpu")
    seen = fit(model, data, config, progress=False).rows[-1]["validation_error"]
    with torch.no_grad():
        x = torch.from_numpy(test.x)
        assert seen == pytest.approx(float((model(x) - x).square().mean()), rel=0.1)


def test_the_clock_stops_with_the_training(dataset):
    history = fit(build(), dataset, TrainConfig(epochs=1), progress=False)
    seconds = history.seconds
    time.sleep(0.02)
    assert history.seconds == seconds > 0


@pytest.mark.parametrize(("train", "test"), [(1, 20), (20, 1)])
def test_a_single_sample_is_refused_before_anything_is_trained(train, test, dataset, tmp_path):
    few = Dataset("few", dataset.train.take(np.arange(train)), dataset.test.take(np.arange(test)))
    with pytest.raises(InputError, match="at least two of each"):
        fit(build(), few, TrainConfig(), folder=tmp_path, progress=False)
    assert not list(tmp_path.iterdir())


def test_a_batch_of_one_sample_is_refused_where_networks_cannot_train_on_it(dataset):
    encoder = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
    model = build(encoder=encoder, decoder=nn.Linear(4, 6))
    with pytest.raises(InputError, match=r"50 samples in batches of 7 is alone, .* choose another"):
        fit(model, dataset, TrainConfig(epochs=1, batch_size=7), progress=False)


def test_messages_of_the_user_s_own_trainings_are_not_silenced(dataset):
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]

    def state():
        return [logger.level for logger in loggers], list(warnings.filters)

    for logger in loggers:
        logger.setLevel(logging.INFO)
    before = state()
    fit(build(), dataset, TrainConfig(epochs=1, device="cpu"), progress=False)
    assert state() == before


class InsideSteps(Callback):
    """Looks at gradients, as users' callbacks do."""

    def __init__(self):
        self.norms = []

    def on_before_optimizer_step(self, trainer, module, optimizer):
        self.norms.append(float(sum(p.grad.square().sum() for p in module.model.parameters())))


class ExactError(Callback):
    """The error of the test split, summed in float64."""

    def on_validation_end(self, trainer, module):
        with torch.inference_mode():
            x = torch.cat([batch.x for batch in trainer.datamodule.test_batches()])
            x = x.to(next(module.parameters()))
            self.found = float((module.model(x) - x).double().square().mean())


@pytest.mark.parametrize("precision", ["64-true", "32-true", "bf16-true"])
def test_errors_are_summed_exactly_in_any_precision(precision, dataset):
    exact = ExactError()
    config = TrainConfig(epochs=1, device="cpu", precision=precision)
    rows = fit(build(), dataset, config, progress=False, callbacks=[exact]).rows
    assert rows[-1]["validation_error"] == pytest.approx(exact.found, rel=1e-6)


def test_callbacks_inside_a_step_are_called_and_change_nothing(dataset):
    config = TrainConfig(epochs=2, batch_size=16, schedule="cosine")
    watched, unwatched, inside = build("lorae"), build("lorae"), InsideSteps()
    rows = fit(watched, dataset, config, progress=False, callbacks=[inside]).rows
    fit(unwatched, dataset, config, progress=False)
    assert len(inside.norms) == rows[-1]["step"] == 8
    assert min(inside.norms) > 0
    for name, tensor in watched.state_dict().items():
        assert torch.equal(unwatched.state_dict()[name], tensor), name


def test_noise_drawn_on_the_cpu_depends_on_the_step_alone_on_a_gpu_too(monkeypatch):
    """A user's loss term may draw there."""
    monkeypatch.setattr(torch.cuda, "default_generators", (torch.Generator(),))
    drawn = []
    for _ in range(2):
        seed_step(0, 3, torch.device("cuda"))
        drawn.append(torch.rand(3))
    assert torch.equal(*drawn)


def test_a_warning_names_data_that_the_model_cannot_reproduce(dataset):
    with pytest.warns(UserWarning, match="build it with bounded=False"):
        fit(latentrank.build("ae", (6,), 4), dataset, TrainConfig(epochs=1), progress=False)
    with pytest.raises(InputError, match="are a ndarray, expected a Dataset"):
        fit(build(), dataset.train.x, TrainConfig(epochs=1), progress=False)
    with warnings.catch_warnings():  # PCA's outputs are never bounded
        warnings.simplefilter("error")
        fit(latentrank.build("pca", (6,), 4), dataset, TrainConfig(epochs=1), progress=False)
    for config in ({"epochs": 1}, RunConfig(method="ae", data="plane")):
        with pytest.raises(InputError, match="expected a TrainConfig"):
            fit(build(), dataset, config, progress=False)


@pytest.mark.parametrize(
    ("method", "settings"),
    [
        ("ae", {"init": "geodesic"}),
        ("rrae-weak", {"device": "tpu"}),
        ("nsgan", {"patience": 1}),
        ("pca", {"init": "geodesic"}),
    ],
)
def test_a_refused_training_leaves_the_model_as_it_was(method, settings, dataset):
    model = build(method).double().eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    spec = model.spec
    with pytest.raises(InputError):
        fit(model, dataset, TrainConfig(epochs=1, **settings), progress=False)
    assert (model.spec, model.training) == (spec, False)
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in before)
    assert next(model.parameters()).dtype == torch.float64


@pytest.mark.parametrize("method", ["vae", "nsgan"])
def test_models_that_are_trained_one_after_another_begin_differently(method, dataset):
    """Steps seed torch's generator; the model after a training must not begin with that seed."""
    torch.manual_seed(0)
    starts = []
    for _ in range(3):
        model = latentrank.build(method, (6,), 4, bounded=False)
        starts.append(next(model.parameters()).detach().clone())
        drawn = torch.get_rng_state()
        fit(model, dataset, TrainConfig(epochs=1, device="cpu"), progress=False)
        assert torch.equal(torch.get_rng_state(), drawn)
    assert not any(torch.equal(a, b) for a, b in itertools.combinations(starts, 2))


@pytest.mark.parametrize("method", methods.names())
def test_a_model_in_double_precision_is_trained_as_one_in_float32(method, dataset):
    """As models are built if torch's default is float64."""
    config = TrainConfig(epochs=1, batch_size=20, device="cpu")
    plain, double = build(method), build(method).double()
    for model in (plain, double):
        fit(model, dataset, config, progress=False)
    for name, tensor in plain.state_dict().items():
        assert torch.equal(double.state_dict()[name], tensor), name
