"""Search spaces: read from text, proposed from, and listed where they are finite."""

import math

import optuna
import pytest

from latentrank.errors import InputError
from latentrank.io import digest
from latentrank.sweep.searches import Search, combinations, parse_search, propose, untried


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("penalty=1e-5..1e-1:log", Search("penalty", 1e-5, 1e-1, log=True)),
        ("depth=2..12", Search("depth", 2, 12)),
        ("penalty=0..0.5", Search("penalty", 0, 0.5)),
        ("shift=-2..-1", Search("shift", -2, -1)),
        ("--latent-dim=8,16", Search("latent_dim", choices=(8, 16))),
    ],
)
def test_searches_are_read_as_they_are_typed(text, expected):
    assert parse_search(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "penalty", "penalty=", "=1..2", "penalty=a..b", "penalty=1..2:lin", "penalty=1..true",
        "penalty=1..2..3", "penalty=1...inf", "penalty=.nan..1", "penalty=1..1e999",
    ],
)  # fmt: skip
def test_what_is_no_search_is_refused(text):
    with pytest.raises(InputError, match=r"expected NAME=LOW..HIGH"):
        parse_search(text)


@pytest.mark.parametrize("text", ["penalty=2..1", "penalty=1..1", "penalty=0..1:log"])
def test_an_empty_range_is_refused(text):
    with pytest.raises(InputError, match="give the smaller number first"):
        parse_search(text)


@pytest.mark.parametrize("text", ["penalty=0.1,0.2,1e-1", "rank=2,2.0"])
def test_a_choice_that_is_there_twice_is_refused(text):
    """The search for a third value would not end."""
    with pytest.raises(InputError, match=r"has the choice \S+ twice; leave one out"):
        parse_search(text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("depth=2..4", [2, 3, 4]),
        ("width=4..8:log", [4, 5, 6, 7, 8]),
        ("solver=svd,polar,8", ["svd", "polar", 8]),
    ],
)
def test_a_finite_search_proposes_each_of_its_values_and_no_other(text, values):
    search = parse_search(text)
    assert search.first == values[0]
    assert list(search.values) == values
    assert set(proposals(search)) == set(values)


@pytest.mark.parametrize(
    ("text", "middle"),
    [("penalty=1e-4..1e-2:log", 1e-3), ("penalty=1..3.0", 2.0), ("penalty=1.0..3", 2.0)],
)
def test_half_the_proposals_of_a_range_lie_below_its_middle(text, middle):
    """The geometric mean of its ends on a log scale; three standard deviations of 200 are 0.11."""
    search = parse_search(text)
    assert search.values is None
    assert search.first == search.low
    found = proposals(search)
    assert all(search.low <= value <= search.high for value in found)
    assert sum(value < middle for value in found) / 200 == pytest.approx(0.5, abs=0.11)


def proposals(search):
    """200 values drawn at random by Optuna."""
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    return [propose(study.ask(), search) for _ in range(200)]


def test_what_is_left_of_a_finite_search_are_the_combinations_not_tried():
    both = [parse_search("depth=1..2"), parse_search("solver=svd,polar")]
    every = [{"depth": d, "solver": s} for d in (1, 2) for s in ("svd", "polar")]
    assert combinations(both) == len(every)
    assert untried(both, ()) == every
    assert untried(both, {digest(every[2]), "another"}) == [*every[:2], every[3]]
    wide = [*both, parse_search("penalty=0.0..1.0")]
    assert combinations(wide) == math.inf
    assert untried(wide, ()) == []
