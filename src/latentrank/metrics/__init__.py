"""Everything measured of a run: one table of metrics, one store of values."""

from latentrank.metrics import generation, labels, latent
from latentrank.metrics.base import METRICS, Measured, Metric, Spec, names, parse
from latentrank.metrics.measure import is_possible, measure, usual
from latentrank.metrics.store import Value, add, read
from latentrank.metrics.subject import Subject
from latentrank.metrics.tables import comparable, tables

__all__ = [
    "METRICS",
    "Measured",
    "Metric",
    "Spec",
    "Subject",
    "Value",
    "add",
    "comparable",
    "is_possible",
    "measure",
    "names",
    "parse",
    "read",
    "tables",
    "usual",
]

for _metric in (*latent.METRICS, *generation.METRICS, *labels.METRICS):
    METRICS.register(_metric.name, _metric)
METRICS.seal()
