"""Metrics of the latent space, compared with their definitions written out."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from latentrank.errors import InputError
from latentrank.metrics import METRICS, Subject, latent, measure, read
from latentrank.runs.train import new_model


def value_of(run, text):
    return measure(Subject(run.settings, run.folder), text).value


def test_metrics_of_the_training_are_those_of_the_run(trained):
    run = trained("ae", "table.npz")
    for metric in ("rank", "validation-error"):
        name = metric.replace("-", "_")
        assert value_of(run, name) == run.metrics[name]
    with pytest.raises(InputError, match="needs codes of samples"):
        value_of(trained("nsgan", "images.npz"), "validation_error")


def test_metrics_of_training_are_not_stored_again_and_only_the_error_is_better_lower(trained):
    run = trained("ae", "table.npz")
    for name, better in (("validation_error", "lower"), ("rank", None), ("seconds", None)):
        assert measure(Subject(run.settings, run.folder), name).better == better
        assert name not in [value.metric for value in read(run.folder)]


def test_only_a_missing_error_is_put_down_to_missing_data():
    def refuse():
        raise InputError("give some data")

    subject = SimpleNamespace(
        metrics={}, run=SimpleNamespace(need_samples=refuse), folder=Path("model")
    )
    with pytest.raises(InputError, match="give some data"):
        METRICS.get("validation_error").compute(subject, "")
    with pytest.raises(InputError, match="model has no gap rank"):
        METRICS.get("gap_rank").compute(subject, "")


def test_active_units_are_counted_over_the_means_and_shared_over_all(trained, monkeypatch):
    """Variances of 1, 0.04, 0.0025 and 0 where the threshold is 0.01."""
    means = np.array([[1.0], [-1.0]]) * [1.0, 0.2, 0.05, 0.0]
    monkeypatch.setattr(Subject, "posterior", lambda self: (means, np.zeros((2, 4))))
    run = trained("vae", "table.npz", "-active")
    assert value_of(run, "active-units") == 2
    assert value_of(run, "active-share") == 0.5


def test_divergence_is_the_mean_over_samples_and_units(trained):
    run = trained("vae", "table.npz")
    means, logvars = map(torch.as_tensor, Subject(run.settings, run.folder).posterior())
    posterior = Normal(means.double(), (logvars.double() / 2).exp())
    expected = kl_divergence(posterior, Normal(0.0, 1.0)).mean()
    assert value_of(run, "kl-per-unit") == pytest.approx(float(expected), rel=1e-6)


def test_seconds_are_for_100_batches(trained):
    run = trained("ae", "table.npz", "-batches", batch_size=8)
    last = {name: float(values[-1]) for name, values in run.history.items()}
    assert last["step"] > 1
    assert value_of(run, "seconds-per-100-batches") * last["step"] == pytest.approx(
        100 * last["seconds"]
    )
    with pytest.raises(InputError, match="pca is not trained by batches"):
        value_of(trained("pca", "plain.npy"), "seconds-per-100-batches")


def test_contrast_is_the_extreme_and_the_median_over_codes(trained, monkeypatch):
    """So few codes that nearly all are among the 100 draws; two are close, which moves a mean."""
    run = trained("ae", "images.npz", "-contrast")
    codes = run.codes("test").astype(float)
    codes[1] = codes[0] + 1e-9
    monkeypatch.setattr(Subject, "codes", lambda self, split: codes)
    distances = np.linalg.norm(codes[:, None] - codes[None], axis=2)
    others = distances[~np.eye(len(codes), dtype=bool)].reshape(len(codes), -1)
    contrasts = others.max(1) / others.min(1) - 1
    near = np.isclose(value_of(run, "contrast:lowest"), contrasts)
    assert near.any()
    assert np.sort(contrasts)[: len(contrasts) // 4].max() > value_of(run, "contrast:lowest")
    low, high = np.quantile(contrasts, [0.2, 0.8])
    assert low <= value_of(run, "contrast:median") <= high


def test_the_pilot_takes_20_steps_of_a_thousandth_and_its_largest_norm_counts(trained, monkeypatch):
    calls = []

    def norms(loss, parameters, step_size, steps, epsilon):
        calls.append((step_size, steps))
        return np.array([1.0, 3.0, 2.0])

    monkeypatch.setattr(latent, "adam_gradient_norms", norms)
    run = trained("ae", "plain.npy", "-pilot")
    assert value_of(run, "gradient:7") == 1.0
    assert calls[0] == (1e-3, 20)
    data = Subject(run.settings, run.folder).dataset
    x = data.preprocessing.normalise(data.train.x)
    start = float(new_model(run.settings, data).losses(x)["loss"].detach())
    assert calls[1] == pytest.approx(((2 * start * 0.1**2 / (3.0**3 * 7)) ** 0.5, 7))


def adam(loss, parameters, step_size, steps, epsilon=0.1):
    """Norms of the gradient along Adam without bias correction, in float64."""
    parameters = list(parameters)
    m = [torch.zeros_like(p) for p in parameters]
    v = [torch.zeros_like(p) for p in parameters]
    norms = []
    for _ in range(steps):
        gradients = torch.autograd.grad(loss(), parameters)
        norms.append(float(torch.cat([g.flatten() for g in gradients]).norm()))
        m = [0.9 * a + 0.1 * g for a, g in zip(m, gradients, strict=True)]
        v = [0.999 * a + 0.001 * g**2 for a, g in zip(v, gradients, strict=True)]
        with torch.no_grad():
            for p, a, b in zip(parameters, m, v, strict=True):
                p -= step_size * a / (b**0.5 + epsilon)
    return np.array(norms)


@pytest.mark.parametrize("steps", [1, 5])
def test_gradient_is_the_smallest_of_the_theorems_steps(trained, steps):
    """Loss 0 is the bound from below, and the largest norm of 20 pilot steps both K and gamma."""
    run = trained("ae", "plain.npy")
    subject = Subject(run.settings, run.folder)
    data = subject.dataset
    x = torch.as_tensor(data.preprocessing.normalise(data.train.x)).double()

    def fresh():
        network = new_model(run.settings, data).double()
        return (lambda: network.losses(x)["loss"]), network.parameters()

    start = float(fresh()[0]().detach())
    bound = adam(*fresh(), 1e-3, 20).max()
    step_size = (2 * start * 0.1**2 / (bound * bound**2 * steps)) ** 0.5
    expected = adam(*fresh(), step_size, steps).min()
    # float32 against float64, over at most 25 steps
    assert value_of(run, f"gradient:{steps}") == pytest.approx(expected, rel=1e-3)
