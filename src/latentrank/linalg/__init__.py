"""Linear algebra of low-rank codes: truncation, nuclear norm, spectrum and rank."""

from latentrank.linalg.nuclear import nuclear_norm
from latentrank.linalg.spectrum import RANK_THRESHOLD, Gap, gap, rank, rank_of_spectrum, spectrum
from latentrank.linalg.truncation import GramAccumulator, leading_basis, truncate_rank

__all__ = [
    "RANK_THRESHOLD",
    "Gap",
    "GramAccumulator",
    "gap",
    "leading_basis",
    "nuclear_norm",
    "rank",
    "rank_of_spectrum",
    "spectrum",
    "truncate_rank",
]
