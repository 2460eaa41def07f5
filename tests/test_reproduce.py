import json
from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from latentrank import metrics, reproduce, runs
from latentrank.config import RunConfig
from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.recipes import Claim, load
from latentrank.report.figures import bars
from latentrank.report.reproduction import Cell, Drawn, Grid, Page, markdown, write_reproduction
from latentrank.reproduce import plan, verdict
from latentrank.runs.cache import train

drawing = import_module("latentrank.reproduce.figures")  # which its function hides

pytestmark = pytest.mark.usefixtures("one_at_a_time")

TINY = {
    "title": "A tiny table",
    "paper": "None, table 0",
    "parts": [
        {
            "preset": "blobs",
            "settings": {
                "train_size": 32, "test_size": 16, "epochs": 2, "latent_dim": 4, "batch_size": 16
            },
            "metrics": {"rank": "rank", "error": "error", "grid": "fold-error:multilinear"},
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


@pytest.fixture
def recipe(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY))
    return str(path)


@pytest.fixture
def trained(monkeypatch):
    """Names of the folders that are trained or resumed."""
    seen = []
    for name in ("train", "resume"):
        real = getattr(runs, name)

        def watched(*args, real=real, name=name, **kwargs):
            folder = args[1] if name == "train" else args[0]
            seen.append((name, folder.name))
            return real(*args, **kwargs)

        monkeypatch.setattr(runs, name, watched)
    return seen


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
    assert "grid of AE (blobs), LoRAE (blobs): " in text, "what cannot be measured is told"
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
    # Without training it leaves nothing out here, so that its command need not, either.
    measured = reproduce.reproduce(recipe, seeds=2, out=out, device="cpu", train=False)
    assert measured.command == page.command


def test_lines_in_names_are_escaped_in_markdown():
    cells = {"|z| = 1": {"rank": Cell([2.0])}}
    text = markdown(Page("n", "t", "p", "small", 1, "0", "c", [Grid("blobs", ["rank"], cells)]))
    assert r"| \|z\| = 1 | 2 (1) |" in text


def test_existing_runs_can_be_measured_without_training(recipe, trained, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"Not all of its seeds .* without --no-train trains"):
        reproduce.reproduce(recipe, seeds=1, out=out, device="cpu", train=False)
    train(plan(load(recipe), "small", 1, out, device="cpu")[0].training)
    page = reproduce.reproduce(recipe, seeds=2, out=out, device="cpu", train=False)
    assert len(trained) == 1
    assert [len(row["rank"].values) for row in page.grids[0].rows.values()] == [1, 0]
    assert page.command.endswith("--no-train")


def test_an_interrupted_recipe_is_resumed(recipe, trained, tmp_path, monkeypatch):
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


def test_each_reason_for_empty_cells_is_given_once(tmp_path):
    columns = {"rank": "rank", "grid": "fold-error:multilinear", "mesh": "fold-error:multilinear"}
    changed = {**TINY, "parts": [{**TINY["parts"][0], "metrics": columns}]}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(changed))
    page = reproduce.reproduce(
        str(tmp_path / "tiny.yaml"), seeds=2, out=tmp_path / "out", device="cpu"
    )
    assert [note.partition(":")[0] for note in page.notes] == [
        "grid and mesh of AE (blobs), LoRAE (blobs)"
    ]


def test_measured_values_are_stored_and_reused(recipe, tmp_path, monkeypatch):
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
    [
        ([], "–"),
        ([3.0], "3 (1)"),
        ([16.0, 16.0], "16 (2)"),
        ([2.0, 40.0, 1.5], "2 [1.5, 40] (3)"),
        ([185.4, 190.2, 999.7], "190 [185, 1000] (3)"),
    ],
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
    both = {"lowest": "a", "highest": "b"}
    for claim in ({"rising": ["a", "b"]}, {"lowest": "a"}, {"highest": "b"}, both):
        assert f"Claim. {told}" == verdict(Claim(text="Claim.", column="rank", **claim), page)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"rows": [{"name": "A", "method": "ae"}]}, "There is no row 'AE'; did you mean 'A'"),
        ({"rows": [{"name": "A", "method": "ae"}] * 2}, "2 rows called 'A'"),
        ({"titel": "x"}, "no key in tiny.yaml called 'titel'; did you mean 'title'"),
        ({"seeds": "two"}, "seeds in tiny.yaml is 'two', expected an integer of at least 1"),
        ({"figures": "spectrum"}, "figures in tiny.yaml is 'spectrum', expected a list of text"),
        ({"rows": []}, "rows in tiny.yaml is empty"),
        ({"claims": [{"text": "x", "column": "rnak"}]}, "did you mean 'rank'"),
        ({"parts": [{"preset": "blob", "metrics": {"rank": "rank"}}], "claims": []}, "'blobs'"),
        ({"parts": [{"preset": "blobs", "metrics": {"rank": "rnk"}}]}, "did you mean 'rank'"),
    ],
)
def test_mistakes_in_a_recipe_are_reported(change, told, recipe, tmp_path):
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, **change}))
    with pytest.raises(InputError, match=told):
        load(recipe)


def test_every_changed_setting_is_listed(recipe):
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
def test_only_distances_that_are_measured_are_mentioned(recipe, told):
    found = " ".join(reproduce.differences(load(recipe), "small"))
    assert [
        word
        for word in ("FD-classifier", "FID")
        if f"{word} is" in found or f"{word} needs" in found
    ] == told


def test_an_unknown_method_is_reported(recipe, tmp_path):
    rows = [{"name": name, "method": "lorea"} for name in ("AE", "LoRAE")]
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump({**TINY, "rows": rows}))
    with pytest.raises(InputError, match="did you mean 'lorae'"):
        load(recipe)


def test_an_unknown_budget_and_no_seeds_are_refused(recipe, tmp_path):
    with pytest.raises(InputError, match="There is no budget 'large'"):
        plan(load(recipe), "large", 1, tmp_path)
    with pytest.raises(InputError, match="seeds is 0"):
        plan(load(recipe), "small", 0, tmp_path)


def test_a_custom_recipe_may_have_custom_data(tmp_path):
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal(size=(40, 6)))
    part = {**TINY["parts"][0], "settings": {"data": str(tmp_path / "mine.npy"), "epochs": 1}}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({**TINY, "parts": [part]}))
    jobs = plan(load(str(path)), "small", 1, tmp_path, device="cpu")
    assert {job.config.data.source for job in jobs} == {str(tmp_path / "mine.npy")}
    assert "mine.npy instead of blobs" in " ".join(reproduce.differences(load(str(path)), "small"))


def test_a_figure_that_cannot_be_drawn_is_a_note(recipe, tmp_path):
    """An error of zero on a logarithmic axis, and rows of a power law that the data lack."""
    power = {"column": "rank", "x_label": "penalty", "expected": 1.0}
    rows = [{**row, "x": x} for row, x in zip(TINY["rows"], (1.0, 2.0), strict=True)]
    (tmp_path / "r.yaml").write_text(
        yaml.safe_dump({**TINY, "rows": rows, "power": power, "figures": ["seeds:rank"]})
    )
    cells = {"AE": {"rank": Cell([0.0, 3.0])}}
    grids = [Grid("other", ["error"], {}), Grid("blobs", ["rank"], cells)]
    page = Page("n", "t", "p", "small", 2, "0", "c", grids)
    drawn = drawing.figures(load(str(tmp_path / "r.yaml")), page, [])
    assert drawn == []
    assert page.notes == [
        "No figure seeds:rank of blobs: Dots need at least one name, with positive values; leave "
        "out the others.",
        "No power law: A power law was requested through 1 and 1 numbers, expected pairs of "
        "positive numbers with at least two different x; leave out the others.",
    ]


def test_real_samples_beside_generated_ones_are_of_every_class(monkeypatch):
    """Images in folders of classes are read class by class."""
    split = Split(np.arange(100.0)[:, None])
    made = np.zeros((5, 1))
    run = SimpleNamespace(dataset=lambda: Dataset("sorted", split, split))
    subject = SimpleNamespace(density=str, generated=lambda name, count: made, run=run)
    shown = []

    def stop(real, sampled):
        shown.extend(real.ravel().tolist())
        raise InputError("seen")

    monkeypatch.setattr(drawing, "tsne", stop)
    assert drawing._picture("tsne", "gaussian", "AE", subject) == []
    assert shown == [0, 25, 50, 74, 99]


OWN = {"title": "Mine", "rows": [{"name": "a", "method": "pca"}], "parts": [{"data": "x.npy"}]}


def test_rows_of_equal_settings_cost_only_their_comparison(tmp_path, monkeypatch):
    """A width that is given is that of the data, which the other row has by default."""
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).normal(size=(40, 4)))
    rows = [*OWN["rows"], {"name": "b", "method": "pca", "settings": {"latent_dim": 4}}]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**OWN, "rows": rows, "seeds": 1}))
    page = reproduce.reproduce("own.yaml", out="out", device="cpu")
    assert page.comparisons == []
    assert "have the same settings and the same seed" in page.notes[-1]
    assert page.notes[-1] in (tmp_path / "out/own/table.md").read_text()


def test_an_experiment_without_any_seed_is_refused(tmp_path):
    rows = [{"name": "a", "method": "pca", "few_seeds": 0}]
    (tmp_path / "own.yaml").write_text(yaml.safe_dump({**OWN, "rows": rows}))
    with pytest.raises(InputError, match="has a seed with the budget small; raise few_seeds"):
        reproduce.reproduce(str(tmp_path / "own.yaml"), out=tmp_path)


def test_figures_of_rows_whose_names_differ_in_letters_or_case_are_kept_apart(tmp_path):
    page = Page("n", "t", "p", "small", 2, "0", "c", [])
    names = ["walk \N{GREEK SMALL LETTER ALPHA}", "walk \N{GREEK SMALL LETTER BETA}", "A", "a", "?"]
    shown = [Drawn(name, bars({"a": (1.0, 0.1)}, name), name) for name in names]
    write_reproduction(page, shown, tmp_path)
    assert len(list(tmp_path.glob("figure-*.png"))) == len(names)
