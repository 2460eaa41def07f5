"""The map from parameters to codes: coefficients, files, refusals."""

import pickle

import numpy as np
import pytest
from safetensors import safe_open

from latentrank.errors import InputError
from latentrank.parametric import KINDS, ParameterMap


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def codes_of(p, basis):
    return np.stack([np.sin(2 * p[:, 0]), p[:, 0] * p[:, 1], p[:, 1] ** 2], axis=1) @ basis


@pytest.mark.parametrize("kind", ["linear", "radial", "gaussian-process"])
def test_a_basis_changes_nothing_but_the_coefficients(kind, rng):
    """All kinds are linear in the codes, and the likelihood sees inner products alone."""
    known, query = rng.uniform(size=(25, 2)), rng.uniform(size=(10, 2))
    basis = np.linalg.qr(rng.normal(size=(8, 3)))[0]
    codes = codes_of(known, basis.T)
    given, found = (ParameterMap.fit(known, codes, kind, basis=b) for b in (basis, None))
    assert given.coefficients.shape == (25, 3)
    np.testing.assert_allclose(given.coefficients @ basis.T, codes_of(given.nodes, basis.T))
    np.testing.assert_allclose(given(query), found(query), atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_kept_maps_as_before(kind, rng, tmp_path):
    known = np.stack(np.meshgrid([0.0, 0.3, 1.0], [2.0, 3.0, 5.0]), -1).reshape(-1, 2)
    made = ParameterMap.fit(known, rng.normal(size=(9, 4)), kind, names=["a", "b"])
    assert len(made.kernel) == (3 if kind == "gaussian-process" else 0)
    made.save(tmp_path / "map.safetensors")
    again = ParameterMap.load(tmp_path / "map.safetensors")
    assert (again.kind, again.names) == (kind, ("a", "b"))
    query = rng.uniform([0, 2], [1, 5], size=(20, 2))
    np.testing.assert_array_equal(again(query), made(query))
    with safe_open(tmp_path / "map.safetensors", "numpy") as file:
        assert file.metadata()["kind"] == kind


def test_a_file_that_is_no_map_is_refused(tmp_path):
    (tmp_path / "x.safetensors").write_bytes(b"nonsense")
    for name in ("x.safetensors", "absent.safetensors"):
        with pytest.raises(InputError, match="contains no map from parameters to codes"):
            ParameterMap.load(tmp_path / name)


def test_rows_outside_are_named():
    known = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    made = ParameterMap.fit(known, known, names=["mach", "angle"])
    assert made.extrapolated([[0.2, 0.2]]) is None
    told = made.extrapolated([[0.2, 0.2], [1.0, 0.5], *[[3.0, 3.0]] * 4])
    assert told.startswith("5 of 6 rows are extrapolated")
    assert "row 1 (mach 1, angle 0.5)" in told
    assert told.endswith("and 2 more.")


@pytest.mark.parametrize("kind", KINDS)
def test_a_map_that_has_been_used_can_be_pickled(kind):
    known = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    made = ParameterMap.fit(
        known, np.sin(known @ [[1.0, 2.0], [3.0, -1.0]]), kind, names=["a", "b"]
    )
    again = pickle.loads(pickle.dumps(made))
    np.testing.assert_array_equal(again(known * 0.3), made(known * 0.3))
    assert again.names == ("a", "b")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((3, 1)), np.zeros((3, 2))), "same parameters, expected"),
        ((np.eye(3), np.eye(2)), "3 rows of training parameters and 2 training"),
        ((np.eye(3), np.eye(3), "auto", None, ["a"]), "3 parameters and 1 name; give one"),
        ((np.zeros(3), np.eye(3)), r"training parameters have shape \(3,\)"),
        (
            (np.full((3, 1), np.nan), np.eye(3)),
            "3 of 3 training parameters hold NaN",
        ),
        ((np.array([["a"]]), np.eye(1)), "not an array of numbers"),
        ((np.eye(3), np.eye(3), "radal"), "did you mean 'radial'"),
    ],
)
def test_what_cannot_be_fitted_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        ParameterMap.fit(*arguments)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (np.eye(2), r"have 2 columns, expected 3 \(a, b, c\)"),
        ([[0.0, np.inf, 0.0]], "1 of 1 parameters hold NaN or infinity"),
        ([0.0, 1.0, 2.0], r"expected \(N, P\)"),
    ],
)
def test_new_parameters_that_do_not_fit_are_refused(query, message):
    made = ParameterMap.fit(np.eye(3), np.eye(3), names=["a", "b", "c"])
    with pytest.raises(InputError, match=message):
        made(query)


def test_names_in_another_order_than_the_columns_are_those_of_the_columns(rng):
    pandas = pytest.importorskip("pandas")
    known = rng.random((40, 2))
    frame = pandas.DataFrame(known, columns=["dose", "time"])
    made = ParameterMap.fit(frame, known, names=["time", "dose"])
    np.testing.assert_allclose(made(frame[["time", "dose"]].to_numpy()), known, atol=1e-6)
    renamed = ParameterMap.fit(frame, known, names=["mass", "age"])
    np.testing.assert_allclose(renamed(known), known, atol=1e-6)


def test_columns_of_data_frames_are_taken_by_name(rng):
    pandas = pytest.importorskip("pandas")
    known = rng.uniform(size=(25, 2))
    made = ParameterMap.fit(
        pandas.DataFrame(known, columns=["dose", "time"]), codes_of(known, np.eye(3))
    )
    assert made.names == ("dose", "time")
    query = pandas.DataFrame(known[:5, ::-1], columns=["time", "dose"]).assign(batch="a")
    np.testing.assert_array_equal(made(query), made(known[:5]))
    assert made.extrapolated(query) is None
    with pytest.raises(InputError, match=r"columns time, batch, and lack dose; give .*dose"):
        made(query.drop(columns="dose"))
    numbered = pandas.DataFrame(known[:5])
    np.testing.assert_array_equal(made(numbered), made(known[:5]))
