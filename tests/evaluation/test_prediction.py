"""Errors of predicted fields, in closed form."""

from types import SimpleNamespace

import numpy as np
import pytest

from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.evaluation import (
    errors_by_kind,
    fold_error,
    parameter_error,
    reconstruction_error,
    relative_error,
    spread_ratio,
)


def coder(encode=lambda x: x, decode=lambda z: z):
    bottleneck = SimpleNamespace(basis=lambda: None)
    return SimpleNamespace(encode_array=encode, decode_array=decode, bottleneck=bottleneck)


def lines(known=6):
    known, new = np.linspace(0, 1, known)[:, None], np.array([[0.33], [0.5], [0.91]])
    splits = [Split(p * [1.0, -1.0], parameters=p) for p in (known, new)]
    return Dataset("lines", *splits, bounded=False)


class TestRelativeError:
    def test_closed_form(self):
        truth = np.array([[3.0, 0.0], [0.0, 4.0]])
        assert relative_error(truth, truth) == 0
        assert relative_error(1.1 * truth, truth) == pytest.approx(10)
        assert relative_error(truth + np.diag([0.3, 0.4]), truth) == pytest.approx(10)
        assert relative_error(np.zeros((2, 2)), truth) == 100

    def test_is_taken_over_all_samples_together(self):
        # sqrt(1^2 + 1^2) / sqrt(1^2 + 7^2), not the mean of 100 % and 1/7
        assert relative_error([[2.0], [8.0]], [[1.0], [7.0]]) == pytest.approx(20)

    def test_errors(self):
        with pytest.raises(InputError, match=r"shape \(2,\) and the truth \(1,\)"):
            relative_error([1.0, 2.0], [1.0])
        with pytest.raises(InputError, match="zero everywhere"):
            relative_error([1.0], [0.0])


@pytest.mark.parametrize("kind", ["auto", "linear", "multilinear", "radial"])
def test_a_linear_family_through_a_linear_coder_is_exact(kind):
    matrix = np.array([[1.0, 2.0, 0.0], [0.5, -1.0, 1.0]])
    linear = coder(lambda x: x @ matrix, lambda z: z @ np.linalg.pinv(matrix))
    assert parameter_error(linear, lines(), kind) < 1e-8
    assert fold_error(linear, lines(), kind) < 1e-8


def test_what_the_decoder_does_wrong_counts():
    """Both errors and that of the reconstruction are the decoder's own where the map is exact."""
    data = lines()
    off = coder(decode=lambda z: z + 0.1)
    for error, split in (
        (parameter_error, data.test),
        (fold_error, data.train),
        (reconstruction_error, data.test),
    ):
        wanted = 100 * 0.1 * np.sqrt(split.x.size) / np.linalg.norm(split.x)
        assert error(off, data) == pytest.approx(wanted)


@pytest.mark.parametrize("folds", [3, 5])
def test_a_fold_is_predicted_without_itself(folds):
    """Where 0 and 2 are known the line through them misses p^2 at 1 by 1; all others likewise.

    There are no more parts than parameters.
    """
    known = np.array([[0.0], [1.0], [2.0]])
    split = Split(known**2, parameters=known)
    data = Dataset("squares", split, split, bounded=False)
    # Held out in turn: 0 is extrapolated to -2, 1 is 2, and 2 is extrapolated to 2.
    wanted = 100 * np.sqrt(2**2 + 1 + 2**2) / np.sqrt(17)
    assert fold_error(coder(), data, "linear", folds) == pytest.approx(wanted)
    assert parameter_error(coder(), data, "linear") < 1e-9


def test_samples_with_the_same_parameters_are_held_out_together():
    known = np.repeat([[0.0], [1.0], [2.0]], 2, axis=0)
    split = Split(known**2, parameters=known)
    data = Dataset("squares", split, split, bounded=False)
    wanted = 100 * np.sqrt(2**2 + 1 + 2**2) / np.sqrt(17)
    assert fold_error(coder(), data, "linear", folds=3) == pytest.approx(wanted)


@pytest.mark.parametrize(("known", "folds"), [([0, 0, 0], 5), ([0, 1, 1], 5), ([0, 1, 2], 2)])
def test_too_few_parameters_to_hold_some_out_are_refused(known, folds):
    split = Split(np.eye(3), parameters=known)
    with pytest.raises(InputError, match=f"{len(set(known))} different parameter.* too few"):
        fold_error(coder(), Dataset("few", split, split), "linear", folds)


def test_two_parameters_have_an_error_at_test_parameters_alone():
    split = Split(np.eye(2), parameters=[0, 1])
    linear = errors_by_kind(coder(), Dataset("two", split, split))[0]
    assert linear.test < 1e-8
    assert linear.folds is None


def test_a_kind_that_does_not_suit_has_no_error():
    known = np.random.default_rng(0).uniform(size=(20, 2))
    split = Split(known @ [[1.0, 2.0], [3.0, 4.0]], parameters=known)
    found = {one.kind: one for one in errors_by_kind(coder(), Dataset("plane", split, split))}
    assert found["multilinear"][1:] == (None, None)
    assert found["linear"].folds < 1e-8
    assert found["gaussian-process"].test < 0.1


def test_deviations_of_either_split_are_from_the_mean_of_the_training_split():
    data = Dataset("mine", *(Split(np.array(x)[:, None]) for x in ([300.0, 302.0], [304.0])))
    assert spread_ratio(data, "train") == pytest.approx(np.hypot(300, 302) / np.sqrt(2))
    assert spread_ratio(data, "test") == pytest.approx(304 / 3)


def test_data_without_parameters():
    split = Split(np.zeros((3, 2), dtype=np.float32))
    with pytest.raises(InputError, match="'plain' has no parameters to interpolate over"):
        parameter_error(coder(), Dataset("plain", split, split))
