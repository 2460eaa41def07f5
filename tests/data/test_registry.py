import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from latentrank import data
from latentrank.data import registry
from latentrank.errors import InputError

COMPUTED = [entry.description for entry in registry._ENTRIES if entry.computed]


def test_the_promised_names_are_there():
    promised = {"shapes", "mnist", "fashion-mnist", "cifar10", "celeba", "gaussian2d"}
    promised |= {
        f"curves:{family}" for family in ("shifted-sine", "stairs", "two-sines", "two-gaussians")
    }
    assert promised <= set(data.names())
    assert [row.name for row in data.describe()] == data.names()


@pytest.mark.parametrize("row", COMPUTED, ids=lambda row: row.name)
def test_description_is_what_loading_gives(row):
    loaded = data.load(row.name)
    assert loaded.name == row.name
    assert loaded.shape == row.shape
    assert (len(loaded.train), len(loaded.test)) == (row.train_size, row.test_size)
    assert (loaded.true_dimension, loaded.latent_dim) == (row.true_dimension, row.latent_dim)


@pytest.mark.parametrize("computed", [True, False])
def test_the_description_decides_the_width_and_the_dimension(monkeypatch, computed):
    """Runs are named by the description; data with a width of their own would share their names."""

    def load(request):
        x = np.random.default_rng(0).normal(size=(9, 5))
        return data.Dataset("mine", data.Split(x), data.Split(x[:4]))

    described = data.Description("mine", (5,), 9, 4, 2, 3, "mine", "mine")
    entry = data.NamedData(described, load, computed)
    monkeypatch.setitem(data.DATASETS._values, "mine", entry)
    found = data.load("mine")
    assert (found.latent_dim, found.true_dimension) == (3, 2)


def test_unknown_names_and_paths():
    with pytest.raises(InputError, match="data set or path 'mnits'; did you mean 'mnist'"):
        data.load("mnits")
    with pytest.raises(InputError, match="There is no no/such/folder; check the path"):
        data.load("no/such/folder")
    with pytest.raises(InputError, match=r"There is no missing\.npy"):
        data.load("missing.npy")


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "table.doc"
    path.write_text("1,2\n")
    with pytest.raises(InputError, match=r"table\.doc is neither .* ending in \.npy, \.npz"):
        data.load(path)


@pytest.mark.parametrize("option", ["train_size", "test_size", "image_size"])
def test_sizes_below_one_are_refused(option):
    with pytest.raises(InputError, match=f"{option} is 0, expected an integer of at least 1"):
        data.load("shapes", **{option: 0})


def test_image_size_is_refused_where_it_means_nothing(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((4, 3)))
    for name in ("shapes", tmp_path / "x.npy"):
        with pytest.raises(InputError, match="image_size does not apply"):
            data.load(name, image_size=16)


def test_a_part_of_read_data_is_random_fixed_by_the_seed_and_keeps_rows_together(tmp_path):
    x = np.arange(200, dtype=np.uint8)[:, None]
    np.savez(tmp_path / "a.npz", x_train=x, x_test=x[:50], y_train=np.arange(200), y_test=x[:50, 0])
    first = data.load(tmp_path / "a.npz", train_size=20, test_size=5)
    again = data.load(tmp_path / "a.npz", train_size=20, test_size=5)
    other = data.load(tmp_path / "a.npz", train_size=20, test_size=5, seed=1)
    assert (len(first.train), len(first.test)) == (20, 5)
    assert np.array_equal(first.train.x, again.train.x)
    assert not np.array_equal(first.train.x, other.train.x)
    assert first.train.x.max() > 20
    assert np.array_equal(first.train.x[:, 0], first.train.labels)
    with pytest.raises(InputError, match="train_size is 201, but there are only 200 samples"):
        data.load(tmp_path / "a.npz", train_size=201)


def test_root_comes_from_the_argument_then_the_environment_then_the_working_folder(
    monkeypatch, tmp_path
):
    for root, environment, expected in (
        ("here", "there", "here"),
        (None, "there", "there"),
        (None, "", "data"),
    ):
        monkeypatch.setenv("LATENTRANK_DATA", environment)
        monkeypatch.chdir(tmp_path)
        with pytest.raises(InputError, match=f" {expected}/MNIST/raw"):
            data.load("mnist", root=root)


@pytest.mark.slow
def test_listing_data_sets_does_not_wait_for_lightning():
    code = "import sys, latentrank.data as d; d.describe(); print('lightning' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "False"


def test_unknown_attributes_are_errors():
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        data.nothing_of_this_name  # noqa: B018


@pytest.mark.parametrize("option", ["labels", "parameters", "columns"])
@pytest.mark.parametrize("given", [np.zeros((6, 2)), np.linspace(0, 1, 6), 0.5])
def test_arrays_in_place_of_names_are_refused_with_the_way_to_give_them(option, given):
    with pytest.raises(InputError, match=rf"^{option} is of type .* as {{'x': x, 'y': y"):
        data.load(np.eye(6), **{option: given})


def test_names_may_be_those_of_a_data_frame():
    frame = pd.DataFrame(np.eye(9), columns=list("abcdefghi"))
    assert data.load(frame, columns=frame.columns[2:4]).shape == (2,)
    assert data.load(frame, columns=np.array(["c"])).shape == (1,)
    numbered = pd.DataFrame(np.eye(9))
    read = data.load(numbered, labels=0, parameters=[1, 2], columns=numbered.columns[3:])
    assert (read.shape, read.train.parameters.shape[1]) == ((6,), 2)
    assert set(read.train.labels) <= {0, 1}
