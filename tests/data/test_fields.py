import numpy as np
import pytest

from latentrank.data import fields
from latentrank.errors import InputError


def moments(image):
    axis = np.linspace(-1, 1, image.shape[-1])
    weight = image / image.sum()
    x, y = (weight.sum(axis=0) * axis).sum(), (weight.sum(axis=1) * axis).sum()
    return x, y, np.sqrt((weight.sum(axis=0) * (axis - x) ** 2).sum())


@pytest.mark.parametrize("parameters", [[0.0, 0.0], [0.2, -0.3], [-0.3, 0.1, 0.15]])
def test_bump_has_its_centre_and_width_where_the_parameters_say(parameters):
    x, y, sigma = moments(fields.bump(np.array([parameters]))[0, 0])
    np.testing.assert_allclose([x, y], parameters[:2], atol=2e-3)
    np.testing.assert_allclose(sigma, parameters[2] if len(parameters) == 3 else 0.2, rtol=0.02)


def test_default_sizes_and_ranges():
    data = fields.load()
    assert data.train.x.shape == (100, 1, 64, 64)
    assert data.train.parameters.min() == -0.5
    assert data.train.parameters.max() == 0.5
    assert (data.true_dimension, data.preprocessing.bounded) == (2, False)


def test_test_centres_are_off_the_diagonal():
    parameters = fields.load(train_size=4, test_size=500).test.parameters
    assert abs(np.corrcoef(parameters.T)[0, 1]) < 0.1


def test_train_size_refines_the_grid():
    data = fields.load(train_size=1024, test_size=1)
    assert len(np.unique(data.train.parameters[:, 0])) == 32
    with pytest.raises(InputError, match="such as 961 or 1024"):
        fields.load(train_size=1000)


def test_with_scale_sigma_varies_too():
    data = fields.load(train_size=27, test_size=4, scale=True)
    assert data.true_dimension == 3
    assert np.unique(data.train.parameters[:, 2]).round(9).tolist() == [0.1, 0.2, 0.3]
