"""The process around the estimator: random states, GPUs, and the job of a cluster that it is in."""

import warnings
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
import torch
from lightning.pytorch.trainer import setup
from sklearn.base import clone

from latentrank import LowRankAutoencoder

SMALL = {"latent_dim": 2, "epochs": 1, "random_state": 0}


def test_on_the_cpu_gpus_are_neither_seeded_nor_mentioned(plane, monkeypatch):
    """Where there are several, saving the random states of all is slow, and torch warns of it."""
    saved, fork = [], torch.random.fork_rng
    monkeypatch.setattr(
        torch.random, "fork_rng", lambda devices=None: saved.append(devices) or fork([])
    )
    monkeypatch.setattr(torch.cuda, "manual_seed_all", pytest.fail)
    monkeypatch.setattr(setup.CUDAAccelerator, "is_available", lambda: True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        LowRankAutoencoder("ae", **SMALL).fit(plane)
    assert saved
    assert all(devices is not None and list(devices) == [] for devices in saved)
    assert not [one for one in caught if "GPU" in str(one.message)]


JOB = {"SLURM_JOB_NAME": "fit", "SLURM_JOB_ID": "7", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}


@pytest.mark.parametrize(
    "tasks",
    [
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "0"},
        {"SLURM_NTASKS": "4", "SLURM_PROCID": "2"},
        {"SLURM_NTASKS": "4", "SLURM_NTASKS_PER_NODE": "4", "SLURM_PROCID": "0"},
    ],
    ids=lambda tasks: " ".join(f"{name[6:]}={value}" for name, value in tasks.items()),
)
def test_a_job_of_several_tasks_fits_as_any_process_does(tasks, plane, monkeypatch):
    expected = LowRankAutoencoder("ae", **SMALL).fit_transform(plane)
    for name, value in {**JOB, **tasks}.items():
        monkeypatch.setenv(name, value)
    assert (LowRankAutoencoder("ae", **SMALL).fit_transform(plane) == expected).all()


def test_fits_in_several_threads_draw_as_they_do_one_after_another(plane):
    """They share torch's generators, from which a VAE's noise is drawn."""
    estimator = LowRankAutoencoder("vae", latent_dim=2, epochs=5, batch_size=16, random_state=0)
    expected = clone(estimator).fit_transform(plane)
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda one: clone(one).fit_transform(plane), [estimator] * 6))
    assert all((codes == expected).all() for codes in found)


def test_an_estimator_that_joblib_maps_from_its_file_is_used_as_it_is(tmp_path):
    x = np.random.default_rng(0).normal(size=(6, 1, 400, 400)).astype(np.float32)
    estimator = LowRankAutoencoder("pca", latent_dim=2).fit(x)
    joblib.dump(estimator, tmp_path / "estimator")
    again = joblib.load(tmp_path / "estimator", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert again.score(x) == estimator.score(x)
