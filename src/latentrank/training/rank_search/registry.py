"""The rank searches by name, and the choice of one for a model."""

from __future__ import annotations

from latentrank import methods
from latentrank.config import TrainConfig
from latentrank.errors import InputError, check_takes
from latentrank.methods.rank_target import rank_target
from latentrank.models.base import LatentModel
from latentrank.registry import Registry
from latentrank.training.rank_search.base import RankSearch
from latentrank.training.rank_search.gap import GapSearch
from latentrank.training.rank_search.grow import GrowSearch
from latentrank.training.rank_search.penalty import PenaltySearch
from latentrank.training.rank_search.shrink import ShrinkSearch

#: Rank searches by name. Another package adds one with an entry point in
#: `latentrank.rank_searches`.
SEARCHES = Registry[type[RankSearch]](
    "rank search",
    "latentrank.rank_searches",
    {"shrink": ShrinkSearch, "grow": GrowSearch, "penalty": PenaltySearch, "gap": GapSearch},
    check=lambda what, value: check_takes(value, ("model", "config", "target"), what),
)


def search_for(model: LatentModel, config: TrainConfig) -> RankSearch | None:
    """The search that finds the rank of a model during training; None if its rank is given.

    Raises:
        InputError: there is no search of that name, or the model lacks what it needs.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("rrae", (6,), latent_dim=4, rank="auto")
        >>> type(search_for(model, TrainConfig())).__name__
        'ShrinkSearch'
        >>> search_for(latentrank.build("rrae", (6,), latent_dim=4, rank=2), TrainConfig())
    """
    spec = model.spec
    row = methods.get(spec.method)
    target = rank_target(spec.method, row.rank_search, spec.latent_dim, spec.options)
    if target.search is None:
        return None
    search = SEARCHES.get(target.search)
    if not search.applies(target):
        return None
    if not search.suits(model):
        raise InputError(
            f"{spec.method} asks for the rank search '{target.search}', which needs "
            f"{search.needs}; name another search in the method's row, or none."
        )
    return search(model, config, target)
