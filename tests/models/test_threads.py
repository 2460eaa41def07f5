"""As many threads as help, unless a number was asked for; the previous number is restored."""

import os

import numpy as np
import pytest
import torch

import latentrank
from latentrank import methods
from latentrank.models.threads import threads


@pytest.fixture
def small():
    return latentrank.build("ae", (6,), 2)


@pytest.fixture
def free(monkeypatch):
    """No number of threads is asked for, and torch has taken two of two cores."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    before = torch.get_num_threads()
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_small_work_runs_on_one_thread_and_the_number_is_restored(free, small):
    with small.threads(32) as number:
        assert number == torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_large_work_runs_on_all(free):
    with threads(lambda: 1e12) as number:
        assert number == 2


def test_a_number_given_is_taken(free, small):
    with small.threads(32, number=2) as number:
        assert number == torch.get_num_threads() == 2


@pytest.mark.parametrize("how", ["environment", "torch"])
def test_an_explicit_number_is_left_alone(how, free, small, monkeypatch):
    if how == "environment":
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
    else:
        torch.set_num_threads(5)
    expected = torch.get_num_threads()
    with small.threads(32) as number:
        assert number == torch.get_num_threads() == expected


def test_the_number_is_restored_after_an_error(free, small):
    with pytest.raises(RuntimeError), small.threads(32):
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_operations_are_those_of_the_layers(small):
    """A matrix of a x b is 2ab operations per sample."""
    matrices = [p for p in small.parameters() if p.ndim == 2]
    assert small.operations == sum(2 * p.numel() for p in matrices)


def test_operations_of_networks_of_different_widths_are_counted():
    """LoRAE's encoder has fewer outputs than its code has numbers, VAE's has twice as many."""
    for method in ("lorae", "vae"):
        model = latentrank.build(method, (6,), latent_dim=900)
        assert model.bottleneck.encoder_dim != 900
        matrices = [p for part in (model.encoder, model.decoder) for p in part.parameters()]
        assert model.operations == sum(2 * p.numel() for p in matrices if p.ndim == 2)


def test_counting_leaves_the_model_as_it_is(small):
    small.encoder.eval()  # as in a second stage, where the decoder alone is trained
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    assert small.operations > 0
    assert small.training
    assert small.decoder.training
    assert not small.encoder.training
    assert all(torch.equal(before[name], t) for name, t in small.state_dict().items())


@pytest.mark.parametrize("method", methods.names())
def test_every_small_model_encodes_and_decodes_on_one_thread(method, free, monkeypatch):
    model = latentrank.build(method, (6,), 4).eval()
    used = []
    for name in ("encode", "decode"):
        apply = getattr(model, name)
        monkeypatch.setattr(
            model, name, lambda x, f=apply: (used.append(torch.get_num_threads()), f(x))[1]
        )
    model.decode_array(model.encode_array(np.zeros((5, 6))))
    assert set(used) == {1}
    assert torch.get_num_threads() == 2


def test_the_number_is_restored_where_work_cannot_be_counted(free):
    """As of a network of the user's own that fails."""
    with pytest.raises(ZeroDivisionError), threads(lambda: 1 / 0):
        pass
    assert torch.get_num_threads() == 2
