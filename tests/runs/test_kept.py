import json

import numpy as np
import pytest

from latentrank.data import Dataset, Split
from latentrank.data.axes import Axes, Axis
from latentrank.runs.kept import Kept, shown_rows


def of_labels(*labels):
    return Split(np.zeros((len(labels), 2)), np.array(labels))


def test_every_class_is_shown_in_turn():
    labels = np.arange(30) % 5
    rows = shown_rows(of_labels(*labels), 12)
    assert labels[rows].tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]
    assert len(set(rows)) == 12


def test_rare_classes_do_not_keep_others_from_filling_up():
    labels = np.eye(30, dtype=int)[7]
    rows = shown_rows(of_labels(*labels), 12)
    assert labels[rows][:2].tolist() == [0, 1]
    assert len(set(rows)) == 12


def test_samples_without_labels_are_spread_evenly():
    rows = shown_rows(Split(np.zeros((30, 2))), 12)
    assert (rows[0], rows[-1], len(rows)) == (0, 29, 12)


@pytest.mark.parametrize("order", "CF")
def test_nothing_is_lost_on_the_way_to_a_file(order):
    x = np.asarray(np.random.default_rng(0).normal(size=(20, 2, 3, 4)).astype(">f4"), order=order)
    axes = Axes((Axis("u", "m/s"), Axis("p", "Pa")), (Axis("y"), Axis("x", "m", np.arange(4.0))))
    data = Dataset("fields", Split(x), Split(x), parameter_names=("a",), axes=axes)
    kept = Kept.of(data)
    again = Kept.restored(kept.arrays, kept.words)
    np.testing.assert_array_equal(again.x, x[again.rows])
    assert kept.x.dtype.isnative
    assert kept.x.flags.c_contiguous
    assert (again.parameter_names, again.class_names) == (("a",), None)
    assert again.axes.to_dict() == axes.to_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"class_names": "cat"},
        {"class_names": [1, 2]},
        {"parameter_names": None, "more": 1},
        {"axes": []},
        {"axes": {"channels": [{"name": "u"}], "places": [], "columns": []}},
        {"axes": {"rows": []}},
    ],
)
def test_damaged_names_and_axes_are_refused(change):
    kept = Kept(np.array([3]), np.zeros((1, 5)), class_names=("cat", "dog"))
    words = json.dumps({**json.loads(kept.words), **change})
    with pytest.raises(ValueError, match="validation error"):
        Kept.restored(kept.arrays, words)
