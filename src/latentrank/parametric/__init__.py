"""Codes as a function of the parameters that generated the samples."""

from latentrank.parametric.coordinates import Coordinates
from latentrank.parametric.kinds import KINDS, UnsuitableError, choose
from latentrank.parametric.map import ExtrapolationWarning, ParameterMap, as_parameters

__all__ = [
    "KINDS",
    "Coordinates",
    "ExtrapolationWarning",
    "ParameterMap",
    "UnsuitableError",
    "as_parameters",
    "choose",
]
