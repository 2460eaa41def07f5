import numpy as np
import pytest

from latentrank.data import shapes
from latentrank.data.shapes import CIRCLE, SQUARE

DATA = shapes.load(train_size=3000, test_size=200)


def test_sizes_types_and_meaning():
    assert DATA.train.x.shape == (3000, 3, 32, 32)
    assert DATA.train.x.dtype == np.uint8
    assert DATA.preprocessing.bounded
    assert np.array_equal(DATA.train.labels, DATA.train.parameters[:, 6])


def test_parameters_cover_their_ranges():
    parameters = DATA.train.parameters
    assert parameters[:, :3].min() >= 0
    assert parameters[:, :3].max() < 1
    for column, values in ((3, range(8, 25)), (4, range(8, 25)), (5, range(3, 9)), (6, (0, 1))):
        assert np.unique(parameters[:, column]).tolist() == list(values)


def test_images_match_the_definition_pixel_by_pixel():
    for image, (*colour, x, y, size, kind) in zip(
        DATA.train.x[:50], DATA.train.parameters[:50], strict=True
    ):
        for row in range(32):
            for column in range(32):
                dx, dy = column + 0.5 - x, row + 0.5 - y
                inside = (
                    all(-size / 2 <= d < size / 2 for d in (dx, dy))
                    if kind == SQUARE
                    else dx * dx + dy * dy < size**2
                )
                expected = [round(c * 255) if inside else 0 for c in colour]
                assert image[:, row, column].tolist() == expected


def test_every_figure_lies_wholly_inside():
    x, y = np.meshgrid([8, 24], [8, 24])
    for kind in (CIRCLE, SQUARE):
        places = [(16, 16), *zip(x.ravel(), y.ravel(), strict=True)]
        images = shapes.draw(np.array([[1, 1, 1, *place, 8, kind] for place in places], float))
        assert len(set((images[:, 0] > 0).sum(axis=(1, 2)).tolist())) == 1


@pytest.mark.parametrize("size", range(3, 9))
def test_squares_have_the_side_they_say(size):
    image = shapes.draw(np.array([[1.0, 0, 0, 16, 16, size, SQUARE]]))[0, 0] > 0
    assert image.any(axis=0).sum() == image.any(axis=1).sum() == size


@pytest.mark.parametrize("column", range(7))
def test_each_of_the_seven_parameters_shows(column):
    before = np.array([[0.5, 0.5, 0.5, 16, 16, 5, CIRCLE]])
    after = before.copy()
    after[0, column] += 1 if column > 2 else 0.1
    assert (shapes.draw(before) != shapes.draw(after)).any()


def test_more_images_begin_with_the_fewer():
    fewer = shapes.load(train_size=10, test_size=5)
    assert np.array_equal(fewer.train.x, DATA.train.x[:10])
    assert np.array_equal(fewer.test.x, DATA.test.x[:5])


def test_seed_and_split_each_change_the_images():
    other = shapes.load(train_size=200, test_size=1, seed=1)
    assert not np.array_equal(other.train.parameters, DATA.train.parameters[:200])
    assert not np.isin(DATA.test.parameters[:, 0], DATA.train.parameters[:, 0]).any()
