"""Failures outside this library: nothing is half written, and nothing is lost."""

import errno
import os
import resource
import signal
import tempfile
from pathlib import Path

import pytest
import torch

from latentrank import RunConfig, runs
from latentrank.errors import InputError
from latentrank.io import remove_leftovers
from tests.kill import TINY, differences, forked, interrupted_write, train_or_resume, wait

# With a GPU torch computes gradients in threads, which a fork does not have.
pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or torch.cuda.is_available(),
    reason="processes are forked; beside a GPU, run python -m tests.kill",
)

#: Of one file each: config, two epochs of history and checkpoint, weights, spec, codes, metrics.
WRITES = range(9)


def config(**settings):
    return RunConfig(method="vae", **{**TINY, "epochs": 2, "keep": "best", **settings})


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing disturbs."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("whole") / "run"
    with interrupted_write(-1, print) as written:
        runs.train(config(), folder, progress=False)
    assert len(written) == len(WRITES)
    return folder


def hidden(folder):
    return [path.name for path in folder.rglob(".*")]


def no_space(path):
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("number", WRITES)
def test_a_full_disk_at_any_write_loses_nothing(number, whole, tmp_path):
    folder = tmp_path / "run"
    with (
        interrupted_write(number, no_space) as written,
        pytest.raises(InputError, match="No space left on device"),
    ):
        runs.train(config(), folder, progress=False)
    assert len(written) == number + 1
    assert not hidden(tmp_path)
    train_or_resume(config(), folder)
    assert differences(whole, folder) == []


@pytest.mark.parametrize("number", WRITES)
def test_a_process_killed_at_any_write_is_resumed_without_a_trace(number, whole, tmp_path):
    assert_resumed(number, whole, tmp_path / "run", config())


def assert_resumed(number, whole, folder, given):
    """Killed at a write and resumed, it ends as the undisturbed run."""

    def end(path):
        os.kill(os.getpid(), signal.SIGKILL)

    def begin():
        with interrupted_write(number, end):
            runs.train(given, folder, progress=False)

    assert wait([forked(begin)], 120) == [-signal.SIGKILL]
    train_or_resume(given, folder)
    assert differences(whole, folder) == []


@pytest.mark.parametrize("number", [4, 5])
def test_the_history_has_no_gap_where_not_every_epoch_is_validated(number, tmp_path):
    """Killed at the third epoch's checkpoint, and at the row of the fourth."""
    given = config(epochs=5, validate_every=2)
    runs.train(given, tmp_path / "whole", progress=False)
    assert_resumed(number, tmp_path / "whole", tmp_path / "run", given)


def test_a_run_that_patience_ended_is_not_continued(tmp_path):
    """Killed when its weights are written, after the last checkpoint."""
    given = config(epochs=40, patience=1, keep=None, learning_rate=1e-12)
    runs.train(given, tmp_path / "whole", progress=False)
    epochs = len(runs.Run(tmp_path / "whole").history["epoch"])
    assert epochs < 40
    with interrupted_write(1 + 2 * epochs, no_space), pytest.raises(InputError, match="model"):
        runs.train(given, tmp_path / "run", progress=False)
    train_or_resume(given, tmp_path / "run")
    assert differences(tmp_path / "whole", tmp_path / "run") == []


@pytest.mark.parametrize(
    ("method", "size"),
    [("vae", 100), ("vae", 2_000), ("vae", 4_000_000), ("pca", 700), ("pca", 1_500)],
)
def test_errors_of_compiled_writers_are_one_sentence(method, size, tmp_path):
    """A limit on the size of files stops them as a full disk does, in the middle of a file."""

    def begin():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
        given = RunConfig(method=method, epochs=1, **TINY)
        runs.train(given, tmp_path / "run", progress=False)

    assert wait([forked(begin)], 120) == [2]
    assert not hidden(tmp_path)
    assert all(path.stat().st_size < size for path in tmp_path.rglob("*.*"))


def test_of_two_runs_given_one_folder_at_once_one_is_trained(whole, tmp_path):
    folder = tmp_path / "run"
    pids = [forked(lambda: runs.train(config(), folder, progress=False)) for _ in range(2)]
    assert sorted(wait(pids, 120)) == [0, 2]
    assert differences(whole, folder) == []
    assert not hidden(tmp_path)


def unprivileged(action):
    """Without root's right to write anywhere."""
    if os.geteuid() == 0:
        os.setgid(65534)
        os.setuid(65534)
    return action()


@pytest.fixture
def visible():
    """A folder that other users can enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


def test_a_folder_that_cannot_be_written_is_refused_in_a_sentence(visible):
    visible.chmod(0o555)
    begin = lambda: runs.train(config(), visible / "run", progress=False)  # noqa: E731
    assert wait([forked(lambda: unprivileged(begin))], 120) == [2]
    assert list(visible.iterdir()) == []


def test_what_a_killed_process_left_is_removed_once_it_is_old(tmp_path):
    for name in (".last.123.ckpt", ".x.7", ".kept", "model.123.json"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert len(hidden(tmp_path)) == 3
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".kept", "model.123.json"}
