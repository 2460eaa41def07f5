"""Searches by name: registered from outside, and refused where a model lacks what they need."""

import dataclasses

import numpy as np
import pytest
import torch

import latentrank
from latentrank import methods
from latentrank.bottlenecks import Identity, NuclearNorm
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.methods.option_types import ReconstructionOptions
from latentrank.term import Term
from latentrank.training import fit
from latentrank.training.rank_search import SEARCHES, RankSearch, search_for


@pytest.fixture(autouse=True)
def own_tables(monkeypatch):
    """Whatever a test registers is removed after it."""
    for registry in (SEARCHES, methods.table.METHODS):
        monkeypatch.setattr(registry, "_values", dict(registry._values))


def register(name, like, **changes):
    methods.register(dataclasses.replace(methods.get(like), name=name, **changes))


def plain(latent_dim, options, rank):
    """A bottleneck whose rank cannot be changed and that defines no term."""
    return Identity(latent_dim)


def train(model):
    x = np.random.default_rng(0).normal(size=(20, 6)).astype(np.float32)
    return fit(model, Dataset("x", Split(x), Split(x)), TrainConfig(epochs=1), progress=False)


@pytest.mark.parametrize(
    ("search", "needs"),
    [
        ("shrink", "a bottleneck whose rank can be changed"),
        ("grow", "a bottleneck whose rank can be changed"),
        ("penalty", "a loss term whose weight it can adjust"),
    ],
)
def test_a_search_without_what_it_needs_is_refused_before_training(search, needs):
    """Once nothing was truncated, yet the report said that the rank was adapted."""
    if search == "penalty":
        register("mine", "lorae", bottleneck=plain, terms=(), rank_search_term=None)
    else:
        register("mine", "rrae", bottleneck=plain, rank_search=search)
    options = {} if search == "penalty" else {"adapt": search}
    model = latentrank.build("mine", (6,), 4, rank="auto", **options)
    with pytest.raises(InputError, match=f"rank search '{search}', which needs {needs}"):
        train(model)


def test_a_gap_needs_a_linear_latent():
    register("mine", "irmae", rank_search="gap")
    assert train(latentrank.build("mine", (6,), 4)).reports["rank_search"]["rank"] >= 1
    with pytest.raises(InputError, match="needs a code that is linear"):
        train(latentrank.build("mine", (6,), 4, nonlinear=True))


class Strength(ReconstructionOptions):
    """Options with another name for the weight."""

    strength: float = 1e-3
    rank: int | None = None


@pytest.mark.parametrize("weight", ["strength", 0.02])
def test_the_weight_that_is_moved_may_be_any_option_or_a_number(weight):
    """Once, an option of another name than `penalty` was a KeyError."""
    register(
        "mine",
        "lorae",
        options=Strength,
        bottleneck=lambda latent_dim, options, rank: NuclearNorm(latent_dim),
        terms=(Term("nuclear_norm", weight),),
    )
    model = latentrank.build("mine", (6,), 4, rank=2)
    start = 1e-3 if weight == "strength" else weight
    assert search_for(model, TrainConfig()).steering.penalty == start
    report = train(model).reports["rank_search"]
    assert report["penalty"] == model.term_weights["nuclear_norm"]


class Half(RankSearch):
    """Takes half of what there is."""

    def report(self, model):
        return {"rank": self.target.most // 2, "reliable": False, "message": "Half."}


def test_a_custom_search_is_registered_and_named_by_a_row():
    SEARCHES.register("half", Half)
    register("mine", "lorae", rank_search="half")
    model = latentrank.build("mine", (6,), 4, rank="auto")
    assert train(model).reports["rank_search"] == {"rank": 2, "reliable": False, "message": "Half."}
    assert search_for(latentrank.build("mine", (6,), 4, rank=3), TrainConfig()) is None


def test_an_unknown_search_is_refused_with_what_there_is():
    register("mine", "lorae", rank_search="shrik")
    with pytest.raises(InputError, match="did you mean 'shrink'"):
        search_for(latentrank.build("mine", (6,), 4, rank="auto"), TrainConfig())


def test_every_search_says_what_it_needs():
    torch.manual_seed(0)
    for name in SEARCHES.names():
        assert SEARCHES.get(name).needs != RankSearch.needs
