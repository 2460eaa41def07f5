import csv
import io
import math
import statistics
from dataclasses import replace

import numpy as np
import pytest

from latentrank import metrics
from latentrank.errors import InputError
from latentrank.metrics import Value
from latentrank.report.columns import Measure, best_of, columns_of, measures, metric_rows
from latentrank.report.tables import to_csv
from tests.report.fake import fake_run, measured


def test_runs_that_differ_in_the_seed_share_a_column(tmp_path):
    runs = [
        fake_run(tmp_path, seed=0, device="cpu"),
        fake_run(tmp_path, method="ae"),
        fake_run(tmp_path, seed=1, device="gpu"),
    ]
    columns = columns_of(runs)
    assert [column.name for column in columns] == ["LoRAE", "AE"]
    assert [len(column.views) for column in columns] == [2, 1]


def test_runs_of_one_method_are_told_apart_by_what_differs(tmp_path):
    runs = [fake_run(tmp_path, options={"penalty": p}) for p in (1e-3, 1e-1)]
    assert [column.name for column in columns_of(runs)] == [
        "LoRAE, penalty 0.001",
        "LoRAE, penalty 0.1",
    ]


def test_names_contain_only_what_distinguishes_runs(tmp_path):
    runs = [
        fake_run(tmp_path, options={"penalty": 0.1}, latent_dim=8, epochs=3),
        fake_run(tmp_path, options={"penalty": 0.2}, latent_dim=9, epochs=4),
    ]
    assert [c.name for c in columns_of(runs)] == ["LoRAE, penalty 0.1", "LoRAE, penalty 0.2"]
    runs.append(fake_run(tmp_path, options={"penalty": 0.2}, latent_dim=9, epochs=5))
    assert [c.name for c in columns_of(runs)] == [f"LoRAE, epochs {count}" for count in (3, 4, 5)]


def test_names_that_would_be_long_become_numbers(tmp_path):
    runs = [fake_run(tmp_path, options={"a_very_long_name_of_a_setting": p}) for p in (1, 2)]
    assert [column.name for column in columns_of(runs)] == ["LoRAE #1", "LoRAE #2"]


def test_seeds_whose_codes_have_fewer_directions_keep_their_last_error(tmp_path):
    runs = [fake_run(tmp_path, kept=kept, seed=kept) for kept in (2, 5)]
    (column,) = columns_of(runs)
    ks, errors = column.errors
    assert ks.tolist() == [1, 2, 3, 4, 5]
    first, second = (view.errors.model.errors for view in column.views)
    assert errors[0, 1] == errors[0, 4] == first[-1]
    assert errors[1, 4] == second[-1]


def test_mean_and_spread_are_those_of_the_seeds(tmp_path):
    errors = [0.1, 0.2, 0.6]
    runs = [fake_run(tmp_path, seed=seed, error=error) for seed, error in enumerate(errors)]
    (column,) = columns_of(runs)
    found = measures([column])[0]["validation_error"]
    assert found == pytest.approx((0.3, statistics.stdev(errors), 3))
    assert math.isnan(measures(columns_of(runs[:1]))[0]["rank"].spread)


def test_numbers_that_a_method_does_not_have_are_a_dash(tmp_path):
    first, second = fake_run(tmp_path), fake_run(tmp_path, method="ae")
    first.metrics["compactness"] = 3.5
    table = {row[0]: row[1:] for row in metric_rows(columns_of([first, second]))[0]}
    assert table["compactness"] == ["3.5", "–"]
    assert not {"latent dim", "singular values", "method"} & set(table)


def test_best_is_named_among_those_that_have_the_number(tmp_path):
    runs = [
        fake_run(tmp_path / method, method=method, seed=seed, error=error + seed / 1000)
        for method, error in (("vae", 0.3), ("ae", 0.1), ("lorae", 0.2))
        for seed in (0, 1)
    ]
    for run in runs[:2]:
        run.metrics["validation_error"] = None
    rows, best = metric_rows(columns_of(runs))
    names = [row[0] for row in rows]
    assert best == {names.index("validation error"): 2}


def test_values_are_compared_by_what_they_depend_on(tmp_path):
    """Another number of samples is another row, and so are other weights of the features."""
    rows = (("a", 5000, "0"), ("b", 5000, "0"), ("c", 100, "0"), ("d", 100, "1"))
    for name, samples, weights in rows:
        features = {"name": "timm:x", "weights": weights}
        identity = {"density": "gmm", "samples": samples, "seed": 0, "features": features}
        metrics.add(tmp_path / name, [measured("fd[timm:x]:gmm", "FD-x", 1.0, "lower", **identity)])
    methods = {"a": "ae", "b": "lorae", "c": "irmae", "d": "vae"}
    runs = [fake_run(tmp_path / name, method=method) for name, method in methods.items()]
    columns = columns_of(runs)
    table = {row[0]: row[1:] for row in metric_rows(columns)[0] if "FD-x" in row[0]}
    assert sorted(table.values()) == sorted(
        [["1", "1", "–", "–"], ["–", "–", "1", "–"], ["–", "–", "–", "1"]]
    )
    assert "gmm, 5\u202f000 samples: FD-x" in table
    written = {row[1] for row in csv.reader(io.StringIO(to_csv(columns))) if "FD-x" in row[1]}
    assert written == table.keys()


@pytest.mark.parametrize("less", [True, False])
def test_best_is_named_only_when_its_interval_meets_no_other(less):
    sign = 1 if less else -1
    far = [Measure(5.0, 0.4, 3), Measure(5.0 - sign, 0.4, 3), Measure(5.0 + sign, 0.1, 3)]
    assert best_of(far, less) == 1
    near = [Measure(5.0, 0.6, 3), *far[1:]]
    assert best_of(near, less) is None


def test_a_wide_third_also_forbids_naming_a_best():
    values = [Measure(1.0, 0.1, 3), Measure(2.0, 0.1, 3), Measure(3.0, 2.5, 3)]
    assert best_of(values, less_is_better=True) is None


def test_one_seed_anywhere_forbids_naming_a_best():
    single = Measure(9.0, math.nan, 1)
    assert best_of([Measure(1.0, 0.1, 3), single], less_is_better=True) is None
    assert best_of([Measure(1.0, 0.1, 3)], less_is_better=True) is None


def test_equal_values_have_no_best():
    assert best_of([Measure(1.0, 0.0, 2), Measure(1.0, 0.0, 2)], less_is_better=True) is None


def test_table_marks_errors_but_never_ranks(tmp_path):
    runs = [
        fake_run(tmp_path, method=method, kept=kept, seed=seed, error=error + seed / 1000)
        for method, kept, error in (("ae", 6, 0.1), ("lorae", 2, 0.2))
        for seed in (0, 1)
    ]
    rows, best = metric_rows(columns_of(runs))
    marked = {rows[index][0]: cell for index, cell in best.items()}
    assert marked == {"validation error": 1}
    table = {row[0]: row[1:] for row in rows}
    assert table["rank"] == ["6", "2"]
    assert table["validation error"][0] == "0.10050 ± 0.00071"


def test_number_of_seeds_is_shown_where_it_differs(tmp_path):
    runs = [fake_run(tmp_path, method=m, seed=s) for m, s in (("ae", 0), ("ae", 1), ("lorae", 0))]
    rows, best = metric_rows(columns_of(runs))
    table = {row[0]: row[1:] for row in rows}
    assert table["rank"] == ["4 (2)", "4 (1)"]
    assert table["training time"] == ["4 min 12 s (2)", "4 min 12 s (1)"]
    assert best == {}


def test_no_runs():
    with pytest.raises(InputError, match="no runs to compare"):
        columns_of([])


def test_runs_on_different_data(tmp_path):
    other = fake_run(tmp_path, data="letters")
    other.the_dataset.test.x[:] = other.the_dataset.test.x[::-1].copy()
    with pytest.raises(InputError, match=r"different data .*digits.*letters"):
        columns_of([fake_run(tmp_path), other])
    with pytest.raises(InputError, match=r"different data .*digits.*mnist"):  # never looked at
        columns_of([fake_run(tmp_path), fake_run(tmp_path, data="mnist")])
    with pytest.raises(InputError, match="different data"):
        columns_of([fake_run(tmp_path), fake_run(tmp_path, (1, 10, 10), image_size=10)])


def test_runs_on_the_same_samples_under_two_names(tmp_path):
    runs = [fake_run(tmp_path), fake_run(tmp_path, data="copy of digits", method="ae")]
    assert [column.name for column in columns_of(runs)] == ["LoRAE", "AE"]


def test_runs_on_other_samples_under_one_name(tmp_path):
    first, second = fake_run(tmp_path / "a"), fake_run(tmp_path / "b", method="ae")
    columns_of([first, second])
    second.the_dataset.test.x[:] = second.the_dataset.test.x[::-1].copy()
    with pytest.raises(InputError, match=r"/a and of .*/b are both called digits"):
        columns_of([first, second])
    second.config["method"] = "lorae"  # one column
    with pytest.raises(InputError, match="their test samples differ"):
        columns_of([first, second])


def test_runs_on_parts_of_the_same_test_samples(tmp_path):
    def part(rows, known):
        run = fake_run(tmp_path, test_size=len(rows), epochs=int(rows[0]))
        test = replace(run.the_dataset.test, rows=np.arange(30) if known else None)
        run.the_dataset = replace(run.the_dataset, test=test.take(rows))
        return run

    rows = np.arange(30)
    columns_of([part(rows[2:], True), part(rows[7:], True)])
    columns_of([part(rows[2:], False), part(rows[7:], False)])  # it is unknown which ones
    other = part(rows[7:], True)
    other.the_dataset.test.x[:] = 0
    with pytest.raises(InputError, match="their test samples differ"):
        columns_of([part(rows[2:], True), other])


def test_errors_of_models_that_scale_data_differently_are_shares_of_the_variance(tmp_path):
    """Twice the scale is a quarter of the error: the shares remain, the errors would mislead."""
    first, second = fake_run(tmp_path, (12,)), fake_run(tmp_path, (12,), method="ae", error=0.2)
    second.metrics["error_of_the_mean"] = 0.4
    table = {row[0]: row[1:] for row in metric_rows(columns_of([first, second]))[0]}
    assert table["validation error"] == ["0.01235", "0.2"]
    second.the_model.preprocessing = replace(second.the_model.preprocessing, scale=4.0)
    columns = columns_of([first, second])
    table = {row[0]: row[1:] for row in metric_rows(columns)[0]}
    assert table["error, share of the variance"] == ["0.25", "0.5"]
    assert not {"validation error", "error of the mean sample"} & set(table)
    assert measures(columns)[1]["error_share"].mean == 0.5


def test_small_units_are_told_apart(tmp_path):
    """Such as those of volts or metres in a small device."""
    runs = [fake_run(tmp_path, (12,)), fake_run(tmp_path, (12,), method="ae")]
    for run, scale in zip(runs, (1e-9, 5e-9), strict=True):
        run.the_model.preprocessing = replace(run.the_model.preprocessing, scale=scale)
    assert not columns_of(runs)[0].same_units


def test_a_shift_leaves_the_units_of_errors(tmp_path):
    first, second = fake_run(tmp_path, (12,)), fake_run(tmp_path, (12,), method="ae")
    second.the_model.preprocessing = replace(second.the_model.preprocessing, offset=4.0)
    assert all(column.same_units for column in columns_of([first, second]))


def test_a_measured_value_is_called_as_it_was_measured_and_has_its_unit(tmp_path):
    """A density's options may hold dots and underscores, which are not those of nested numbers."""
    values = [
        Value("fd[timm:tf_net]:kde:bandwidth=0.5", "FD-tf_net", 2.5,
              identity={"density": "kde:bandwidth=0.5", "samples": 100}),
        Value("accuracy:10", "accuracy", 50.0, identity={"probe": "mlp", "labels": 10}),
        Value("prediction-error:auto", "prediction error", 1.875),
    ]  # fmt: skip
    metrics.add(tmp_path / "a", values)
    run = fake_run(tmp_path / "a")
    run.metrics["nested"] = {"a_number": 3}
    rows = dict(metric_rows(columns_of([run]))[0])
    assert rows["kde:bandwidth=0.5, 100 samples: FD-tf_net"] == "2.5"
    assert rows["mlp, 10 labels: accuracy"] == "50 %"
    assert rows["auto: prediction error"] == "1.875 %"
    assert rows["nested: a number"] == "3"
    told = [row for table in metrics.tables(values) for row in table.rows]
    assert ["mlp", rows["mlp, 10 labels: accuracy"]] in told
    assert ["auto: prediction error", rows["auto: prediction error"]] in told


def test_a_run_counts_once_in_the_mean_over_seeds(tmp_path):
    first, second = fake_run(tmp_path / "a", seed=1), fake_run(tmp_path / "b", seed=2)
    with pytest.raises(InputError, match=r"a is given twice; leave it out once"):
        columns_of([first, second, first])
    again = fake_run(tmp_path / "c", seed=1, device="gpu")
    with pytest.raises(InputError, match=r"a and .*c have the same settings and the same seed, 1,"):
        columns_of([first, second, again])


def test_which_of_several_trainings_was_kept_is_no_result(tmp_path):
    record = {"seeds": [0, 7], "errors": [0.2, 0.1], "ranks": [3, 3], "kept": 1}
    runs = [fake_run(tmp_path, seed=seed) for seed in (0, 1)]
    for run in runs:
        run.metrics["restarts"] = record
    rows, _ = metric_rows(columns_of(runs))
    assert not [row for row in rows if "restarts" in row[0]]
