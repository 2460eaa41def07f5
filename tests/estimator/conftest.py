"""A plane in a space of eight dimensions."""

import numpy as np
import pytest


@pytest.fixture(scope="package")
def plane():
    rng = np.random.default_rng(0)
    return rng.normal(size=(200, 2)) @ rng.normal(size=(2, 8)) + 5.0
