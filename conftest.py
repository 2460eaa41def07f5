"""Every test and every docstring example starts from the same random state."""

import os
from collections.abc import Iterator

os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np
import pytest
import torch


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Seed torch and numpy, and keep each test worker to one thread."""
    torch.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - libraries under test draw from it


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep decoded data and trained classifiers out of the cache of whoever runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LATENTRANK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Keep parallel workers from fighting over the cores, and able to fork."""
    # At its first backward pass torch starts a thread for each GPU and refuses to run in forks from
    # then on. After a compilation it counts one GPU even where there is none.
    torch.ones(1, requires_grad=True).sum().backward()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        torch.set_num_threads(1)
