"""Folders of images: which files are samples, and what the names of folders mean."""

import os
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from latentrank.data import folders
from latentrank.data import load as load_any
from latentrank.data.arrays import Meaning
from latentrank.errors import InputError
from tests.data.pictures import load, pixels, save


def test_one_folder_per_class_gives_labels(tmp_path):
    for i in range(6):
        for value, kind in enumerate(("bird", "cat", "dog")):
            save(tmp_path / "all" / kind / f"{i}.png", np.full((4, 4, 3), value, np.uint8))
    data = load(tmp_path)
    for split in (data.train, data.test):
        assert split.labels.dtype == np.int64
        assert np.array_equal(split.x[:, 0, 0, 0], split.labels)
    assert set(data.train.labels) == {0, 1, 2}


def test_train_and_test_folders_are_the_splits(tmp_path):
    for part, n in (("train", 3), ("test", 2)):
        for value, kind in enumerate(("a", "b")):
            for i in range(n):
                save(tmp_path / part / kind / f"{i}.png", np.full((4, 4), 10 * n + value, np.uint8))
    data = load(tmp_path)
    assert data.train.x[:, 0, 0, 0].tolist() == [30, 30, 30, 31, 31, 31]
    assert data.test.x[:, 0, 0, 0].tolist() == [20, 20, 21, 21]
    assert data.test.labels.tolist() == [0, 0, 1, 1]


def test_train_and_test_without_classes_have_no_labels(tmp_path):
    for part in ("train", "test"):
        save(tmp_path / part / "0.png", pixels(4, 4))
    data = load(tmp_path)
    assert not any("outside" in note for note in data.notes)
    save(tmp_path / "stray.png", pixels(4, 4))
    data = load(tmp_path)
    assert any("outside the folders of splits (1)" in note for note in data.notes)
    assert data.train.labels is None
    assert (len(data.train), len(data.test)) == (1, 1)


@pytest.mark.parametrize("other", ["stray.png", "valid/ape/0.png"])
def test_files_that_are_left_out_are_of_no_class(tmp_path, other):
    for name in ("train/cat/0.png", "train/dog/0.png", "test/cat/0.png", other):
        save(tmp_path / name, pixels(4, 4))
    data = load_any(tmp_path, progress=False, validation="none")
    assert data.class_names == ("cat", "dog")
    assert data.train.labels.tolist() == [0, 1]


def test_links_in_circles_and_links_to_what_is_read_already_add_nothing(folder):
    (folder / "again").symlink_to(folder.resolve())
    (folder / "z.png").symlink_to(folder / "3.png")
    (folder / "-.png").symlink_to(folder / "3.png")
    data = load(folder)
    assert len(data.train) + len(data.test) == 10
    assert data.notes[:2] == (
        "Skipped links to files already read (2): -.png, z.png.",
        "Skipped links to folders already read (1): again.",
    )


@pytest.mark.parametrize("rest", [False, True])
def test_links_to_what_lies_elsewhere_are_followed_once(folder, tmp_path, rest):
    (tmp_path / "pile").mkdir()
    for name in ("one.png", "two.png"):
        (tmp_path / "pile" / name).symlink_to(folder / "3.png")
    if rest:
        (tmp_path / "pile" / "rest").symlink_to(folder)
    expected = [f"rest/{i}.png" for i in range(10)] if rest else ["one.png"]
    assert folders.find(tmp_path / "pile", [".png"]).names == expected


def test_links_to_files_elsewhere_are_followed(folder, tmp_path):
    for part in ("train", "test"):
        (tmp_path / "farm" / part).mkdir(parents=True)
    for i in range(10):
        (tmp_path / "farm" / ("train" if i else "test") / f"{i}.png").symlink_to(
            folder / f"{i}.png"
        )
    data = load(tmp_path / "farm")
    assert (len(data.train), len(data.test)) == (9, 1)


def test_what_is_passed_over_is_counted_and_named(folder):
    (folder / "z.png").symlink_to("/nonexistent/z.png")
    os.mkfifo(folder / "pipe.png")  # opening it would wait forever
    for name in ("notes.txt", "labels.csv", ".DS_Store"):
        (folder / name).write_text("no image")
    assert load(folder).notes[:3] == (
        "Skipped broken links (1): z.png.",
        "Skipped pipes and devices (1): pipe.png.",
        "Skipped files of other types (2): labels.csv, notes.txt.",
    )


@pytest.mark.parametrize(
    "kept", ["@eaDir", "@EADIR", ".AppleDouble", "__MACOSX", "$RECYCLE.BIN", "lost+found", "@tmp"]
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_the_system_keeps_beside_images_is_no_image_and_no_class(kept, packed, tmp_path):
    """Thumbnails in a folder of the storage system, at the top and in the folder of a class."""
    for kind in ("cat", "dog"):
        for i in range(4):
            save(tmp_path / "all" / kind / f"{i}.png", np.zeros((4, 4, 3), np.uint8))
    place = tmp_path / "all"
    for beside in (place, place / "cat"):
        save(beside / kept / "0.png" / "SYNOPHOTO_THUMB_M.png", np.ones((9, 9, 3), np.uint8))
        for name in (".DS_Store", "Thumbs.db", "thumbs.db", "desktop.ini"):
            (beside / name).write_text("no image")
    if packed:
        place = Path(shutil.make_archive(str(place), "zip", place))
    data = load(place)
    assert data.shape == (3, 4, 4)
    assert len(data.train) + len(data.test) == 8
    assert data.class_names == ("cat", "dog")
    assert not any("Skipped" in note for note in data.notes)


def test_a_folder_of_the_system_need_not_be_readable(folder, monkeypatch):
    def scandir(path, inner=os.scandir):
        if Path(path).name == "lost+found":
            raise PermissionError(13, "Permission denied", str(path))
        return inner(path)

    (folder / "lost+found").mkdir()
    monkeypatch.setattr(os, "scandir", scandir)
    assert len(load(folder).train) > 1


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "VALID", "Testing"),
        ("TRAIN", "dev", "Test"),
        ("train_images", "val_images", "test_images"),
        ("TrainSet", "evaluation", "TestSet"),
        ("01-train", "02-valid", "03-test"),
        ("seg_train2017", "seg_val2017", "seg_test2017"),
    ],
)
@pytest.mark.parametrize("inside", [False, True])
def test_splits_have_many_names_and_validation_joins_training(
    tmp_path, train, validation, test, inside
):
    for value, part in enumerate((train, validation, test)):
        for kind in ("cat", "dog"):
            place = tmp_path / kind / part if inside else tmp_path / part / kind
            save(place / "0.png", np.full((4, 4, 3), value, np.uint8))
    data = load(tmp_path)
    assert sorted(data.train.x[:, 0, 0, 0].tolist()) == [0, 0, 1, 1]
    assert data.test.x[:, 0, 0, 0].tolist() == [2, 2]
    assert data.class_names == ("cat", "dog")
    for split in (data.train, data.test):
        named = [("cat" in name, "dog" in name).index(True) for name in split.names]
        assert named == split.labels.tolist()
    kept = load_any(tmp_path, progress=False, validation="test")
    assert (len(kept.train), len(kept.test)) == (2, 4)
    assert len(load_any(tmp_path, progress=False, validation="none").train) == 2


def test_folders_only_some_of_which_may_be_splits_are_refused(tmp_path):
    for kind in ("seg_train", "seg_test", "seg_pred"):
        save(tmp_path / kind / "0.png", pixels())
    with pytest.raises(
        InputError, match=r"may be splits \(seg_test, seg_train\).*seg_pred.*rename"
    ):
        load(tmp_path)


@pytest.mark.parametrize("tests", [0, 2])
@pytest.mark.parametrize("kind", ["array", "images"])
def test_a_note_says_that_samples_were_drawn_for_testing(tmp_path, kind, tests):
    x = [pixels(4, 4) for _ in range(10)]
    if kind == "array":
        parts = {"x_train": x[2:], "x_test": x[:2]} if tests else {"x": x}
        np.savez(tmp_path / "data.npz", **{name: np.stack(part) for name, part in parts.items()})
    else:
        for i, picture in enumerate(x):
            place = ("test" if i < tests else "train") if tests else "all"
            save(tmp_path / place / f"{i}.png", picture)
    notes = load_any(tmp_path / "data.npz" if kind == "array" else tmp_path).notes
    said = "2 of 10 samples, drawn at random, are held out for testing."
    assert (said in notes) == (tests == 0)


@pytest.mark.parametrize("names", ["{part}_{i}.png", "Pictures/{part}-{i}.png", "{part}{i}.png"])
def test_names_that_all_begin_with_splits_are_the_splits(tmp_path, names):
    for part, value, n in (("train", 1, 3), ("TEST", 2, 2)):
        for i in range(n):
            save(tmp_path / names.format(part=part, i=i), np.full((4, 4), value, np.uint8))
    data = load(tmp_path)
    assert data.train.x[:, 0, 0, 0].tolist() == [1, 1, 1]
    assert data.test.x[:, 0, 0, 0].tolist() == [2, 2]
    assert data.train.labels is None
    save(tmp_path / "testament.png", pixels(4, 4))  # a word of its own
    assert len(load(tmp_path).train) == 5


def classes_of(names):
    """Of samples for a trained model."""
    return folders.arrange(names, "x", Meaning(lenient=True, whole=True)).classes


def test_classes_hold_files_named_after_splits():
    names = ["cat/train_1.png", "dog/train_1.png", "cat/test_1.png"]
    found = folders.arrange(names, "x")
    assert [rows.tolist() for rows in found.rows] == [[0, 1], [2]]
    assert found.classes == classes_of(names) == ["cat", "dog", "cat"]


def test_words_of_splits_among_classes_are_classes(tmp_path):
    for kind in ("train", "bus", "test_tube"):
        for i in range(2):
            save(tmp_path / "a" / kind / f"{i}.png", pixels())
    (tmp_path / "a" / "test_tube").rename(tmp_path / "a" / "tube")
    data = load(tmp_path)
    assert data.class_names == ("bus", "train", "tube")
    assert "Folders are read as classes (3): bus, train, tube." in data.notes


def test_files_outside_the_folders_of_classes_are_named(tmp_path):
    for name in ("cat/0.png", "dog/0.png", "stray.png"):
        save(tmp_path / name, pixels())
    data = load(tmp_path)
    assert data.train.labels is None
    assert any("outside (1): stray.png" in note for note in data.notes)


def test_classes_that_are_numbers_keep_their_order(tmp_path):
    for kind in range(11):
        save(tmp_path / str(kind) / "0.png", np.full((4, 4), kind, np.uint8))
    data = load(tmp_path)
    assert data.train.x[:, 0, 0, 0].tolist() == data.train.labels.tolist()
    assert data.class_names == tuple(map(str, range(11)))


@pytest.mark.parametrize(
    ("names", "classes"),
    [
        (["train/cat/1.png", "train/dog/1.png", "test/cat/2.png"], ["cat", "dog", "cat"]),
        (["train_set/cat/old/1.png", "test_set/dog/old/1.png"], ["cat", "dog"]),
        (["cat/train_set/1.png", "dog/test_set/1.png"], ["cat", "dog"]),
        (["val/cat/1.png", "test/dog/1.png"], ["cat", "dog"]),
        (["cat/old/1.png", "dog/old/1.png"], ["cat", "dog"]),
        (["1.png", "2.png"], None),
    ],
)
def test_classes_across_splits_are_the_outermost_folders_that_are_no_splits(names, classes):
    assert classes_of(names) == classes


def test_a_folder_that_cannot_be_listed_is_named(folder, monkeypatch):
    def scandir(path, inner=os.scandir):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"pictures cannot be read \(Permission denied\); grant"):
        folders.find(folder, [".png"])


def test_absolute_paths_in_a_zip_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("/etc/0.png", b"")
    with pytest.raises(InputError, match=r"a\.zip holds the absolute path /etc/0\.png; pack"):
        folders.find(tmp_path / "a.zip", [".png"])
