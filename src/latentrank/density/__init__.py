"""Probability densities on codes: fit them to training codes, sample, decode.

All of them live in the affine subspace that the codes span, so codes of low rank are the normal
case. Each is one file with a `fit(codes, *, option=default)`; another package adds its own with an
entry point in the group `latentrank.densities`.
"""

from latentrank.density.base import Density, RandomState, Subspace
from latentrank.density.gaussian import Normal
from latentrank.density.prior import standard_normal
from latentrank.density.table import (
    DENSITIES,
    Option,
    Spec,
    fit,
    names,
    options,
    parse,
    split_specs,
    summary,
)

__all__ = [
    "DENSITIES",
    "Density",
    "Normal",
    "Option",
    "RandomState",
    "Spec",
    "Subspace",
    "fit",
    "names",
    "options",
    "parse",
    "split_specs",
    "standard_normal",
    "summary",
]
