import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from latentrank import methods, metrics, reproduce, runs
from latentrank.__main__ import main
from latentrank.config import RunConfig
from latentrank.errors import InputError
from latentrank.recipes import BUDGETS, Claim, load, names, only, presets
from latentrank.report.reproduction import Cell, Grid, Page
from latentrank.reproduce import plan, verdict
from latentrank.runs.cache import train

TINY = {
    "title": "A tiny table",
    "paper": "None, table 0",
    "parts": [
        {
            "preset": "blobs",
            "settings": {
                "train_size": 32, "test_size": 16, "epochs": 2, "latent_dim": 4, "batch_size": 16
            },
            "metrics": {"rank": "rank", "error": "error", "entropy": "entropy"},
            "published": {"rank": {"AE": 7, "LoRAE": [5, 1]}},
        }
    ],
    "rows": [
        {"name": "AE", "method": "ae"},
        {"name": "LoRAE", "method": "lorae", "options": {"penalty": 0.1}},
    ],
    "figures": ["bars:rank", "spectrum"],
    "claims": [{"text": "Low.", "column": "rank", "rising": ["LoRAE", "AE"]}],
    "differences": ["Everything."],
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_at_a_time():
    """Trainings run in this process, where the tests can watch and interrupt them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return str(path)


@pytest.fixture
def trained(monkeypatch):
    """Names of the folders that are trained or gone on with."""
    seen = []
    for name in ("train", "resume"):
        real = getattr(runs, name)

        def watched(*args, real=real, name=name, **kwargs):
            folder = args[1] if name == "train" else args[0]
            seen.append((name, folder.name))
            return real(*args, **kwargs)

        monkeypatch.setattr(runs, name, watched)
    return seen


# --- the recipes that come with the package -----------------------------------------------------


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
    assert whole.claims
    assert not faces.claims  # they are about the first part
    assert only(whole, ["mnist"]).claims == whole.claims
    assert reproduce.command("x", 1, "small", ["a b"]).endswith("--part 'a b'")
    with pytest.raises(InputError, match="mnist"):
        only(whole, ["mnits"])


def test_a_row_can_have_settings_of_its_own_on_a_data_set(tmp_path):
    jobs = plan(load("rrae-curves"), "small", 1, tmp_path)
    narrow = {job.part: job.config.latent_dim for job in jobs if job.row == "AE narrow"}
    ranks = {job.part: job.config.options.rank for job in jobs if job.row == "RRAE"}
    assert narrow == ranks
    assert not any(job.config.latent_dim == ranks[job.part] for job in jobs if job.row == "AE")


def test_a_part_has_the_rows_options_and_seeds_that_it_names(tmp_path):
    found = load("rrae-curves")
    small, whole = (plan(found, budget, 2, tmp_path) for budget in ("small", "paper"))

    def rows(jobs, part):
        return [job.row for job in jobs if job.part == f"curves-{part}"]

    assert "LoRAE" not in rows(whole, "stairs"), "the paper has none there"
    assert rows(whole, "two-sines").count("LoRAE") == 2
    assert rows(small, "two-sines").count("IRMAE 4") == 1
    assert rows(small, "two-sines").count("LoRAE") == 1
    assert rows(small, "two-sines").count("RRAE") == 2
    assert rows(small, "two-sines").count("AE") == 1
    kappa = {job.part: job.config.options.kappa for job in whole if job.row == "RRAE weak"}
    assert kappa == {"curves-two-sines": 0.66, "curves-two-gaussians": 0.13}


def test_densities_have_the_options_of_the_preset(tmp_path):
    faces = plan(only(load("lorae-table-3"), ["celeba"]), "small", 1, tmp_path)[0]
    assert faces.metrics["FID, GMM"] == "fd[inception]:gmm:components=10"
    digits = plan(only(load("lorae-table-3"), ["mnist"]), "small", 1, tmp_path)[0]
    assert digits.metrics["FID, GMM"] == "fd[inception]:gmm"


def test_presets_name_settings_that_exist():
    for preset in presets().values():
        for budget in BUDGETS:
            RunConfig(**{"method": "ae", "data": preset.data, **preset.settings(budget)})


# --- a recipe at work ---------------------------------------------------------------------------


def test_a_recipe_is_trained_once_and_written_whole(recipe, trained, tmp_path):
    out, said = tmp_path / "out", []
    page = reproduce.reproduce(recipe, seeds=2, out=out, device="cpu", say=said.append)
    assert [kind for kind, _ in trained] == ["train"] * 4
    assert any("about" in text and "left" in text for text in said)
    folder = out / "tiny"
    text = (folder / "table.md").read_text()
    assert "| AE |" in text
    assert "| 7 |" in text
    assert "5 ± 1" in text
    assert "Everything." in text
    assert page.command in text
    assert page.version in text
    assert "entropy" in text, "what cannot be measured is told"
    table = json.loads((folder / "table.json").read_text())
    cell = table["tables"]["blobs"]["LoRAE"]["rank"]
    assert (cell["n"], cell["published"], cell["published_spread"]) == (2, 5, 1)
    assert cell["spread"] is not None
    figures = {path.name for path in folder.glob("*.png")}
    assert figures == {"figure-rank-blobs.png", "figure-spectrum-blobs.png"}
    assert (folder / "report.html").read_text().count("<figure>") == 2

    trained.clear()
    metrics = sorted(out.glob("runs/*/metrics.json"))
    times = [path.stat().st_mtime_ns for path in metrics]
    again = reproduce.reproduce(recipe, seeds=2, out=out, device="cpu", say=said.append)
    assert trained == []
    assert [path.stat().st_mtime_ns for path in metrics] == times
    assert [grid.rows for grid in again.grids] == [grid.rows for grid in page.grids]
    assert said[-1] == "drawing the figures"
    assert "0 runs to train, 4 already exist" in said


def test_what_is_there_can_be_measured_alone(recipe, trained, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match="have been trained"):
        reproduce.reproduce(recipe, seeds=1, out=out, device="cpu", train=False)
    train(plan(load(recipe), "small", 1, out, device="cpu")[0].training)
    page = reproduce.reproduce(recipe, seeds=2, out=out, device="cpu", train=False)
    assert len(trained) == 1
    assert [len(row["rank"].values) for row in page.grids[0].rows.values()] == [1, 0]
    assert page.command.endswith("--no-train")


def test_an_interrupted_recipe_goes_on(recipe, trained, tmp_path, monkeypatch):
    """Ctrl-C in the second epoch of the second training: the first is kept, the second resumed."""
    from latentrank.training.callbacks import History

    real, calls = History._add, []

    def interrupted(self, *args):
        real(self, *args)
        calls.append(None)
        if len(calls) == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(History, "_add", interrupted)
    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        reproduce.reproduce(recipe, seeds=1, out=out, device="cpu")
    monkeypatch.setattr(History, "_add", real)
    first = trained[0][1]
    trained.clear()
    page = reproduce.reproduce(recipe, seeds=1, out=out, device="cpu")
    assert [kind for kind, _ in trained] == ["resume"]
    assert first not in [folder for _, folder in trained]
    assert all(row["rank"].values for row in page.grids[0].rows.values())


def test_a_training_that_fails_leaves_the_others(recipe, tmp_path, monkeypatch):
    real = runs.train

    def failing(config, folder, **kwargs):
        if config.method == "ae":
            raise InputError("The loss is no longer a number.")
        return real(config, folder, **kwargs)

    monkeypatch.setattr(runs, "train", failing)
    page = reproduce.reproduce(recipe, seeds=1, out=tmp_path / "out", device="cpu")
    assert page.grids[0].rows["AE"]["rank"].values == []
    assert any("no longer a number" in note for note in page.notes)
    assert page.claims == ["Low. Not measured."]


def test_each_reason_for_empty_cells_is_told_once(tmp_path):
    columns = {"rank": "rank", "active": "active-units", "KL": "kl-per-unit"}
    changed = {**TINY, "parts": [{**TINY["parts"][0], "metrics": columns}]}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(changed))
    page = reproduce.reproduce(
        str(tmp_path / "tiny.yaml"), seeds=2, out=tmp_path / "out", device="cpu"
    )
    assert [note.partition(":")[0] for note in page.notes] == [
        "KL and active of AE (blobs), LoRAE (blobs)"
    ]


def test_measures_are_kept(recipe, tmp_path, monkeypatch):
    job = plan(load(recipe), "small", 1, tmp_path, device="cpu")[0]
    train(job.training)
    before = metrics.measure(job.subject(), "contrast:lowest")
    monkeypatch.setattr(metrics.latent, "relative_contrasts", None)
    assert metrics.measure(job.subject(), "contrast:lowest") == before
    assert metrics.read(job.folder) == [before]
    kept = json.loads((job.folder / "metrics.json").read_text())
    assert {"rank", "latent_dim", "validation_error", "seconds", "measured"} <= set(kept)


def test_the_gradient_norm_needs_no_training(tmp_path):
    config = RunConfig(method="lorae", data="blobs", train_size=8, test_size=2, latent_dim=4)
    subject = metrics.Subject(config, tmp_path / "untrained")
    short, long = (metrics.measure(subject, f"gradient:{steps}").value for steps in (2, 8))
    assert 0 < long < short


# --- pieces -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], "–"),
        ([3.0], "3 (1)"),
        ([2.0, 2.0], "2 (2)"),
        ([1.0, 2.0, 3.0], "2.0 ± 1.0 (3)"),
        ([100.0, 140.0], "120 ± 28 (2)"),
        ([0.00123, 0.00125], "0.001240 ± 0.000014 (2)"),
    ],
)
def test_digits_follow_the_spread(values, text):
    assert Cell(values).measured == text


@pytest.mark.parametrize(
    ("values", "text"),
    [([], "–"), ([3.0], "3 (1)"), ([2.0, 40.0, 1.5], "2 [1.5, 40] (3)")],
)
def test_a_median_stands_with_its_range(values, text):
    assert Cell(values, summary="median").measured == text


def test_a_tie_does_not_hide_a_row_that_contradicts_the_claim():
    rows = {name: {"rank": Cell([value])} for name, value in (("a", 2.0), ("b", 2.0), ("c", 1.0))}
    page = Page("n", "t", "p", "small", 1, "0", "c", [Grid("blobs", ["rank"], rows)])
    for claim in ({"lowest": "a"}, {"rising": ["a", "b", "c"]}):
        told = verdict(Claim(text="Claim.", column="rank", **claim), page)
        assert told == "Claim. Not reproduced."


def test_verdicts_on_medians_compare_ranges():
    """One seed of three that fails moves the mean, not the median."""
    low, high = [1.0, 1.1, 50.0], [2.0, 2.1, 2.2]
    rows = {"a": {"e": Cell(low, summary="median")}, "b": {"e": Cell(high, summary="median")}}
    page = Page("n", "t", "p", "small", 3, "0", "c", [Grid("x", ["e"], rows)], summary="median")
    claim = Claim(text="Claim.", column="e", rising=["a", "b"])
    assert verdict(claim, page) == "Claim. Reproduced; the ranges over seeds overlap."
    rows["a"]["e"].values.pop()
    assert verdict(claim, page) == "Claim. Reproduced."


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        ([1.0, 1.1], [2.0, 2.1], "Reproduced."),
        ([1.0, 3.0], [2.0, 2.1], "Reproduced; difference within one standard deviation."),
        ([1.0], [2.0], "Reproduced with one seed."),
        ([1.0, 1.1], [2.0], "Reproduced; some rows have one seed."),
        ([3.0], [2.0], "Not reproduced."),
        ([2.0], [2.0], "Not reproduced; tied."),
        ([1.0, 3.0], [2.0, 2.0], "Not reproduced; tied."),
        ([], [2.0], "Not measured."),
    ],
)
def test_verdicts_follow_means_and_spreads(low, high, told):
    rows = {"a": {"rank": Cell(low)}, "b": {"rank": Cell(high)}}
    page = Page("n", "t", "p", "small", 1, "0", "c", [Grid("blobs", ["rank"], rows)])
    for claim in ({"rising": ["a", "b"]}, {"lowest": "a"}, {"highest": "b"}):
        assert f"Claim. {told}" == verdict(Claim(text="Claim.", column="rank", **claim), page)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rows": [{"name": "A", "method": "ae"}]}, "There is no row 'AE'; did you mean 'A'"),
        ({"rows": [{"name": "A", "method": "ae"}] * 2}, "2 rows called 'A'"),
        ({"titel": "x"}, "no key in tiny.yaml called 'titel'; did you mean 'title'"),
        ({"seeds": "two"}, "seeds in tiny.yaml is 'two', expected an integer from 1"),
        ({"figures": "spectrum"}, "figures in tiny.yaml is 'spectrum', expected a list of text"),
        ({"rows": []}, "rows in tiny.yaml is empty"),
        ({"claims": [{"text": "x", "column": "rnak"}]}, "did you mean 'rank'"),
        ({"parts": [{"preset": "blob", "metrics": {"rank": "rank"}}], "claims": []}, "'blobs'"),
        ({"parts": [{"preset": "blobs", "metrics": {"rank": "rnk"}}]}, "did you mean 'rank'"),
    ],
)
def test_mistakes_in_a_recipe_are_told(change, told, recipe, tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, **change}))
    with pytest.raises(InputError, match=told):
        load(recipe)


def test_every_changed_setting_is_told(recipe):
    told = " ".join(reproduce.differences(load(recipe), "paper"))
    assert "train size 32 instead of all" in told
    assert "epochs 2 instead of 20" in told
    assert "learning rate" not in told
    assert "epochs 5 instead of 50" in reproduce.differences(load("lorae-table-7"), "small")[0]


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("lorae-table-7", ["FD-classifier", "FID"]),
        ("vrrae-celeba", ["FID"]),
        ("irmae-figure-2", []),
    ],
)
def test_only_distances_that_are_measured_are_spoken_of(recipe, told):
    found = " ".join(reproduce.differences(load(recipe), "small"))
    assert [
        word
        for word in ("FD-classifier", "FID")
        if f"{word} is" in found or f"{word} needs" in found
    ] == told


def test_an_unknown_method_is_told(recipe, tmp_path):
    rows = [{"name": name, "method": "lorea"} for name in ("AE", "LoRAE")]
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "rows": rows}))
    with pytest.raises(InputError, match="did you mean 'lorae'"):
        load(recipe)


def test_an_unknown_recipe_is_told():
    with pytest.raises(InputError, match="did you mean 'lorae-table-7'"):
        load("lorae-tabel-7")


def test_an_unknown_budget_and_no_seeds_are_told(recipe, tmp_path):
    with pytest.raises(InputError, match="There is no budget 'large'"):
        plan(load(recipe), "large", 1, tmp_path)
    with pytest.raises(InputError, match="seeds is 0"):
        plan(load(recipe), "small", 0, tmp_path)


def test_a_recipe_of_ones_own_may_have_data_of_ones_own(tmp_path):
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal(size=(40, 6)))
    part = {**TINY["parts"][0], "settings": {"data": str(tmp_path / "mine.npy"), "epochs": 1}}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({**TINY, "parts": [part]}))
    jobs = plan(load(str(path)), "small", 1, tmp_path, device="cpu")
    assert {job.config.data.source for job in jobs} == {str(tmp_path / "mine.npy")}
    assert "mine.npy instead of blobs" in " ".join(reproduce.differences(load(str(path)), "small"))


def test_medium_trainings_multiply_rate_and_steps_to_the_papers():
    """The product drives the rank of a chain of matrices; see `recipes/presets.yaml`."""
    for name, preset in presets().items():
        paper, medium = (preset.settings(budget) for budget in ("paper", "medium"))
        if medium != paper:
            lengths = [s["epochs"] * s["learning_rate"] for s in (paper, medium)]
            assert np.isclose(*lengths), name


# --- experiments of one's own -------------------------------------------------------------------

OWN = {
    "title": "Mine",
    "seeds": 2,
    "parts": [{"data": "mine.npy", "settings": {"epochs": 1, "latent_dim": 3}}],
    "rows": ["pca", {"method": "rrae", "options": {"rank": 2}}],
}


@pytest.fixture
def own(tmp_path):
    """An experiment in a folder that is not the working folder."""
    folder = tmp_path / "experiment"
    folder.mkdir()
    np.save(folder / "mine.npy", np.random.default_rng(0).normal(size=(40, 6)))
    (folder / "own.yaml").write_text(yaml.safe_dump(OWN))
    return folder / "own.yaml"


def test_data_are_found_beside_the_file(own, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = load("experiment/own.yaml")
    jobs = plan(found, "small", 2, tmp_path)
    assert {job.config.data.source for job in jobs} == {"experiment/mine.npy"}
    assert [job.row for job in jobs] == ["pca", "pca", "rrae", "rrae"]
    assert found.parts[0].heading == "mine"
    assert list(jobs[0].metrics) == ["error", "rank"]


def test_the_file_decides_the_seeds_and_the_command_overrides_it(own, tmp_path):
    own.write_text(yaml.safe_dump({**OWN, "paper": "None", "rows": ["pca"]}))  # no comparison
    page = reproduce.reproduce(str(own), out=tmp_path / "out", device="cpu")
    assert page.seeds == 2
    assert "--seeds 2`, latentrank" in (tmp_path / "out" / "own" / "table.md").read_text()
    page = reproduce.reproduce(str(own), seeds=1, out=tmp_path / "out", device="cpu")
    assert page.seeds == 1


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({}, "needs either data or a preset"),
        ({"data": "mine.npy", "preset": "blobs"}, "needs either data or a preset"),
        ({"data": "mine.npy", "setings": {}}, "called 'parts.0.setings'; did you mean 'settings'"),
    ],
)
def test_a_part_needs_data(part, told, own):
    own.write_text(yaml.safe_dump({**OWN, "parts": [part]}))
    with pytest.raises(InputError, match=told):
        load(str(own))


PART = OWN["parts"][0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        # what would be ignored
        ({"parts": [{**PART, "settings": {"seed": 7}}]}, "hold seed, which is given by seeds"),
        ({"parts": [{**PART, "settings": {"device": "cpu"}}]}, "hold device, .* by --device"),
        ({"parts": [{**PART, "settings": {"data": "blobs"}}]}, "data is given twice"),
        ({"parts": [{**PART, "row_settings": {"pca": {"options": {}}}}]}, "hold options"),
        ({"parts": [{**PART, "options": {"rnk": 2}}]}, "no option .* did you mean 'rank'"),
        ({"rows": [{"method": "ae", "settings": {"method": "vae"}}]}, "hold method, which"),
        ({"rows": [{"method": "ae", "metrics": {"eror": "error"}}]}, "no column 'eror'"),
        # what would be averaged over both
        ({"parts": [PART, PART]}, "there are 2 parts called 'mine'"),
        # what would be seen after the trainings
        ({"parts": [{**PART, "metrics": {}}]}, "metrics in own.yaml is empty"),
        ({"parts": [{**PART, "metrics": {"fd": "fd:gm"}}]}, "no density 'gm'; did you mean 'gmm'"),
        ({"parts": [{**PART, "metrics": {"a": "accuracy:ten"}}]}, "number of labels is 'ten'"),
        ({"parts": [{**PART, "metrics": {"p": "prediction-error:radail"}}]}, "mean 'radial'"),
        ({"figures": ["spectra"]}, "no figure 'spectra'; did you mean 'spectrum'"),
        ({"figures": ["samples"]}, "expected samples:DENSITY"),
        ({"figures": ["spectrum:x"]}, "a figure is 'spectrum:x', expected spectrum"),
        ({"figures": ["tsne:gm"]}, "no density 'gm'"),
        ({"figures": ["bars:eror"]}, "no column 'eror'"),
        ({"claims": [{"text": "Good.", "column": "rank"}]}, "'Good.' compares nothing"),
        (
            {
                "parts": [{**PART, "rows": ["pca"]}],
                "claims": [{"text": "Good.", "column": "rank", "lowest": "rrae"}],
            },
            "no row 'rrae'",
        ),
    ],
)
def test_what_would_be_ignored_or_fail_late_is_refused(change, told, own):
    own.write_text(yaml.safe_dump({**OWN, **change}))
    with pytest.raises(InputError, match=told):
        load(str(own))


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"data": "none.npy"}, r"There is no none\.npy"),
        ({"data": "table.csv", "settings": {"parameters": "laod"}}, "did you mean 'load'"),
    ],
)
def test_data_are_looked_at_before_anything_is_trained(part, told, own, tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(20, 3))
    np.savetxt(own.parent / "table.csv", rows, delimiter=",", header="a,b,load", comments="")
    own.write_text(yaml.safe_dump({**OWN, "parts": [PART, part]}))
    monkeypatch.setattr(reproduce, "train_all", None)
    with pytest.raises(InputError, match=told):
        reproduce.reproduce(str(own), out=tmp_path / "out", device="cpu")


@pytest.mark.slow  # eight trainings and two pages
def test_the_documented_experiment_runs(tmp_path, monkeypatch, capsys):
    """The blocks of the page, typed in as they are, from another folder."""
    page = (Path(__file__).parent.parent / "docs" / "experiments.md").read_text()
    python, experiment = (
        re.search(rf"```{name}\n(.*?)```", page, re.DOTALL)[1] for name in ("python", "yaml")
    )
    folder = tmp_path / "experiment"
    folder.mkdir()
    monkeypatch.chdir(folder)
    exec(python, {})
    (folder / "pulses.yaml").write_text(experiment)
    monkeypatch.chdir(tmp_path)
    assert main(["reproduce", "experiment/pulses.yaml", "--device", "cpu"]) == 0
    told = capsys.readouterr().out
    out = tmp_path / "reproductions" / "pulses"
    assert "reproductions/pulses/compare.html" in told
    assert "RRAE has the rank it is given. Reproduced" in " ".join(told.split())
    with (out / "compare-files" / "table.csv").open() as file:
        rows = list(csv.DictReader(file))
    ranks = {row["method"]: float(row["mean"]) for row in rows if row["metric"] == "rank"}
    measured = json.loads((out / "table.json").read_text())["tables"]["pulses"]
    assert ranks == {name: row["rank"]["mean"] for name, row in measured.items()}
    assert {row["seeds"] for row in rows} == {"2"}
    assert r"\toprule" in (out / "compare-files" / "table.tex").read_text()


@pytest.mark.parametrize("parts", [0.5, [3], [{"data": "x" * 5000}], "text", [{"data": 7}]])
def test_parts_of_the_wrong_kind_are_refused(own, parts):
    own.write_text(yaml.safe_dump({**OWN, "parts": parts}))
    with pytest.raises(InputError):
        plan(load(str(own)), "small", 1, own.parent)


def test_a_misspelt_key_is_named_rather_than_the_one_it_stands_for(tmp_path):
    text = "title: t\nrows: [pca]\nparts: [{data: blobs}]\nclaims: [{text: t, colum: rank}]\n"
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(InputError, match=r"called 'claims\.0\.colum'; did you mean 'column'"):
        load(str(tmp_path / "mine.yaml"))
