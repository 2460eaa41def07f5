import pytest

from latentrank.formatting import duration


@pytest.mark.parametrize(
    ("seconds", "text"), [(59.97, "1 min 0 s"), (3599.6, "1 h 0 min"), (0, "0.0 s")]
)
def test_time_never_shows_sixty(seconds, text):
    assert duration(seconds) == text
