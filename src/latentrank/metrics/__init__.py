"""Everything that is measured on a run: one table of metrics, one store of values."""

from latentrank.metrics.base import Measured, Metric
from latentrank.metrics.measure import (
    OF_METHOD,
    check,
    check_possible,
    check_weights,
    is_possible,
    measure,
    usual,
)
from latentrank.metrics.registry import METRICS, Spec, names, parse
from latentrank.metrics.store import Value, add, read
from latentrank.metrics.subject import Subject
from latentrank.metrics.tables import comparable, tables, unit_of, with_spread

__all__ = [
    "METRICS",
    "OF_METHOD",
    "Measured",
    "Metric",
    "Spec",
    "Subject",
    "Value",
    "add",
    "check",
    "check_possible",
    "check_weights",
    "comparable",
    "is_possible",
    "measure",
    "names",
    "parse",
    "read",
    "tables",
    "unit_of",
    "usual",
    "with_spread",
]
