"""A run's reconstruction error by number of coefficients, compared with PCA's."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np

from latentrank.evaluation.coefficients import ErrorCurve
from latentrank.formatting import counted
from latentrank.io import csv_text, write_text

_HEADER = ("model", "coefficients", "share of variance")


class Errors(NamedTuple):
    """Two curves on the same test samples.

    Attributes:
        model: curve of the run.
        pca: curve of PCA fitted to the training split.
    """

    model: ErrorCurve
    pca: ErrorCurve

    def write(self, path: Path) -> None:
        """Write the curves as CSV, so that they can be drawn without the data.

        Raises:
            InputError: the file cannot be written.
        """
        rows = (
            (name, k, repr(error))
            for name, curve in self._asdict().items()
            for k, error in zip(curve.ks.tolist(), curve.errors.tolist(), strict=True)
        )
        write_text(path, csv_text(_HEADER, rows))

    @classmethod
    def read(cls, path: Path) -> Errors | None:
        """The curves that `write` wrote; None if there is no such file, or it is damaged.

        Example:
            >>> import tempfile
            >>> path = Path(tempfile.mkdtemp()) / "errors.csv"
            >>> curve = ErrorCurve(np.arange(1, 3), np.array([0.5, 0.25]))
            >>> Errors(curve, curve).write(path)
            >>> Errors.read(path).pca.errors.tolist()
            [0.5, 0.25]
        """
        if not path.is_file():
            return None
        try:
            with path.open(encoding="utf-8", newline="") as file:
                rows = [(name, int(k), float(error)) for name, k, error in [*csv.reader(file)][1:]]
        except ValueError:  # not three columns, no numbers, or no text
            return None
        curves = {
            name: ErrorCurve(
                np.array([k for own, k, _ in rows if own == name]),
                np.array([error for own, _, error in rows if own == name]),
            )
            for name in cls._fields
        }
        return cls(**curves) if all(len(curve.ks) for curve in curves.values()) else None


def pca_needs(share: float, pca: ErrorCurve) -> str:
    """The number of coefficients PCA needs for an error, in words.

    Args:
        share: the error as a share of the variance, such as the mean over seeds.
        pca: curve of PCA.

    Example:
        >>> curve = ErrorCurve(np.arange(1, 3), np.array([0.5, 0.2]))
        >>> pca_needs(0.3, curve)
        'PCA needs 2 coefficients for that'
        >>> pca_needs(0.1, curve)
        'PCA does not reach that with 2 coefficients'
        >>> pca_needs(1.1, curve)
        'the mean of the data is no worse'
    """
    if share >= 1:
        return "the mean of the data is no worse"
    needed = pca.needed(share)
    if needed is None:
        return f"PCA does not reach that with {counted(int(pca.ks[-1]), 'coefficient')}"
    return f"PCA needs {counted(needed, 'coefficient')} for that"


def percent(share: float) -> str:
    r"""A share of the variance with two digits and a non-breaking space.

    Example:
        >>> shares = (0.0263, 0.02, 0.0996, 1.234, 0.00012, 1e-9)
        >>> [percent(share).replace("\u202f", " ") for share in shares]
        ['2.6 %', '2.0 %', '10 %', '123 %', '0.012 %', 'below 0.001 %']
    """
    value = 100 * share
    number = f"{value:.0f}" if value >= 9.95 else f"{value:#.2g}"
    text = "below 0.001" if 0 < value < 1e-3 else number
    return f"{text}\N{NARROW NO-BREAK SPACE}%"
