import csv
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import optuna
import pytest

from latentrank import metrics
from latentrank.cli.train import _print_trials
from latentrank.errors import InputError
from latentrank.filenames import HISTORY, LAST_CHECKPOINT
from latentrank.runs import Run
from latentrank.sweep import (
    Aim,
    Trial,
    _write,
    configured,
    parse_search,
    study_name,
    sweep,
)

BASE = {
    "method": "lorae", "data": "blobs", "train_size": 32, "test_size": 16, "latent_dim": 4,
    "steps": 1, "device": "cpu",
}  # fmt: skip
PENALTY = parse_search("penalty=1e-4..1e-1:log")


def test_trials_are_run_folders_and_the_study_continues(tmp_path):
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    settings = {"storage": storage, "out": tmp_path / "sweeps"}
    first = sweep(BASE, [PENALTY], 1, **settings)
    both = sweep(BASE, [PENALTY], 1, **settings)
    assert len(first) == 1
    assert sorted(trial.number for trial in both) == [0, 1]
    assert both == sorted(both, key=lambda trial: trial.values)
    for trial in both:
        assert 1e-4 <= trial.settings["penalty"] <= 1e-1
    written = tmp_path.glob("sweeps/*/*/metrics.json")
    assert {str(path.parent) for path in written} == {trial.folder for trial in both}
    for trial in both:
        assert Run(trial.folder).settings.options.penalty == trial.settings["penalty"]


def test_several_sweeps_may_begin_at_once(tmp_path, monkeypatch):
    """Creating a study twice at the same time fails in Optuna."""
    inside, most = [], []
    create = optuna.create_study

    def creating(**how):
        inside.append(how)
        most.append(len(inside))
        time.sleep(0.2)
        try:
            return create(**how)
        finally:
            inside.pop()

    monkeypatch.setattr(optuna, "create_study", creating)
    monkeypatch.setattr("latentrank.sweep.train_all", lambda *_: {})
    searches = [parse_search("penalty=1..2")]

    def begin(_):
        with pytest.raises(InputError, match="None of 1 trials"):
            sweep(BASE, searches, 1, out=tmp_path)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(begin, range(3)))
    assert most == [1, 1, 1]


def test_a_typo_is_reported_before_anything_is_trained(tmp_path):
    with pytest.raises(InputError, match="did you mean 'penalty'"):
        sweep(BASE, [parse_search("penalti=1..2")], 1, out=tmp_path)
    with pytest.raises(InputError, match="did you mean 'error'"):
        sweep(BASE, [parse_search("penalty=1..2")], 1, minimise=["eror"], out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("given", "metric", "told"),
    [
        ({}, "accuracy:10", "needs labels, and the data blobs has no"),
        ({"data": "curves:stairs"}, "fd[classifier]:gaussian", "curves:stairs contains none"),
        ({"method": "lsgan"}, "validation_error", "codes of samples, which the method does not"),
        ({"method": "lsgan"}, "", "codes of samples, which the method does not"),
    ],
)
def test_a_metric_that_no_trial_can_have_is_refused_before_anything_is_trained(
    given, metric, told, tmp_path
):
    with pytest.raises(InputError, match=told):
        sweep(
            {**BASE, **given}, [parse_search("learning_rate=1..2")], 1,
            minimise=[metric] if metric else [], out=tmp_path,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_no_settings_are_tried_twice_and_a_finite_search_ends(tmp_path):
    """With every value proposed once, six trials of three choices are three."""
    width = parse_search("latent_dim=2,3,4")
    base = {**BASE, "method": "ae"}
    del base["latent_dim"]
    found = sweep(base, [width], 2, out=tmp_path)
    found = sweep(base, [width], 4, out=tmp_path)
    assert sorted(trial.settings["latent_dim"] for trial in found) == [2, 3, 4]
    assert len(list(tmp_path.glob("*/trial-*/metrics.json"))) == 3


def test_a_failure_is_reported_once_and_tried_again_by_the_next_call(tmp_path, monkeypatch):
    """A bug in a user's method or metric, which is corrected between the calls."""
    choices, said = [parse_search("penalty=0.1,0.2")], []
    with monkeypatch.context() as broken:
        broken.setattr(metrics, "measure", _out_of_order)
        with pytest.raises(InputError, match="the last one failed: out of order"):
            sweep(BASE, choices, 4, out=tmp_path, say=said.append)
    assert sorted(text for text in said if "order" in text) == [
        "trial 0 failed: out of order", "trial 1 failed: out of order",
    ]  # fmt: skip
    found = sweep(BASE, choices, 4, out=tmp_path)
    assert sorted(trial.settings["penalty"] for trial in found) == [0.1, 0.2]


def test_an_unexpected_error_leaves_its_trials_to_the_next_call(tmp_path, monkeypatch):
    choices = [parse_search("penalty=0.1,0.2")]
    with monkeypatch.context() as broken:
        broken.setattr(metrics, "measure", lambda subject, text: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            sweep(BASE, choices, 2, out=tmp_path)
    found = sweep(BASE, choices, 2, out=tmp_path)
    assert found[0].settings != found[1].settings
    assert len(list(tmp_path.glob("*/*/metrics.json"))) == 2


def test_an_interrupted_trial_of_a_continuous_search_is_resumed(tmp_path, monkeypatch):
    """Its value would hardly be proposed again."""
    with monkeypatch.context() as interrupted:
        interrupted.setattr(metrics, "measure", _interrupted)
        with pytest.raises(KeyboardInterrupt):
            sweep(BASE, [PENALTY], 1, out=tmp_path)
    (folder,) = (path.parent for path in tmp_path.glob("*/*/metrics.json"))
    ((number, _, _, settings, resumed),) = sweep(BASE, [PENALTY], 1, out=tmp_path)
    assert (number, resumed) == (0, str(folder))
    assert Run(resumed).settings.options.penalty == settings["penalty"]


def test_a_trial_of_a_running_command_is_left_to_it(tmp_path, monkeypatch):
    """While one call measures its trial, another one tries the remaining value."""
    choices, calls = [parse_search("penalty=0.1,0.2")], []

    def measure(subject, text):
        if not calls:
            calls.append(0)
            calls.extend(sweep(BASE, choices, 2, out=tmp_path))
        return measured(subject, text)

    measured = metrics.measure
    monkeypatch.setattr(metrics, "measure", measure)
    found = sweep(BASE, choices, 1, out=tmp_path)
    (other,) = calls[1:]
    assert other.number > 0
    assert {trial.number for trial in found} == {0, other.number}


@pytest.mark.slow
def test_a_killed_sweep_is_resumed_where_it_stopped(tmp_path):
    settings = {**BASE, "steps": 600, "validate_every": 10}
    script = (
        f"from latentrank.sweep import *; sweep({settings}, [{PENALTY}], 1, out={str(tmp_path)!r})"
    )
    running = subprocess.Popen([sys.executable, "-c", script])
    _wait(running, lambda: any(path.stat().st_size for path in tmp_path.glob(f"*/*/{HISTORY}")))
    (folder,) = (path.parent for path in tmp_path.glob(f"*/*/{HISTORY}"))
    began, known = Run(folder).history["seconds"][0], time.time_ns()
    # The checkpoint has the first row once it is written again.
    _wait(running, lambda: (folder / LAST_CHECKPOINT).stat().st_mtime_ns > known)
    running.send_signal(signal.SIGKILL)
    running.wait()
    assert not Run(folder).finished
    (trial,) = sweep(settings, [PENALTY], 1, out=tmp_path)
    assert (trial.number, trial.folder) == (0, str(folder))
    assert Run(folder).history["seconds"][0] == began
    assert Run(folder).history["step"][-1] == settings["steps"]


def _wait(running, reached):
    until = time.monotonic() + 300
    while not reached():
        assert running.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)


def _interrupted(subject, text):
    raise KeyboardInterrupt


def _out_of_order(subject, text):
    raise InputError("out of order")


def test_a_seed_repeats_a_study_exactly(tmp_path):
    found = [
        [(t.number, t.values, t.settings) for t in sweep(base, [PENALTY], 3, out=tmp_path / name)]
        for name, base in (("a", BASE), ("b", BASE), ("c", {**BASE, "seed": 1}))
    ]
    assert found[0] == found[1]
    assert {s["penalty"] for *_, s in found[0]}.isdisjoint(s["penalty"] for *_, s in found[2])


def test_a_metric_may_be_maximised(tmp_path):
    width = parse_search("latent_dim=1,4")
    base = {**BASE, "method": "ae"}
    del base["latent_dim"]
    best, worst = sweep(base, [width], 2, maximise=["rank"], out=tmp_path)
    assert best.values > worst.values
    assert best.best
    assert not worst.best


def test_two_aims_give_their_pareto_front(tmp_path):
    """By the definition, checked pair by pair; written to the table and the figure."""
    width = parse_search("latent_dim=1,2,4")
    base = {**BASE, "method": "ae", "epochs": 8}
    del base["latent_dim"], base["steps"]
    aims = ["rank", "validation_error"]
    said = []
    found = sweep(base, [width], 3, minimise=aims, out=tmp_path, say=said.append)
    for trial in found:
        others = [np.array(other.values) for other in found if other is not trial]
        mine = np.array(trial.values)
        beaten = any((other <= mine).all() and (other < mine).any() for other in others)
        assert trial.best == (not beaten)
    assert [trial.best for trial in found] == sorted((t.best for t in found), reverse=True)
    (table,) = tmp_path.glob("*/trials.csv")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["rank"]) for row in rows] == [trial.values[0] for trial in found]
    assert [row["best"] for row in rows] == [str(trial.best) for trial in found]
    assert said[-2:] == [str(table), str(table.with_name("front.png"))]
    assert table.with_name("front.png").is_file()
    assert sweep(base, [width], 1, minimise=aims, out=tmp_path) == found  # nothing is left to try


def test_columns_of_the_table_have_different_names(tmp_path, capsys):
    """Where a setting is searched whose name is that of an aim."""
    trials = [Trial(0, (3.0,), True, {"rank": 4}, "a")]
    _print_trials(trials, ["rank"])
    assert capsys.readouterr().out.split()[:5] == ["trial", "rank", "rank", "(searched)", "run"]
    (table,) = _write(trials, [Aim("rank")], tmp_path)
    assert table.read_text().splitlines()[0] == "trial,rank,best,rank (searched),run"


def test_an_aim_given_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="rank is given as an objective twice"):
        sweep(BASE, [PENALTY], 1, minimise=["rank"], maximise=["rank"], out=tmp_path)


def test_a_setting_searched_twice_is_refused(tmp_path):
    with pytest.raises(InputError, match="penalty is searched twice; give one search for it"):
        sweep(BASE, [PENALTY, PENALTY], 1, out=tmp_path)


def test_data_that_cannot_be_read_are_refused_before_the_first_trial(tmp_path):
    with pytest.raises(InputError, match=r"^There is no none\.npy; check the path\.$"):
        sweep({**BASE, "data": "none.npy"}, [PENALTY], 20, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_are_looked_for_before_the_first_trial(tmp_path, monkeypatch):
    """And may be downloaded where that is allowed."""
    allowed = []

    def weights_of(name, given=None, *, download=False):
        allowed.append(download)
        raise InputError(f"The weights of {name} are missing.")

    monkeypatch.setitem(metrics.check_weights.__globals__, "weights_of", weights_of)
    for download in (False, True):
        with pytest.raises(InputError, match=r"^The weights of inception are missing\.$"):
            sweep(
                {**BASE, "download": download}, [PENALTY], 20,
                minimise=["fd[inception]:gaussian"], out=tmp_path / "out",
            )  # fmt: skip
    assert allowed == [False, True]
    assert not (tmp_path / "out").exists()


def test_trials_are_measured_with_weights_that_may_be_downloaded(tmp_path, monkeypatch):
    measure, allowed = metrics.measure, []

    def watched(subject, text):
        allowed.append(subject.download)
        return measure(subject, text)

    monkeypatch.setattr(metrics, "measure", watched)
    for download in (False, True):
        sweep({**BASE, "download": download}, [PENALTY], 1, out=tmp_path / str(download))
    assert allowed == [False, True]


def test_the_reason_why_no_trial_ended_is_given(tmp_path):
    with pytest.raises(InputError, match=r"of fold-error:multilinear; the last one failed: .*grid"):
        sweep(
            BASE,
            [parse_search("penalty=1..2")],
            1,
            minimise=["fold-error:multilinear"],
            out=tmp_path,
        )


def test_what_is_given_and_searched_is_refused():
    with pytest.raises(InputError, match="penalty is both given and searched"):
        configured({**BASE, "penalty": 1e-3}, [PENALTY], {"penalty": 1e-2})


def test_a_sweep_without_a_search_is_refused(tmp_path):
    with pytest.raises(InputError, match="1 trials over 0 searches"):
        sweep(BASE, [], 1, out=tmp_path)


def test_an_invalid_storage_is_refused(tmp_path):
    with pytest.raises(InputError, match="give a URL such as sqlite"):
        sweep(BASE, [PENALTY], 1, storage="nowhere", out=tmp_path)


def test_the_study_s_name_ignores_the_machine_and_knows_the_search():
    def name(given, search):
        return study_name(configured(given, [search], {search.name: search.first}), [search], "x")

    assert name(BASE, PENALTY) == name({**BASE, "device": "auto"}, PENALTY)
    assert name(BASE, PENALTY) != name({**BASE, "steps": 2}, PENALTY)
    assert name(BASE, PENALTY) != name(BASE, parse_search("penalty=1e-4..1:log"))


def test_without_optuna_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(InputError, match=r"pip install 'latentrank\[sweep\]'"):
        sweep(BASE, [PENALTY], 1, out=tmp_path)


def test_a_database_lies_in_the_folder_of_its_study_whatever_the_data_are_called():
    """What follows a question mark is none of a database's path."""
    search = parse_search("latent_dim=1,2")
    base = configured({"method": "pca", "data": "what?.npy"}, [search], {"latent_dim": 1})
    assert study_name(base, [search], "x").startswith("what--pca-")
