import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latentrank.data import load, load_like, load_samples, parameters
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(20, 8, 9, 3))


def test_all_samples_come_in_order_and_in_the_layout_of_the_training_data(tmp_path):
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "a.labels.npy", np.array([["dog"], ["cat"]] * 10))
    np.save(tmp_path / "one.npy", X[:1])
    np.save(tmp_path / "alone.npy", X[0])
    data = load(tmp_path / "a.npy")
    split, names = load_samples(tmp_path / "a.npy", data.preprocessing, data.shape)
    np.testing.assert_array_equal(split.x, np.moveaxis(X, 3, 1))
    assert names == ("cat", "dog")
    assert split.labels.tolist() == [1, 0] * 10
    assert split.rows.tolist() == list(range(20))
    for name in ("one", "alone"):
        split, _ = load_samples(tmp_path / f"{name}.npy", data.preprocessing, data.shape)
        np.testing.assert_array_equal(split.x, np.moveaxis(X[:1], 3, 1))


def test_images_come_in_the_order_of_their_names(tmp_path):
    for part, kind, i in (("train", "b", 0), ("train", "a", 1), ("val", "b", 2)):
        (tmp_path / part / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(tmp_path / part / kind / f"{i}.png")
    split, names = load_samples(tmp_path, Preprocessing(), (1, 4, 4), progress=False)
    assert split.x[:, 0, 0, 0].tolist() == [1, 0, 2]
    assert split.names.tolist() == ["train/a/1.png", "train/b/0.png", "val/b/2.png"]
    assert (names, split.labels.tolist()) == (("a", "b"), [0, 1, 1])


@pytest.mark.parametrize("count", [1, 10])
def test_files_of_one_array_each_come_in_the_order_of_their_names(tmp_path, count):
    for i in range(count):
        np.save(tmp_path / f"{i}.npy", np.full((4, 4), float(i)))
    split, _ = load_samples(tmp_path, Preprocessing(), (1, 4, 4))
    assert split.x[:, 0, 0, 0].tolist() == list(range(count))


def test_images_with_a_value_that_is_not_finite_are_refused(tmp_path):
    for i, value in enumerate((0.5, np.nan)):
        Image.fromarray(np.full((4, 4), value, np.float32)).save(tmp_path / f"{i}.tiff")
    with pytest.raises(InputError, match=r"NaN, infinity or a number beyond .* in row 1"):
        load_samples(tmp_path, Preprocessing(), (1, 4, 4), progress=False)


def test_only_some_of_the_samples_for_a_model_may_have_classes(tmp_path):
    parts = {"x_train": X, "x_test": X[:2], "y_test": np.array(["dog", "cat"])}
    np.savez(tmp_path / "x.npz", **parts)
    data = load_like(tmp_path / "x.npz", Preprocessing(layout="NHWC"), (3, 8, 9))
    assert data.train.labels is None
    assert data.test.labels.tolist() == [1, 0]


def test_samples_of_another_shape_are_refused(tmp_path):
    np.save(tmp_path / "a.npy", X)
    with pytest.raises(InputError, match=r"a\.npy has shape .*, expected samples of shape \(8,\)"):
        load_samples(tmp_path / "a.npy", Preprocessing(), (8,))


def test_new_samples_need_neither_labels_nor_parameters(tmp_path):
    header = "a,b,p,kind"
    (tmp_path / "old.csv").write_text("\n".join([header, *["1.5,2,3,u"] * 3, *["2.5,1,0,v"] * 3]))
    (tmp_path / "new.csv").write_text("a,b\n1.5,2\n")
    how = {"labels": "kind", "parameters": "p"}
    data = load(tmp_path / "old.csv", **how)
    split, names = load_samples(tmp_path / "new.csv", data.preprocessing, data.shape, **how)
    assert split.x.tolist() == [[1.5, 2]]
    assert names is split.labels is split.parameters is None
    split, names = load_samples(tmp_path / "old.csv", data.preprocessing, data.shape, **how)
    assert (names, split.parameters[0].tolist()) == (("u", "v"), [3])


@pytest.mark.parametrize("setting", ["labels", "parameters", "columns", "kind", "layout"])
def test_settings_that_data_have_no_use_for_are_refused_rather_than_ignored(tmp_path, setting):
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(tmp_path / "a.png")
    given = {setting: {"kind": "curves", "layout": "NHW"}.get(setting, "species")}
    for source in (tmp_path, "gaussian2d"):
        with pytest.raises(InputError, match=f"{setting} does not apply to"):
            load(source, **given)
    if setting not in ("kind", "layout"):
        np.save(tmp_path / "x.npy", X)
        with pytest.raises(InputError, match=f"{setting} does not apply to"):
            load(tmp_path / "x.npy", **given)


def test_folders_of_splits_are_the_parts_of_data_like_those_of_a_model(tmp_path):
    for number, place in enumerate(("test/a", "test/b", "train/a", "train/b", "valid/a")):
        (tmp_path / place).mkdir(parents=True)
        Image.new("L", (4, 4), number).save(tmp_path / place / "0.png")
    data = load_like(tmp_path, Preprocessing(), (1, 4, 4), progress=False)
    assert data.train.x[:, 0, 0, 0].tolist() == [2, 3, 4]
    assert data.test.names.tolist() == ["test/a/0.png", "test/b/0.png"]
    assert data.test.x[:, 0, 0, 0].tolist() == data.test.labels.tolist() == [0, 1]
    every, _ = load_samples(tmp_path, Preprocessing(), (1, 4, 4), progress=False)
    assert every.x[:, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]


def test_the_size_that_images_were_resized_to_says_nothing_of_samples_that_are_arrays(tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((3, 64, 64)))
    for source, count in ((tmp_path / "a.npy", 3), ("gaussian2d", 1100)):
        split, _ = load_samples(source, Preprocessing(), (1, 64, 64), image_size=64)
        assert split.x.shape == (count, 1, 64, 64)


def test_columns_that_vary_only_later_are_named(tmp_path):
    table = pd.DataFrame({"p": GENERATOR.random(6), "valve": 1.0})
    table.to_csv(tmp_path / "then.csv", index=False)
    table.assign(valve=[1, 1, 0, 1, 1, 1]).to_csv(tmp_path / "now.csv", index=False)
    data = load(tmp_path / "then.csv")
    with pytest.warns(UserWarning, match=r"did not vary there \(valve\)"):
        load_samples(tmp_path / "now.csv", data.preprocessing, data.shape)


@pytest.mark.parametrize("parts", [["test", "train", "train", "val", "test"], ["test"] * 5])
def test_samples_of_a_table_divided_by_a_column_come_in_its_order(tmp_path, parts):
    frame = pd.DataFrame({"a": np.arange(5.0), "b": np.arange(5.0) ** 2, "split": parts})
    frame.to_csv(tmp_path / "t.csv", index=False)
    split, _ = load_samples(tmp_path / "t.csv", Preprocessing(), (2,))
    np.testing.assert_array_equal(split.x[:, 0], frame["a"])
    assert split.rows.tolist() == [0, 1, 2, 3, 4]
    read = parameters.read(tmp_path / "t.csv", 2, ("a", "b"))
    np.testing.assert_array_equal(read[:, 1], frame["b"])


@pytest.mark.parametrize("row", ["3,4", "1 2", "1", "2,3,4,5"])
def test_the_only_line_of_a_table_of_parameters_is_a_row(tmp_path, row):
    (tmp_path / "t.csv").write_text(row + "\n")
    values = [float(word) for word in row.replace(",", " ").split()]
    assert parameters.read(tmp_path / "t.csv", len(values), "abcd"[: len(values)]).tolist() == [
        values
    ]


def test_rows_in_messages_are_those_of_the_file(tmp_path):
    """Also where a column divides its rows."""
    frame = pd.DataFrame(
        {"a": np.arange(8.0), "y": list("abababab"), "split": ["test", "train"] * 4}
    )
    frame.loc[5, "a"] = np.inf
    frame.to_csv(tmp_path / "x.csv", index=False)
    for read in (load, lambda path: load_like(path, Preprocessing(), (1,))):
        with pytest.raises(InputError, match=r"in row 5, counted from 0"):
            read(tmp_path / "x.csv")
    frame.assign(a=1.0, label=["c"] * 3 + [None] + ["d"] * 4).to_csv(
        tmp_path / "y.csv", index=False
    )
    with pytest.raises(InputError, match=r"the first in row 3, counted from 0"):
        load(tmp_path / "y.csv")
