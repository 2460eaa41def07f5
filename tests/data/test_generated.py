import numpy as np
import pytest

from latentrank.data.generated import generate, grid, uniform
from latentrank.errors import InputError


def test_grid_has_every_combination_once():
    points = grid([(0, 1), (2, 4), (-1, 0)], 27)
    assert len(np.unique(points, axis=0)) == 27
    assert np.unique(points[:, 1]).tolist() == [2, 3, 4]


@pytest.mark.parametrize(
    ("n", "power", "suggested"),
    [
        (10, 2, "9 or 16"),
        (8, 2, "4 or 9"),
        (3, 2, "4 or 9"),
        (1, 2, "4 or 9"),
        (1, 1, "2 or 3"),
        (999, 3, "729 or 1000"),
    ],
)
def test_a_size_that_makes_no_grid_is_refused_with_ones_that_do(n, power, suggested):
    with pytest.raises(InputError, match=f"train_size is {n}.*such as {suggested}"):
        grid([(0, 1)] * power, n)
    for size in map(int, suggested.split(" or ")):
        assert len(grid([(0, 1)] * power, size)) == size


def test_uniform_coordinates_fill_their_ranges_independently():
    points = uniform([(0, 1), (5, 7)], 5000, seed=0)
    assert np.abs(np.corrcoef(points.T)[0, 1]) < 0.05
    np.testing.assert_allclose(points.min(axis=0), [0, 5], atol=0.01)
    np.testing.assert_allclose(points.max(axis=0), [1, 7], atol=0.01)
    assert np.array_equal(uniform([(0, 1), (5, 7)], 10, seed=0), points[:10])


def test_generated_data_is_normalised_by_its_training_part():
    def function(p):
        return np.exp(p) * np.linspace(1, 2, 7)

    data = generate("mine", function, [(0, 3)], 9, 20, seed=0, net="mlp")
    seen = data.preprocessing.normalise(data.train.x).double()
    assert abs(seen.mean()) < 1e-6
    assert abs(seen.std(correction=0) - 1) < 1e-6
    for split in (data.train, data.test):
        assert split.x.dtype == np.float32
        np.testing.assert_allclose(split.x, function(split.parameters), rtol=1e-6)
    assert not data.preprocessing.bounded
