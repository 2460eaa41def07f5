"""Precision: chosen where nobody has. The search for GPUs: put back."""

import os

import pytest
import torch

from latentrank.training import machine


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
