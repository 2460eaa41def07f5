"""One file keeps the values of a run, whoever writes to it."""

import json
import multiprocessing

import pytest

from latentrank.io import UnwritableError
from latentrank.metrics import Value, add, comparable, read


def write(folder, process, both):
    both.wait()
    for index in range(30):
        add(folder, [Value(f"metric-{process}-{index}", "m", float(index))])


def test_processes_that_write_side_by_side_lose_nothing(tmp_path):
    (tmp_path / "metrics.json").write_text(json.dumps({"rank": 4}))
    context = multiprocessing.get_context("fork")
    both = context.Barrier(2)
    writers = [context.Process(target=write, args=(tmp_path, n, both)) for n in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(read(tmp_path)) == 60
    assert json.loads((tmp_path / "metrics.json").read_text())["rank"] == 4


def test_a_run_in_training_is_not_made_to_look_finished(tmp_path):
    (tmp_path / "config.yaml").write_text("method: ae\n")
    add(tmp_path, [Value("m", "m", 1.0)])
    assert not (tmp_path / "metrics.json").exists()


def test_values_survive_the_file(tmp_path):
    value = Value("fd[x]:gmm", "FD-x", 1.5, 0.25, "lower", {"seed": 0, "features": {"name": "x"}})
    add(tmp_path, [value])
    assert read(tmp_path) == [value]
    assert read(tmp_path, measured_on="other data") == []
    add(tmp_path, [Value("fd[x]:gmm", "FD-x", 2.5, None, "lower", value.identity)])
    assert [v.value for v in read(tmp_path)] == [2.5]


def test_a_request_is_answered_by_what_agrees_with_all_it_states():
    value = Value("m", "m", 1.0, identity={"seed": 0, "features": {"name": "x", "weights": "a"}})
    assert value.answers("m", {"seed": 0, "features": {"name": "x"}})
    assert not value.answers("m", {"features": {"weights": "b"}})
    assert not value.answers("m", {"samples": 3})
    assert not value.answers("n", {})


def test_a_label_has_the_number_of_samples_or_else_the_argument():
    labels = {
        Value("fd[x]:gmm", "FD", 1.0, identity={"density": "gmm", "samples": 9}).label,
        Value("fd[x]:gmm", "FD", 1.0).label,
        Value("rank", "rank", 1.0).label,
    }
    assert labels == {"gmm, 9 samples: FD", "gmm: FD", "rank"}


def test_values_of_other_weights_are_never_compared_and_seeds_are():
    def value(weights, seed):
        return Value("fd[x]:gmm", "FD-x", 1.0, identity={"seed": seed, "weights": weights})

    names = [next(iter(found)) for found in comparable([[value("a", 0)], [value("a", 1)]])]
    assert names[0] == names[1] == "gmm: FD-x"
    mixed = [next(iter(found)) for found in comparable([[value("a", 0)], [value("b", 0)]])]
    assert mixed[0] != mixed[1]


def test_a_folder_without_permission_is_named(tmp_path):
    (tmp_path / ".metrics.lock").mkdir()  # cannot be opened, as without permission
    with pytest.raises(UnwritableError, match=r"metrics\.json cannot be written \(.+\); check"):
        add(tmp_path, [Value("m", "m", 1.0)])
