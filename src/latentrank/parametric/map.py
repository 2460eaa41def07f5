r"""The map from parameters to codes: fitted, evaluated, saved in a file that runs no code.

A code is `z = m + D a`, with coefficients `a` in the basis of the bottleneck or, where it has none,
in the principal directions of the training codes; the coefficients are interpolated over the
parameters. Reduced-order models predict in this way (Hesthaven and Ubbiali, 2018); here an
autoencoder replaces their POD.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from latentrank.density.base import Subspace, as_codes, as_matrix
from latentrank.errors import InputError, check_known
from latentrank.formatting import as_text, counted, first_of
from latentrank.io import atomic_write
from latentrank.parametric import kinds
from latentrank.parametric.coordinates import Coordinates, cells, ranges
from latentrank.parametric.kinds import KINDS

Array = NDArray[np.float64]

_NAMED = 3  # rows that a warning names
_WITHOUT_KERNEL = {
    "linear": kinds.linear,
    "multilinear": kinds.multilinear,
    "radial": kinds.radial,
}


class ExtrapolationWarning(UserWarning):
    """Parameters lie outside those that a map was fitted to."""


@dataclass(frozen=True, eq=False)
class ParameterMap:
    """Codes as a function of parameters.

    Args:
        kind: one of `KINDS`.
        nodes: `(N, P)` float64, the different parameters that it was fitted to.
        coefficients: `(N, k)` float64, those of the codes there.
        mean: `(L,)` float64, the code of zero coefficients.
        directions: `(k, L)` float64.
        names: names of the parameters, if known.
        kernel: hyperparameters of a Gaussian process, from
            `latentrank.parametric.kinds.learn_kernel`; empty for other kinds.

    Example:
        >>> made = ParameterMap.fit([[0.0], [1.0]], [[0.0, 5.0], [2.0, 5.0]])
        >>> made.kind, made([[0.5], [2.0]]).tolist()
        ('multilinear', [[1.0, 5.0], [4.0, 5.0]])
    """

    kind: str
    nodes: Array
    coefficients: Array
    mean: Array
    directions: Array
    names: tuple[str, ...] | None
    kernel: Array

    @classmethod
    def fit(
        cls,
        parameters: ArrayLike,
        codes: ArrayLike,
        kind: str = "auto",
        basis: ArrayLike | None = None,
        names: Sequence[str] | None = None,
    ) -> ParameterMap:
        """The map through known codes.

        Samples with the same parameters are merged into one, with the mean of their codes.

        Args:
            parameters: `(N, P)`; the columns of a data frame are matched by name later on.
            codes: `(N, L)`.
            kind: one of `KINDS`; `"auto"` is multilinear on a full grid, and radial elsewhere.
            basis: `(L, k)`, orthonormal columns that span every code; by default the principal
                directions of the codes.
            names: of the parameters; by default those of a data frame.

        Raises:
            InputError: arrays and names do not fit together, a number is not finite, all
                parameters are the same, they do not suit the kind, or there is no such kind.
        """
        check_known("kind of interpolation", kind, ("auto", *KINDS))
        columns = _columns(parameters)
        names = names or columns or None
        order = names if set(names or ()) == set(columns) else None
        known = as_parameters(parameters, names=order, what="training parameters")
        matrix = as_codes(codes)
        if len(matrix) != len(known):
            raise InputError(
                f"There are {len(known)} rows of training parameters and {len(matrix)} training "
                "codes, expected one row per code; give the same samples."
            )
        if names is not None and len(names) != known.shape[1]:
            raise InputError(
                f"There are {counted(known.shape[1], 'parameter')} and "
                f"{counted(len(names), 'name')}; give one name for each."
            )
        nodes, merged = _merged(known, matrix)
        if len(nodes) < 2:
            raise InputError(
                "All training samples have the same parameters, expected at least two different "
                "ones; there is nothing to interpolate over."
            )
        coefficients, mean, directions = _coefficients(merged, basis)
        points = Coordinates.of(nodes)(nodes)
        kind = kinds.choose(points) if kind == "auto" else kind
        kernel = np.empty(0)
        if kind == "gaussian-process" and coefficients.shape[1]:
            kernel = kinds.learn_kernel(points, coefficients)
        given = None if names is None else tuple(names)
        made = cls(kind, nodes, coefficients, mean, directions, given, kernel)
        _ = made._interpolant  # raises if the parameters do not suit the kind
        return made

    @property
    def width(self) -> int:
        """Numbers in a row of parameters, `P`."""
        return int(self.nodes.shape[1])

    @cached_property
    def _coordinates(self) -> Coordinates:
        return Coordinates.of(self.nodes)

    @cached_property
    def _interpolant(self) -> kinds.Interpolant:
        points = self._coordinates(self.nodes)
        if not self.coefficients.shape[1]:
            return lambda query: np.empty((len(query), 0))
        if self.kind == "gaussian-process":
            return kinds.gaussian_process(points, self.coefficients, self.kernel)
        return _WITHOUT_KERNEL[self.kind](points, self.coefficients)

    def __getstate__(self) -> dict[str, Any]:
        """What `save` writes; the interpolant, which pickle cannot hold, is made again from it."""
        return {name: getattr(self, name) for name in ("kind", "names", *_ARRAYS)}

    def __call__(self, parameters: ArrayLike) -> Array:
        """Codes at parameters.

        Args:
            parameters: `(Q, P)`; columns of a data frame are matched by name, in any order.

        Returns:
            `(Q, L)` float64.

        Raises:
            InputError: they are not finite numbers, or not those that the map was fitted to.
        """
        query = self._coordinates(as_parameters(parameters, self.width, self.names))
        return np.asarray(self.mean + self._interpolant(query) @ self.directions)

    def outside(self, parameters: ArrayLike) -> NDArray[np.bool_]:
        """Which parameters, `(Q, P)`, lie outside the convex hull of the known ones, `(Q,)`."""
        query = as_parameters(parameters, self.width, self.names)
        return self._coordinates.outside(self.nodes, query)

    def extrapolated(self, parameters: ArrayLike) -> str | None:
        """A sentence that names the rows outside the convex hull; None if there are none.

        Example:
            >>> made = ParameterMap.fit([[0.0], [1.0]], [[0.0], [2.0]], names=["speed"])
            >>> print(made.extrapolated([[0.5], [7.0]]))
            1 of 2 rows is extrapolated, outside the convex hull of the training parameters; counted
            from 0: row 1 (speed 7).
        """
        query = as_parameters(parameters, self.width, self.names)
        rows = np.flatnonzero(self.outside(query))
        if not len(rows):
            return None
        told = [f"row {row} ({self._told(query[row])})" for row in rows]
        return (
            f"{len(rows)} of {len(query)} rows {'is' if len(rows) == 1 else 'are'} extrapolated, "
            "outside the convex hull of the training parameters; counted from 0: "
            f"{first_of(told, _NAMED)}."
        )

    def _told(self, values: Array) -> str:
        """One row of parameters in words."""
        texts = [as_text(float(value)) for value in values]
        if self.names is None:
            return ", ".join(texts)
        return ", ".join(f"{name} {text}" for name, text in zip(self.names, texts, strict=True))

    def save(self, path: str | Path) -> None:
        """Save the map to a safetensors file.

        Raises:
            InputError: the file cannot be written.
        """
        arrays = {name: np.ascontiguousarray(getattr(self, name)) for name in _ARRAYS}
        about = {"kind": self.kind, "names": json.dumps(self.names)}
        with atomic_write(path) as temporary:
            save_file(arrays, temporary, metadata=about)

    @classmethod
    def load(cls, path: str | Path) -> ParameterMap:
        """The map that `save` wrote; no code in the file is run.

        Raises:
            InputError: there is no such file, or it holds no map.
        """
        try:
            with safe_open(path, "numpy") as file:
                about = file.metadata() or {}
                arrays: dict[str, Any] = {name: file.get_tensor(name) for name in _ARRAYS}
            names = json.loads(about["names"])
            made = cls(about["kind"], names=None if names is None else tuple(names), **arrays)
            made(made.nodes[:1])  # raises if the arrays do not fit together
            return made
        except (OSError, SafetensorError, LookupError, TypeError, ValueError) as error:
            raise InputError(
                f"{path} contains no map from parameters to codes ({error}); remove it, and it is "
                "fitted again."
            ) from None


_ARRAYS = ("nodes", "coefficients", "mean", "directions", "kernel")


def as_parameters(
    values: ArrayLike,
    width: int | None = None,
    names: Sequence[str] | None = None,
    what: str = "parameters",
) -> Array:
    """Parameters as a float64 matrix, checked.

    Args:
        values: `(N, P)`; columns of a data frame are taken by the expected names, in any order.
        width: the expected `P`, or None for any.
        names: of the expected parameters.
        what: name of the values in the error.

    Returns:
        `(N, P)` float64.

    Raises:
        InputError: they are not a matrix of finite numbers, or of a different width, or a data
            frame lacks one of them.

    Example:
        >>> as_parameters([[1, 2]], width=3, names=["a", "b", "c"])
        Traceback (most recent call last):
        latentrank.errors.InputError: The parameters have 2 columns, expected 3 (a, b, c); give ...
    """
    remedy = "give those that the training data have"
    found = _columns(values)
    if found and names:
        if lacking := [name for name in names if name not in found]:
            raise InputError(
                f"The {what} have the columns {first_of(found, _NAMED)}, and lack "
                f"{first_of(lacking, _NAMED)}; {remedy}, or an array of them in this order: "
                f"{', '.join(names)}."
            )
        frame: Any = values
        values = np.stack([np.asarray(frame[name]) for name in names], axis=1)
    matrix = as_matrix(values, what, "(N, P)", width, remedy, names)
    if not len(matrix):
        raise InputError(f"There are no {what}, expected at least one row; give some.")
    return matrix


def _columns(values: Any) -> list[str]:
    """The names of a data frame's columns; empty if these are numbers, or for anything else."""
    names = list(getattr(values, "columns", ()))
    return names if all(isinstance(name, str) for name in names) else []


def _merged(known: Array, codes: Array) -> tuple[Array, Array]:
    """One row per different parameters, with the mean of the codes there."""
    low, span = ranges(known)
    which = cells((known - low) / span)
    _, first, inverse = np.unique(which, axis=0, return_index=True, return_inverse=True)
    inverse = inverse.ravel()  # a column in NumPy 2.0
    sums = np.zeros((len(first), codes.shape[1]))
    np.add.at(sums, inverse, codes)
    return known[first], sums / np.bincount(inverse)[:, None]


def _coefficients(codes: Array, basis: ArrayLike | None) -> tuple[Array, Array, Array]:
    """Coefficients `(N, k)` of codes, the code of zero `(L,)`, and directions `(k, L)`."""
    if basis is not None:
        columns = np.asarray(basis, dtype=np.float64)
        return codes @ columns, np.zeros(codes.shape[1]), columns.T
    subspace = Subspace.of(codes)
    return (codes - subspace.mean) @ subspace.basis, subspace.mean, subspace.basis.T
