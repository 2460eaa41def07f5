import inspect
import operator
import os
import tempfile
import threading

import pytest
import torch

from latentrank.runs import worker
from latentrank.runs.cache import is_done
from latentrank.runs.locking import locked
from latentrank.runs.worker import (
    CommandEnded,
    TrainingError,
    command_lock,
    graphics_cards,
    own_card,
    train_for,
    train_here,
)


@pytest.fixture
def two_cards(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return monkeypatch


def test_the_lock_of_a_command_is_held_and_leaves_nothing_behind(tmp_path):
    with command_lock(tmp_path / "runs") as command:
        worker._Watch(command)()
    with pytest.raises(CommandEnded):
        worker._Watch(command)()
    assert list((tmp_path / "runs").iterdir()) == []


def test_nothing_is_trained_for_a_command_that_has_ended(wanted, tmp_path):
    training = wanted()
    with command_lock(tmp_path) as command:
        pass
    with pytest.raises(CommandEnded):
        train_for(command, training)
    assert not training.folder.exists()


def test_a_training_stops_after_a_batch_when_its_command_ends(wanted, tmp_path, monkeypatch):
    """Here the command is a thread that waits for the first checkpoint."""
    monkeypatch.setattr(worker, "_SECONDS_BETWEEN_LOOKS", 0.0)
    training, held = wanted(epochs=1_000_000), threading.Event()
    made = []

    def command():
        with command_lock(tmp_path) as path:
            made.append(path)
            held.set()
            while not (training.folder / "checkpoints" / "last.ckpt").is_file():
                pass

    thread = threading.Thread(target=command)
    thread.start()
    held.wait()
    with pytest.raises(CommandEnded):
        train_for(made[0], training)
    thread.join()
    assert not is_done(training)
    with locked(training.folder):  # which is free again
        pass


def test_a_worker_that_does_not_see_the_folder_says_so(wanted, tmp_path):
    reason = train_for(tmp_path / "elsewhere" / "lock", wanted())
    assert "storage that all machines of the cluster share" in reason


def test_an_internal_error_keeps_its_traceback(wanted, monkeypatch):
    monkeypatch.setattr(worker, "train", operator.truediv)  # which takes no run
    with pytest.raises(TrainingError, match=r"(?s)Traceback.*TypeError: unsupported operand"):
        train_here(wanted())


def test_an_error_in_a_users_code_is_reported_with_its_place(wanted, tmp_path, monkeypatch):
    def broken(*arguments, **settings):
        raise ZeroDivisionError("out of order")

    monkeypatch.setattr(worker, "train", broken)
    place = f"{__file__}, line {inspect.getsourcelines(broken)[1] + 1}"
    said = f"The code in {place} failed (ZeroDivisionError: out of order); correct it."
    assert train_here(wanted()) == said
    with command_lock(tmp_path) as command:
        assert train_for(command, wanted()) == said


def test_bad_input_is_returned_as_its_sentence(wanted, tmp_path):
    training = wanted(data=str(tmp_path / "none.npy"))
    assert "none.npy" in train_here(training)
    with command_lock(tmp_path) as command:
        assert "none.npy" in train_for(command, training)


def test_cards_are_those_that_the_process_may_use(two_cards):
    assert graphics_cards("auto") == ["0", "1"]
    assert graphics_cards("cpu") == []
    two_cards.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert graphics_cards("gpu") == ["2", "5"]
    two_cards.setattr(torch.cuda, "device_count", lambda: 0)
    assert graphics_cards("auto") == []


def test_each_worker_has_its_own_card_and_the_next_one_waits(two_cards):
    def waiting():
        raise TimeoutError

    taken = []
    with own_card("auto", waiting):
        taken.append(os.environ.pop("CUDA_VISIBLE_DEVICES"))  # the next worker is another process
        with own_card("auto", waiting):
            taken.append(os.environ.pop("CUDA_VISIBLE_DEVICES"))
            with pytest.raises(TimeoutError), own_card("auto", waiting):
                pass
        with own_card("auto", waiting):
            taken.append(os.environ["CUDA_VISIBLE_DEVICES"])
    assert taken == ["0", "1", "1"]
    with own_card("auto", waiting):  # this worker has used card 1 and keeps to it
        assert graphics_cards("auto") == ["1"]
