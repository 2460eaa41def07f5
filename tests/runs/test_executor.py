import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from filelock import FileLock

from latentrank import methods, runs
from latentrank.errors import InputError
from latentrank.methods import Method
from latentrank.runs import executor as side_by_side
from latentrank.runs.cache import is_done, train
from latentrank.runs.executor import lanes, train_all


@pytest.fixture
def two_lanes(monkeypatch):
    monkeypatch.setattr(side_by_side, "lanes", lambda device, most: [{"OMP_NUM_THREADS": "1"}] * 2)


def test_there_are_no_more_lanes_than_cores_or_trainings(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert lanes("auto", 10) == [{"OMP_NUM_THREADS": "1"}] * 4
    assert lanes("cpu", 2) == [{"OMP_NUM_THREADS": "2"}] * 2
    assert lanes("cpu", 1) == [{}]
    assert lanes("mps", 10) == [{}]
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert lanes("cpu", 100) == [{"OMP_NUM_THREADS": "8"}] * 8


def test_each_graphics_card_is_a_lane(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert lanes("auto", 10) == [{"CUDA_VISIBLE_DEVICES": "0"}, {"CUDA_VISIBLE_DEVICES": "1"}]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert lanes("gpu", 10) == [{"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "5"}]
    assert lanes("gpu", 1) == [{}]


@pytest.mark.slow
def test_what_comes_out_side_by_side_is_what_one_process_gives(wanted, two_lanes, tmp_path):
    asked = [wanted("ae"), wanted("lorae"), wanted("ae", data=str(tmp_path / "none.npy"))]
    said = []
    failed = train_all(asked, said.append)
    assert list(failed) == [asked[2].folder.name]
    assert "none.npy" in failed[asked[2].folder.name]
    assert [text.split(":")[0] for text in said].count("left out") == 1
    assert said[0] == "3 trainings to do, 0 are there already"
    assert len(said) == 4
    for training in asked[:2]:
        alone = runs.train(training.config, tmp_path / "alone" / training.name, progress=False)
        together = runs.Run(training.folder)
        assert together.metrics["validation_error"] == alone.metrics["validation_error"]
        assert together.metrics["singular_values"] == alone.metrics["singular_values"]


@pytest.mark.slow
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_no_training_outlives_whoever_started_it(wanted, ending):
    """Two trainings without end; Ctrl-C, and an end that no process can see coming."""
    asked = [wanted(method, epochs=1_000_000) for method in ("ae", "lorae")]
    code = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell may take it away
        "from pathlib import Path\n"
        "from latentrank.runs import executor as lanes\n"
        "from latentrank.config import RunConfig\n"
        "lanes.lanes = lambda device, most: [{'OMP_NUM_THREADS': '1'}] * 2\n"
        f"asked = {[(t.config.model_dump(), str(t.folder)) for t in asked]!r}\n"
        "lanes.train_all(\n"
        "    [lanes.Training(f, '', check(c, 'x'), Path(f)) for c, f in asked], print\n"
        ")\n"
    )
    # No guard for __main__ is asked of a script.
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        assert soon(lambda: all((t.folder / "checkpoints/last.ckpt").is_file() for t in asked))
        os.kill(process.pid, ending)
        process.wait(60)
        locks = [FileLock(t.folder.with_name(f".{t.folder.name}.lock")) for t in asked]
        for lock in locks:
            with lock.acquire(timeout=60):  # its holder has ended
                pass
    finally:
        process.kill()
    lengths = [len((t.folder / "history.csv").read_text()) for t in asked]
    time.sleep(1)
    assert [len((t.folder / "history.csv").read_text()) for t in asked] == lengths
    assert not any(is_done(training) for training in asked)


def soon(condition):
    deadline = time.monotonic() + 120
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


@pytest.mark.slow
def test_a_failure_of_ours_side_by_side_is_not_taken_for_a_result(wanted, tmp_path, monkeypatch):
    """Processes are given what their lanes say: here, something that breaks them."""
    broken = tmp_path / "broken" / "lightning"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('out of order')")
    lane = {"PYTHONPATH": str(broken.parent)}
    monkeypatch.setattr(side_by_side, "lanes", lambda device, most: [lane] * 2)
    with pytest.raises(RuntimeError, match="out of order"):
        train_all([wanted("ae"), wanted("lorae")], str)


def test_a_method_of_ones_own_is_trained_in_this_process(wanted, two_lanes, monkeypatch):
    monkeypatch.setattr(methods.METHODS, "_values", dict(methods.METHODS._values))
    methods.register(Method("mine", "Nothing new.", "nowhere"))
    training = wanted("mine")
    assert train_all([training, wanted("ae")], str) == {}
    assert is_done(training)


def test_bad_input_in_this_process_leaves_the_others(wanted, tmp_path):
    asked = [wanted("ae", data=str(tmp_path / "none.npy")), wanted("lorae")]
    assert list(train_all(asked, str)) == [asked[0].folder.name]
    assert is_done(asked[1])
    with pytest.raises(InputError):
        train(asked[0])
