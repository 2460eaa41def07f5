from unittest.mock import patch

import numpy as np
import pytest

from latentrank.data import load
from latentrank.data.layout import as_samples, recognise
from latentrank.data.views import RowView
from latentrank.errors import InputError
from latentrank.preprocessing import LAYOUTS, Preprocessing


@pytest.mark.parametrize(
    ("shape", "dtype", "layout"),
    [
        ((20, 7), "f4", "NF"),
        ((20, 1, 40), "f4", "NCT"),
        ((20, 2, 3), "f4", "NCT"),
        ((20, 12, 1000), "f4", "NCT"),
        ((20, 40, 1), "f4", "NTC"),
        ((20, 1000, 3), "f8", "NTC"),
        ((20, 28, 28), "f4", "NHW"),
        ((20, 28, 20), "u1", "NHW"),
        ((20, 28, 20), "?", "NHW"),
        ((20, 3, 28, 28), "f4", "NCHW"),
        ((20, 28, 28, 3), "u1", "NHWC"),
        ((20, 28, 28, 2), "f4", "NHWC"),
        ((20, 3, 4, 4), "u1", "NCHW"),
        ((20, 4, 4, 3), "u1", "NHWC"),
        ((20, 12, 64, 64), "f4", "NCHW"),
        ((20, 1, 8, 8, 8), "f4", "NCDHW"),
        ((20, 8, 8, 8, 1), "f4", "NDHWC"),
    ],
)
def test_shapes_that_leave_no_doubt(shape, dtype, layout):
    assert recognise(np.zeros(shape, dtype), "x") == layout


@pytest.mark.parametrize(
    ("shape", "candidates"),
    [
        ((20, 30, 40), "NCT or NHW or NTC"),
        ((20, 64, 128), "NCT or NHW or NTC"),
        ((20, 16, 16, 16), "NCHW or NDHW or NHWC"),
        ((20, 32, 32, 8), "NCHW or NDHW or NHWC"),
        ((20, 9, 8, 8, 9), "NCDHW or NDHWC"),
        ((12, 12, 500), "NCT or NHW or NTC"),
        ((32, 32, 3, 500), "NCHW or NDHW or NHWC"),
    ],
)
def test_doubtful_shapes_are_refused_with_the_remedy(shape, candidates):
    with pytest.raises(
        InputError, match=rf"which can be {candidates}; specify one, such as layout="
    ):
        recognise(np.zeros(shape, "f4"), "x")


@pytest.mark.parametrize(
    ("shape", "kind", "layout"),
    [
        ((20, 30), "table", "NF"),
        ((20, 30), "curves", "NT"),
        ((20, 30, 40), "images", "NHW"),
        ((20, 30, 40), "curves", "NCT"),
        ((20, 40, 3), "curves", "NTC"),
        ((20, 16, 16, 16), "volumes", "NDHW"),
        ((20, 32, 32, 8), "images", "NHWC"),
        ((20, 3, 8, 8), "images", "NCHW"),
        ((20, 9, 8, 8, 9), "volumes", "NCDHW"),
    ],
)
def test_the_kind_decides(shape, kind, layout):
    assert recognise(np.zeros(shape, "f4"), "x", kind=kind) == layout


def test_what_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"expected \(N, C, H, W\) or \(N, H, W\) or .* of images"):
        recognise(np.zeros((5, 4)), "x", kind="images")
    with pytest.raises(InputError, match=r"shape \(5, 4, 3\); expected \(N, F\) of table"):
        recognise(np.zeros((5, 4, 3)), "x", kind="table")
    with pytest.raises(InputError, match="expected 4 axes for layout NHWC"):
        recognise(np.zeros((5, 4)), "x", layout="nhwc")
    with pytest.raises(InputError, match="no layout 'NCWH'; did you mean 'NCHW'"):
        recognise(np.zeros((5, 4)), "x", layout="NCWH")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_that_is_named_is_read_so(tmp_path, layout):
    sizes = {"N": 10, "F": 3, "C": 2, "T": 9, "D": 4, "H": 5, "W": 6}
    x = np.random.default_rng(0).normal(size=[sizes[axis] for axis in layout])
    np.save(tmp_path / "a.npy", np.asfortranarray(x)[::-1])
    data = load(tmp_path / "a.npy", layout=layout)
    assert data.shape == tuple(
        {**sizes, "C": 2 if "C" in layout else 1}[a] for a in LAYOUTS[layout][1:]
    )
    np.testing.assert_array_equal(
        data.preprocessing.to_own_layout(data.train.x), x[::-1][data.train.rows]
    )


LAST = Preprocessing(layout="NHWC")


@pytest.mark.parametrize(
    ("shape", "made", "wanted"),
    [
        ((5, 8, 9, 3), LAST, (5, 3, 8, 9)),
        ((5, 3, 8, 9), LAST, (5, 3, 8, 9)),
        ((8, 9, 3), LAST, (1, 3, 8, 9)),
        ((3, 8, 9), LAST, (1, 3, 8, 9)),
    ],
)
def test_samples_for_a_model_are_taken_in_either_layout(shape, made, wanted):
    assert as_samples(np.zeros(shape), made, (3, 8, 9)).shape == wanted


@pytest.mark.parametrize("shape", [(40,), (1, 40), (1, 1, 40)])
def test_one_curve_alone_is_taken(shape):
    assert as_samples(np.zeros(shape), Preprocessing(layout="NT"), (1, 40)).shape == (1, 1, 40)


def test_samples_of_another_shape_are_refused():
    with pytest.raises(InputError, match=r"shape \(5, 8, 8, 3\), expected .* shape \(8, 9, 3\)"):
        as_samples(np.zeros((5, 8, 8, 3)), LAST, (3, 8, 9))


def test_samples_in_layout_are_not_read():
    """Rows of a large array are read on demand, which indexing them would do."""
    rows = RowView(np.zeros((9, 1, 4)), np.arange(5))
    with patch.object(RowView, "__getitem__", side_effect=AssertionError("read")):
        assert as_samples(rows, Preprocessing(), (1, 4)) is rows


def test_an_unknown_kind_is_refused():
    with pytest.raises(InputError, match=r"no kind of data 'tabel'; did you mean 'table'\?"):
        load(np.zeros((4, 3)), kind="tabel")
