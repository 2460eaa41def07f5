"""Your own experiments: a recipe in a file beside its data."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import yaml

from latentrank import reproduce
from latentrank.__main__ import main
from latentrank.errors import InputError
from latentrank.recipes import load
from latentrank.reproduce import plan
from latentrank.reproduce.check import check

pytestmark = pytest.mark.usefixtures("one_at_a_time")

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


def test_an_array_in_a_file_is_found_beside_the_file(own, tmp_path, monkeypatch):
    np.savez(own.parent / "mine.npz", a=np.ones((9, 3)), b=np.ones((9, 4)))
    own.write_text(yaml.safe_dump({**OWN, "parts": [{"data": "mine.npz:/a"}]}))
    monkeypatch.chdir(tmp_path)
    assert load("experiment/own.yaml").parts[0].data == "experiment/mine.npz:/a"


def test_data_that_lack_their_files_leave_those_of_the_others_compared(own, tmp_path):
    parts = [*OWN["parts"], {"data": "mnist"}]
    own.write_text(yaml.safe_dump({**OWN, "parts": parts, "rows": ["pca"], "seeds": 1}))
    where = {"out": tmp_path / "out", "data_root": tmp_path, "device": "cpu"}
    page = reproduce.reproduce(str(own), **where)
    assert [path.name for path in page.comparisons] == ["compare-mine.html"]


def test_a_suffix_may_be_in_capitals(own):
    assert load(str(own.rename(own.with_name("OWN.YAML")))).parts


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
        ({"power": {"column": "eror", "x_label": "x", "expected": 1}}, "no column 'eror'"),
        (
            {"figures": ["bars:error"], "summary": "median"},
            "shows means, and the summary is median; write seeds:error",
        ),
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


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        ("accuracy:all", r"The column m of mine would stay empty: .*has no labels"),
        ("fold-error:radial", r"mine\.npy has none"),
        ("precision:gmm", r"mine\.npy contains none"),
        ("active-units", "needs a Gaussian posterior"),
    ],
)
def test_a_metric_that_no_row_can_have_is_refused_before_anything_is_trained(
    metric, told, own, tmp_path, monkeypatch
):
    parts = [{**PART, "metrics": {"rank": "rank", "m": metric}}]
    own.write_text(yaml.safe_dump({**OWN, "parts": parts}))
    monkeypatch.setattr(reproduce, "train_all", None)
    with pytest.raises(InputError, match=told):
        reproduce.reproduce(str(own), out=tmp_path / "out", device="cpu")


def test_a_metric_that_only_some_rows_can_have_is_reported_before_anything_is_trained(
    own, tmp_path
):
    """One row's method cannot have it; for a part without data nothing is known."""
    parts = [
        {**PART, "metrics": {"active": "active-units"}},
        {"data": "mnist", "metrics": {"exact": "accuracy:all"}},
    ]
    own.write_text(yaml.safe_dump({**OWN, "parts": parts, "rows": ["ae", "vae"]}))
    found, told = load(str(own)), []
    check(plan(found, "small", 2, tmp_path / "out", data_root=str(tmp_path)), told.append)
    (line,) = told
    assert line.startswith("active of ae (mine): The metric needs a Gaussian posterior;")


def test_missing_weights_are_reported_before_anything_is_trained(own, tmp_path, monkeypatch):
    """But not refused: trained runs are kept, and measured once the weights are there."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    columns = {"FID": "fd[inception]:gaussian", "KID": "kd[inception]:gaussian"}
    part = {"preset": "blobs", "metrics": columns}
    own.write_text(yaml.safe_dump({**OWN, "parts": [part], "rows": ["ae", "vae"]}))
    told: list[str] = []
    check(plan(load(str(own)), "small", 1, tmp_path / "out"), told.append)
    (line,) = told
    assert line.startswith("metrics on inception: The Inception weights are not at")


def test_the_terminal_names_the_data_of_each_table(own, tmp_path, capsys):
    np.save(own.parent / "yours.npy", np.random.default_rng(1).normal(size=(40, 6)))
    part = {**PART, "data": "yours.npy"}
    shared = {**OWN, "paper": "None", "rows": ["pca"], "seeds": 1}  # no comparison
    for parts, headings in (([PART], []), ([PART, part], ["mine", "yours"])):
        own.write_text(yaml.safe_dump({**shared, "parts": parts}))
        assert main(["reproduce", str(own), "--out", str(tmp_path / "out"), "--device", "cpu"]) == 0
        told = capsys.readouterr().out.splitlines()
        assert [line for line in told if line in ("mine", "yours")] == headings


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


def test_a_row_has_its_own_metric_only_where_the_part_has_the_column(own, tmp_path):
    """Else data without labels would be refused, for a column that they do not have."""
    rows = ["pca", {"method": "rrae", "options": {"rank": 2}, "metrics": {"a": "knn-accuracy:10"}}]
    parts = [
        {**PART, "metrics": {"rank": "rank"}},
        {"data": "shapes", "metrics": {"a": "fid:prior"}},
    ]
    own.write_text(
        yaml.safe_dump(
            {**OWN, "rows": rows, "parts": [*parts, {**parts[1], "rows": ["pca"], "name": "b"}]}
        )
    )
    found = load(str(own))
    jobs = plan(found, "small", 1, tmp_path)
    assert [job.metrics for job in jobs] == [
        {"rank": "rank"},
        {"rank": "rank"},
        {"a": "fd[inception]:prior"},
        {"a": "knn-accuracy:10"},
        {"a": "fd[inception]:prior"},
    ]
    assert [found.metrics_of(part) for part in found.parts] == [
        ["rank"],
        ["fid:prior", "knn-accuracy:10"],
        ["fid:prior"],
    ]
