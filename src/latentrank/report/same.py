"""What runs have in common, so that they can be compared: their data, and the units of errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from latentrank import data
from latentrank.errors import InputError
from latentrank.report.view import View

_SAME: Final = 0.01  # standard deviations: rounding, and versions of decoders of images


def check_same_data(views: Sequence[View]) -> None:
    """Refuse runs whose samples cannot be compared.

    Data under several names are the same if the test samples shown are.

    Raises:
        InputError: the data differ in name and in samples, or only in one of them.
    """
    first = views[0]
    for view in views[1:]:
        same = _same_samples(first, view)
        named_alike = (view.data_name, view.shape) == (first.data_name, first.shape)
        if not named_alike and not same:
            found = sorted({f"{view.data_name or 'no data'} {view.shape}" for view in views})
            raise InputError(
                f"The runs have different data ({'; '.join(found)}), expected the same for all; "
                "compare runs of one data set, and give it to saved models with read_data(...)."
            )
        if same is False:
            raise InputError(
                f"The data of {first.run.folder} and of {view.run.folder} are both called "
                f"{first.data_name}, but their test samples differ; compare runs of one data set."
            )


def _same_samples(first: View, second: View) -> bool | None:
    """Whether both show the same samples; None if they share no known row of the data."""
    if first.shape != second.shape:
        return False
    shown, own = _shown_by_row(first), _shown_by_row(second)
    if not (both := sorted(own.keys() & shown.keys())):
        return None
    a, b = (np.stack([x[row] for row in both]) for x in (shown, own))
    apart = np.abs(first.preprocessing.standardised(a) - first.preprocessing.standardised(b))
    return bool(apart.max() <= _SAME)


def _shown_by_row(view: View) -> dict[int, NDArray[Any]]:
    """The test samples shown, by their row in the data; none where rows depend on the seed."""
    if not view.has_samples or view.config["data"] in data.names():
        return {}
    rows, kept = view.test.get("rows"), view.kept
    if rows is None and view.config.get("test_size"):
        return {}
    return dict(zip((kept.rows if rows is None else rows[kept.rows]).tolist(), kept.x, strict=True))


def same_units(views: Sequence[View]) -> bool:
    """Whether all models scale the data alike, so that their validation errors have one unit."""
    first = np.asarray(views[0].preprocessing.scale)
    # small in any unit: without a tolerance in absolute terms
    return all(np.allclose(first, view.preprocessing.scale, _SAME, 0) for view in views)
