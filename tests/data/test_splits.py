import numpy as np
import pytest

from latentrank.data.arrays import Part
from latentrank.data.splits import join, role, split_of
from latentrank.errors import InputError


def part(name, n=2):
    return Part(name, np.zeros((n, 3)))


@pytest.mark.parametrize(
    ("words", "split"),
    [
        (("train", "Training", "TRAIN", " train "), "train"),
        (("val", "Valid", "validation", "dev"), "validation"),
        (("test", "Testing"), "test"),
        (("cats", "trains", "t10k", ""), None),
    ],
)
def test_splits_go_by_usual_names(words, split):
    assert {split_of(word) for word in words} == {split}


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("x", ""), ("X", ""), ("x_train", "train"), ("trainX", "train"), ("X-test", "test"),
        ("test/x", "test"), ("val_x", "validation"), ("max", None), ("x_1", None), ("y", None),
    ],
)  # fmt: skip
def test_roles_go_by_base_and_split(name, found):
    assert role(name, "x") == found


def test_samples_without_a_split_are_for_training_beside_test_samples():
    found, said = join({"": part("x", 5), "test": part("x_test")}, "train", "a.npz")
    assert [len(p) for p in found] == [5, 2]
    assert said == []


def test_two_training_parts_are_refused():
    with pytest.raises(InputError, match="holds x and x_train, and both can be"):
        join({"": part("x"), "train": part("x_train")}, "train", "a.npz")


def test_a_missing_part_is_named():
    with pytest.raises(InputError, match="lacks samples for training"):
        join({"test": part("x_test")}, "train", "a.npz")
    with pytest.raises(InputError, match="lacks samples for testing"):
        join({"train": part("x_train")}, "train", "a.npz")


def test_an_unknown_place_for_validation_is_refused():
    with pytest.raises(InputError, match="no place for validation samples 'tset'; did you mean"):
        join({"train": part("a"), "test": part("b"), "validation": part("c")}, "tset", "x")


@pytest.mark.parametrize(("width", "dtype"), [(4, "float64"), (3, "float32"), (3, "int64")])
def test_validation_samples_must_fit_those_they_join(width, dtype):
    other = Part("x_val", np.zeros((2, width), dtype))
    with pytest.raises(InputError, match=rf"x_val has {dtype} of shape \(2, {width}\)"):
        join({"train": part("a"), "test": part("b"), "validation": other}, "train", "x")


def test_samples_of_no_split_stay_so():
    (found,), said = join({"": part("x", 5)}, "train", "a.npz")
    assert (len(found), said) == (5, [])


@pytest.mark.parametrize(
    ("validation", "test", "joined", "note"),
    [
        ("train", True, [0, 2, 1], "used for training"),
        ("test", True, [0, 1, 2], "used for testing"),
        ("none", True, [0, 1], "left out"),
        ("train", False, [0, 2], "used for testing"),
        ("none", False, [0, 2], "used for testing"),
    ],
)
def test_validation_samples_go_where_asked_and_replace_missing_test_samples(
    validation, test, joined, note
):
    """Samples keep their order: those of validation follow those that they join."""
    names = ["train", "test", "validation"] if test else ["train", "validation"]
    number = {"train": 0, "test": 1, "validation": 2}
    parts = {
        name: Part(name, np.full((2, 3, 4), number[name]), np.full(2, number[name]))
        for name in names
    }
    found, said = join(parts, validation, "x")
    for values in ([p.x[:, 0, 0] for p in found], [p.labels for p in found]):
        assert np.concatenate(values).tolist() == np.repeat(joined, 2).tolist()
    assert len(found[0]) == (4 if validation == "train" and test else 2)
    assert said == [f"2 validation samples are {note}."]
