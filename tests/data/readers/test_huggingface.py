import hashlib
import json
import os
import subprocess
import sys

import datasets
import numpy as np
import pytest
from PIL import Image

from latentrank.data import load
from latentrank.errors import InputError
from tests.local_server import Handler, LocalServer

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


def test_labels_of_a_challenge_are_left_out(tmp_path):
    """A label of -1 stands for none, as a rule in all test samples."""
    (train, *_), (test, *_) = with_images(4), with_images(2)
    features = test.features
    hidden = test.remove_columns("label").add_column("label", [-1, -1]).cast(features)
    datasets.DatasetDict({"train": train, "test": hidden}).save_to_disk(tmp_path / "d")
    data = load(tmp_path / "d")
    assert data.train.labels is None
    assert data.class_names is None
    assert any("labels are left out: 2 samples of" in note for note in data.notes)
    with pytest.raises(InputError, match="numbers from -1 to -1"):
        load(tmp_path / "d", labels="label")


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


@pytest.mark.parametrize(
    ("kind", "shape"), [("float32", (4, 5)), ("uint8", (2, 4, 5)), ("float64", (2, 3, 4, 5))]
)
def test_arrays_of_fixed_shape(kind, shape):
    x = GENERATOR.integers(0, 9, (6, *shape)).astype(kind)
    arrays = {2: datasets.Array2D, 3: datasets.Array3D, 4: datasets.Array4D}
    features = datasets.Features({"u": arrays[len(shape)](shape, kind)})
    made = datasets.Dataset.from_dict({"u": list(x)}, features)
    data = load(made, layout="NHW" if len(shape) == 2 else None)
    np.testing.assert_array_equal(data.train.x.reshape(-1, *shape), x[data.train.rows])


def test_columns_have_the_roles_that_they_have_in_any_table():
    x = GENERATOR.normal(size=(10, 2))
    features = datasets.Features(
        id=datasets.Value("int64"),
        a=datasets.Value("float64"),
        species=datasets.ClassLabel(names=["oak", "ash"]),
        note=datasets.Value("string"),
        b=datasets.Value("float64"),
    )
    columns = {"id": range(10), "a": x[:, 0], "species": [1, 0] * 5, "note": ["n"] * 10}
    data = load(datasets.Dataset.from_dict({**columns, "b": x[:, 1]}, features))
    np.testing.assert_array_equal(data.train.x, x[data.train.rows])
    assert data.train.names.tolist() == [str(row) for row in data.train.rows]
    np.testing.assert_array_equal(data.train.labels, (data.train.rows + 1) % 2)
    assert data.class_names == ("oak", "ash")
    assert [axis.name for axis in data.axes.channels] == ["a", "b"]
    assert {
        "Labels are read from the column species.",
        "Names of samples are read from the column id.",
        "Unused columns: note.",
    } <= {*data.notes}


def test_images_are_not_read_from_masks_unnoticed():
    x, masks = pictures(4), pictures(4)
    made = datasets.Dataset.from_dict(
        {n: [Image.fromarray(p) for p in held] for n, held in (("mask", masks), ("image", x))}
    )
    data = load(made)
    np.testing.assert_array_equal(data.train.x, np.moveaxis(np.stack(x), 3, 1)[data.train.rows])
    assert "Images are read from the column image, not from mask." in data.notes


def test_tables_that_are_splits_may_name_them_in_a_column_as_well():
    def table(n, split):
        x = np.arange(n, dtype=float)
        return datasets.Dataset.from_dict({"a": x, "b": -2 * x, "split": [split] * n})

    data = load(datasets.DatasetDict(train=table(40, "train"), test=table(10, "test")))
    assert (len(data.train), len(data.test), data.shape) == (40, 10, (2,))


def test_splits_by_less_usual_names():
    parts = {n: datasets.Dataset.from_dict({"u": [[1.0, 2.0]] * n}) for n in (3, 2)}
    data = load(datasets.DatasetDict(train_small=parts[3], test_small=parts[2]))
    assert (len(data.train), len(data.test)) == (3, 2)
    with pytest.raises(InputError, match="has the splits en, de, none of which is for training"):
        load(datasets.DatasetDict(en=parts[3], de=parts[2]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"u": [[1.0], [1.0, 2.0]]}, r"in its column u, have shapes \(1,\), \(2,\)"),
        ({"a": [1.0, 2.0], "p": ["x", "y"]}, "text in its column p .'x' in row 0"),
        ({"image": [Image.new("L", (4, 4)), None]}, r"data: train\[1\] has no image"),
        ({"a": [1.0, None]}, r"lacks values in 1 of its columns, a \(1\)"),
    ],
)
def test_columns_that_cannot_be_used_are_named(columns, message):
    part = datasets.Dataset.from_dict(columns)
    with pytest.raises(InputError, match=message):
        load(
            datasets.DatasetDict(train=part, test=part), parameters="p" if "p" in columns else None
        )


class FakeHub(LocalServer):
    """The few addresses of the Hub that loading of one data set, `me/pulses`, uses."""

    def __init__(self, files):
        super().__init__(_Handler)
        self.files = files
        self.asked = 0


class _Handler(Handler):
    commit = "c" * 40

    def do_GET(self):  # noqa: N802 - as http.server calls it
        self.server.asked += 1
        path, files = self.path.partition("?")[0], self.server.files
        name = path.partition("/resolve/")[2].partition("/")[2]
        if name in files:
            digest = hashlib.sha1(files[name]).hexdigest()
            about = {"ETag": f'"{digest}"', "X-Repo-Commit": self.commit}
            return self.send(files[name], headers=about)
        listed = path.partition("/tree/")[2].partition("/")
        if listed[0]:
            return self.send(json.dumps([*self.rows(listed[2])]).encode())
        if path.startswith("/api/datasets/me/pulses"):
            siblings = [{"rfilename": name} for name in files]
            found = {"id": "me/pulses", "sha": self.commit, "siblings": siblings}
            return self.send(json.dumps(found).encode())
        return self.send(b"{}", 404, {"X-Error-Code": "EntryNotFound"})

    do_HEAD = do_GET  # noqa: N815

    def rows(self, folder):
        """What the Hub lists of one folder."""
        start = f"{folder}/" if folder else ""
        inside = [name.removeprefix(start) for name in self.server.files if name.startswith(start)]
        for one in sorted({name.partition("/")[0] for name in inside}):
            content = self.server.files.get(start + one)
            kind = "directory" if content is None else "file"
            yield {"type": kind, "path": start + one, "size": len(content or ""), "oid": "0" * 40}


def load_in_a_new_process(name, download, home, endpoint):
    """The sum of the training samples, their labels, how many are for testing, and the shape."""
    program = (
        "from latentrank.data import load\n"
        f"data = load({name!r}, download={download}, kind='curves')\n"
        "print(data.train.x.sum(), data.train.labels.tolist(), len(data.test), data.shape)\n"
        "print(*data.notes)"
    )
    # the libraries read these when they are imported
    environment = {**os.environ, "HF_HOME": str(home), "HF_ENDPOINT": endpoint}
    environment |= {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True
    )


@pytest.mark.slow
def test_a_data_set_comes_by_name_and_then_from_the_cache_without_network(tmp_path):
    x, labels = GENERATOR.integers(0, 9, (8, 5)), [0, 1] * 4
    files = {"README.md": b"# Pulses"}
    for part, rows in {"train": slice(0, 6), "test": slice(6, 8)}.items():
        table = {"signal": x[rows].tolist(), "label": labels[rows]}
        datasets.Dataset.from_dict(table).to_parquet(tmp_path / "part.parquet")
        files[f"data/{part}-00000-of-00001.parquet"] = (tmp_path / "part.parquet").read_bytes()
    hub = FakeHub(files)
    where = (tmp_path / "home", hub.url)
    before = load_in_a_new_process("hf:me/pulses", False, *where)
    assert "hf:me/pulses is not on this machine" in before.stderr
    assert hub.asked == 0, "nothing is fetched unless asked"
    expected = f"{x[:6].sum()} {labels[:6]} 2 (1, 5)"
    fetched = load_in_a_new_process("hf:me/pulses", True, *where)
    assert fetched.stdout.splitlines()[0] == expected, fetched.stderr
    requests = hub.asked
    again = load_in_a_new_process("hf:me/pulses", False, *where)
    assert again.stdout.splitlines()[0] == expected, again.stderr
    assert hub.asked == requests
    hub.close()


@pytest.mark.slow
def test_of_several_configurations_one_is_named(tmp_path):
    about = "---\nconfigs:\n"
    files = {}
    for scale, name in enumerate(["low", "high"], 1):
        about += f"- config_name: {name}\n  data_files: {name}/*.parquet\n"
        table = {"signal": (np.ones((8, 5)) * scale).tolist(), "label": [0, 1] * 4}
        datasets.Dataset.from_dict(table).to_parquet(tmp_path / "part.parquet")
        files[f"{name}/train-00000-of-00001.parquet"] = (tmp_path / "part.parquet").read_bytes()
    hub = FakeHub({**files, "README.md": f"{about}---\n".encode()})
    where = (tmp_path / "home", hub.url)
    for wrong in ("hf:me/pulses", "hf:me/pulses:middle"):
        refused = load_in_a_new_process(wrong, True, *where).stderr
        assert "'low', 'high'" in refused
        assert "as in hf:me/pulses:CONFIGURATION" in refused
    kept = (4 + 4 // 2) * 5  # samples for training times their length
    fetched = load_in_a_new_process("hf:me/pulses:high", True, *where)
    assert fetched.stdout.startswith(f"{2.0 * kept} "), fetched.stderr
    for name, told in {"hf:me/pulses:high": False, "hf:me/pulses": True}.items():
        again = load_in_a_new_process(name, False, *where)
        assert again.stdout.splitlines()[0] == fetched.stdout.splitlines()[0], again.stderr
        assert ("The configuration high is read." in again.stdout) == told
    hub.close()


def test_what_is_not_on_this_machine_is_not_fetched(monkeypatch):
    def connect(*_):
        pytest.fail("connected unasked")

    monkeypatch.setattr("socket.socket.connect", connect)
    with pytest.raises(
        InputError, match=r"hf:nobody/nothing is not on this machine .* download=True"
    ):
        load("hf:nobody/nothing")
    assert not datasets.config.HF_HUB_OFFLINE


def test_data_in_memory_are_read_as_those_saved(tmp_path):
    made, *_ = with_images(8)
    numbers = datasets.Dataset.from_dict({"x": GENERATOR.normal(size=(8, 3)).tolist()})
    both = datasets.DatasetDict(train=numbers, test=numbers)
    for number, source in enumerate((made, numbers, both)):
        source.save_to_disk(tmp_path / str(number))
        there = load(tmp_path / str(number))
        for here in (source, source.with_format("torch")):
            assert load(here).fingerprint == there.fingerprint
            assert load(here).class_names == there.class_names
    changed = numbers.with_transform(lambda rows: {"x": [[2.0]] * len(rows["x"])})
    with pytest.raises(InputError, match="are dictionaries"):
        load(changed)


def test_the_name_after_hf_is_not_empty():
    with pytest.raises(InputError, match="hf: lacks the name of a data set; give one"):
        load("hf:")


def test_samples_are_images_of_one_column():
    pictures = [Image.new("L", (4, 4), i) for i in range(3)]
    source = datasets.Dataset.from_dict({"image": pictures, "mask": pictures})
    with pytest.raises(
        InputError, match="names image, mask of data, expected one column of images"
    ):
        load(source, columns="image,mask")


def test_several_parts_of_one_split_are_all_read():
    tables = {
        name: datasets.Dataset.from_dict({"a": list(map(float, rows)), "b": [1.5] * len(rows)})
        for name, rows in (("train_a", range(4)), ("train_b", range(4, 9)), ("test_a", range(3)))
    }
    data = load(datasets.DatasetDict(tables))
    assert data.train.x[:, 0].tolist() == list(range(9))
    assert len(data.test) == 3
