"""Every method on data of any scale, and when a number stops being finite."""

import math

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

import latentrank
from latentrank import methods
from latentrank.config import RunConfig, TrainConfig
from latentrank.data import Dataset, Split
from latentrank.data.in_memory import as_dataset
from latentrank.errors import InputError
from latentrank.training import checkpoints, fit
from latentrank.training.terms import DivergenceError

NAMES = methods.names()
TRAINED = [name for name in NAMES if not methods.get(name).closed_form]
SCALES = (1.0, 1e-12, 1e12)


def samples():
    rng = np.random.default_rng(0)
    return rng.normal(size=(60, 2)) @ rng.normal(size=(2, 6)) + 3


@pytest.mark.parametrize("method", NAMES)
def test_the_unit_of_the_data_changes_nothing_but_the_unit(method, tmp_path):
    """Errors relative to the variance agree: standardising rounds in float64, to 1e-16 of a
    number, and inputs then in float32 to 6e-8; forty steps of training amplify that."""
    shares, codes = [], []
    for i, scale in enumerate(SCALES):
        dataset = as_dataset(samples() * scale)
        config = RunConfig(
            method=method, data="array", latent_dim=3, epochs=10, batch_size=12, device="cpu",
            net="mlp",
        )  # fmt: skip
        run = latentrank.train(config, tmp_path / str(i), dataset=dataset, progress=False)
        assert np.isfinite(run.codes("train")).all()
        decoded = run.model().decode_array(run.codes("test"))
        assert np.isfinite(decoded).all()
        assert 0.01 * scale < np.abs(decoded).max() < 100 * scale
        codes.append(run.codes("test"))
        if run.model().reconstructs:
            x = dataset.test.x
            shares.append(np.square(decoded.astype(np.float64) - x).mean() / np.var(x))
    for other in codes[1:]:
        np.testing.assert_allclose(other, codes[0], rtol=1e-2, atol=1e-2 * np.abs(codes[0]).max())
    np.testing.assert_allclose(shares, shares[:1] * len(shares), rtol=1e-2)


class Poison(Callback):
    """Makes a weight of the decoder NaN or infinite before a step."""

    def __init__(self, value, step):
        self.value, self.step = value, step

    def on_train_batch_start(self, trainer, module, *args):
        if trainer.global_step == self.step:
            with torch.no_grad():
                for parameter in module.model.decoder.parameters():
                    parameter.fill_(self.value)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("method", TRAINED)
def test_a_loss_that_is_not_finite_stops_with_step_and_term(method, value, tmp_path):
    x = samples().astype(np.float32)
    data = Dataset("few", Split(x[:48]), Split(x[48:]), bounded=False)
    made = []
    for epochs, callbacks in ((2, []), (4, [Poison(value, step=7)])):
        torch.manual_seed(0)
        model = latentrank.build(method, (6,), 3, bounded=False)
        made.append(model)
        config = TrainConfig(epochs=epochs, batch_size=16, device="cpu")
        if not callbacks:
            fit(model, data, config, progress=False)
            continue
        with pytest.raises(DivergenceError, match=r"loss.* became (nan|-?inf) at step 8.*epoch 2"):
            fit(model, data, config, folder=tmp_path, progress=False, callbacks=callbacks)
    good, kept = made
    for (name, parameter), expected in zip(kept.named_parameters(), good.parameters(), strict=True):
        assert torch.equal(parameter, expected), name
    # and the file holds them
    saved = latentrank.load(tmp_path).state_dict()
    assert all(torch.equal(saved[name], p) for name, p in kept.named_parameters())


class PoisonAfter(Poison):
    """The same after a step, which that step's loss does not show."""

    def on_train_batch_start(self, trainer, module, *args):
        pass

    def on_train_batch_end(self, trainer, module, *args):
        super().on_train_batch_start(trainer, module)


def test_no_checkpoint_holds_weights_that_are_not_finite(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoints, "_SPACING", 0)
    x = samples().astype(np.float32)
    data = Dataset("few", Split(x[:48]), Split(x[48:]), bounded=False)
    model = latentrank.build("ae", (6,), 3, bounded=False)
    # validated after the fourth epoch only: nothing else looks at the weights of the second
    config = TrainConfig(epochs=4, batch_size=16, validate_every=4, device="cpu")
    poison = [PoisonAfter(math.nan, step=6)]
    with pytest.raises(InputError, match="weights were no longer finite after step 6"):
        fit(model, data, config, folder=tmp_path, progress=False, callbacks=poison)
    kept = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    assert all(torch.isfinite(tensor).all() for tensor in kept.values())
