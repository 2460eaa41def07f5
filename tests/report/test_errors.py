"""The file of errors by number of coefficients."""

import numpy as np
import pytest

from latentrank.evaluation.coefficients import ErrorCurve
from latentrank.report.errors import Errors


def curve(*errors):
    return ErrorCurve(np.arange(1, len(errors) + 1), np.array(errors))


def test_curves_are_read_as_written(tmp_path):
    written = Errors(curve(0.3, 0.1, 1 / 3), curve(0.7))
    written.write(tmp_path / "errors.csv")
    read = Errors.read(tmp_path / "errors.csv")
    for name in ("model", "pca"):
        for one, other in zip(getattr(written, name), getattr(read, name), strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"model,1,0.5",
        b"a,b,c\nmodel,one,0.5",
        b"a,b,c\nmodel,1,0.5,2",
        b"a,b\nmodel,1",
        b"\xff",
    ],
)
def test_a_damaged_file_counts_as_none(tmp_path, content):
    (tmp_path / "errors.csv").write_bytes(content)
    assert Errors.read(tmp_path / "errors.csv") is None
