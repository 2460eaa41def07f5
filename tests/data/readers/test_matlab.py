"""What MATLAB has and NumPy has not: row vectors, structures, cell arrays of text."""

import numpy as np
import pytest
import scipy.io

from latentrank.data import load

X = np.random.default_rng(0).normal(size=(20, 5))
NUMBERS = np.arange(20) % 3
NAMES = np.array(["a", "bc", "d"], dtype=object)[NUMBERS]


@pytest.mark.parametrize("labels", [NUMBERS, NUMBERS[:, None], NAMES, NAMES[:, None]])
@pytest.mark.parametrize("inner", [None, "run", "run/deep"])
def test_rows_cells_and_structures(tmp_path, labels, inner):
    held = {"x": X, "y": labels, "parameters": X[:, 0]}
    for name in reversed(inner.split("/") if inner else ()):
        held = {name: held}
    scipy.io.savemat(tmp_path / "a.mat", held)
    data = load(f"{tmp_path / 'a.mat'}" + (f":/{inner}" if inner else ""))
    rows = data.train.rows
    np.testing.assert_array_equal(data.train.x, X[rows])
    np.testing.assert_array_equal(data.train.labels, NUMBERS[rows])
    np.testing.assert_array_equal(data.train.parameters[:, 0], X[rows, 0])
    assert data.class_names == (("a", "bc", "d") if labels.dtype == object else None)


def test_an_array_of_a_structure_is_named(tmp_path):
    scipy.io.savemat(tmp_path / "a.mat", {"run": {"u": X, "dose": X[:, 1]}, "z": X})
    data = load(f"{tmp_path / 'a.mat'}:/run/u", parameters="run/dose")
    np.testing.assert_array_equal(data.train.x, X[data.train.rows])
    np.testing.assert_array_equal(data.train.parameters[:, 0], data.train.x[:, 1])
