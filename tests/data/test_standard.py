import gzip
import hashlib
import pickle
import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image
from torchvision import datasets

from latentrank.data import images, load, standard
from latentrank.errors import InputError

GENERATOR = np.random.default_rng(0)


def write_idx(path, array, compress=False):
    header = b"\x00\x00\x08" + bytes([array.ndim])
    content = header + b"".join(n.to_bytes(4, "big") for n in array.shape) + array.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    if compress:
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(content))
    else:
        path.write_bytes(content)


def write_mnist(folder, compress=False):
    for part, n in (("train", 7), ("t10k", 3)):
        pixels = GENERATOR.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte", pixels, compress)
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(n, dtype=np.uint8), compress)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("mnist", "MNIST/raw"),
        ("mnist", "mnist"),
        ("fashion-mnist", "FashionMNIST/raw"),
        ("fashion-mnist", "fashion-mnist"),
    ],
)
def test_idx_files_plain_or_gzipped(tmp_path, name, folder, compress):
    write_mnist(tmp_path / folder, compress)
    data = load(name, root=tmp_path)
    assert data.train.x.shape == (7, 1, 32, 32)
    assert data.test.x.shape == (3, 1, 32, 32)
    assert data.train.labels.tolist() == list(range(7))
    assert load(name, root=tmp_path, image_size=28).shape == (1, 28, 28)


def test_missing_files_say_what_was_looked_for_where(tmp_path):
    with pytest.raises(InputError) as raised:
        load("mnist", root=tmp_path)
    for words in (
        "train-images-idx3-ubyte",
        f"{tmp_path}/MNIST/raw",
        "LATENTRANK_DATA",
        "download=True",
    ):
        assert words in str(raised.value)


def test_nothing_is_fetched_unless_asked(tmp_path, monkeypatch):
    monkeypatch.setattr(standard, "_fetch", lambda *_: pytest.fail("fetched unasked"))
    for name in ("mnist", "fashion-mnist", "cifar10", "celeba"):
        with pytest.raises(InputError, match=f"No {name} data: searched for"):
            load(name, root=tmp_path)


def test_download_fetches_what_is_missing_only(tmp_path, monkeypatch):
    def fetch(name, torchvision_name, root):
        assert (name, torchvision_name, root) == ("mnist", "MNIST", tmp_path)
        write_mnist(root / "MNIST" / "raw")

    monkeypatch.setattr(standard, "_fetch", fetch)
    assert len(load("mnist", root=tmp_path, download=True).train) == 7
    monkeypatch.setattr(standard, "_fetch", lambda *_: pytest.fail("fetched again"))
    load("mnist", root=tmp_path, download=True)


def test_a_fetch_that_fails_is_a_plain_sentence(tmp_path, monkeypatch):
    def fails(root, download):
        raise OSError("Name or service not known")

    monkeypatch.setattr(datasets, "MNIST", fails)
    with pytest.raises(InputError, match=r"Could not download mnist to .*check the connection"):
        load("mnist", root=tmp_path, download=True)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-5], "holds 16 values where its header specifies 21"),
        (lambda content: content[:6], "is not an idx file of bytes"),
        (lambda content: b"", "is not an idx file of bytes"),
        (lambda content: b"<html>not found</html>", "is not an idx file of bytes"),
    ],
)
def test_a_damaged_idx_file_is_refused(tmp_path, damage, message):
    path = tmp_path / "file"
    write_idx(path, np.arange(21, dtype=np.uint8).reshape(3, 7))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=message):
        standard.read_idx(path)


def test_a_cut_gzip_is_refused(tmp_path):
    write_idx(tmp_path / "file", GENERATOR.integers(0, 255, (3, 70), dtype=np.uint8), compress=True)
    path = tmp_path / "file.gz"
    for content in (path.read_bytes()[:-30], b"no gzip"):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"file\.gz is damaged"):
            standard.read_idx(path)


@pytest.mark.parametrize("size", [32, 14])
def test_resize_agrees_with_pillow(size):
    pixels = GENERATOR.integers(0, 256, (3, 1, 28, 28), dtype=np.uint8)
    resized = standard.resize(pixels, size)
    for image, before in zip(resized, pixels, strict=True):
        pillow = Image.fromarray(before[0]).resize((size, size), Image.Resampling.BILINEAR)
        assert np.abs(image[0].astype(int) - np.asarray(pillow).astype(int)).max() <= 1


def write_cifar10(root, monkeypatch, n=4):
    """Small files of the original format, with their checksums made the expected ones."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content))
        return hashlib.md5((folder / name).read_bytes()).hexdigest()

    def batch(name):
        rows = GENERATOR.integers(0, 256, (n, 3072), dtype=np.uint8)
        return [name, write(name, {"data": rows, "labels": list(range(n))})]

    names = [f"data_batch_{i}" for i in range(1, 6)]
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [batch(name) for name in names])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [batch("test_batch")])
    meta = {**datasets.CIFAR10.meta, "md5": write("batches.meta", {"label_names": ["cat"] * 10})}
    monkeypatch.setattr(datasets.CIFAR10, "meta", meta)
    return folder


def test_cifar10_in_the_original_format(tmp_path, monkeypatch):
    folder = write_cifar10(tmp_path, monkeypatch)
    data = load("cifar10", root=tmp_path)
    assert data.train.x.shape == (20, 3, 32, 32)
    assert data.test.x.shape == (4, 3, 32, 32)
    assert data.train.labels.tolist() == list(range(4)) * 5
    first = pickle.loads((folder / "data_batch_1").read_bytes())["data"][0]
    np.testing.assert_array_equal(data.train.x[0].ravel(), first)


def test_cifar10_files_that_are_not_the_originals_are_refused(tmp_path, monkeypatch):
    folder = write_cifar10(tmp_path, monkeypatch)
    (folder / "data_batch_3").write_bytes(b"half")
    with pytest.raises(InputError, match="No cifar10 data: searched for complete files"):
        load("cifar10", root=tmp_path)


def write_photographs(root, classes=standard._CIFAR10):
    """Two training images and a test image a class, in one shade each, as in common copies."""
    for i, name in enumerate(classes):
        for part, number, shade in [("train", 0, i), ("train", 1, i + 100), ("test", 0, i + 200)]:
            folder = root / part / name
            folder.mkdir(parents=True, exist_ok=True)
            pixels = np.full((32, 32, 3), shade, np.uint8)
            Image.fromarray(pixels).save(folder / f"{number:04}.png")


def test_cifar10_as_a_folder_or_zip_of_images(tmp_path):
    write_photographs(tmp_path / "cifar10")
    data = load("cifar10", root=tmp_path, progress=False)
    assert data.name == "cifar10"
    assert data.train.labels.tolist() == [i for i in range(10) for _ in range(2)]
    assert data.train.x[:, 2, 3, 4].tolist() == [i + 100 * j for i in range(10) for j in range(2)]
    assert data.test.x[:, 0, 0, 0].tolist() == list(range(200, 210))
    assert data.class_names[3] == "cat", "the original label 3"
    shutil.make_archive(tmp_path / "other" / "cifar10-jpg", "zip", tmp_path / "cifar10")
    zipped = load("cifar10", root=tmp_path / "other", progress=False)
    np.testing.assert_array_equal(zipped.train.x, data.train.x)


def test_the_original_files_of_cifar10_come_before_images(tmp_path, monkeypatch):
    write_cifar10(tmp_path, monkeypatch)
    write_photographs(tmp_path / "cifar10")
    assert load("cifar10", root=tmp_path).test.x.shape == (4, 3, 32, 32)


def test_other_images_are_not_cifar10(tmp_path):
    write_photographs(tmp_path / "cifar10", ["cat", "dog"])
    with pytest.raises(InputError, match=r"not hold the images of CIFAR-10 \(classes: cat, dog\)"):
        load("cifar10", root=tmp_path, progress=False)


def write_faces(folder, n=10, size=(178, 218)):
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        shade = np.full((size[1], size[0], 3), 20 * i + 10, np.uint8)
        Image.fromarray(shade).save(folder / f"{i + 1:06}.jpg")


def shades(split):
    return ((split.x.mean(axis=(1, 2, 3)) - 10) / 20).round().astype(int).tolist()


def test_celeba_follows_the_official_partition(tmp_path):
    write_faces(tmp_path / "celeba" / "img_align_celeba")
    parts = "".join(
        f"{i + 1:06}.jpg {part}\n" for i, part in enumerate([2, 0, 0, 1, 0, 2, 1, 0, 0, 0])
    )
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text(parts)
    data = load("celeba", root=tmp_path, progress=False)
    assert data.shape == (3, 64, 64)
    assert shades(data.train) == [1, 2, 4, 7, 8, 9]
    assert shades(data.test) == [0, 5]


@pytest.mark.parametrize("name", ["celeba-small.zip", "celeba/img_align_celeba.zip"])
def test_celeba_zip_without_partition_trains_on_the_first_four_fifths(tmp_path, name):
    write_faces(tmp_path / "faces", size=(89, 109))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(tmp_path / name, "w") as archive:
        for path in (tmp_path / "faces").iterdir():
            archive.write(path, f"img_align_celeba/{path.name}")
    data = load("celeba", root=tmp_path, progress=False)
    assert shades(data.train) == list(range(8))
    assert shades(data.test) == [8, 9]


@pytest.mark.parametrize("scale", [1, 2])
def test_celeba_crops_148_of_178_pixels_at_any_scale(tmp_path, scale):
    width, height, side = 178 // scale, 218 // scale, 148 // scale
    picture = np.zeros((height, width, 3), np.uint8)
    left, top = (width - side) // 2, (height - side) // 2
    picture[top : top + side, left : left + side] = 200
    folder = tmp_path / "celeba" / "img_align_celeba"
    folder.mkdir(parents=True)
    for name in ("1.png", "2.png"):
        Image.fromarray(picture).save(folder / name)
    assert (load("celeba", root=tmp_path, progress=False).train.x == 200).all()


def test_celeba_with_nothing_to_test_on_is_refused(tmp_path):
    write_faces(tmp_path / "celeba" / "img_align_celeba", n=2)
    (tmp_path / "celeba" / "list_eval_partition.txt").write_text("000001.jpg 0\n")
    with pytest.raises(InputError, match="leave nothing for training or for testing"):
        load("celeba", root=tmp_path, progress=False)


@pytest.mark.slow
@pytest.mark.real_data
def test_real_mnist(real_data):
    if not (real_data / "mnist").is_dir() and not (real_data / "MNIST").is_dir():
        pytest.skip(f"no MNIST files in {real_data}")
    data = load("mnist", root=real_data, image_size=28)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    # the published mean and standard deviation of the training images
    assert abs(data.train.x.mean() / 255 - 0.1307) < 1e-4
    assert abs(data.train.x.std() / 255 - 0.3081) < 1e-4
    first = data.train.x[:1000]
    assert abs(standard.resize(first, 32).mean() - first.mean()) < 0.1


@pytest.mark.slow
@pytest.mark.real_data
def test_real_cifar10(real_data):
    if not (real_data / "cifar10.zip").exists():
        pytest.skip(f"no CIFAR-10 in {real_data}")
    data = load("cifar10", root=real_data)
    assert np.bincount(data.train.labels).tolist() == [5000] * 10
    assert np.bincount(data.test.labels).tolist() == [1000] * 10
    # the published means of the channels; JPEG keeps them to a thousandth
    means = data.test.x.mean(axis=(0, 2, 3)) / 255
    assert np.abs(means - [0.4942, 0.4851, 0.4504]).max() < 2e-3


@pytest.mark.slow
@pytest.mark.real_data
def test_real_celeba(real_data):
    place = real_data / "celeba10k.zip"
    if not place.exists():
        pytest.skip(f"no CelebA images in {real_data}")
    x, _ = images.decode(images.find(place), np.arange(200), 64, crop=148 / 178, progress=False)
    assert x.shape == (200, 3, 64, 64)
    # faces fill the middle: its mean is that of skin, red above green above blue
    red, green, blue = x[:, :, 24:40, 24:40].mean(axis=(0, 2, 3))
    assert red > green > blue
