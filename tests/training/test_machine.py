"""Precision is chosen if unset, torch's GPU check is restored, memory is kept for reuse."""

import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import latentrank
from latentrank import Dataset, Split, TrainConfig
from latentrank.training import fit, machine


@pytest.mark.parametrize(
    ("features", "expected"),
    [({"avx2"}, "32-true"), ({"avx2", "amx_bf16"}, "bf16-mixed"), ({"avx512_bf16"}, "bf16-mixed")],
)
def test_auto_takes_bfloat16_where_the_processor_has_units_for_it(features, expected, monkeypatch):
    monkeypatch.setattr(machine, "_features", lambda: features)
    assert machine.resolve_precision("auto", "cpu") == expected
    assert machine.resolve_precision("32-true", "cpu") == "32-true"


def test_the_gpu_check_is_restored(monkeypatch):
    name = "PYTORCH_NVML_BASED_CUDA_CHECK"
    monkeypatch.setenv(name, "1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with machine.quick_device_check():
        assert name not in os.environ
    assert os.environ[name] == "1"


FAULTS = """
import resource, torch
from latentrank.training import machine

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    [torch.ones(2**22) for _ in range(6)]  # 16 MiB each, freed together
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

with machine.kept_memory():
    print([faults() for _ in range(4)][-1], resource.getpagesize())
"""


@pytest.mark.slow  # a process of its own, whose memory no other test has used
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries are left alone")
def test_freed_memory_is_used_again_without_the_system():
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    made = subprocess.run(
        [sys.executable, "-c", FAULTS], env=environment, capture_output=True, text=True, check=True
    )
    settled, page = map(int, made.stdout.split())
    assert settled < 6 * 2**24 / page / 100


def test_an_explicit_setting_of_memory_is_respected(monkeypatch):
    def changed(*_):
        pytest.fail("mallopt was called")

    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "1000")
    monkeypatch.setattr(machine.ctypes, "CDLL", lambda _: SimpleNamespace(mallopt=changed))
    with machine.kept_memory():
        pass


class Viewed(nn.Module):
    """An encoder that reshapes with `view`, as many networks do."""

    def __init__(self):
        super().__init__()
        self.convolution, self.linear = nn.Conv2d(3, 8, 4, 2, 1), nn.Linear(8 * 4 * 4, 4)

    def forward(self, x):
        return self.linear(self.convolution(x).view(len(x), -1))


def volumetric():
    """An encoder of spectral images, whose kernels have three axes."""
    layers = nn.Unflatten(1, (1, 3)), nn.Conv3d(1, 2, 3), nn.Flatten(), nn.Linear(2 * 6 * 6, 4)
    return nn.Sequential(*layers)


def reshaped():
    return nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1), nn.Flatten(), nn.Linear(8 * 4 * 4, 4))


@pytest.mark.parametrize("make", [Viewed, volumetric, reshaped])
def test_networks_of_images_that_depend_on_the_layout_of_memory_are_trained(make):
    x = np.random.default_rng(0).random((20, 3, 8, 8)).astype(np.float32)
    data = Dataset("x", Split(x), Split(x))
    decoder = nn.Sequential(nn.Linear(4, 3 * 8 * 8), nn.Unflatten(1, (3, 8, 8)))
    model = latentrank.build("ae", (3, 8, 8), 4, encoder=make(), decoder=decoder)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    machine.use_fast_layout(model)
    kernels = next(model.encoder.parameters())
    fast = kernels.ndim == 4 and kernels.is_contiguous(memory_format=torch.channels_last)
    assert fast == (make is reshaped)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    fit(model, data, TrainConfig(epochs=1), progress=False)
    assert kernels.is_contiguous()
