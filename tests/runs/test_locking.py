import subprocess
import sys

import pytest

from latentrank import runs
from latentrank.errors import InputError
from latentrank.runs.locking import lock_file, locked

HOLDER = """
import sys
from filelock import FileLock
with FileLock(sys.argv[1], timeout=0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path / "run"`."""
    command = [sys.executable, "-c", HOLDER, str(lock_file(tmp_path / "run"))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_folder_in_which_another_process_trains_is_refused(holder, wanted, tmp_path):
    config = wanted().config
    with pytest.raises(InputError, match="Another process is training in"):
        runs.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_resumed_while_another_process_trains_it(holder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").touch()
    with pytest.raises(InputError, match="Another process is training in"):
        runs.resume(tmp_path / "run")


def test_the_lock_of_a_process_that_is_killed_is_free(holder, tmp_path):
    looks = []

    def waiting():
        looks.append(1)
        holder.kill()

    with locked(tmp_path / "run", waiting):
        pass
    assert looks


def test_a_wait_ends_with_what_is_raised_in_it(holder, tmp_path):
    def waiting():
        raise LookupError

    with pytest.raises(LookupError), locked(tmp_path / "run", waiting):
        pass


def test_a_thread_takes_the_lock_again_and_keeps_it_until_the_last_release(tmp_path):
    with locked(tmp_path / "run"):
        with locked(tmp_path / "run"):
            pass
        refused = subprocess.run(
            [sys.executable, "-c", HOLDER, str(lock_file(tmp_path / "run"))],
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
    assert "Timeout" in refused.stderr


def test_only_the_first_of_several_processes_takes_it(holder, tmp_path, monkeypatch):
    monkeypatch.setenv("RANK", "1")
    with locked(tmp_path / "run"):
        pass


def test_a_lock_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(InputError, match="file is a file, expected a folder"),
        locked(tmp_path / "file" / "run"),
    ):
        pass


def test_the_lock_lies_beside_the_folder(tmp_path):
    assert lock_file(tmp_path / "run") == tmp_path / ".run.lock"
