"""The tables of the README: what is in them follows from the package and from run folders."""

import importlib.util
import json
from pathlib import Path

import pytest
import yaml

from latentrank import methods
from latentrank.config import RunConfig
from latentrank.errors import InputError

ROOT = Path(__file__).parent.parent
SPEC = importlib.util.spec_from_file_location("tables", ROOT / "docs" / "tables.py")
tables = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tables)


def run(parent, method, *, seed=0, rank=8, error=0.0123456, seconds=61.6, options=None, **config):
    """A folder with what a finished run says about itself."""
    row = methods.get(method)
    resolved = {
        "method": method,
        "data": "mnist",
        "epochs": 5,
        "seed": seed,
        "latent_dim": 128,
        "learning_rate": row.learning_rate,
        "weight_decay": row.weight_decay,
        **config,
        "options": options or {},
    }
    folder = parent / f"{len(list(parent.iterdir()))}"
    folder.mkdir()
    settings = RunConfig(**resolved).model_dump(mode="json")
    (folder / "config.yaml").write_text(yaml.safe_dump(settings))
    found = {"rank": rank, "validation_error": error, "seconds": seconds}
    metrics = {"method": method, "data": "mnist", "latent_dim": 1, "singular_values": [1.0]}
    metrics |= {"epochs": 5, **found}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def cells(table):
    """The body of the first table in a text."""
    lines = [line for line in table.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_one_seed_stands_as_measured(tmp_path):
    table = tables.results_table([run(tmp_path, "irmae", options={"depth": 8})])
    assert cells(table) == [["`irmae --depth 8`", "8", "8 (irmae-table-5)", "0.0123", "62"]]
    assert "rank of 128" in table


def test_seeds_become_mean_and_standard_deviation(tmp_path):
    runs = [run(tmp_path, "lorae", seed=s, rank=r) for s, r in enumerate([16, 18, 17])]
    table = tables.results_table(runs)
    assert cells(table)[0][:3] == ["`lorae`", "17.0 ± 1.0", "18 (lorae-table-7)"]
    assert "SEED 0, 1, 2" in table


def test_the_command_names_what_all_rows_share_and_each_row_the_rest(tmp_path):
    runs = [
        run(tmp_path, "ae", batch_size=32, train_size=1000),
        run(tmp_path, "irmae", batch_size=32, learning_rate=1e-3, options={"fixed": True}),
    ]
    table = tables.results_table(runs)
    assert [row[0] for row in cells(table)] == [
        "`ae --train-size 1000`",
        "`irmae --learning-rate 0.001 --fixed`",
    ]
    assert "`latentrank train METHOD --data mnist --epochs 5 --batch-size 32 --seed SEED`" in table


def test_machines_do_not_make_two_rows_of_one_experiment(tmp_path):
    runs = [run(tmp_path, "ae", seed=1, device="cpu"), run(tmp_path, "ae", seed=2, device="gpu")]
    assert len(cells(tables.results_table(runs))) == 1


def test_a_method_without_reconstructions_has_no_error(tmp_path):
    row = cells(tables.results_table([run(tmp_path, "gan", error=None)]))[0]
    assert row[3] == ""


@pytest.mark.parametrize(
    ("method", "options", "rank"),
    [
        ("lorae", {"penalty": 1e-5}, "65 (lorae-table-7)"),
        ("lorae", {"penalty": 3e-3}, ""),
        ("irmae", {"depth": 12}, "4 (irmae-table-6)"),
        ("irmae", {"depth": 8, "init_variance": 4.0}, "66 (irmae-table-5)"),
        ("irmae", {"depth": 8, "fixed": True}, ""),
    ],
)
def test_the_papers_rank_is_that_of_the_same_options(tmp_path, method, options, rank):
    assert cells(tables.results_table([run(tmp_path, method, options=options)]))[0][2] == rank
    elsewhere = run(tmp_path, method, options=options, data="fashion-mnist")
    assert cells(tables.results_table([elsewhere]))[0][2] == ""


def test_a_table_takes_the_place_of_the_old_one():
    text = "before\n<!-- a -->\nold\n<!-- /a -->\nafter\n"
    once = tables.replaced(text, "a", "| new |\n")
    assert once == "before\n<!-- a -->\n\n| new |\n\n<!-- /a -->\nafter\n"
    assert tables.replaced(once, "a", "| new |\n") == once
    with pytest.raises(InputError, match="no place for 'b'; write <!-- b --> and <!-- /b -->"):
        tables.replaced(text, "b", "")


def test_the_command_writes_into_a_document_or_says_what_is_wrong(tmp_path, capsys):
    document = tmp_path / "page.md"
    document.write_text("<!-- methods -->\n<!-- /methods -->\n")
    tables.main(["methods", "--into", str(document), "--at", "methods"])
    assert [row[0] for row in cells(document.read_text())] == [f"`{n}`" for n in methods.names()]
    for wrong in (["results"], ["methods", "--at", "x"], ["results", str(tmp_path)]):
        with pytest.raises(SystemExit, match="2"):
            tables.main(wrong)
    assert "is not the folder of a run" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("page", "name", "table"),
    [
        ("README.md", "methods", tables.methods_table),
        ("docs/data.md", "datasets", tables.datasets_table),
        ("docs/cli.md", "settings", tables.settings_table),
    ],
)
def test_the_documents_hold_the_tables_of_the_package(page, name, table):
    text = (ROOT / page).read_text()
    assert tables.replaced(text, name, table()) == text, (
        f"run: python docs/tables.py {name} --into {page} --at {name}"
    )


def test_cells_cannot_break_a_table():
    assert tables.markdown(["||z||"], [["1"]]) == "| \\|\\|z\\|\\| |\n| --- |\n| 1 |\n"


def test_reproductions_stand_one_after_the_other(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "table.md").write_text(f"## {name}\n")
    document = tmp_path / "results.md"
    document.write_text("Before\n<!-- all -->old<!-- /all -->\nAfter\n")
    folders = [str(tmp_path / name) for name in ("one", "two")]
    tables.main(["reproductions", *folders, "--into", str(document), "--at", "all"])
    text = "Before <!-- all --> ## one ## two <!-- /all --> After"
    assert " ".join(document.read_text().split()) == text


def test_numbers_leave_out_claims_and_notes(tmp_path, capsys):
    parts = ["## One", "Of Mazumder et al., 2024.", "| a |\n| --- |\n| 1 |", "Mean of two."]
    parts += ["Claims of the paper:", "- A. Reproduced.", "`latentrank reproduce one`, commit 1."]
    (tmp_path / "table.md").write_text("\n\n".join(parts) + "\n")
    tables.main(["numbers", str(tmp_path)])
    assert capsys.readouterr().out.split("\n\n") == [parts[2], parts[3], parts[6] + "\n"]
