"""Fixtures that several test modules share."""

import pytest
import torch

from latentrank.config import RunConfig
from latentrank.runs.cache import PlannedRun, folder_name

# A package of its own, which a test installs; it is no part of the suite.
collect_ignore = ["plugin"]

TINY = {
    "data": "blobs", "device": "cpu", "train_size": 32, "test_size": 16, "epochs": 2,
    "latent_dim": 4, "batch_size": 16,
}  # fmt: skip


@pytest.fixture
def wanted(tmp_path):
    """A training by method and settings."""

    def make(method="ae", **settings):
        config = RunConfig(**{**TINY, "method": method, **settings})
        return PlannedRun(method, "blobs", config, tmp_path / folder_name(config))

    return make


@pytest.fixture
def one_at_a_time():
    """Trainings run in this process, where the tests can watch and interrupt them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
