import numpy as np
import pytest

from latentrank.evaluation.distances import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from latentrank.evaluation.generation import evaluate_generation, real_features


class Pixels:
    """An extractor whose features are the images' own pixels, and that counts its images."""

    name, protocol = "pixels", "as they are"

    def __init__(self, distance="FD-classifier", key="a"):
        self.distance, self.key, self.seen = distance, key, 0

    def features(self, images):
        self.seen += len(images)
        return images.reshape(len(images), -1).astype(np.float32)


@pytest.fixture
def pair(rng):
    return rng.random((40, 1, 2, 2)), rng.random((30, 1, 2, 2)) * 0.8


def test_every_value_is_that_of_its_own_function(pair):
    real, fake = pair
    found = evaluate_generation(real, fake, Pixels(), batch_size=7)
    a, b = (x.reshape(len(x), -1).astype(np.float32) for x in pair)
    assert found == {
        "FD-classifier": frechet_distance(a, b),
        "KD-classifier": kernel_distance(a, b).mean,
        "KD-classifier std": kernel_distance(a, b).std,
        "precision": precision_recall(a, b).precision,
        "recall": precision_recall(a, b).recall,
        "density": density_coverage(a, b).density,
        "coverage": density_coverage(a, b).coverage,
        "n_real": 40,
        "n_fake": 30,
        "features": "pixels",
        "protocol": "as they are",
    }


def test_fid_and_kid_are_said_of_inception_features_only(pair):
    assert {"FID", "KID"} <= set(evaluate_generation(*pair, Pixels("FID")))
    assert not {"FID", "KID"} & set(evaluate_generation(*pair, Pixels()))


def test_features_of_real_images_are_computed_once_for_given_weights(pair, tmp_path):
    real, fake = pair
    extractor = Pixels()
    first = evaluate_generation(real, fake, extractor, cache=tmp_path)
    assert extractor.seen == 70
    assert evaluate_generation(real, fake, extractor, cache=tmp_path) == first
    assert extractor.seen == 100
    real_features(real, Pixels(key="b"), cache=tmp_path)
    real_features(fake, extractor, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_kept_features_are_bit_equal(pair, tmp_path):
    fresh = real_features(pair[0], Pixels())
    for _ in range(2):
        np.testing.assert_array_equal(real_features(pair[0], Pixels(), cache=tmp_path), fresh)
