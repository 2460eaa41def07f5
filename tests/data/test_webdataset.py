import io
import json
import os
import tarfile

import numpy as np
import pytest
from PIL import Image

from latentrank.data import load, webdataset
from latentrank.errors import InputError

GENERATOR = np.random.default_rng(0)


def shard(path, count, first=0, label=lambda i: {"cls": str(i % 3)}, folder=""):
    """A tar of images, whose red is their number, and of labels."""
    with tarfile.open(path, "w") as archive:
        for i in range(first, first + count):
            pixels = GENERATOR.integers(0, 256, (6, 8, 3), dtype=np.uint8)
            pixels[..., 0] = i
            picture = io.BytesIO()
            Image.fromarray(pixels).save(picture, "png")
            files = {"png": picture.getvalue()}
            files |= {suffix: text.encode() for suffix, text in label(i).items()}
            for suffix, content in files.items():
                member = tarfile.TarInfo(f"{folder}{i:06d}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return path


def numbers(split):
    return split.x[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    "label",
    [
        lambda i: {"cls": f"{i % 3}\n"},
        lambda i: {"json": json.dumps({"label": i % 3, "width": 8})},
        lambda i: {"json": json.dumps({"class": str(i % 3)}), "txt": "a caption"},
    ],
)
def test_images_have_the_labels_of_their_keys(tmp_path, label):
    data = load(shard(tmp_path / "a.tar", 12, label=label), progress=False)
    assert data.shape == (3, 6, 8)
    assert data.class_names == ("0", "1", "2")
    assert sorted(numbers(data.train) + numbers(data.test)) == list(range(12))
    assert [i % 3 for i in numbers(data.train)] == data.train.labels.tolist()


def test_shards_named_after_splits_become_the_splits(tmp_path):
    shard(tmp_path / "train-0000.tar", 5)
    shard(tmp_path / "train-0001.tar", 5, first=0)  # keys are unique in a shard only
    shard(tmp_path / "test-0000.tar", 3, first=20)
    data = load(tmp_path, progress=False)
    assert numbers(data.train) == [*range(5), *range(5)]
    assert numbers(data.test) == [20, 21, 22]
    assert [i % 3 for i in numbers(data.train)] == data.train.labels.tolist()


def test_shards_in_folders_named_after_splits_become_the_splits(tmp_path):
    for folder, count, first in (("train", 5, 0), ("test", 3, 20)):
        (tmp_path / folder).mkdir()
        shard(tmp_path / folder / "0000.tar", count, first=first)
        shard(tmp_path / folder / "0001.tar", count, first=first)  # the same keys
    data = load(tmp_path, progress=False)
    assert numbers(data.train) == [*range(5), *range(5)]
    assert numbers(data.test) == [20, 21, 22, 20, 21, 22]
    assert data.class_names == ("0", "1", "2")


def test_shards_in_folders_of_classes_have_these_as_labels(tmp_path):
    for number, folder in enumerate(["cat", "dog"]):
        (tmp_path / folder).mkdir()
        shard(tmp_path / folder / "0000.tar", 6, first=10 * number, label=lambda _: {})
    data = load(tmp_path, progress=False)
    assert data.class_names == ("cat", "dog")
    assert [number // 10 for number in numbers(data.train)] == data.train.labels.tolist()


def test_a_tar_among_arrays_is_skipped(tmp_path):
    np.save(tmp_path / "x_train.npy", GENERATOR.normal(size=(8, 3)))
    np.save(tmp_path / "x_test.npy", GENERATOR.normal(size=(4, 3)))
    shard(tmp_path / "backup.tar", 2)
    data = load(tmp_path, progress=False)
    assert (len(data.train), len(data.test)) == (8, 4)
    assert "Skipped files of other types (1): backup.tar." in data.notes


def test_other_shards_are_held_out_from_together_and_resized(tmp_path):
    for i in range(3):
        shard(tmp_path / f"{i:05d}.tar", 5, first=5 * i, label=lambda i: {})
    data = load(tmp_path, progress=False, image_size=4)
    assert data.shape == (3, 4, 4)
    assert data.class_names is None
    assert (len(data.train), len(data.test)) == (12, 3)


def test_folders_in_a_tar_are_classes_where_there_are_no_labels(tmp_path):
    for kind in ("cat", "dog"):
        shard(tmp_path / f"{kind}.tar", 4, label=lambda i: {}, folder=f"{kind}/")
    assert load(tmp_path, progress=False).class_names == ("cat", "dog")


def test_a_label_that_is_missing_and_a_tar_that_is_cut_are_refused(tmp_path):
    path = shard(tmp_path / "a.tar", 6, label=lambda i: {"cls": "1"} if i else {})
    with pytest.raises(
        InputError, match=r"no label for 1 of 6 images, the first of which is 0*\.png"
    ):
        load(path, progress=False)
    path.write_bytes(b"not a tar at all" * 100)
    with pytest.raises(InputError, match="is not a complete tar file"):
        load(path, progress=False)


def test_a_tar_among_images_is_skipped(tmp_path):
    for i in range(4):
        Image.fromarray(np.full((4, 4), i, np.uint8)).save(tmp_path / f"{i}.png")
    shard(tmp_path / "backup.tar", 2)
    data = load(tmp_path, progress=False)
    assert len(data.train) + len(data.test) == 4
    assert "Skipped files of other types (1): backup.tar." in data.notes
    assert webdataset.shards(tmp_path / "0.png") == []


def test_what_a_file_manager_keeps_beside_shards_is_none(tmp_path):
    shard(tmp_path / "a.tar", 10)
    (tmp_path / "._a.tar").write_bytes(b"\0\5\x16\7Mac OS X")
    assert len(load(tmp_path).train) == 8


def test_two_images_of_one_sample_are_noted(tmp_path):
    picture = io.BytesIO()
    Image.new("L", (4, 4)).save(picture, "png")
    content = picture.getvalue()

    def write(names):
        with tarfile.open(tmp_path / "a.tar", "w") as archive:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return load(tmp_path / "a.tar").notes

    note = "Each image is read as a sample, although some share a key: .png, .seg.png."
    assert note in write([f"{i}{end}" for i in range(3) for end in (".png", ".seg.png")])
    assert not any("share a key" in text for text in write([f"film.{i}.png" for i in range(3)]))


def test_a_shard_cut_between_two_files_is_noted(tmp_path):
    """As a download can be that was interrupted; tar itself reads it without a word."""
    path = shard(tmp_path / "a.tar", 6)
    with tarfile.open(path) as archive:
        middle = archive.getmembers()[6].offset
    assert not any("may lack" in note for note in load(path).notes)
    path.write_bytes(path.read_bytes()[:middle])
    data = load(path)
    assert len(data.train) + len(data.test) == 3
    assert (
        "Tar files without the mark at their end (1), which may lack samples: a.tar." in data.notes
    )


def test_labels_in_capitals_and_before_those_in_json(tmp_path):
    path = shard(tmp_path / "a.tar", 4, label=lambda i: {"CLS": "a", "json": '{"label": "b"}'})
    assert load(path).class_names == ("a",)


@pytest.mark.parametrize(("content", "refused"), [("{", True), ("[1]", False)])
def test_json_without_labels(tmp_path, content, refused):
    path = shard(tmp_path / "a.tar", 4, label=lambda i: {"json": content})
    if refused:
        with pytest.raises(InputError, match=r"a\.tar holds .*\.json, which is not JSON; write"):
            load(path, progress=False)
    else:
        assert load(path, progress=False).train.labels is None


def test_folders_are_not_said_to_be_classes_beside_labels(tmp_path):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for key in ("a/0", "a/1", "b/2", "b/3"):
            picture = io.BytesIO()
            Image.fromarray(np.zeros((4, 4), np.uint8)).save(picture, "png")
            for suffix, content in (("png", picture.getvalue()), ("cls", b"even")):
                member = tarfile.TarInfo(f"{key}.{suffix}")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    data = load(tmp_path / "a.tar", progress=False)
    assert data.class_names == ("even",)
    assert "Folders" not in " ".join(data.notes)


def test_tar_files_that_agree_in_size_and_time_are_told_apart(tmp_path):
    for name, first in (("a.tar", 0), ("b.tar", 100)):
        made = shard(tmp_path / name, 6, first)
        with tarfile.open(made) as archive:
            members = [(member, archive.extractfile(member).read()) for member in archive]
        with tarfile.open(made, "w") as archive:
            for i, (member, content) in enumerate(members):
                member.name = f"{i // 2}.{member.name.rpartition('.')[2]}"
                archive.addfile(member, io.BytesIO(content))
        os.utime(made, ns=(10**18, 10**18))
    assert (tmp_path / "a.tar").stat().st_size == (tmp_path / "b.tar").stat().st_size
    for name, first in (("a.tar", 0), ("b.tar", 100)):
        data = load(tmp_path / name, progress=False)
        assert min(numbers(data.train) + numbers(data.test)) == first
