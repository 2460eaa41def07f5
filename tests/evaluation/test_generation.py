import numpy as np
import pytest

from latentrank.evaluation.generation import real_features


class Pixels:
    """An extractor whose features are the images' own pixels, and that counts its images."""

    name, protocol, batch_size = "pixels", "as they are", 64

    def __init__(self, distance="FD-classifier", key="a"):
        self.distance, self.key, self.seen = distance, key, 0

    def features(self, images):
        self.seen += len(images)
        return images.reshape(len(images), -1).astype(np.float32)


@pytest.fixture
def pair(rng):
    return rng.random((40, 1, 2, 2)), rng.random((30, 1, 2, 2)) * 0.8


def test_features_of_real_images_are_computed_once_for_given_weights(pair, tmp_path):
    real, fake = pair
    extractor = Pixels()
    first = real_features(real, extractor, cache=tmp_path)
    np.testing.assert_array_equal(real_features(real, extractor, cache=tmp_path), first)
    assert extractor.seen == 40
    real_features(real, Pixels(key="b"), cache=tmp_path)
    real_features(fake, extractor, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_kept_features_are_bit_equal(pair, tmp_path):
    fresh = real_features(pair[0], Pixels())
    for _ in range(2):
        np.testing.assert_array_equal(real_features(pair[0], Pixels(), cache=tmp_path), fresh)
