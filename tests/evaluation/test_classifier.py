from importlib import import_module

import numpy as np
import pytest
import torch

from latentrank.errors import InputError
from latentrank.evaluation.classifier import train_classifier


@pytest.fixture
def trained(blobs):
    images, labels = blobs
    return train_classifier(images, labels, images, labels, epochs=20)


def test_it_learns_separable_classes_and_reports_its_accuracy(blobs, trained):
    images, labels = blobs
    guesses = trained.classes[trained.probabilities(images).argmax(axis=1)]
    assert trained.accuracy == (guesses == labels).mean() == 1.0


def test_accuracy_is_measured_on_the_test_images(blobs):
    images, labels = blobs
    swapped = train_classifier(images, labels, images, 1 - labels, epochs=20)
    assert swapped.accuracy == 0.0


def test_random_labels_are_not_predicted_on_new_images(rng):
    images = rng.integers(0, 256, (400, 1, 8, 8), dtype=np.uint8)
    labels = rng.integers(0, 2, 400)
    found = train_classifier(images[:200], labels[:200], images[200:], labels[200:])
    assert 0.35 < found.accuracy < 0.65


def test_labels_need_not_count_from_zero(blobs):
    images, labels = blobs
    found = train_classifier(images, 7 - 3 * labels, images, 7 - 3 * labels, epochs=20)
    assert found.classes.tolist() == [4, 7]
    assert found.accuracy == 1.0


def test_probabilities_are_the_softmax_of_a_linear_map_of_the_features(blobs, trained):
    images, _ = blobs
    features = torch.from_numpy(trained.features(images))
    assert features.shape == (80, 128)
    assert features.min() >= 0
    expected = torch.softmax(trained.head(features), dim=1).detach().numpy()
    found = trained.probabilities(images)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-6)


def test_floats_are_colours_clipped_to_their_range(blobs, trained):
    colours = np.where(blobs[0] > 128, np.uint8(255), np.uint8(0))
    floats = colours.astype(np.float32) / 255
    expected = trained.features(colours)
    np.testing.assert_allclose(trained.features(floats), expected, atol=1e-6)
    beyond = (floats - 0.5) * 3 + 0.5
    np.testing.assert_allclose(trained.features(beyond), expected, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 5, 9), (3, 28, 28), (3, 33, 17), (2, 4, 4), (1, 64, 64)])
def test_any_size_and_number_of_channels_will_do(rng, shape):
    images = rng.integers(0, 256, (6, *shape), dtype=np.uint8)
    found = train_classifier(images, np.arange(6) % 3, images, np.arange(6) % 3, epochs=1)
    assert found.features(images).shape == (6, 128)
    assert found.probabilities(images).shape == (6, 3)


def test_the_seed_decides_and_the_global_random_state_is_left_alone(blobs):
    images, labels = blobs
    state = torch.random.get_rng_state()
    runs = [train_classifier(images, labels, images, labels, seed=s, epochs=1) for s in (0, 0, 1)]
    assert torch.equal(torch.random.get_rng_state(), state)
    a, b, c = (run.features(images) for run in runs)
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_kept_classifier_is_bit_equal_and_not_trained_again(blobs, tmp_path, monkeypatch):
    images, labels = blobs
    first = train_classifier(images, labels, images, labels, epochs=2, cache=tmp_path)
    monkeypatch.setattr(
        import_module("latentrank.evaluation.classifier"),
        "_fit",
        lambda *args: pytest.fail("trained again"),
    )
    second = train_classifier(images, labels, images, labels, epochs=2, cache=tmp_path)
    np.testing.assert_array_equal(first.probabilities(images), second.probabilities(images))
    assert (first.accuracy, first.key) == (second.accuracy, second.key)


def test_what_is_kept_belongs_to_its_data_and_settings(blobs, tmp_path):
    images, labels = blobs
    train_classifier(images, labels, images, labels, epochs=1, cache=tmp_path)
    train_classifier(images, labels, images, labels, epochs=1, seed=1, cache=tmp_path)
    train_classifier(images, labels, images, labels, epochs=2, cache=tmp_path)
    train_classifier(images, 1 - labels, images, labels, epochs=1, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 4


def test_a_damaged_file_is_replaced_by_a_new_training(blobs, tmp_path):
    images, labels = blobs
    first = train_classifier(images, labels, images, labels, epochs=1, cache=tmp_path)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:100])
    second = train_classifier(images, labels, images, labels, epochs=1, cache=tmp_path)
    np.testing.assert_array_equal(first.features(images), second.features(images))
    assert path.stat().st_size > 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.zeros((80, 12))}, r"training images have shape \(80, 12\), expected"),
        ({"labels": np.zeros(3)}, r"labels have shape \(3,\) for 80 training samples"),
        ({"test_labels": np.zeros(3)}, r"labels have shape \(3,\) for 80 test samples"),
        ({"labels": np.zeros(80)}, "contain a single class, expected at least 2"),
        (
            {"test_images": np.zeros((80, 1, 9, 9), dtype=np.uint8)},
            r"\(1, 12, 12\) and test samples \(1, 9, 9\), expected the same",
        ),
        ({"images": np.zeros((80, 1, 12, 12), int)}, "int64, expected uint8, or real numbers"),
        ({"labels": ["a", "b"] * 40, "test_labels": ["a"] * 80}, "number the classes"),
    ],
)
def test_unusable_input_is_explained(blobs, change, message):
    images, labels = blobs
    given = {"images": images, "labels": labels, "test_images": images, "test_labels": labels}
    with pytest.raises(InputError, match=message):
        train_classifier(**(given | change))


def test_integers_that_are_no_bytes_are_explained(trained):
    """They would be clipped to black and white."""
    with pytest.raises(InputError, match="uint16, expected uint8, or real numbers"):
        trained.features(np.zeros((2, 1, 12, 12), np.uint16))


def test_images_of_another_shape_are_explained(trained):
    with pytest.raises(InputError, match=r"give \(N, 1, 12, 12\)"):
        trained.probabilities(np.zeros((2, 1, 8, 8), dtype=np.uint8))
