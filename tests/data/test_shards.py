import nibabel
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latentrank.data import load, views
from latentrank.errors import InputError

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(24, 3))


@pytest.fixture(params=["in memory", "large"])
def size(request, monkeypatch):
    if request.param == "large":
        monkeypatch.setattr(views, "LARGE", 100)
        monkeypatch.setattr(views, "BLOCK_VALUES", 10)


def test_files_named_after_roles_are_named_arrays(tmp_path):
    np.save(tmp_path / "X_train.npy", X[:20])
    np.save(tmp_path / "X_test.npy", X[20:])
    np.save(tmp_path / "y_train.npy", np.arange(20.0)[:, None])
    np.save(tmp_path / "y_test.npy", np.arange(4.0)[:, None])
    data = load(tmp_path)
    assert data.train.labels.tolist() == list(range(20))
    np.testing.assert_array_equal(data.test.x, X[20:])


def test_files_named_after_splits_are_these_also_in_pieces(tmp_path, size):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame[:10].to_parquet(tmp_path / "train-00000-of-00002.parquet")
    frame[10:20].to_parquet(tmp_path / "train-00001-of-00002.parquet")
    frame[20:].to_parquet(tmp_path / "test-00000-of-00001.parquet")
    data = load(tmp_path)
    np.testing.assert_array_equal(np.asarray(data.train.x), X[:20])
    np.testing.assert_array_equal(np.asarray(data.test.x), X[20:])


def test_pieces_of_one_table_are_joined(tmp_path, size):
    for i in range(3):
        np.savetxt(tmp_path / f"part{i}.csv", X[8 * i : 8 * i + 8], delimiter=",")
    data = load(tmp_path)
    np.testing.assert_array_equal(np.asarray(data.test.x), X[data.test.rows])


def test_pieces_that_name_their_splits_keep_them(tmp_path, size):
    for piece in range(2):
        (tmp_path / f"{piece}.csv").write_text(
            "a,b,split\n"
            + "".join(f"{piece},{i},{'test' if i > 7 else 'train'}\n" for i in range(10))
        )
    data = load(tmp_path)
    assert data.train.x[:, 1].max() == 7
    assert (len(data.train), len(data.test)) == (16, 4)
    assert data.test.x[:, 0].tolist() == [0, 0, 1, 1]


def test_pieces_with_training_and_test_samples_keep_them_apart(tmp_path, size):
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    for piece in range(2):
        np.savez(tmp_path / f"part-{piece}.npz", x=x + piece, x_test=-x[:5])
    data = load(tmp_path)
    np.testing.assert_array_equal(data.train.x, np.concatenate([x, x + 1]))
    np.testing.assert_array_equal(data.test.x, np.concatenate([-x[:5], -x[:5]]))
    np.savez(tmp_path / "part-2.npz", x=x)
    with pytest.raises(InputError, match=r"part-0.npz holds training and test samples, and other"):
        load(tmp_path)


def test_splits_named_twice(tmp_path):
    for split in ("train", "test"):
        rows = "".join(f"{i},{-i},{split}\n" for i in range(10))
        (tmp_path / f"{split}.csv").write_text(f"a,b,split\n{rows}")
    data = load(tmp_path)
    assert (len(data.train), len(data.test), data.shape) == (10, 10, (2,))


def test_a_file_named_after_a_split_that_holds_both_is_refused(tmp_path):
    x = np.arange(40, dtype=np.float32).reshape(20, 2)
    np.savez(tmp_path / "train.npz", x=x, x_test=x)
    np.savez(tmp_path / "test.npz", x=x)
    with pytest.raises(InputError, match=r"train\.npz holds training and test samples, and"):
        load(tmp_path)


def test_pieces_of_different_shapes_are_refused(tmp_path):
    pd.DataFrame(X).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame(X[:, :2]).to_csv(tmp_path / "b.csv", index=False)
    with pytest.raises(InputError, match=r"b\.csv has samples of shape \(2,\) and .* of \(3,\)"):
        load(tmp_path)


def test_files_of_one_array_each_are_samples_in_splits_and_classes(tmp_path):
    for part in ("train", "test"):
        for kind in ("bone", "air"):
            (tmp_path / part / kind).mkdir(parents=True)
            for i in range(3):
                np.save(tmp_path / part / kind / f"{i}.npy", GENERATOR.normal(size=(9, 9)))
    data = load(tmp_path)
    assert data.shape == (1, 9, 9)
    assert data.class_names == ("air", "bone")
    assert data.test.names.tolist()[0] == "test/air/0.npy"
    assert data.test.labels.tolist() == [0, 0, 0, 1, 1, 1]


def test_volumes_of_nifti(tmp_path):
    volumes = GENERATOR.normal(size=(6, 4, 5, 7)).astype(np.float32)
    (tmp_path / "each").mkdir()
    for i, volume in enumerate(volumes):
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "each" / f"{i}.nii.gz")
    series = nibabel.Nifti1Image(np.moveaxis(volumes, 0, 3), np.eye(4))
    nibabel.save(series, tmp_path / "series.nii")
    for path in ("each", "series.nii"):
        data = load(tmp_path / path)
        assert data.shape == (1, 4, 5, 7)
        np.testing.assert_array_equal(np.asarray(data.train.x)[:, 0], volumes[data.train.rows])
    with pytest.raises(InputError, match=r"0.nii.gz holds 1 sample; at least 2"):
        load(tmp_path / "each" / "0.nii.gz")


def test_volumes_of_different_orientation_are_turned_to_one(tmp_path):
    """As an orientation tag turns a picture: every file below describes the same places."""
    volumes = GENERATOR.normal(size=(4, 4, 5, 6)).astype(np.float32)
    stored = [
        (volumes[0], np.eye(4)),
        (volumes[1][::-1], np.diag([-1, 1, 1, 1])),
        (volumes[2].transpose(2, 0, 1), np.eye(4)[:, [2, 0, 1, 3]]),
        (volumes[3], None),  # an orientation that the file does not state is not guessed
    ]
    for i, (values, affine) in enumerate(stored):
        nibabel.save(nibabel.Nifti1Image(values, affine), tmp_path / f"{i}.nii")
    data = load(tmp_path)
    for split in (data.train, data.test):
        np.testing.assert_array_equal(np.asarray(split.x)[:, 0], volumes[split.rows])
    assert "NIfTI files whose axes were turned to RAS: 2." in data.notes


@pytest.mark.parametrize("names", ["train-{}.nii.gz", "x_train.nii", "{}.nii"])
def test_volumes_by_name(tmp_path, names):
    """One volume or a series for a split, and several values at each place."""
    volumes = GENERATOR.normal(size=(3, 4, 5, 6)).astype(np.float32)
    for i, volume in enumerate(volumes):
        series, several = "x_" in names, names.startswith("{")
        values = np.moveaxis(volumes, 0, 3) if series else volume
        values = np.stack([volume, -volume], axis=3) if several else values
        for split in ("train", "test"):
            name = names.format(i).replace("train", split)
            nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / name)
    data = load(tmp_path)
    expected = np.stack([volumes, -volumes], 1) if several else volumes[:, None]
    rows = slice(None) if data.train.rows is None else data.train.rows
    np.testing.assert_array_equal(data.train.x, expected[rows])


def test_large_volumes_are_read_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.setattr("latentrank.data.views.LARGE", 100)
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path / "cache"))
    volumes = GENERATOR.normal(size=(4, 4, 5, 6)).astype(np.float32)
    (tmp_path / "d").mkdir()
    for i, volume in enumerate(volumes):
        nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "d" / f"{i}.nii.gz")
    data = load(tmp_path / "d")
    np.testing.assert_array_equal(np.asarray(data.train.x)[:, 0], volumes[data.train.rows])
    assert list((tmp_path / "cache").iterdir())


def test_pages_of_one_file_are_samples(tmp_path):
    pages = GENERATOR.integers(0, 4096, (7, 5, 6)).astype(np.uint16)
    first, *rest = [Image.fromarray(page) for page in pages]
    first.save(tmp_path / "stack.tif", save_all=True, append_images=rest)
    data = load(tmp_path / "stack.tif")
    np.testing.assert_array_equal(data.train.x[:, 0], pages[data.train.rows])
    first.save(tmp_path / "one.tif")
    with pytest.raises(InputError, match=r"one\.tif holds 1 sample; at least 2"):
        load(tmp_path / "one.tif")


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("words")
    with pytest.raises(
        InputError, match=r"no data; skipped .* types \(1\): notes\.txt; expected .*\.csv"
    ):
        load(tmp_path)


def test_files_of_images_and_labels_are_named_arrays(tmp_path):
    for part, count in (("train", 6), ("test", 4)):
        x = GENERATOR.integers(0, 256, (count, 8, 8), dtype=np.uint8)
        np.save(tmp_path / f"{part}_images.npy", x)
        np.save(tmp_path / f"{part}_labels.npy", x[:, 0, 0])
    data = load(tmp_path)
    assert (len(data.train), len(data.test)) == (6, 4)
    np.testing.assert_array_equal(data.train.labels, data.train.x[:, 0, 0, 0])


def test_a_series_of_several_values_at_each_place_is_refused(tmp_path):
    for values in (2, 1):
        volumes = GENERATOR.normal(size=(4, 5, 6, values, 3))
        nibabel.save(nibabel.Nifti1Image(volumes, np.eye(4)), tmp_path / f"{values}.nii")
    with pytest.raises(InputError, match=r"2\.nii holds an array of shape .*; expected a volume"):
        load(tmp_path / "2.nii")
    assert load(tmp_path / "1.nii").shape == (1, 4, 5, 6)


def test_other_columns_of_a_folder_are_read_anew(tmp_path, size):
    """Large ones are kept, and were once returned whatever columns were asked for."""
    every = np.column_stack([X, np.arange(24) % 3])
    for number in range(2):
        frame = pd.DataFrame(every[12 * number :][:12], columns=["a", "b", "c", "y"])
        frame.astype({"y": int}).to_csv(tmp_path / f"{number}.csv", index=False)
    asked = (({"columns": "a"}, [0]), ({"labels": "y"}, [0, 1, 2]), ({"columns": "y"}, [3]))
    for how, columns in (*asked, ({"columns": "c,a"}, [2, 0])):
        data = load(tmp_path, **how)
        rows = np.sort(np.concatenate([np.asarray(data.train.x), np.asarray(data.test.x)]), axis=0)
        np.testing.assert_allclose(rows, np.sort(every[:, columns], axis=0))


def test_files_in_a_linked_folder_that_change_are_read_anew(tmp_path, size):
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "disk")
    for shift in (0, 5):
        for number in range(4):
            np.save(tmp_path / "disk" / f"{number}.npy", X + number + shift)
        assert np.asarray(load(tmp_path / "data").test.x).min() > X.min() + shift - 1


def test_splits_of_a_folder_have_the_labels_and_parameters_beside_them(tmp_path):
    for split, rows in (("train", slice(20)), ("test", slice(20, 24))):
        np.save(tmp_path / f"{split}.npy", X[rows])
        np.save(tmp_path / f"{split}.labels.npy", np.arange(24)[rows])
        np.save(tmp_path / f"{split}.parameters.npy", X[rows, :1])
    data = load(tmp_path)
    np.testing.assert_array_equal(data.test.x, X[20:])
    assert data.test.labels.tolist() == [20, 21, 22, 23]
    np.testing.assert_array_equal(data.train.parameters, X[:20, :1])


@pytest.mark.parametrize("name", ["data", "x", "measured"])
def test_a_folder_of_one_file_is_read_as_that_file(tmp_path, name):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["label"], frame["split"] = np.arange(24) % 3, ["train"] * 20 + ["test"] * 4
    frame.to_csv(tmp_path / f"{name}.csv", index=False)
    data = load(tmp_path)
    np.testing.assert_array_equal(data.train.x, X[:20])
    np.testing.assert_array_equal(data.test.x, X[20:])
    assert data.test.labels.tolist() == [2, 0, 1, 2]


def test_an_archive_and_an_array_alone_in_a_folder_keep_their_labels(tmp_path):
    for folder in ("archive", "array"):
        (tmp_path / folder).mkdir()
    y = np.arange(24) % 3
    np.savez(tmp_path / "archive" / "data.npz", x=X[:20], y=y[:20], x_test=X[20:], y_test=y[20:])
    np.save(tmp_path / "array" / "field.npy", X)
    np.save(tmp_path / "array" / "field.labels.npy", y)
    one, other = load(tmp_path / "archive"), load(tmp_path / "array")
    np.testing.assert_array_equal(one.test.x, X[20:])
    assert one.test.labels.tolist() == [2, 0, 1, 2]
    assert other.test.labels.tolist() == y[other.test.rows].tolist()


@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another array"])
def test_files_of_samples_have_the_labels_that_they_hold(tmp_path, beside):
    frame = pd.DataFrame(X, columns=["a", "b", "c"]).assign(label=np.arange(24) % 3)
    frame[:20].to_csv(tmp_path / "x_train.csv", index=False)
    frame[20:].to_csv(tmp_path / "x_test.csv", index=False)
    if beside:
        np.save(tmp_path / "places.npy", np.zeros((3, 2)))
    data = load(tmp_path)
    np.testing.assert_array_equal(data.test.x, X[20:])
    assert data.test.labels.tolist() == [2, 0, 1, 2]
    if beside:
        frame.assign(split=["train"] * 12 + ["test"] * 12).to_csv(tmp_path / "x_test.csv")
        with pytest.raises(InputError, match=r"x_test\.csv holds training and test samples"):
            load(tmp_path)


def test_an_array_made_from_a_volume_may_say_so_in_its_name(tmp_path):
    for i in range(5):
        np.save(tmp_path / f"{i}.nii.npy", GENERATOR.normal(size=(6, 6)))
    assert load(tmp_path).shape == (1, 6, 6)
