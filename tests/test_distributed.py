"""Two processes with half a batch each do what one does with the whole batch."""

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from lightning.pytorch.callbacks import LambdaCallback

from latentrank import RunConfig, distributed, train
from tests.distributed_worker import BATCHES, NAMES

WORKER = Path(__file__).with_name("distributed_worker.py")
ROOT = WORKER.parent.parent


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What one process, and two, have learned: state by method."""
    folder = tmp_path_factory.mktemp("distributed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {**os.environ, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    crowd = [{"RANK": "0", "WORLD_SIZE": "1"}]
    crowd += [{"RANK": str(rank), "WORLD_SIZE": "2"} for rank in range(2)]
    workers = [
        subprocess.Popen(
            [sys.executable, str(WORKER), str(folder)],
            env={**common, **who},
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
        )
        for who in crowd
    ]
    for worker in workers:
        _, errors = worker.communicate(timeout=300)
        assert worker.returncode == 0, errors
    return torch.load(folder / "1.pt"), torch.load(folder / "2.pt")


#: What two ways to sum the same float64 numbers may differ by, after three steps through a network
#: that multiplies rounding (2e-16) by its condition; half a batch's gradient is off by about 1.
ROUNDING = 1e-9


def relative_difference(given, true):
    return float((given - true).norm() / true.norm().clamp_min(1e-300))


@pytest.mark.slow
@pytest.mark.parametrize("case", BATCHES)
@pytest.mark.parametrize("name", NAMES)
def test_two_processes_learn_what_one_learns_from_the_whole_batch(name, case, results):
    alone, together = (found[name, case] for found in results)
    assert alone.keys() == together.keys()
    for key, tensor in alone.items():
        other = together[key]
        if key == "statistics.directions":
            # Directions have no sign; what they span does not depend on it.
            tensor, other = tensor @ tensor.T, other @ other.T
        if tensor.is_floating_point():
            assert relative_difference(other, tensor) <= ROUNDING, key
        else:
            assert torch.equal(other, tensor), key


@pytest.mark.slow
@pytest.mark.parametrize("case", BATCHES)
def test_the_gradient_of_gathered_rows_is_that_of_the_whole_batch(case, results):
    alone, together = results
    assert relative_difference(together[case], alone[case]) <= ROUNDING


def test_in_a_single_process_every_function_is_the_identity():
    x = torch.randn(3, 2, requires_grad=True)
    assert distributed.world() == (0, 1)
    assert distributed.gather_rows(x) is x
    assert distributed.local_rows(x, x) is x
    assert distributed.total(x) is x
    assert distributed.noise_like(x).shape == x.shape
    assert distributed.batch_mean(x[:, 0]) == x[:, 0].mean()


@pytest.mark.slow
@pytest.mark.parametrize("method", ["rrae", "wae", "ae"])
def test_any_number_of_samples_can_be_spread_over_processes(method, tmp_path):
    trained_by_two(tmp_path, method, "--strategy", "ddp")


@pytest.mark.slow
def test_a_second_stage_is_spread_over_processes_whatever_the_strategy_is_called(tmp_path):
    """The encoder has no gradient there, of which data parallelism must know."""
    trained_by_two(tmp_path, "rrae", "--second-stage-epochs", "1")


@pytest.mark.slow
def test_a_geodesic_start_takes_the_batches_of_all_processes(tmp_path):
    options = ("--rank", "2", "--init", "geodesic", "--init-steps", "30", "--precision", "64-true")
    together = trained_by_two(tmp_path / "two", "rrae", *options)
    alone = trained(tmp_path / "one", "rrae", "--batch-size", "8", *options)
    for name in ("validation_error", "effective_rank"):
        assert together[name] == pytest.approx(alone[name], rel=1e-6), name


def trained_by_two(folder, method, *options):
    return trained(folder, method, "--batch-size", "4", "--devices", "2", *options)


def trained(folder, method, *options):
    """The metrics of a run that the command trains."""
    folder.mkdir(exist_ok=True)
    command = [
        *(sys.executable, "-m", "latentrank", "train", method, "--data", "blobs"),
        *("--train-size", "21", "--test-size", "7", "--latent-dim", "4", "--net", "mlp"),
        *("--epochs", "2", "--device", "cpu", "--no-report", "--out", "run", *options),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, cwd=folder)
    assert done.returncode == 0, done.stderr
    for noise in ("sync_dist", "deprecated", "FutureWarning"):
        assert noise not in done.stderr
    return json.loads((folder / "run" / "metrics.json").read_text())


def test_a_process_does_not_end_before_threads_that_need_the_interpreter(monkeypatch):
    """`sleep` lets them have it, and a thread that waits for it here stands for gloo's."""
    released = threading.Event()
    monkeypatch.setattr(distributed, "world", lambda: (1, 2))
    late = threading.Timer(distributed._RELEASED_WITHIN / 10, released.set)
    late.start()
    distributed.finish()
    assert released.is_set()


@pytest.mark.parametrize("fails", [False, True])
def test_every_training_lets_them_finish(fails, monkeypatch, tmp_path):
    finished = []
    monkeypatch.setattr(distributed, "finish", lambda: finished.append(True))
    config = RunConfig(method="ae", data="blobs", train_size=8, test_size=4, epochs=1, net="mlp")
    callbacks = [LambdaCallback(on_train_end=lambda *_: 1 / 0)] if fails else []
    with pytest.raises(ZeroDivisionError) if fails else nullcontext():
        train(config, tmp_path / "run", callbacks=callbacks, progress=False)
    assert finished == [True]


def test_sums_over_graphics_cards_are_sent_from_a_card(monkeypatch):
    """NCCL refuses what lies in main memory. Here the second process has what the first has."""
    devices = []

    def sum_of_two(x):
        devices.append(x.device)
        x *= 2

    monkeypatch.setattr(distributed, "world", lambda: (0, 2))
    monkeypatch.setattr(torch.distributed, "all_reduce", sum_of_two)
    monkeypatch.setattr(torch.distributed, "get_backend", lambda: "gloo")
    x = torch.ones(3)
    assert distributed.reduce_(x) is x
    assert x.tolist() == [2, 2, 2]
    # A device that any machine has stands for the card.
    monkeypatch.setattr(torch.distributed, "get_backend", lambda: "nccl")
    monkeypatch.setattr(distributed, "_card", lambda: torch.device("meta"))
    with pytest.raises(NotImplementedError, match="meta"):
        distributed.reduce_(x)
    assert devices == [torch.device("cpu"), torch.device("meta")]
