import numpy as np
import pytest

from latentrank.bottlenecks import Identity
from latentrank.errors import InputError, check_count


@pytest.mark.parametrize("count", [1, 7, np.int64(7), np.uint8(1)])
def test_whole_numbers_from_one_pass(count):
    check_count(count, "rank")


@pytest.mark.parametrize("bad", [0, -1, 2.5, 3.0, "3", True, None, np.float32(2)])
def test_anything_else_is_refused(bad):
    with pytest.raises(InputError, match=r"rank is .*, expected an integer from 1; choose one"):
        check_count(bad, "rank")


@pytest.mark.parametrize("bad", [0, 2.0, "x"])
def test_a_bottleneck_has_a_whole_width(bad):
    with pytest.raises(InputError, match=r"latent_dim is .*, expected an integer from 1"):
        Identity(bad)
