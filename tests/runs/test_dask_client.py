import pytest

from latentrank.errors import InputError
from latentrank.runs import executor


@pytest.mark.parametrize("late", [0, 1, 2])
def test_a_thread_of_dask_that_starts_late_is_waited_for(late):
    attempts = []

    def make():
        attempts.append(len(attempts))
        assert len(attempts) > late
        return "client"

    assert executor._started(make) == "client"
    assert len(attempts) == late + 1


def test_a_thread_of_dask_that_never_starts_is_reported():
    def make():
        raise AssertionError

    with pytest.raises(InputError, match="Dask could not start a thread"):
        executor._started(make)
