"""The largest number in any code of the test samples."""

import numpy as np

from latentrank.metrics import Metric, Subject


def _largest(subject: Subject, _: str) -> float:
    return float(np.abs(subject.codes("test")).max())


LARGEST_CODE = Metric(
    "largest-code", _largest, needs=("codes",), help="largest number in any code of a test sample"
)
