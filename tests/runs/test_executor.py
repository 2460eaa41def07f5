import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from latentrank import methods, runs
from latentrank.data import DATASETS
from latentrank.errors import InputError
from latentrank.methods import Method
from latentrank.nets import NETWORKS
from latentrank.runs import executor, worker
from latentrank.runs.cache import is_done, train
from latentrank.runs.executor import at_once, train_all
from latentrank.runs.locking import locked
from latentrank.runs.worker import TrainingError

COMMAND = """
import json, signal, sys
signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))
from pathlib import Path
from latentrank.config import RunConfig
from latentrank.runs import executor
from latentrank.runs.cache import PlannedRun
if sys.argv[3] == "here":
    executor.at_once = lambda device, most, cluster: 2
asked = [
    PlannedRun(Path(folder).name, "", RunConfig(**config), Path(folder))
    for config, folder in json.loads(sys.argv[2])
]
executor.train_all(asked, print, cluster=None if sys.argv[3] == "here" else sys.argv[3])
"""


@pytest.fixture
def two_at_once(monkeypatch):
    monkeypatch.setattr(executor, "at_once", lambda device, most, cluster=None: 2)


def command(asked, interrupts="default_int_handler", cluster="here"):
    """A separate command in its own process group, as a terminal starts it."""
    wanted = json.dumps([(t.config.model_dump(mode="json"), str(t.folder)) for t in asked])
    return subprocess.Popen(
        # no guard for __main__ is asked of a script
        [sys.executable, "-c", COMMAND, interrupts, wanted, cluster],
        stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip


def soon(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


def begun(training):
    return (training.folder / "checkpoints" / "last.ckpt").is_file()


def rows(training):
    return (training.folder / "history.csv").read_text().splitlines()


def is_free(training):
    """Whether nobody trains it."""
    try:
        with locked(training.folder):
            return True
    except InputError:
        return False


def workers_of(pid):
    """The processes of loky's workers, recognised by what they train on."""
    psutil = pytest.importorskip("psutil")
    children = psutil.Process(pid).children(recursive=True)
    return [child for child in children if "LokyProcess" in " ".join(child.cmdline())]


def test_there_are_no_more_runs_at_once_than_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 4)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert at_once("auto", 10) == 4
    assert at_once("cpu", 2) == 2
    assert at_once("mps", 10) == 1
    monkeypatch.setattr(torch, "get_num_threads", lambda: 64)
    assert at_once("cpu", 100) == 8


def test_one_training_is_on_a_graphics_card(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert at_once("auto", 10) == 2
    assert at_once("gpu", 1) == 1


def test_workers_share_the_cores(monkeypatch):
    monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    with executor._processes(2) as processes:
        found = [processes.submit(os.getenv, name).result() for name in executor._THREADS]
    assert found == ["3"] * 3


@pytest.mark.slow
def test_what_is_trained_side_by_side_is_what_one_process_gives(wanted, two_at_once, tmp_path):
    asked = [wanted("ae"), wanted("lorae"), wanted("ae", data=str(tmp_path / "none.npy"))]
    said = []
    failed = train_all(asked, said.append)
    assert list(failed) == [asked[2].folder.name]
    assert "none.npy" in failed[asked[2].folder.name]
    assert [text.split(":")[0] for text in said].count("skipped") == 1
    assert said[0] == "3 runs to train, 0 already exist"
    assert len(said) == 4
    for training in asked[:2]:
        alone = runs.train(training.config, tmp_path / "alone" / training.name, progress=False)
        together = runs.Run(training.folder)
        assert together.metrics["validation_error"] == alone.metrics["validation_error"]
        assert together.metrics["singular_values"] == alone.metrics["singular_values"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "interrupts"),
    [
        (signal.SIGINT, "default_int_handler"),  # Ctrl-C
        (signal.SIGTERM, "SIG_IGN"),  # of what a shell started in the background
        (signal.SIGKILL, "default_int_handler"),  # which no process can see coming
    ],
)
def test_no_training_outlives_its_command(wanted, ending, interrupts):
    asked = [wanted(method, epochs=1_000_000) for method in ("ae", "lorae")]
    process = command(asked, interrupts)
    try:
        assert soon(lambda: all(begun(training) for training in asked))
        workers = workers_of(process.pid)
        assert len(workers) == 2
        # a terminal tells the whole group
        (os.killpg if ending == signal.SIGINT else os.kill)(process.pid, ending)
        process.wait(120)
        for training in asked:
            assert soon(lambda t=training: is_free(t))
        if ending == signal.SIGKILL:
            assert soon(lambda: not any(child.is_running() for child in workers))
    finally:
        process.kill()
    lengths = [len(rows(training)) for training in asked]
    time.sleep(1)
    assert not any(is_done(training) for training in asked)
    assert [len(rows(training)) for training in asked] == lengths
    assert list(asked[0].folder.parent.glob(".command-*")) == []


SLEEPERS = """
import signal, time
signal.signal(signal.SIGINT, signal.default_int_handler)
from latentrank.runs import executor
with executor._processes(2) as processes:
    processes.submit(time.sleep, 1000)
    print("ready", flush=True)
    time.sleep(1000)
"""


@pytest.mark.slow
def test_a_second_interrupt_does_not_wait_for_the_workers():
    call = [sys.executable, "-c", SLEEPERS]
    with subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            assert process.stdout.readline() == b"ready\n"
            workers = workers_of(process.pid)
            process.send_signal(signal.SIGINT)
            time.sleep(1)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            process.wait(60)
            assert soon(lambda: not any(child.is_running() for child in workers))
        finally:
            process.kill()


@pytest.mark.slow
def test_what_was_stopped_is_resumed_by_the_same_command(wanted):
    asked = [wanted(method, epochs=150) for method in ("ae", "lorae")]
    process = command(asked)
    try:
        assert soon(lambda: all(begun(training) for training in asked))
        process.send_signal(signal.SIGINT)
        process.wait(120)
        before = [rows(training)[:2] for training in asked]
        assert not any(is_done(training) for training in asked)
        process = command(asked)
        assert process.wait(300) == 0
    finally:
        process.kill()
    assert_resumed(asked, before)


def assert_resumed(asked, before):
    """They are done, without gap or repetition, and began with the rows of before."""
    for training, first in zip(asked, before, strict=True):
        assert is_done(training)
        # which hold the seconds that they took, so a second start shows
        assert rows(training)[:2] == first
        epochs = runs.Run(training.folder).history["epoch"]
        assert epochs.tolist() == list(range(1, training.config.training.epochs + 1))


@pytest.mark.slow
def test_the_training_of_a_killed_worker_is_taken_up(wanted):
    asked = [wanted(method, epochs=150) for method in ("ae", "lorae")]
    process = command(asked)
    try:
        assert soon(lambda: all(begun(training) for training in asked))
        before = [rows(training)[:2] for training in asked]
        workers_of(process.pid)[0].kill()
        assert not any(is_done(training) for training in asked)
        assert process.wait(300) == 0
    finally:
        process.kill()
    assert_resumed(asked, before)


@pytest.mark.slow
def test_workers_that_end_again_and_again_are_given_up(wanted, two_at_once, monkeypatch):
    monkeypatch.setattr(executor, "train_for", lambda command, training: os._exit(1))
    with pytest.raises(InputError, match=r"Workers failed 3 times in a row.*Terminated"):
        train_all([wanted("ae"), wanted("lorae")], str)


@pytest.mark.slow
def test_an_internal_error_is_not_taken_for_a_result(wanted, tmp_path, two_at_once, monkeypatch):
    """Workers import what the command would import: here, something that breaks them."""
    broken = tmp_path / "site-packages" / "lightning"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text("raise RuntimeError('out of order')")
    monkeypatch.syspath_prepend(broken.parent)
    with pytest.raises(TrainingError, match="out of order"):
        train_all([wanted("ae"), wanted("lorae")], str)


@pytest.mark.parametrize("own", [True, False])
def test_an_error_in_one_run_does_not_stop_the_others(own, wanted, monkeypatch):
    asked = [wanted("ae"), wanted("lorae")]

    def breaks_once(training, progress):
        return 1 / 0 if training is asked[0] else train(training, progress)

    monkeypatch.setattr(worker, "train", breaks_once)
    monkeypatch.setattr(executor, "at_once", lambda device, most, cluster: 1)
    if own:
        assert __file__ in train_all(asked, str)[asked[0].folder.name]
    else:
        monkeypatch.setattr(worker, "own_failure", lambda error: "")
        with pytest.raises(TrainingError, match="division by zero"):
            train_all(asked, str)
    assert is_done(asked[1])


def test_a_custom_method_is_trained_in_this_process(wanted, two_at_once, monkeypatch):
    monkeypatch.setattr(methods.METHODS, "_values", dict(methods.METHODS._values))
    methods.register(Method("mine", "Nothing new.", "nowhere"))
    training = wanted("mine")
    assert train_all([training, wanted("ae")], str) == {}
    assert is_done(training)


@pytest.mark.parametrize(
    ("registry", "like", "setting"), [(DATASETS, "blobs", "data"), (NETWORKS, "conv", "net")]
)
def test_custom_data_and_networks_are_not_expected_of_other_processes(
    registry, like, setting, wanted, monkeypatch
):
    monkeypatch.setattr(registry, "_values", dict(registry._values))
    registry.register("mine", registry.get(like))
    assert executor._is_known_everywhere(wanted(**{setting: like}).config)
    assert not executor._is_known_everywhere(wanted(**{setting: "mine"}).config)


def test_a_training_on_several_devices_has_the_machine_to_itself(wanted):
    assert not executor._is_known_everywhere(wanted(devices=2).config)


def test_bad_input_in_this_process_leaves_the_others(wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(executor, "at_once", lambda device, most, cluster: 1)
    asked = [wanted("ae", data=str(tmp_path / "none.npy")), wanted("lorae")]
    assert list(train_all(asked, str)) == [asked[0].folder.name]
    assert is_done(asked[1])
    with pytest.raises(InputError):
        train(asked[0])


# --- on a Dask cluster --------------------------------------------------------------------------


@pytest.fixture
def cluster(tmp_path):
    """A scheduler and two workers, each a process: the address, and the workers."""
    pytest.importorskip("distributed", reason="needs distributed, of the extra 'cluster'")
    place = tmp_path / "elsewhere"  # not the working folder of the command
    place.mkdir()
    file = place / "scheduler.json"
    common = ["--scheduler-file", str(file), "--no-dashboard"]
    calls = [
        ["scheduler", *common, "--host", "127.0.0.1", "--port", "0"],
        *[["worker", *common, "--nthreads", "1", "--no-nanny"]] * 2,
    ]
    processes = []
    try:
        for name, *options in calls:
            module = f"distributed.cli.dask_{name}"
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", module, *options], cwd=place, stderr=subprocess.DEVNULL
                )
            )
            assert soon(file.is_file, 60)
        yield json.loads(file.read_text())["address"], processes[1:]
    finally:
        for process in processes:
            process.kill()
            process.wait()


@pytest.mark.slow
def test_a_cluster_takes_up_the_training_of_a_killed_worker(wanted, cluster, tmp_path, monkeypatch):
    address, workers = cluster
    assert soon(lambda: count_workers(address) == 2)
    monkeypatch.chdir(tmp_path)
    asked = [wanted(method, epochs=150) for method in ("ae", "lorae")]
    asked = [t._replace(folder=t.folder.relative_to(Path.cwd())) for t in asked]
    process = command(asked, cluster=address)
    try:
        assert soon(lambda: all(begun(training) for training in asked))
        before = [rows(training)[:2] for training in asked]
        workers[0].kill()
        assert not any(is_done(training) for training in asked)
        assert process.wait(300) == 0
    finally:
        process.kill()
    assert_resumed(asked, before)
    assert workers[1].poll() is None


def count_workers(address):
    try:
        return at_once("cpu", 10, address)
    except InputError:  # none yet
        return 0


@pytest.mark.slow
def test_runs_on_a_cluster_stop_when_their_command_does(wanted, cluster):
    address, workers = cluster
    assert soon(lambda: count_workers(address) == 2)
    asked = [wanted(method, epochs=1_000_000) for method in ("ae", "lorae")]
    process = command(asked, cluster=address)
    try:
        assert soon(lambda: all(begun(training) for training in asked))
        process.kill()
        process.wait()
        for training in asked:
            assert soon(lambda t=training: is_free(t))
    finally:
        process.kill()
    assert [worker.poll() for worker in workers] == [None, None]  # they serve the next command
    assert not any(is_done(training) for training in asked)


def test_an_address_without_scheduler_is_refused(wanted):
    pytest.importorskip("distributed", reason="needs distributed, of the extra 'cluster'")
    with pytest.raises(InputError, match="No Dask scheduler answers at nowhere://1"):
        train_all([wanted()], str, cluster="nowhere://1")


def test_workers_of_several_threads_are_refused(wanted):
    distributed = pytest.importorskip(
        "distributed", reason="needs distributed, of the extra 'cluster'"
    )
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None,
            protocol="tcp",
        ) as cluster,
        pytest.raises(InputError, match="expected workers of one thread each"),
    ):  # fmt: skip
        at_once("cpu", 3, cluster.scheduler_address)


def test_without_distributed_the_extra_is_named(wanted, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(InputError, match=r"pip install 'latentrank\[cluster\]'"):
        train_all([wanted()], str, cluster="tcp://127.0.0.1:1")
