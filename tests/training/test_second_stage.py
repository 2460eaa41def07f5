"""The second stage of RRAE: what stays, what changes, and what is refused."""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.training import fit


@pytest.fixture(scope="module")
def dataset():
    rng = np.random.default_rng(0)
    x = np.tanh(rng.normal(size=(90, 3)) @ rng.normal(size=(3, 6))).astype(np.float32)
    return Dataset("sheet", Split(x[:64]), Split(x[64:]), bounded=False)


def build(epochs, **options):
    torch.manual_seed(0)
    return latentrank.build(
        "rrae", (6,), 4, bounded=False, **{"rank": 2, **options}, second_stage_epochs=epochs
    )


def train(epochs, dataset, **options):
    model = build(epochs, **options)
    return model, fit(model, dataset, TrainConfig(epochs=6, batch_size=16), progress=False)


def training_error(model, dataset):
    x = torch.from_numpy(dataset.train.x)
    return float((model(x) - x).detach().square().mean())


@pytest.mark.parametrize("rank", [2, "auto"])
def test_the_encoder_and_its_basis_stay_and_the_decoder_learns(rank, dataset):
    one, history_of_one = train(0, dataset, rank=rank)
    two, history = train(5, dataset, rank=rank)
    for part in ("encoder", "bottleneck"):
        before, after = getattr(one, part).state_dict(), getattr(two, part).state_dict()
        for name, tensor in before.items():
            assert torch.equal(after[name], tensor), name
    changed = [
        not torch.equal(two.decoder.state_dict()[name], tensor)
        for name, tensor in one.decoder.state_dict().items()
    ]
    assert all(changed)
    assert training_error(two, dataset) < training_error(one, dataset)
    assert len(history.rows) == len(history_of_one.rows) + 5
    assert [row["epoch"] for row in history.rows] == list(range(1, 12))
    assert all(parameter.requires_grad for parameter in two.parameters())


def test_the_decoder_trains_on_the_codes_that_inference_gives(dataset):
    """The logged loss of the second stage is the deterministic error, up to the steps between."""
    model, history = train(40, dataset, reconstruction="mse")
    assert history.rows[-1]["train/loss"] == pytest.approx(training_error(model, dataset), rel=0.05)


class StopAfter(Callback):
    """Interrupts as Ctrl-C does, in the middle of the second stage."""

    def on_train_batch_end(self, trainer, *args):
        if trainer.global_step == 34:
            raise KeyboardInterrupt


def test_a_resumed_second_stage_equals_an_uninterrupted_one(dataset, tmp_path):
    config = TrainConfig(epochs=6, batch_size=16)
    whole, part, resumed = build(5), build(5), build(5)
    fit(whole, dataset, config, folder=tmp_path / "whole", progress=False)
    with pytest.raises(KeyboardInterrupt):
        fit(
            part, dataset, config, folder=tmp_path / "part", progress=False, callbacks=[StopAfter()]
        )
    fit(resumed, dataset, config, folder=tmp_path / "part", resume=True, progress=False)
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


class Interrupt(Callback):
    """Ctrl-C in the second stage."""

    def on_train_batch_end(self, trainer, *_):
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt


@pytest.mark.parametrize("callbacks", [[], [Interrupt()]], ids=["finished", "interrupted"])
def test_afterwards_the_parameters_learn_that_did_before(callbacks, dataset):
    encoder = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    encoder[0].requires_grad_(False)  # such as a pretrained part
    networks = {"encoder": encoder, "decoder": nn.Linear(4, 6)}
    model = build(1, **networks)
    with pytest.raises(KeyboardInterrupt) if callbacks else nullcontext():
        fit(model, dataset, TrainConfig(epochs=1), progress=False, callbacks=callbacks)
    learning = [parameter.requires_grad for parameter in model.encoder.parameters()]
    assert learning == [False, False, True, True]


@pytest.mark.parametrize(
    ("epochs", "settings", "message"),
    [
        (-1, {}, "second_stage_epochs is -1, expected an integer"),
        (1.5, {}, "second_stage_epochs is 1.5"),
        (True, {}, "second_stage_epochs is True"),
        (2, {"steps": 9}, "leave steps out"),
        (2, {"patience": 3}, "leave patience out"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(epochs, settings, message, dataset):
    with pytest.raises(InputError, match=message):
        fit(build(epochs), dataset, TrainConfig(**settings), progress=False)
