import json

from latentrank.report.measured import (
    evaluation_numbers,
    generation_table,
    probe_table,
    read_evaluation,
)
from tests.report.fake import EVALUATION


def test_run_that_was_not_evaluated_has_no_numbers(tmp_path):
    assert read_evaluation(tmp_path) == {}
    assert evaluation_numbers({}) == {}


def test_evaluation_is_read_from_the_run_folder(tmp_path):
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION), encoding="utf-8")
    assert read_evaluation(tmp_path) == EVALUATION


def test_number_of_samples_belongs_to_the_name():
    numbers = evaluation_numbers(EVALUATION)
    assert numbers == {
        "reconstruction, 30 samples: FID": 5.5,
        "reconstruction, 30 samples: KID": 0.5,
        "gmm, 5\u202f000 samples: FID": 9.25,
        "gmm, 5\u202f000 samples: KID": 0.75,
        "mlp, 10 labels: accuracy": 0.5,
    }


def test_table_has_a_column_for_every_density():
    header, rows = generation_table(EVALUATION)
    assert header == ["", "reconstruction", "gmm"]
    assert rows == [
        ["FID", "5.5", "9.25"],
        ["KID", "0.5 ± 0.01", "0.75 ± 0.02"],
        ["generated / test samples", "30 / 30", "5\u202f000 / 30"],
    ]


def test_probes_that_were_not_trained_on_a_number_of_labels_leave_it_empty():
    found = {
        "probes": {
            "mlp": {"10": {"accuracy": 0.5, "accuracy_std": 0.0, "draws": 1}},
            "knn": {"60000": {"accuracy": 0.9, "accuracy_std": 0.001, "draws": 3}},
        }
    }
    header, rows = probe_table(found)
    assert header == ["", "10 labels", "60\u202f000 labels"]
    assert rows == [["mlp", "50.0 %", ""], ["knn", "", "90.0 ± 0.1 %"]]
