import numpy as np

from latentrank.data import blobs


def test_every_parameter_moves_the_image_in_its_own_direction():
    """The Jacobian has rank seven everywhere: the stated true dimension is right."""
    rng = np.random.default_rng(0)
    low, high = np.array(blobs.RANGES).T
    for centre in low + (high - low) * rng.uniform(0.1, 0.9, size=(20, 7)):
        step = 0.05 * (high - low)
        forward = blobs.draw(centre + np.diag(step), size=64).astype(float)
        backward = blobs.draw(centre - np.diag(step), size=64).astype(float)
        jacobian = (forward - backward).reshape(7, -1)
        values = np.linalg.svd(jacobian, compute_uv=False)
        assert values[6] > 0.02 * values[0]


def test_colour_place_and_widths_are_those_of_the_parameters():
    parameters = np.array([[1.0, 0.5, 0.25, 0.2, -0.3, 0.2, 0.3]])
    image = blobs.draw(parameters, size=200)[0].astype(float)
    np.testing.assert_allclose(image.max(axis=(1, 2)) / 255, parameters[0, :3], atol=0.01)
    axis = (np.arange(200) + 0.5) / 100 - 1
    weight = image[0] / image[0].sum()
    x, y = weight.sum(0) @ axis, weight.sum(1) @ axis
    np.testing.assert_allclose([x, y], [0.2, -0.3], atol=0.01)
    widths = [np.sqrt(weight.sum(i) @ (axis - c) ** 2) for i, c in ((0, x), (1, y))]
    np.testing.assert_allclose(widths, [0.2 * np.exp(0.3), 0.2 * np.exp(-0.3)], rtol=0.03)


def test_training_and_test_images_are_drawn_apart():
    data = blobs.load(train_size=50, test_size=50)
    assert not np.isin(data.train.parameters[:, 0], data.test.parameters[:, 0]).any()
    again = blobs.load(train_size=50, test_size=50)
    np.testing.assert_array_equal(data.train.x, again.train.x)
    other = blobs.load(train_size=50, test_size=50, seed=1)
    assert not np.array_equal(data.train.x, other.train.x)
