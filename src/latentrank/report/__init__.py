"""Reports: figures as functions of arrays, and self-contained pages built from them."""

from latentrank.report.comparison import write_comparison
from latentrank.report.page import write_report

__all__ = ["write_comparison", "write_report"]
