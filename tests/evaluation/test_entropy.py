from importlib import import_module

import numpy as np
import pytest
import torch
from scipy.stats import entropy as scipy_entropy

from latentrank.errors import InputError
from latentrank.evaluation.entropy import interpolation_entropy, mean_entropy


class Halves(torch.nn.Module):
    """Codes are half the pixels, decoded by doubling: straight lines stay straight."""

    def encode(self, x):
        return x.flatten(1) / 2

    def decode(self, z):
        return (2 * z).reshape(-1, 1, 1, 2)


class Keeper:
    def __init__(self):
        self.seen = []

    def probabilities(self, images):
        self.seen.append(images)
        share = images.reshape(len(images), -1)[:, :1]
        return np.concatenate([share, 1 - share], axis=1)


def test_entropy_of_uniform_and_certain_rows():
    assert mean_entropy(np.full((3, 10), 0.1)) == pytest.approx(np.log(10))
    assert mean_entropy(np.eye(4)) == 0.0
    assert mean_entropy([[0.5, 0.5]]) == pytest.approx(np.log(2))


def test_entropy_is_scipys(rng):
    p = rng.dirichlet(np.ones(6), size=20)
    assert mean_entropy(p) == pytest.approx(scipy_entropy(p, axis=1).mean())


@pytest.mark.parametrize(
    "bad",
    [np.ones(3), [[1.0, 0.0], [1.0, 1.0]], [[1.5, -0.5]], np.zeros((0, 3)), [[np.nan, 0.5]]],
)
def test_rows_that_are_not_probabilities_are_explained(bad):
    with pytest.raises(InputError, match="take the softmax first"):
        mean_entropy(bad)


def test_the_judged_images_are_equidistant_and_strictly_between():
    images = np.array([[0.0, 1.0], [1.0, 1.0]], dtype=np.float32).reshape(2, 1, 1, 2)
    keeper = Keeper()
    found = interpolation_entropy(Halves(), images, keeper, pairs=40, points=3, draws=2)
    (first, second) = keeper.seen
    assert first.shape == second.shape == (120, 1, 1, 2)
    values, counts = np.unique(first[:, 0, 0, 0], return_counts=True)
    np.testing.assert_allclose(values, [0.25, 0.5, 0.75])
    assert counts.tolist() == [40, 40, 40]
    np.testing.assert_allclose(first[:, 0, 0, 1], 1.0)
    expected = scipy_entropy([[0.25, 0.5, 0.75], [0.75, 0.5, 0.25]], axis=0).mean()
    assert found.mean == pytest.approx(expected, rel=1e-5)
    assert found.std == pytest.approx(0.0, abs=1e-6)


def test_the_papers_protocol_is_the_default():
    """2000 pairs, 5 points between each, 5 draws."""
    keeper = Keeper()
    interpolation_entropy(Halves(), np.zeros((3, 1, 1, 2), dtype=np.float32), keeper)
    assert [len(images) for images in keeper.seen] == [2000 * 5] * 5


def test_pairs_depend_on_the_seed_alone(rng, monkeypatch):
    images = rng.random((30, 1, 1, 2)).astype(np.float32)
    keepers = [Keeper() for _ in range(4)]
    for keeper, seed in zip(keepers[:3], (0, 0, 1), strict=True):
        interpolation_entropy(Halves(), images, keeper, pairs=9, draws=2, seed=seed)
    monkeypatch.setattr(import_module("latentrank.evaluation.entropy"), "BATCH", 4)
    interpolation_entropy(Halves(), images, keepers[3], pairs=9, draws=2)
    a, b, c, d = (keeper.seen[0] for keeper in keepers)
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert not np.array_equal(a, keepers[0].seen[1])
    np.testing.assert_allclose(np.sort(a.ravel()), np.sort(d.ravel()), rtol=1e-6)


def test_8_bit_images_are_encoded_as_colours():
    keeper = Keeper()
    images = np.full((2, 1, 1, 2), 255, dtype=np.uint8)
    interpolation_entropy(Halves(), images, keeper, pairs=2, draws=1)
    np.testing.assert_allclose(keeper.seen[0], 1.0)


def test_too_few_images_or_counts_are_explained():
    with pytest.raises(InputError, match="of 1 images were requested"):
        interpolation_entropy(Halves(), np.zeros((1, 1, 1, 2)), Keeper())
    with pytest.raises(InputError, match="0 points"):
        interpolation_entropy(Halves(), np.zeros((5, 1, 1, 2)), Keeper(), points=0)
