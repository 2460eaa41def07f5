import numpy as np
import pytest


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.fixture
def blobs(rng):
    """Two classes of 12x12 images, bright left and bright right, and their labels."""
    images = rng.integers(0, 120, (80, 1, 12, 12)).astype(np.uint8)
    labels = np.arange(80) % 2
    images[labels == 0, :, :, :6] += 120
    images[labels == 1, :, :, 6:] += 120
    return images, labels
