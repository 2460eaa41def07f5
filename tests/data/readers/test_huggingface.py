import datasets
import numpy as np
import pytest
from PIL import Image

from latentrank.data import load
from latentrank.errors import InputError

GENERATOR = np.random.default_rng(0)


def pictures(n):
    return [GENERATOR.integers(0, 256, (6, 8, 3), dtype=np.uint8) for _ in range(n)]


def with_images(n):
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=["dog", "cat"])}
    )
    x, y = pictures(n), GENERATOR.integers(0, 2, n)
    rows = {"image": [Image.fromarray(picture) for picture in x], "label": y}
    return datasets.Dataset.from_dict(rows, features), np.stack(x), y


def test_images_with_classes_and_splits(tmp_path):
    (train, x, y), (test, *_), (rest, *_) = (with_images(n) for n in (6, 3, 2))
    parts = {"train": train, "test": test, "unsupervised": rest}
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "d")
    for _ in range(2):  # decoded, and from the cache
        data = load(tmp_path / "d")
        assert data.class_names == ("dog", "cat")
        np.testing.assert_array_equal(data.train.labels, y)
        np.testing.assert_array_equal(data.train.x, np.moveaxis(x, 3, 1))
        assert len(data.test) == 3
        assert "Skipped samples of the split unsupervised (2)." in data.notes


def test_columns_of_numbers_and_of_arrays(tmp_path):
    x = GENERATOR.normal(size=(10, 4))
    table = {"a": x[:, 0], "b": x[:, 1], "class": ["u", "v"] * 5, "p": x[:, 2]}
    datasets.Dataset.from_dict(table).save_to_disk(tmp_path / "t")
    data = load(tmp_path / "t", parameters="p")
    np.testing.assert_array_equal(data.train.x, x[data.train.rows, :2])
    np.testing.assert_array_equal(data.train.parameters, x[data.train.rows, 2:3])
    assert data.class_names == ("u", "v")
    datasets.Dataset.from_dict({"field": list(x)}).save_to_disk(tmp_path / "f")
    assert load(tmp_path / "f", kind="curves").shape == (1, 4)


def test_what_is_not_on_this_machine_is_not_fetched(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=r"hf:nobody/nothing cannot be loaded .* --download"):
        load("hf:nobody/nothing")
