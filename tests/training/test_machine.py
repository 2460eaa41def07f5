"""Precision: chosen where nobody has. The search for GPUs: put back. Memory: kept for reuse."""

import os
import platform

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


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_freed_memory_is_used_again_without_the_system(monkeypatch):
    import resource

    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)

    def faults():
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        torch.ones(2**22)  # 16 MiB
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with machine.kept_memory():
        settled = [faults() for _ in range(4)][-1]
        assert settled < 2**24 / resource.getpagesize() / 100
