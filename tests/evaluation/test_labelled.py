"""Classes are numbered like scikit-learn's, and labels are drawn evenly."""

import numpy as np
import pytest
from sklearn.preprocessing import LabelEncoder

from latentrank.errors import InputError
from latentrank.evaluation.labelled import checked_budget, draw_labels, labelled

X = np.arange(10.0).reshape(5, 2)


@pytest.mark.parametrize(
    ("labels", "test", "absent"),
    [
        (
            ["pear", "fig", "fig", "plum", "pear"],
            ["fig", "plum", "pear"],
            ["apple", "pea", "quince"],
        ),
        ([7, -3, 7, 100, -3], [100, 7, -3, 7], [-4, 8, 101]),
        ([7, -3, 7, 100, -3], [-3, -3], [101]),
        ([True, False, True, True, False], [False, True], []),
    ],
)
def test_classes_are_numbered_in_order_and_absent_ones_are_minus_one(labels, test, absent):
    train, found, classes = labelled(X, labels, X[:1].repeat(len(test + absent), 0), test + absent)
    encoder = LabelEncoder().fit(labels)
    assert train.y.tolist() == encoder.transform(labels).tolist()
    assert found.y.tolist() == [*encoder.transform(test), *(-1 for _ in absent)]
    assert classes == len(encoder.classes_)
    assert train.x is X


@pytest.mark.parametrize("n_labels", [4, 10, 53, 60])
def test_labels_are_spread_evenly_and_drawn_once(n_labels):
    labels = np.repeat([5, 7, 9], [20, 20, 20])
    rows = draw_labels(labels, n_labels, seed=3)
    assert len(set(rows.tolist())) == n_labels
    counts = np.bincount(labels[rows], minlength=10)[[5, 7, 9]]
    assert counts.max() - counts.min() <= 1


def test_a_class_with_too_few_samples_is_used_up_and_the_others_fill_in():
    labels = np.repeat([0, 1, 2], [2, 50, 50])
    counts = np.bincount(labels[draw_labels(labels, 20, seed=0)])
    assert counts.tolist() == [2, 9, 9]


def test_every_sample_of_a_class_can_be_drawn():
    labels = np.repeat([0, 1], 10)
    seen = {int(row) for seed in range(60) for row in draw_labels(labels, 2, seed)}
    assert seen == set(range(20))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 1]}, r"labels have shape \(2,\) for 5 training samples"),
        ({"labels": np.zeros((5, 1))}, r"labels have shape \(5, 1\) for 5 training samples"),
        ({"test_labels": [0, 1]}, r"labels have shape \(2,\) for 5 test samples"),
        ({"test_x": X[:0], "test_labels": []}, r"labels have shape \(0,\) for 0 test samples"),
        ({"labels": [3] * 5}, "contain a single class"),
        ({"test_x": X[:, :1]}, r"shape \(2,\) and test samples \(1,\)"),
        ({"labels": [0, 1, 0, 1, np.nan]}, "training labels contain missing values"),
        ({"test_labels": ["a", "b", None, "a", "b"]}, "test labels contain missing values"),
        ({"test_labels": list("01010")}, "None of the test labels, such as .*'0'"),
    ],
)
def test_unusable_labels_are_refused(change, message):
    given = {"x": X, "labels": [0, 1, 0, 1, 0], "test_x": X, "test_labels": [1, 1, 0, 0, 1]}
    with pytest.raises(InputError, match=message):
        labelled(**(given | change))


def test_from_two_labels_to_all_and_from_one_draw():
    assert [checked_budget(n, 9, 1) for n in (2, 9, None)] == [2, 9, 9]
    for n_labels in (1, 10):
        with pytest.raises(InputError, match=f"{n_labels} labels were requested, expected 2 to 9"):
            checked_budget(n_labels, 9, 1)
    with pytest.raises(InputError, match="draws is 0"):
        checked_budget(5, 9, 0)
    with pytest.raises(InputError, match=r"n_labels is 2\.5, expected an integer"):
        checked_budget(2.5, 9, 1)
