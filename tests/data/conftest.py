"""Every test of data prepares its arrays in its own cache folder."""

import os
from pathlib import Path

import pytest

from tests.data.pictures import pixels, save


@pytest.fixture(autouse=True)
def cache_folder(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("LATENTRANK_CACHE", str(folder))
    return folder


@pytest.fixture
def real_data():
    root = Path(os.environ.get("LATENTRANK_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not root.is_dir():
        pytest.skip(f"no folder {root} with the real files; set LATENTRANK_DATA to one")
    return root


@pytest.fixture
def folder(tmp_path):
    for i in range(10):
        save(tmp_path / "pictures" / f"{i}.png", pixels())
    return tmp_path / "pictures"
