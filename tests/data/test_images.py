import io
import shutil
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image

from latentrank.data import cache, images, pages
from latentrank.data import load as load_any
from latentrank.errors import InputError
from tests.data.pictures import GENERATOR, every_image, load, pixels, save


def test_folder_becomes_the_pixels_of_its_files(folder):
    data = load(folder)
    assert data.train.x.dtype == np.uint8
    assert data.shape == (3, 6, 8)
    assert (len(data.train), len(data.test)) == (8, 2)
    stored = {
        np.moveaxis(np.asarray(Image.open(path)), 2, 0).tobytes() for path in folder.iterdir()
    }
    assert {image.tobytes() for image in every_image(data)} == stored
    assert data.train.labels is None


def test_decoded_once_then_mapped(folder, monkeypatch):
    first = load(folder)
    assert isinstance(first.train.x, np.memmap)
    monkeypatch.setattr(pages, "pixels", lambda *_: pytest.fail("decoded again"))
    np.testing.assert_array_equal(load(folder).train.x, first.train.x)


@pytest.mark.parametrize("change", ["content", "name", "more"])
def test_any_change_of_the_files_decodes_again(folder, change):
    before = every_image(load(folder))
    if change == "content":
        save(folder / "3.png", pixels())
    elif change == "name":
        (folder / "3.png").rename(folder / "a.png")
        save(folder / "0.png", pixels())
    else:
        save(folder / "10.png", pixels())
    after = every_image(load(folder))
    assert before.shape != after.shape or (before != after).any()


def test_zip_equals_folder(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, f"pictures/{path.name}")
        archive.writestr("__MACOSX/pictures/._0.png", b"not an image")
        archive.writestr("pictures/readme.txt", b"words")
    np.testing.assert_array_equal(
        every_image(load(tmp_path / "pictures.zip")), every_image(load(folder))
    )


def test_all_grey_images_have_one_channel_and_one_coloured_makes_three(tmp_path):
    for i in range(4):
        save(tmp_path / f"{i}.png", pixels(channels=1))
    assert load(tmp_path).shape == (1, 6, 8)
    save(tmp_path / "4.png", pixels())
    assert load(tmp_path).shape == (3, 6, 8)


def test_modes_of_every_kind_are_brought_to_colour(tmp_path):
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    red.convert("RGBA").save(tmp_path / "a.png")
    red.convert("P", palette=Image.Palette.ADAPTIVE).save(tmp_path / "b.png")
    red.save(tmp_path / "c.bmp")
    red.save(tmp_path / "d.gif")
    x = every_image(load(tmp_path))
    assert (x[:, 0] == 255).all()
    assert (x[:, 1:] == 0).all()


def test_image_size_takes_the_middle_square(tmp_path):
    wide = np.zeros((4, 10, 3), np.uint8)
    wide[:, 3:7] = 200
    for i in range(2):
        save(tmp_path / f"{i}.png", wide)
    assert (every_image(load(tmp_path, 4)) == 200).all()
    assert load(tmp_path, 9).shape == (3, 9, 9)


def test_crop_takes_a_part_of_the_shorter_side(tmp_path):
    picture = np.zeros((20, 10, 3), np.uint8)
    picture[8:12, 3:7] = 200
    save(tmp_path / "0.png", picture)
    x, _ = images.decode(images.find(tmp_path), np.array([0]), 4, crop=0.4, progress=False)
    assert (x == 200).all()


def test_different_sizes_are_refused_with_both_and_the_remedy(folder):
    save(folder / "odd.png", pixels(5, 7))
    with pytest.raises(InputError, match=r"8x6 and odd\.png is 7x5.*image_size"):
        load(folder)
    assert load(folder, 4).shape == (3, 4, 4)


@pytest.mark.parametrize("content", [b"", b"not an image at all", "cut"])
def test_a_damaged_image_is_named_and_nothing_is_kept(folder, content, cache_folder):
    if content == "cut":
        Image.fromarray(pixels()).save(folder / "bad.jpg")
        content = (folder / "bad.jpg").read_bytes()[:-200]
    (folder / "bad.jpg").write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.jpg cannot be read as images.*remove"):
        load(folder)
    assert list(cache_folder.iterdir()) == []


def test_all_damaged_images_are_counted_and_the_first_named_at_once(folder, cache_folder):
    whole = (folder / "0.png").read_bytes()
    for i in range(7):
        (folder / f"bad{i}.png").write_bytes(whole[:-60])
    with pytest.raises(
        InputError, match=r"^7 files \(.*bad0\.png, .*bad4\.png and 2 more\) cannot"
    ):
        load(folder)
    assert list(cache_folder.iterdir()) == []


def test_images_that_are_cut_off_are_listed_with_those_that_are_none(tmp_path):
    for i in range(4):
        Image.fromarray(np.full((16, 16), i, np.uint16)).save(tmp_path / f"{i}.tif")
    (tmp_path / "1.tif").write_bytes((tmp_path / "1.tif").read_bytes()[:400])  # has a sound head
    (tmp_path / "2.tif").write_bytes(b"")
    with pytest.raises(InputError, match=r"^2 files \(.*1\.tif, .*2\.tif\) cannot"):
        load(tmp_path)


def test_a_damaged_image_in_a_zip_is_named(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "p.zip", "w") as archive:
        for path in folder.iterdir():
            archive.write(path, path.name)
    raw = bytearray((tmp_path / "p.zip").read_bytes())
    start = raw.index(b"IDAT")
    raw[start + 10 : start + 20] = bytes(10)
    (tmp_path / "p.zip").write_bytes(raw)
    with pytest.raises(InputError, match=r"\.png cannot be read as images"):
        load(tmp_path / "p.zip")


def test_a_cut_zip_is_refused(tmp_path):
    (tmp_path / "p.zip").write_bytes(b"PK\x03\x04 and then nothing")
    with pytest.raises(InputError, match=r"p\.zip is not a complete zip file"):
        load(tmp_path / "p.zip")


def test_an_empty_folder_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / ".hidden.png").write_bytes(b"")
    assert images.find(tmp_path) is None
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path)
    with pytest.raises(InputError, match=r"holds no images; expected files ending in .*\.png"):
        load_any(packed, progress=False)


def test_a_single_image_cannot_be_split(tmp_path):
    save(tmp_path / "0.png", pixels())
    with pytest.raises(InputError, match="holds 1 sample; at least 2"):
        load(tmp_path)


def test_a_full_disk_while_decoding_is_a_plain_sentence(folder, monkeypatch, cache_folder):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache, "_append", full)
    with pytest.raises(InputError, match="No space left on device"):
        load(folder)
    assert list(cache_folder.iterdir()) == []


def test_more_images_than_one_block_stay_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "_BLOCK", 3)
    for i in range(10):
        save(tmp_path / f"{i}.png", np.full((2, 2), i, np.uint8))
    x, _ = images.decode(images.find(tmp_path), np.arange(10)[::-1], progress=False)
    assert x[:, 0, 0, 0].tolist() == list(range(9, -1, -1))


def test_progress_goes_to_the_error_stream(folder, capsys, monkeypatch):
    terminal = type("Terminal", (io.StringIO,), {"isatty": lambda self: True})()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    load_any(folder, progress=True)
    assert "Decoding images" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_orientation_tags_turn_images(tmp_path):
    picture = pixels(6, 8)
    for tag in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = tag
        # what a camera held as the tag says has stored
        undo = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}[tag]
        stored = Image.fromarray(turned(picture, undo))
        stored.save(tmp_path / f"{tag}.png", exif=exif)
    x = every_image(load(tmp_path))
    assert (x == np.moveaxis(picture, 2, 0)).all()


def turned(array, tag):
    """What the EXIF standard says a viewer shows for an orientation tag."""
    if tag >= 5:
        array = array.swapaxes(0, 1)
    flip_rows, flip_columns = {
        1: (0, 0), 2: (0, 1), 3: (1, 1), 4: (1, 0), 5: (0, 0), 6: (0, 1), 7: (1, 1), 8: (1, 0)
    }[tag]  # fmt: skip
    return np.ascontiguousarray(array[:: 1 - 2 * flip_rows, :: 1 - 2 * flip_columns])


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_what_is_transparent_is_put_on_white(tmp_path, mode):
    for i in range(2):
        rgba = GENERATOR.integers(0, 256, (4, 4, 4), dtype=np.uint8)
        rgba[..., :3] = rgba[..., :1]
        rgba[..., 3] = [[0, 0, 255, 255]] * 4
        image = Image.fromarray(rgba).convert("LA")
        (image if mode == "LA" else image.convert("RGBA")).save(tmp_path / f"{i}.png")
    data = load(tmp_path)
    assert (every_image(data)[:, :, :, :2] == 255).all()
    assert (every_image(data)[:, :, :, 2:] < 255).any()
    assert "Images with transparency, placed on white: 2." in data.notes
    assert load(tmp_path).notes == data.notes


def test_a_transparent_colour_of_a_palette_is_put_on_white(tmp_path):
    for i in range(2):
        image = Image.fromarray(np.array([[0, 1]] * 2, np.uint8), "P")
        image.putpalette([255, 0, 0, 0, 0, 255])
        image.save(tmp_path / f"{i}.png", transparency=0)
    x = every_image(load(tmp_path))
    assert x[0, :, 0].T.tolist() == [[255, 255, 255], [0, 0, 255]]


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_16_bits_are_kept(tmp_path, suffix):
    pictures = [GENERATOR.integers(0, 4096, (4, 5)).astype(np.uint16) for _ in range(3)]
    for i, picture in enumerate(pictures):
        picture[0, 0] = 4095
        if suffix == "pgm":
            head = b"P5 5 4 65535\n"
            (tmp_path / f"{i}.pgm").write_bytes(head + picture.astype(">u2").tobytes())
        else:
            save(tmp_path / f"{i}.{suffix}", picture)
    data = load(tmp_path)
    assert data.train.x.dtype == np.uint16
    assert data.preprocessing.high == 4095
    stored = {picture.tobytes() for picture in pictures}
    assert {image.tobytes() for image in every_image(data)} == stored


def test_bytes_among_16_bits_are_as_bright(tmp_path):
    save(tmp_path / "0.png", np.full((4, 4), 65535, np.uint16))
    save(tmp_path / "1.png", np.full((4, 4), 255, np.uint8))
    assert (every_image(load(tmp_path)) == 65535).all()


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_32_bits_are_kept(tmp_path, dtype):
    pictures = [(GENERATOR.random((4, 4)) * 2**24).astype(dtype) for _ in range(3)]
    for i, picture in enumerate(pictures):
        save(tmp_path / f"{i}.tiff", picture)
    data = load(tmp_path)
    assert data.train.x.dtype == dtype
    assert {x.tobytes() for x in every_image(data)} == {x.tobytes() for x in pictures}
    save(tmp_path / "3.png", pixels(4, 4, 1))
    with pytest.raises(InputError, match="differ in the type of their values"):
        load(tmp_path)


def test_the_first_of_several_pages_is_read_with_a_note(tmp_path):
    for i in range(2):
        first, second = (Image.fromarray(pixels(channels=1)) for _ in range(2))
        first.save(tmp_path / f"{i}.TIF", format="TIFF", save_all=True, append_images=[second])
    data = load(tmp_path)
    expected = "Images with several pages or frames, of which only the first is read: 2."
    assert expected in data.notes


def test_masks_of_0_and_1_use_their_range(tmp_path):
    for i in range(4):
        save(tmp_path / f"{i}.png", pixels(channels=1) % 2)
    assert load(tmp_path).preprocessing.high == 1


def test_16_bits_are_resized_without_being_cut(tmp_path):
    for i in range(2):
        save(tmp_path / f"{i}.png", np.full((8, 8), 40_000, np.uint16))
    assert (every_image(load(tmp_path, 4)) == 40_000).all()


def test_pages_with_colours_of_16_bits_are_noted(tmp_path):
    """Pillow reads 8 of them, also of the pages of one file."""
    pages = np.full((3, 4, 4, 3), 1000, "<u2")
    tags = {256: 4, 257: 4, 258: 0, 259: 1, 262: 2, 273: 0, 277: 3, 278: 4, 279: pages[0].nbytes}
    content, size = struct.pack("<2sHI", b"II", 42, 8), 2 + 12 * len(tags) + 4
    for number, page in enumerate(pages):
        bits = len(content) + size
        places = {**tags, 258: bits, 273: bits + 6}
        after = 0 if number == 2 else bits + 6 + page.nbytes
        content += struct.pack("<H", len(tags))
        for tag, value in places.items():
            content += struct.pack(
                "<HHII", tag, 4 if tag in (273, 279) else 3, 1 + 2 * (tag == 258), value
            )
        content += struct.pack("<IHHH", after, 16, 16, 16) + page.tobytes()
    (tmp_path / "a.tif").write_bytes(content)
    data = load(tmp_path / "a.tif")
    assert (data.train.x == 3).all()
    told = "Images with colours of more than 8 bits, of which the upper 8 are read: 3."
    assert told in data.notes
