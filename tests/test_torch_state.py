"""Torch's state that the process shares: the user's stays as it is, and decides nothing."""

import pickle
from contextlib import contextmanager

import numpy as np
import pytest
import torch

import latentrank
from latentrank import LowRankAutoencoder, RunConfig
from latentrank.metrics import Subject, measure
from latentrank.torch_state import isolated, own_defaults
from tests.squares import labelled_squares

X = np.sin(np.random.default_rng(0).normal(size=(60, 2)) @ np.ones((2, 6)))


@pytest.fixture
def elsewhere():
    """A default device that is not the CPU; on this one, no tensor has values."""
    torch.set_default_device("meta")
    yield
    torch.set_default_device(None)


def estimator(method):
    rank = 2 if method in ("rrae", "vrrae") else None
    return LowRankAutoencoder(method, latent_dim=4, rank=rank, epochs=1, random_state=0)


def results(fitted):
    """What an estimator computes, and what it does after it was stored."""
    codes = fitted.transform(X[:5])
    found = [codes, fitted.inverse_transform(codes), fitted.sample(3, random_state=0)]
    if fitted.method != "gan":
        found.append(fitted.score(X))
    return [*found, pickle.loads(pickle.dumps(fitted)).transform(X[:5])]


@contextmanager
def double():
    """A default type that is not float32."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


MODES = {
    "device": lambda: torch.device("meta"),
    "dtype": double,
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", ["pca", "rrae", "vrrae", "vae-flow", "rae-sn", "gan"])
def test_the_users_modes_change_nothing(method, mode):
    expected = results(estimator(method).fit(X))
    with MODES[mode]():
        found = results(estimator(method).fit(X))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_run_and_its_metrics_do_not_depend_on_the_users_modes(tmp_path, monkeypatch):
    x, y = labelled_squares(np.random.default_rng(0), 120, 60)
    np.savez(tmp_path / "images.npz", x=x, y=y)
    data = str(tmp_path / "images.npz")
    config = RunConfig(method="lorae", data=data, latent_dim=4, epochs=2, net="mlp")

    def metrics(folder):
        monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path / folder / "cache"))
        run = latentrank.train(config, tmp_path / folder, progress=False)
        subject = Subject(run.settings, run.folder, samples=60)
        asked = ("fd:gaussian", "accuracy:10")  # each trains a classifier
        return [run.metrics["singular_values"], *(measure(subject, name).value for name in asked)]

    expected = metrics("usual")
    for mode in ("inference", "autocast", "dtype"):
        with MODES[mode]():
            assert metrics(mode) == expected


def test_models_are_trained_stored_and_changed_on_the_cpu(elsewhere, tmp_path):
    settings = {"latent_dim": 4, "epochs": 1, "train_size": 36, "test_size": 4}
    config = RunConfig(method="rrae", data="gaussian2d", options={"rank": 2}, **settings)
    run = latentrank.train(config, tmp_path / "run", progress=False)
    model, x = latentrank.load(tmp_path / "run"), run.dataset().test.x
    codes = model.encode_array(x)
    assert run.metrics["rank"] == 2
    np.testing.assert_allclose(model.fold().encode_array(x), codes, rtol=1e-4, atol=1e-5)
    assert model.compress(1e-2).encode_array(x).shape[1] <= 2
    made = latentrank.export.export_safetensors(model, tmp_path / "e.safetensors", "encoder")
    assert made.difference.relative < 1e-5


def test_tensors_are_made_where_the_user_wants_them_outside(elsewhere):
    with isolated(seed=0), own_defaults():
        assert torch.zeros(1).device.type == "cpu"
    with double():
        with own_defaults():
            assert torch.zeros(1).dtype == torch.float32
        assert torch.zeros(1).dtype == torch.float64
    assert torch.zeros(1).device.type == "meta"
