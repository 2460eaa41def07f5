import csv
import re

import pytest

from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing
from latentrank.report import comparison, write_comparison
from latentrank.report.comparison import files_of
from latentrank.runs import MissingDataError
from tests.report.fake import fake_gan, fake_run
from tests.report.test_page import read, undrawn


@pytest.fixture(autouse=True)
def quick_drawing(monkeypatch):
    undrawn(monkeypatch)


def test_comparison_has_a_column_for_every_method(tmp_path):
    runs = [fake_run(tmp_path, method="ae"), fake_run(tmp_path, kept=2)]
    path = write_comparison(runs, tmp_path / "deep" / "comparison.html")
    text = read(path)
    assert "AE, LoRAE on digits" in text
    assert "AErank 4 of 6; error" in text
    assert "LoRAErank 2 of 6; error" in text
    assert "with one seed the spread is unknown" in text
    assert "<strong>" not in path.read_text(encoding="utf-8")


def test_comparison_marks_the_best_over_seeds(tmp_path):
    runs = [
        fake_run(tmp_path, method=method, seed=seed, error=error + seed / 1000)
        for method, error in (("ae", 0.1), ("lorae", 0.2))
        for seed in (0, 1)
    ]
    path = write_comparison(runs, tmp_path / "comparison.html")
    source = path.read_text(encoding="utf-8")
    assert source.count("<strong>") == 1
    assert "<strong>0.1005" in source
    assert "from 4 folders" in read(path)


def test_same_test_samples_for_all(tmp_path):
    first, second = (fake_run(tmp_path, data="blobs", method=name) for name in ("lorae", "ae"))
    second.the_dataset.test.x[:] = 0  # generated data differ with the seed of a run
    given = []
    encode = second.the_model.encode
    second.the_model.encode = lambda x: given.append(x) or encode(x)
    write_comparison([first, second], tmp_path / "comparison.html")
    shown = [x for x in given if len(x) == 12]
    assert shown
    assert all(float(x.max()) > 0 for x in shown)


def test_comparison_with_a_constant_code(tmp_path):
    runs = [fake_run(tmp_path, method="ae"), fake_run(tmp_path, kept=0)]
    text = read(write_comparison(runs, tmp_path / "comparison.html"))
    assert text.count("LoRAE: The code is constant (rank 0)") == 2


def test_comparison_with_a_gan(tmp_path):
    runs = [fake_run(tmp_path / "a"), fake_gan(tmp_path / "b")]
    text = read(write_comparison(runs, tmp_path / "comparison.html"))
    assert "validation error0.01235–" in text
    assert "NSGAN generates from noise" in text
    assert "NSGAN: It has collapsed." in text


def test_settings_that_differ_are_listed(tmp_path):
    runs = [fake_run(tmp_path, options={"penalty": p}) for p in (0.5, 0.25)]
    text = read(write_comparison(runs, tmp_path / "comparison.html"))
    assert "options.penalty0.50.25" in text
    assert "Settings that differ None." not in text
    alone = read(write_comparison(runs[:1], tmp_path / "comparison.html"))
    assert "Settings that differ None." in alone


def test_errors_lead_the_page_and_their_bands_cover_all_seeds(tmp_path):
    runs = [fake_run(tmp_path, seed=seed) for seed in (0, 1)]
    text = read(write_comparison(runs, tmp_path / "comparison.html"))
    assert text.index("Error by number of coefficients") < text.index("Numbers")
    assert "bands range from the smallest to the largest" in text
    assert re.search(r"LoRAE: [0-9.]+\s% of the variance with the complete code; PCA needs", text)
    assert "variance about the mean training sample" in text


def test_what_pca_needs_is_said_of_the_mean_error_over_seeds(tmp_path):
    runs = [fake_run(tmp_path, seed=seed) for seed in (0, 1)]
    runs[1].metrics["error_of_the_mean"] = 0.1 * runs[1].metrics["validation_error"]
    text = read(write_comparison(runs, tmp_path / "comparison.html"))
    assert "with the complete code; the mean of the data is no worse." in text


def test_given_ranks_are_marked(tmp_path):
    runs = [fake_run(tmp_path, method="rrae", options={"rank": 4}), fake_run(tmp_path)]
    text = read(write_comparison(runs, tmp_path / "comparison.html"))
    assert "RRAErank 4 of 6, given; error" in text
    assert "LoRAErank 4 of 6; error" in text


def test_tables_and_figures_lie_beside_the_page(tmp_path):
    runs = [fake_run(tmp_path, method="ae"), fake_run(tmp_path)]
    write_comparison(runs, tmp_path / "a.html", figure_format="pdf")
    folder = files_of(tmp_path / "a.html")
    assert {path.name for path in folder.iterdir()} == {
        "coefficients.pdf",
        "interpolation-1.pdf",
        "interpolation-2.pdf",
        "reconstructions.pdf",
        "samples-1.pdf",
        "samples-2.pdf",
        "spectrum.pdf",
        "table.csv",
        "table.tex",
    }
    with (folder / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    (error,) = [row for row in rows if (row["method"], row["metric"]) == ("AE", "validation_error")]
    assert float(error["mean"]) == runs[0].metrics["validation_error"]
    assert (error["std"], error["seeds"]) == ("", "1")


def test_nothing_is_left_of_a_comparison_that_cannot_be_drawn(tmp_path, monkeypatch):
    def fail(*arguments):
        raise InputError("undrawable")

    runs = [fake_run(tmp_path, method="ae"), fake_run(tmp_path)]
    monkeypatch.setattr(comparison, "metric_rows", fail)  # after a figure has been drawn
    with pytest.raises(InputError, match="undrawable"):
        write_comparison(runs, tmp_path / "page" / "comparison.html")
    assert not (tmp_path / "page").exists()


def test_labels_name_the_columns(tmp_path):
    runs = [fake_run(tmp_path, method="ae"), fake_run(tmp_path)]
    text = read(write_comparison(runs, tmp_path / "a.html", labels=["base", "<b>ours"]))
    assert "base, <b>ours on digits" in text
    for labels in (["one"], ["same", "same"]):
        with pytest.raises(InputError, match="expected 2 different ones for AE, LoRAE"):
            write_comparison(runs, tmp_path / "a.html", labels=labels)


def test_many_methods_are_counted_in_the_title(tmp_path):
    runs = [fake_run(tmp_path, options={"penalty": float(p)}) for p in range(1, 6)]
    assert "5 methods on digits" in read(write_comparison(runs, tmp_path / "a.html"))


def test_a_note_says_which_of_several_channels_are_drawn(tmp_path):
    runs = [fake_run(tmp_path, (2, 12), method=name) for name in ("ae", "lorae")]
    for run in runs:
        run.the_model.preprocessing = Preprocessing((3.0, 1e5), (2.0, 1.0))
    text = read(write_comparison(runs, tmp_path / "comparison.html"))
    assert text.count("Channels in standard deviations from their means.") == 2
    assert text.count("Each channel has a row.") == 1


def test_errors_in_different_units_are_explained(tmp_path):
    runs = [fake_run(tmp_path, (12,), method=name) for name in ("ae", "lorae")]
    assert "different units" not in read(write_comparison(runs, tmp_path / "comparison.html"))
    runs[1].the_model.preprocessing = Preprocessing(3.0, 5.0)
    text = read(write_comparison(runs, tmp_path / "comparison.html"))
    assert "their validation errors have different units" in text
    assert "error, share of the variance0.250.25" in text


def test_why_there_are_no_errors_is_said(tmp_path):
    def gone():
        raise MissingDataError("The data of the run cannot be read.")

    run = fake_run(tmp_path / "a")
    run.dataset = gone
    run.__class__ = type("Kept", (type(run),), {"kept": fake_run(tmp_path / "b").kept})
    run.encoded = fake_run(tmp_path / "b").encoded
    text = read(write_comparison([run], tmp_path / "comparison.html"))
    assert "Error by number of coefficients The data of the run cannot be read." in text


def test_a_method_labelled_original_does_not_replace_the_samples(tmp_path, monkeypatch):
    rows = []
    drawn = comparison.figures.labelled_rows
    monkeypatch.setattr(
        comparison.figures, "labelled_rows", lambda own, *how: rows.extend(own) or drawn(own, *how)
    )
    runs = [fake_run(tmp_path, method="ae"), fake_run(tmp_path)]
    write_comparison(runs, tmp_path / "a.html", labels=["original", "new"])
    assert rows == ["test images", "original", "new"]


def test_settings_that_differ_by_little_are_written_in_full(tmp_path):
    runs = [fake_run(tmp_path, options={"penalty": p}) for p in (0.123451, 0.123452)]
    text = read(write_comparison(runs, tmp_path / "comparison.html"))
    assert "options.penalty0.1234510.123452" in text
