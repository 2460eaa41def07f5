from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from latentrank.data import base, load
from latentrank.data.base import Dataset, Split, to_float
from latentrank.data.holdout import holdout
from latentrank.errors import InputError


def test_split_refuses_arrays_of_different_lengths():
    with pytest.raises(InputError, match="There are 3 labels for 2 samples"):
        Split(np.zeros((2, 4)), labels=np.zeros(3, dtype=np.int64))
    with pytest.raises(InputError, match="There are 1 parameters for 2 samples"):
        Split(np.zeros((2, 4)), parameters=np.zeros((1, 2)))


def test_take_keeps_rows_together():
    rows = np.arange(6)
    split = Split(rows[:, None].astype(np.float32), rows, rows[:, None].astype(np.float64))
    part = split.take(np.array([4, 1]))
    assert part.x[:, 0].tolist() == part.labels.tolist() == part.parameters[:, 0].tolist() == [4, 1]


def test_a_slice_of_a_split_is_a_view():
    split = Split(np.zeros((4, 2), dtype=np.float32))
    assert np.shares_memory(split.take(slice(2)).x, split.x)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64, np.float16])
def test_to_float_gives_float32_of_the_same_values(dtype):
    x = np.array([[0, 1, 200]], dtype=dtype)
    expected = x / 255 if dtype == np.uint8 else x
    for given in (x, torch.from_numpy(x)):
        result = to_float(given)
        assert result.dtype == torch.float32
        np.testing.assert_allclose(result.numpy(), expected, rtol=1e-6)


def test_to_float_never_writes_through_a_read_only_array(recwarn):
    x = np.ones(3, dtype=np.float32)
    x.flags.writeable = False
    to_float(x).zero_()
    assert x.tolist() == [1, 1, 1]
    assert not recwarn.list


def test_data_that_their_owner_normalised_are_kept_in_their_own_units():
    raw = np.array([[1.0, 10.0], [3.0, 30.0]])
    mean, std = raw.mean(axis=0), raw.std(axis=0)
    split = Split(((raw - mean) / std).astype(np.float32))
    data = Dataset("mine", split, split, mean=mean, std=std, bounded=False)
    np.testing.assert_allclose(data.train.x, raw)
    np.testing.assert_allclose(data.preprocessing.normalise(data.train.x), split.x)


@pytest.mark.parametrize("bounded", [True, False])
def test_values_within_declared_bounds_are_left_alone(bounded):
    x = np.random.default_rng(0).random((5, 3)).astype(np.float32)
    made = Dataset("mine", Split(x), Split(x), bounded=bounded).preprocessing
    assert made.bounded == bounded
    np.testing.assert_array_equal(made.normalise(x), x)


def test_fingerprints_depend_on_values_and_on_nothing_else():
    x = np.random.default_rng(0).integers(0, 9, (20, 3))

    def fingerprint(x, test=x[:4], name="mine"):
        return Dataset(name, Split(x), Split(test)).fingerprint

    same = [x.astype(np.float32), np.asfortranarray(x), x.copy()]
    assert {fingerprint(y, y[:4], str(i)) for i, y in enumerate(same)} == {fingerprint(x)}
    changed = x.copy()
    changed[3, 1] += 1
    others = [fingerprint(changed), fingerprint(x, changed[:4]), fingerprint(x[::-1])]
    assert fingerprint(x) not in others
    assert len(set(others)) == 3


def test_labels_and_parameters_belong_to_the_fingerprint():
    x, y = np.arange(12.0).reshape(6, 2), np.arange(6)
    p = np.linspace(0, 1, 6)[:, None]
    made = [
        Dataset("mine", Split(x, labels, parameters), Split(x[:2])).fingerprint
        for labels, parameters in ((None, None), (y, None), (y[::-1], None), (None, p), (y, p))
    ]
    assert len(set(made)) == len(made)


def test_fingerprints_of_large_data_are_of_some_rows(monkeypatch):
    monkeypatch.setattr(base, "_ALL_BYTES", 100)
    monkeypatch.setattr(base, "_SPREAD_ROWS", 3)
    x = np.random.default_rng(0).normal(size=(21, 3))

    def fingerprint(row=None):
        changed = x.copy()
        changed[[] if row is None else row] += 1
        return Dataset("mine", Split(changed), Split(x)).fingerprint

    seen = [row for row in range(21) if fingerprint(row) != fingerprint()]
    assert seen == [0, 10, 20]


@pytest.mark.parametrize("n", [2, 3, 5, 101])
def test_holdout_parts_are_disjoint_whole_and_always_the_same(n):
    train, test = holdout(n, "x")
    assert sorted([*train, *test]) == list(range(n))
    assert len(test) == max(1, round(n / 5))
    assert np.array_equal(holdout(n, "x")[1], test)


@pytest.mark.parametrize(("n", "counted"), [(0, "0 samples"), (1, "1 sample;")])
def test_holdout_needs_two_samples(n, counted):
    with pytest.raises(InputError, match=f"mine holds {counted}"):
        holdout(n, "mine")


def test_the_parts_of_a_data_set_are_splits():
    with pytest.raises(InputError, match="of type ndarray and ndarray, expected Split"):
        Dataset("mine", np.zeros((4, 2)), np.zeros((4, 2)))


def test_classes_and_parameters_have_one_name_each():
    """A label of -1 was shown as the last class."""
    x = np.random.default_rng(0).normal(size=(4, 3))
    for labels in ([0, 1, 0, -1], [0, 1, 2, 0]):
        with pytest.raises(InputError, match="there are names for 0 to 1"):
            Dataset("m", Split(x, [0, 1, 0, 1]), Split(x, labels), class_names=("cat", "dog"))
    part = Split(x, parameters=x[:, :2])
    with pytest.raises(InputError, match="m has 2 parameters and names for 1; give one"):
        Dataset("m", part, part, parameter_names=("mass",))


def test_both_splits_have_one_type_and_shape():
    pixels = np.full((4, 1, 3, 3), 200, dtype=np.uint8)
    with pytest.raises(InputError, match=r"dtype uint8 and shape \(1, 3, 3\).*dtype float32"):
        Dataset("pixels", Split(pixels), Split(pixels.astype(np.float32) / 255))
    with pytest.raises(InputError, match=r"the test samples .* shape \(1, 3, 2\)"):
        Dataset("pixels", Split(pixels), Split(pixels[..., :2]))


def test_a_split_takes_tensors_and_lists_and_no_masks():
    x = np.random.default_rng(0).normal(size=(5, 3))
    for given in (torch.from_numpy(x), x.tolist()):
        np.testing.assert_array_equal(Split(given).x, x)
    with pytest.raises(InputError, match="masked values"):
        Split(np.ma.masked_greater(x, 0))


@pytest.mark.parametrize("form", [list, tuple, torch.tensor, np.float32, np.uint8])
def test_labels_and_parameters_are_taken_in_any_form(form):
    split = Split(np.zeros((3, 4)), labels=form([0, 1, 1]), parameters=form([5, 6, 7]))
    assert split.labels.dtype == np.int64
    assert split.labels.tolist() == [0, 1, 1]
    assert split.parameters.dtype == np.float64
    assert split.parameters.tolist() == [[5], [6], [7]]
    data = Dataset("mine", split, split, bounded=False)
    usual = Split(np.zeros((3, 4)), np.array([0, 1, 1]), np.array([[5.0], [6.0], [7.0]]))
    assert data.fingerprint == Dataset("mine", usual, usual, bounded=False).fingerprint


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"labels": ["a", "b", "a"]}, "number the classes, and give their names as class_names"),
        ({"labels": [0.5, 1, 2]}, r"dtype float64, expected \(N,\) integers"),
        ({"labels": np.eye(3)}, r"shape \(3, 3\)"),
        ({"parameters": ["a", "b", "a"]}, r"expected \(N, P\) real numbers"),
        ({"parameters": np.zeros((3, 2, 2))}, r"shape \(3, 2, 2\)"),
    ],
)
def test_labels_and_parameters_of_another_kind_are_refused(given, told):
    with pytest.raises(InputError, match=told):
        Split(np.zeros((3, 4)), **given)


def test_declared_bounds_and_values_are_checked():
    """Images normalised to [-1, 1], for example, are not `bounded`."""
    x = np.random.default_rng(0).random((700, 3))
    wrong, holes = x.copy(), x.copy()
    wrong[650, 1], holes[650, 1] = -1, np.nan
    for train, test in ((wrong, x), (x, wrong)):
        with pytest.raises(InputError, match=r"values from -1 to .* expected 0 to 1; leave"):
            Dataset("mine", Split(train), Split(test), bounded=True)
        assert not Dataset("mine", Split(train), Split(test), bounded=False).notes
    for train, test in ((holes, x), (x, holes)):
        for bounded in (True, False):
            with pytest.raises(InputError, match=r"mine holds NaN.* in row 650"):
                Dataset("mine", Split(train), Split(test), bounded=bounded)
    for samples in (x[:, 0], x.astype(complex), x.astype(str)):
        with pytest.raises(InputError, match=r"expected \(N, F\) or \(N, C, \.\.\.\) real numbers"):
            Dataset("mine", Split(samples), Split(samples))


@pytest.mark.parametrize("kind", ["frame", "labelled array", "list"])
def test_samples_of_other_libraries_become_arrays(kind):
    pandas, xarray = pytest.importorskip("pandas"), pytest.importorskip("xarray")
    x = np.random.default_rng(0).normal(size=(6, 3))
    make = {"frame": pandas.DataFrame, "labelled array": xarray.DataArray, "list": list}[kind]
    data = Dataset("mine", Split(make(x)), Split(make(x[:2])))
    assert type(data.train.x) is np.ndarray
    np.testing.assert_array_equal(data.train.take(np.array([4, 1])).x, x[[4, 1]])


def test_samples_that_numpy_takes_for_one_object_are_refused():
    sparse = pytest.importorskip("scipy.sparse")
    for x in (sparse.csr_matrix(np.eye(3)), iter([1.0]), {"x": 1}):
        with pytest.raises(InputError, match=f"x is of type {type(x).__name__}, expected an array"):
            Split(x)


def test_names_are_a_list_in_the_order_of_their_numbers():
    """Of a dictionary the keys would be the names, and of a text its letters."""
    x = np.random.default_rng(0).normal(size=(6, 3))
    split = Split(x, [0, 1, 0, 1, 0, 1], x[:, :2])
    for names in ("ab", {0: "a", 1: "b"}):
        for what in ("class_names", "parameter_names"):
            with pytest.raises(InputError, match=f"{what} of mine is .* expected a list of names"):
                Dataset("mine", split, split, **{what: names})
    assert Dataset("mine", split, split, class_names=[3, 8]).class_names == ("3", "8")
    assert Dataset(Path("a/b"), split, split).name == str(Path("a/b"))


def test_parameters_of_all_samples_are_known():
    x = np.random.default_rng(0).normal(size=(6, 3))
    for missing in (np.nan, np.inf):
        with pytest.raises(InputError, match="parameters that are NaN or infinite"):
            Split(x, parameters=np.where(x > x.min(), x, missing))
    with pytest.raises(InputError, match="2 parameters for training samples and 1 for test"):
        Dataset("mine", Split(x, parameters=x[:, :2]), Split(x, parameters=x[:, :1]))


def test_data_frames_of_both_splits_have_their_columns_in_one_order():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"p": [1.0, 2.0, 3.0], "T": [4.0, 6.0, 9.0]})
    with pytest.raises(InputError, match=r"the columns p, T, and the test samples T, p; give"):
        Dataset("mine", Split(frame), Split(frame[["T", "p"]]))
    data = Dataset("mine", Split(frame), Split(frame))
    assert [axis.name for axis in data.axes.channels] == ["p", "T"]
    assert data.reading == {"columns": "p,T"}
    numbered = pandas.DataFrame(frame.to_numpy())
    assert Dataset("mine", Split(numbered), Split(numbered)).reading == {}


def test_parameters_in_data_frames_have_names_and_one_order():
    pandas = pytest.importorskip("pandas")
    x = np.random.default_rng(0).normal(size=(3, 4))
    frame = pandas.DataFrame({"dose": [1.0, 2.0, 3.0], "time": [4.0, 6.0, 9.0]})
    named, other = Split(x, parameters=frame), Split(x, parameters=frame[["time", "dose"]])
    with pytest.raises(InputError, match=r"parameters dose, time, and the test samples time, dose"):
        Dataset("mine", named, other)
    assert Dataset("mine", named, named).parameter_names == ("dose", "time")
    assert Dataset("mine", named, named, parameter_names=("d", "t")).parameter_names == ("d", "t")
    numbered = Split(x, parameters=pandas.DataFrame(frame.to_numpy()))
    assert Dataset("mine", numbered, numbered).parameter_names is None
    both = Split(frame, parameters=frame)
    normalised = Dataset("mine", both, both, mean=0.0, std=1.0)
    assert normalised.parameter_names == ("dose", "time")
    assert normalised.axes.channel_names == ("dose", "time")


def test_what_a_data_set_shows_is_short():
    """Not its values, which are many."""
    x = np.zeros((60, 1, 8, 8), dtype=np.uint8)
    split = Split(x, labels=np.arange(60) % 2, parameters=np.arange(60.0))
    said = "samples of shape (1, 8, 8), uint8, with labels and parameters>"
    assert repr(split) == f"<Split of 60 {said}"
    assert repr(Dataset("mine", split, Split(x[:5], split.labels[:5], split.parameters[:5]))) == (
        f"<Dataset 'mine': 60 training and 5 test {said}"
    )
    assert repr(Split(np.zeros((4, 3)))) == "<Split of 4 samples of shape (3,), float64>"


def test_some_rows_of_a_data_frame_keep_the_names_of_its_columns():
    frame = pd.DataFrame({"T": [1.0, 2.0, 4.0], "p": [3.0, 5.0, 6.0]})
    split = Split(frame, parameters=frame[["T"]])
    data = Dataset("mine", split.take(np.array([0, 1])), split.take(np.array([2])))
    assert data.axes.channel_names == ("T", "p")
    assert data.parameter_names == ("T",)


@pytest.mark.parametrize(
    ("train", "test", "shared"),
    [("f8", "i8", "f8"), ("i4", "f4", "f8"), ("f4", "f8", "f8"), ("i2", "u4", "i8")],
)
def test_numbers_of_two_types_are_converted_to_one(train, test, shared):
    x = np.arange(12).reshape(4, 3)
    data = Dataset("mine", Split(x.astype(train)), Split(x.astype(test), labels=[0, 1, 0, 1]))
    assert data.train.x.dtype == data.test.x.dtype == np.dtype(shared)
    assert data.train.x.tolist() == data.test.x.tolist() == x.tolist()
    assert data.test.labels.tolist() == [0, 1, 0, 1]


def test_a_table_of_decimals_is_tested_on_one_of_integers(tmp_path):
    (tmp_path / "train.csv").write_text("mass,height\n" + "1.5,2\n2.5,3\n" * 9)
    (tmp_path / "test.csv").write_text("mass,height\n" + "1,2\n2,3\n" * 3)
    data = load(tmp_path)
    assert data.test.x[:2].tolist() == [[1.0, 2.0], [2.0, 3.0]]
    assert [axis.name for axis in data.axes.channels] == ["mass", "height"]
