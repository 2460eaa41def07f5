"""Precision and threads: chosen where nobody has, and put back."""

import os

import pytest
import torch

import latentrank
from latentrank.training import machine


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


def test_small_work_runs_on_one_thread_and_the_number_is_put_back(free, small):
    with machine.threads(None, small, 32) as number:
        assert number == torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_large_work_runs_on_all(free, small, monkeypatch):
    monkeypatch.setattr(machine, "operations", lambda model, batch_size: 1e12)
    with machine.threads(None, small, 32) as number:
        assert number == 2


def test_a_number_given_is_taken(free, small):
    with machine.threads(2, small, 32) as number:
        assert number == torch.get_num_threads() == 2


@pytest.mark.parametrize("how", ["environment", "torch"])
def test_an_explicit_number_is_left_alone(how, free, small, monkeypatch):
    if how == "environment":
        monkeypatch.setenv("OMP_NUM_THREADS", "2")
    else:
        torch.set_num_threads(5)
    expected = torch.get_num_threads()
    with machine.threads(None, small, 32) as number:
        assert number == torch.get_num_threads() == expected


def test_the_number_is_put_back_after_an_error(free, small):
    with pytest.raises(RuntimeError), machine.threads(None, small, 32):
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_operations_are_those_of_the_layers(small):
    """A matrix of a x b is 2ab operations a sample, and twice that backward."""
    matrices = [p for p in small.parameters() if p.ndim == 2]
    assert machine.operations(small, 10) == 3 * 10 * sum(2 * p.numel() for p in matrices)


def test_counting_leaves_the_model_as_it_is(small):
    before = {name: tensor.clone() for name, tensor in small.state_dict().items()}
    machine.operations(small, 4)
    assert small.training
    assert all(torch.equal(before[name], t) for name, t in small.state_dict().items())


@pytest.mark.parametrize(
    ("features", "expected"),
    [({"avx2"}, "32-true"), ({"avx2", "amx_bf16"}, "bf16-mixed"), ({"avx512_bf16"}, "bf16-mixed")],
)
def test_auto_takes_bfloat16_where_the_processor_has_units_for_it(features, expected, monkeypatch):
    monkeypatch.setattr(machine, "_features", lambda: features)
    assert machine.resolve_precision("auto", "cpu") == expected
    assert machine.resolve_precision("32-true", "cpu") == "32-true"


def test_the_search_for_gpus_is_put_back(monkeypatch):
    name = "PYTORCH_NVML_BASED_CUDA_CHECK"
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with machine.quick_device_check():
        assert name not in os.environ
    assert os.environ[name] == "1"
