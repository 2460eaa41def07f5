"""Automatic rank selection while a model is trained.

A search is one class (`base.RankSearch`) beside its tracker: the tracker decides from measured
numbers and knows nothing of training; the search measures and applies its decisions. `SEARCHES`
holds them by name; another package adds one with an entry point in the group
`latentrank.rank_searches`.
"""

from latentrank.training.rank_search.base import PeriodicSearch, RankSearch
from latentrank.training.rank_search.registry import SEARCHES, search_for

__all__ = ["SEARCHES", "PeriodicSearch", "RankSearch", "search_for"]
