"""The training of GANs against a loop written out, and what a run reports."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import latentrank
from latentrank.config import RunConfig, TrainConfig
from latentrank.data import DataModule, Dataset, Split
from latentrank.errors import InputError
from latentrank.losses import GAMES
from latentrank.runs.measured import measured
from latentrank.runs.train import finish, resolve, start
from latentrank.training import fit
from latentrank.training.module import seed_step


def dataset(n=40):
    x = np.random.default_rng(0).uniform(size=(n, 6)).astype(np.float32)
    return Dataset("noise", Split(x), Split(x[:12]), latent_dim=3)


def build(name="nsgan", **networks):
    torch.manual_seed(0)
    return latentrank.build(name, (6,), 3, **networks)


def trained(name="nsgan", model=None, **settings):
    model = model or build(name)
    folder = settings.pop("folder", None)
    resume = settings.pop("resume", False)
    config = TrainConfig(batch_size=8, device="cpu", **settings)
    history = fit(model, dataset(), config, folder=folder, resume=resume, progress=False)
    return model, history


def by_hand(name, steps, rate=2e-4):
    """Discriminator, then generator, each with its own Adam, gradients by autograd."""
    model, game = build(name), GAMES[{"gan": "minimax", "lsgan": "least-squares"}[name]]
    judge = [*model.encoder.parameters(), *model.bottleneck.parameters()]
    forger = list(model.decoder.parameters())
    adams = [torch.optim.Adam(part, lr=rate, betas=(0.5, 0.999)) for part in (judge, forger)]
    batches = iter(DataModule(dataset(), 8, seed=0).train_dataloader())
    for step in range(steps):
        x = next(batches).x
        seed_step(0, step, x.device)
        fake = model.decode(torch.randn(len(x), 3))
        loss = game.discriminator(model.score(x), model.score(fake.detach()))
        for parameter, gradient in zip(judge, torch.autograd.grad(loss, judge), strict=True):
            parameter.grad = gradient
        adams[0].step()
        loss = game.generator(model.score(fake))
        for parameter, gradient in zip(forger, torch.autograd.grad(loss, forger), strict=True):
            parameter.grad = gradient
        adams[1].step()
    return model


@pytest.mark.parametrize("name", ["gan", "lsgan"])
def test_training_takes_turns_as_a_loop_by_hand_does(name):
    model, _ = trained(name, epochs=1)
    expected = by_hand(name, steps=5).state_dict()
    for key, value in model.state_dict().items():
        if not key.startswith("statistics."):
            torch.testing.assert_close(value, expected[key], msg=key)


def test_a_step_of_the_run_is_one_batch():
    _, history = trained(steps=7)
    assert history.rows[-1]["step"] == 7
    _, history = trained(epochs=2)
    assert [row["step"] for row in history.rows] == [5, 10]


def test_both_losses_the_rank_and_the_state_of_the_game_are_logged():
    _, history = trained(epochs=1)
    row = history.rows[-1]
    for name in ("discriminator", "generator", "real_accuracy", "fake_accuracy"):
        assert np.isfinite(row[f"train/{name}"])
    assert 0 <= row["train/real_accuracy"] <= 1
    assert 1 <= row["rank"] <= 3
    assert 0 <= row["discriminator_accuracy"] <= 1
    assert row["diversity"] > 0
    assert row["collapsed"] in (0, 1)
    assert "validation_error" not in row


def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path):
    whole, history = trained(epochs=4, schedule="constant")
    trained(epochs=2, folder=tmp_path)
    part, resumed = trained(epochs=4, folder=tmp_path, resume=True)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, part.state_dict()[key]), key
    assert len(resumed.rows) == len(history.rows) == 4
    assert resumed.rows[-1]["train/generator"] == history.rows[-1]["train/generator"]


def test_the_learning_rate_is_dcgans_unless_another_is_given():
    default, _ = trained(steps=3)
    given, _ = trained(steps=3, learning_rate=2e-4)
    other, _ = trained(steps=3, learning_rate=1e-2)
    key = "decoder.0.weight"
    assert torch.equal(default.state_dict()[key], given.state_dict()[key])
    assert not torch.equal(default.state_dict()[key], other.state_dict()[key])


def test_a_schedule_moves_both_networks_rates(monkeypatch):
    rates = []
    step = torch.optim.Adam.step

    def noting(self, *args, **kwargs):
        rates.append(self.param_groups[0]["lr"])
        return step(self, *args, **kwargs)

    monkeypatch.setattr(torch.optim.Adam, "step", noting)
    trained(epochs=2, schedule="multistep")
    assert len(rates) == 20
    assert rates[0::2] == pytest.approx(rates[1::2])
    assert rates[0] == pytest.approx(2e-4)
    assert rates[-1] == pytest.approx(2e-6)


class Constant(nn.Module):
    """A generator that has collapsed: every noise gives the same sample."""

    def __init__(self):
        super().__init__()
        self.sample = nn.Parameter(torch.full((6,), 0.5))

    def forward(self, z):
        return self.sample + 0 * z.sum(1, keepdim=True)


def test_a_collapse_is_warned_of_once_and_recorded():
    model = build(encoder=nn.Linear(6, 3), decoder=Constant())
    with pytest.warns(UserWarning, match="generator has collapsed") as caught:
        _, history = trained(model=model, epochs=3)
    assert sum("collapsed" in str(w.message) for w in caught) == 1
    assert [row["collapsed"] for row in history.rows] == [1, 1, 1]


def test_health_is_measured_on_samples_from_all_of_a_sorted_split():
    x = np.zeros((1200, 6), dtype=np.float32)
    x[600:, 0] = 1.0  # half of the distances are 1, the others 0
    data = Dataset("two classes", Split(x), Split(x), bounded=True)
    model = build(encoder=nn.Linear(6, 3), decoder=Halves())
    history = fit(model, data, TrainConfig(steps=1, device="cpu"), progress=False)
    metrics = measured(model, data, torch.from_numpy(model.encode_array(x)))
    for values in (history.rows[-1], metrics):
        assert values["diversity"] == pytest.approx(1, abs=0.05)


class Halves(Constant):
    """A generator of two samples, which are one apart."""

    def forward(self, z):
        side = torch.cat([(z[:, :1] > 0).float(), torch.zeros(len(z), 5)], dim=1)
        return super().forward(z) + side


def test_patience_is_refused():
    with pytest.raises(InputError, match="nsgan has no validation error"):
        trained(epochs=2, patience=1)


def test_the_metrics_say_what_is_not_measured_and_how_the_game_ended(tmp_path):
    data = dataset()
    config = RunConfig(method="nsgan", data="shapes", epochs=1, batch_size=8, device="cpu")
    resolved = resolve(config, data)
    assert resolved.training.learning_rate == 2e-4
    start(resolved, tmp_path)
    model = build(encoder=nn.Linear(6, 3), decoder=Constant())
    with pytest.warns(UserWarning, match="collapsed"):
        history = fit(model, data, resolved.training, folder=tmp_path, progress=False)
    run = finish(tmp_path, resolved, model, data, history)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == run.metrics
    assert metrics["validation_error"] is None
    assert metrics["collapsed"] is True
    assert "collapsed" in metrics["warning"]
    assert metrics["rank_of"] == "discriminator features"
    assert metrics["diversity"] < 0.01
    assert {"rank", "latent_dim", "seconds"} <= set(metrics)
    assert run.history["train/discriminator"].shape == (1,)


@pytest.mark.slow
def test_two_processes_learn_what_one_learns_from_the_whole_batch(tmp_path):
    worker = Path(__file__).with_name("adversarial_worker.py")
    results = []
    for devices in (1, 2):
        path = tmp_path / f"{devices}.pt"
        subprocess.run([sys.executable, worker, path, str(devices)], check=True, timeout=300)
        results.append(torch.load(path))
    alone, together = results
    for key, value in alone["state"].items():
        if key != "statistics.directions":
            # Trained in float64, kept in float32: what is left is the rounding of the result, 6e-8.
            other = together["state"][key]
            assert (other - value).norm() <= 1e-6 * value.norm(), key
    for row, other in zip(alone["rows"], together["rows"], strict=True):
        assert other["step"] == row["step"]
        assert other["rank"] == row["rank"]
        for name in ("train/discriminator", "train/generator", "train/real_accuracy"):
            assert other[name] == pytest.approx(row[name], rel=1e-6)
