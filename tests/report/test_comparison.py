import pytest

from latentrank.report import write_comparison
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
    assert "with one seed the spread is not known" in text
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
    assert "from 4 run folders" in read(path)


def test_same_test_samples_for_all(tmp_path):
    first, second = fake_run(tmp_path), fake_run(tmp_path, method="ae")
    second.the_dataset.test.x[:] = 0  # generated data may differ with the seed of a run
    given = []
    encode = second.the_model.encode
    second.the_model.encode = lambda x: given.append(x) or encode(x)
    write_comparison([first, second], tmp_path / "comparison.html")
    assert all(float(x.max()) > 0 for x in given)


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
