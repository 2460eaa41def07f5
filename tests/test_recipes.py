"""The recipes that come with the package, and mistakes in those of a user's own."""

import json
import math
import re

import numpy as np
import pytest

from latentrank import methods, reproduce
from latentrank.config import RunConfig
from latentrank.errors import InputError
from latentrank.recipes import BUDGETS, load, names, only, presets
from latentrank.reproduce import plan


def test_there_is_a_recipe_for_every_table_and_figure():
    wanted = [f"lorae-table-{n}" for n in range(1, 9)]
    wanted += ["lorae-figure-2", "lorae-figure-3"]
    wanted += [f"lorae-theory-{name}" for name in ("convergence", "contrast", "rank")]
    wanted += [f"irmae-figure-{n}" for n in range(2, 14)]
    wanted += [f"irmae-table-{n}" for n in (1, 2, 5, 6, 7, 8)]
    wanted += ["rrae-curves", "rrae-mnist-entropy"]
    wanted += [f"vrrae-{name}" for name in ("mnist", "celeba", "cifar10", "gaussian2d")]
    wanted += ["mnist-methods"]
    assert sorted(wanted) == sorted(names())


@pytest.mark.parametrize("name", names())
def test_every_recipe_can_be_planned_in_both_budgets(name, tmp_path):
    found = load(name)
    for budget in BUDGETS:
        jobs = plan(found, budget, 2, tmp_path)
        trained = [job.folder for job in jobs if job.trained]
        assert len(set(trained)) == len(trained)
        assert reproduce.differences(found, budget)
    for figure in found.figures:
        kind, _, argument = figure.partition(":")
        assert kind in ("bars", "seeds", "spectrum", "interpolation", "pca", "samples", "tsne")
        assert kind not in ("bars", "seeds") or any(
            argument in part.metrics for part in found.parts
        )


@pytest.mark.parametrize("name", names())
def test_every_published_value_is_a_number(name):
    for part in load(name).parts:
        for values in part.published.values():
            for value in values.values():
                pair = value if isinstance(value, tuple) else (value,)
                assert all(math.isfinite(number) and number > 0 for number in pair)


def test_published_values_are_the_papers():
    ranks = load("lorae-table-7").parts[0].published["rank"]
    assert list(ranks.values()) == [7, 8, 18, 40, 65]
    assert load("lorae-table-3").parts[1].published["FID, GMM"]["LoRAE"] == 45.43
    assert load("irmae-table-2").parts[0].published["100"]["IRMAE"] == (10.2, 0.5)
    assert load("irmae-table-8").parts[0].published["FID, Gaussian"]["AE 512"] == 53.9
    errors = [part.published["test error %"] for part in load("rrae-curves").parts]
    assert [part["RRAE"] for part in errors] == [1.9, 3.2, 12.83, 8.75]
    assert load("rrae-mnist-entropy").parts[0].published["rank"]["LoRAE"] == 20


def test_recipes_share_runs(tmp_path):
    def folders(name):
        return {job.folder for job in plan(load(name), "small", 3, tmp_path)}

    assert folders("lorae-theory-rank") == folders("lorae-table-7")
    assert len(folders("lorae-table-3") & folders("lorae-table-6")) == 9


def test_the_comparison_has_every_method(tmp_path):
    found = load("mnist-methods")
    assert [row.method for row in found.rows] == methods.names()
    shared = {job.folder for job in plan(load("lorae-table-3"), "small", 1, tmp_path)}
    assert len(shared & {job.folder for job in plan(found, "small", 1, tmp_path)}) == 4


def test_one_part_of_a_recipe_has_its_own_claims_and_command():
    whole, faces = load("lorae-table-3"), only(load("lorae-table-3"), ["celeba"])
    assert [part.preset for part in faces.parts] == ["celeba"]
    assert {claim.part for claim in faces.claims} == {"celeba"}
    assert {claim.part for claim in only(whole, ["mnist"]).claims} == {""}  # of the first part
    assert len(faces.claims) + len(only(whole, ["mnist"]).claims) == len(whole.claims)
    assert reproduce.command("x", 1, "small", ["a b"]).endswith("--part 'a b'")
    with pytest.raises(InputError, match="mnist"):
        only(whole, ["mnits"])


def test_a_row_can_have_its_own_settings_on_a_data_set(tmp_path):
    jobs = plan(load("rrae-curves"), "small", 1, tmp_path)
    narrow = {job.part: job.config.latent_dim for job in jobs if job.row == "AE narrow"}
    ranks = {job.part: job.config.options.rank for job in jobs if job.row == "RRAE"}
    assert narrow == ranks
    assert not any(job.config.latent_dim == ranks[job.part] for job in jobs if job.row == "AE")


def test_a_part_has_the_rows_options_and_seeds_that_it_names(tmp_path):
    found = load("rrae-curves")
    small, whole = (plan(found, budget, 4, tmp_path) for budget in ("small", "paper"))

    def rows(jobs, part):
        return [job.row for job in jobs if job.part == f"curves-{part}"]

    assert "LoRAE" not in rows(whole, "stairs"), "the paper has none there"
    assert rows(whole, "two-sines").count("LoRAE") == 4
    assert rows(small, "two-sines").count("IRMAE 4") == 1
    assert rows(small, "two-sines").count("LoRAE") == 3
    assert rows(small, "two-sines").count("RRAE") == 4
    kappa = {job.part: job.config.options.kappa for job in whole if job.row == "RRAE weak"}
    assert kappa == {"curves-two-sines": 0.66, "curves-two-gaussians": 0.13}


@pytest.mark.parametrize("name", names())
def test_a_given_rank_applies_only_to_methods_that_truncate(name, tmp_path):
    """The rank of a part reached LoRAE, whose penalty was then adjusted for it."""
    for job in plan(load(name), "paper", 1, tmp_path):
        if getattr(job.config.options, "rank", None) is not None:
            assert methods.get(job.config.method).rank_search != "penalty", job.row


def test_densities_have_the_options_of_the_preset(tmp_path):
    faces = plan(only(load("lorae-table-3"), ["celeba"]), "small", 1, tmp_path)[0]
    assert faces.metrics["FID, GMM"] == "fd[inception]:gmm:components=10"
    digits = plan(only(load("lorae-table-3"), ["mnist"]), "small", 1, tmp_path)[0]
    assert digits.metrics["FID, GMM"] == "fd[inception]:gmm"


def test_presets_name_settings_that_exist():
    for preset in presets().values():
        for budget in BUDGETS:
            RunConfig(**{"method": "ae", "data": preset.data, **preset.settings(budget)})


def test_an_unknown_recipe_is_reported():
    with pytest.raises(InputError, match="did you mean 'lorae-table-7'"):
        load("lorae-tabel-7")


def test_medium_trainings_multiply_rate_and_steps_to_the_papers():
    """The product drives the rank of a chain of matrices; see `recipes/presets.yaml`."""
    for name, preset in presets().items():
        paper, medium = (preset.settings(budget) for budget in ("paper", "medium"))
        if medium != paper:
            lengths = [s["epochs"] * s["learning_rate"] for s in (paper, medium)]
            assert np.isclose(*lengths), name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            {"rows": [{"name": "A", "method": "lorae", "settings": {"penalty": 3}}]},
            "the settings of row 'A' hold penalty, which is an option of a method; give it under",
        ),
        (
            {"rows": [{"name": "A", "method": "ae", "settings": {"epoch": 3}}]},
            "own.yaml cannot be used: There is no setting for row 'A' called 'epoch'; did you mean",
        ),
        (
            {"parts": [{"data": "blobs", "settings": {"epoch": 3}}]},
            "There is no setting for part 'blobs' called 'epoch'; did you mean 'epochs'",
        ),
        ({"claims": ["rises"]}, "claims.0 in own.yaml is 'rises', expected keys with values, of"),
        (
            {"rows": ["ae", "lorae"], "parts": [{"data": "blobs", "options": {"penalti": 3}}]},
            "Known: reconstruction, reduction, penalty,",
        ),
    ],
)
def test_a_mistake_in_a_file_of_the_users_own_is_named(change, told, tmp_path):
    recipe = {"title": "t", "parts": [{"data": "blobs"}], "rows": ["ae"], **change}
    (tmp_path / "own.yaml").write_text(json.dumps(recipe))
    with pytest.raises(InputError, match=re.escape(told)):
        load(str(tmp_path / "own.yaml"))
