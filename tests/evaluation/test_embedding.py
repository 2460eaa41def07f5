import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.evaluation.embedding import tsne


def test_far_groups_stay_apart_and_like_sets_mix(rng):
    real = np.concatenate([rng.normal(size=(30, 5)), rng.normal(size=(30, 5)) + 50])
    sampled = np.concatenate([rng.normal(size=(20, 5)), rng.normal(size=(20, 5)) + 50])
    a, b = tsne(real, sampled)
    centres = a[:30].mean(0), a[30:].mean(0)
    for points, home in ((a[:30], 0), (a[30:], 1), (b[:20], 0), (b[20:], 1)):
        distances = [np.linalg.norm(points - centre, axis=1) for centre in centres]
        assert (np.argmin(distances, axis=0) == home).all()


def test_the_seed_decides(rng):
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(15, 3))
    first, again, other = (tsne(x, y, seed=seed, max_samples=10) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first[0], again[0])
    assert first[0].shape == first[1].shape == (10, 2)
    assert not np.array_equal(first[0], other[0])


def test_8_bit_and_float_images_are_put_on_one_scale(rng):
    colours = rng.integers(0, 256, (12, 1, 4, 4), dtype=np.uint8)
    a, b = tsne(colours, colours.astype(np.float32) / 255)
    other_a, other_b = tsne(colours.astype(np.float32) / 255, colours)
    np.testing.assert_array_equal(a, other_a)
    np.testing.assert_array_equal(b, other_b)


def test_one_coordinate_can_be_embedded(rng):
    a, b = tsne(rng.normal(size=(9, 1)), rng.normal(size=(9, 1)))
    assert np.isfinite(a).all()
    assert np.isfinite(b).all()


def test_unusable_input_is_explained():
    with pytest.raises(InputError, match="embed codes with codes"):
        tsne(np.zeros((5, 3)), np.zeros((5, 4)))
    with pytest.raises(InputError, match="at least two of each"):
        tsne(np.zeros((5, 3)), np.zeros((1, 3)))
    with pytest.raises(InputError, match="NaN or infinite"):
        tsne(np.zeros((5, 3)), np.full((5, 3), np.nan))
    with pytest.raises(InputError, match="all equal"):  # which would end the process
        tsne(np.ones((8, 3)), np.ones((6, 3)))
