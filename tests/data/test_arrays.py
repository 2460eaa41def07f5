import numpy as np
import pytest

from latentrank.data import arrays
from latentrank.errors import InputError

GENERATOR = np.random.default_rng(0)


@pytest.fixture
def saved(tmp_path):
    def save(x, labels=None):
        np.save(tmp_path / "a.npy", x)
        if labels is not None:
            np.save(tmp_path / "a.labels.npy", labels)
        return tmp_path / "a.npy"

    return save


def restored(data):
    """All samples in their own units, sorted, so that the order of the split does not matter."""
    x = np.concatenate([data.denormalise(data.train.x), data.denormalise(data.test.x)])
    return np.sort(x.reshape(len(x), -1), axis=0)


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, np.float16, np.int64, np.int8, np.uint16, bool]
)
def test_tables_are_normalised_by_column_and_can_be_restored(saved, dtype):
    x = (np.abs(GENERATOR.normal(size=(50, 4))) * [1, 2, 5, 9]).astype(np.int64)
    x = x.astype(dtype)
    data = arrays.load(saved(x))
    assert data.shape == (4,)
    assert data.train.x.dtype == np.float32
    assert not data.bounded
    np.testing.assert_allclose(data.train.x.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(data.train.x.std(axis=0), 1, atol=1e-5)
    np.testing.assert_allclose(restored(data), np.sort(x.astype(float), axis=0), atol=1e-4)


def test_moments_are_those_of_the_training_part(saved):
    x = GENERATOR.normal(size=(50, 4)) + np.arange(50)[:, None]
    data = arrays.load(saved(x))
    np.testing.assert_allclose(data.denormalise(data.train.x).mean(axis=0), data.mean, rtol=1e-5)


def test_blocks_do_not_change_the_moments_even_with_a_large_mean(saved, monkeypatch):
    path = saved(1e6 + GENERATOR.normal(size=(101, 3)))
    whole = arrays.load(path)
    monkeypatch.setattr(arrays, "_BLOCK_VALUES", 7)
    in_blocks = arrays.load(path)
    np.testing.assert_allclose(in_blocks.mean, whole.mean, rtol=1e-14)
    np.testing.assert_allclose(in_blocks.std, whole.std, rtol=1e-9)
    np.testing.assert_allclose(in_blocks.train.x, whole.train.x, atol=1e-6)


def test_a_constant_column_becomes_zero(saved):
    x = np.stack([np.full(20, 0.1), GENERATOR.normal(size=20)], axis=1)
    data = arrays.load(saved(x))
    np.testing.assert_allclose(data.train.x[:, 0], 0, atol=1e-12)
    assert data.std[0] == 1


def test_curves_are_normalised_by_one_number(saved):
    x = GENERATOR.normal(3, 2, size=(20, 2, 30))
    data = arrays.load(saved(x))
    assert data.shape == (2, 30)
    assert isinstance(data.mean, float)
    assert isinstance(data.std, float)
    assert abs(data.train.x.std() - 1) < 1e-5


@pytest.mark.parametrize("shape", [(10, 1, 4, 5), (10, 2, 3, 4, 5)])
def test_images_within_0_and_1_keep_their_values(saved, shape):
    x = GENERATOR.random(shape)
    data = arrays.load(saved(x))
    assert data.bounded
    assert (data.mean, data.std) == (0, 1)
    assert data.train.x.dtype == np.float32
    beyond = x.copy()
    beyond[-1] += 0.5
    assert not arrays.load(saved(beyond)).bounded


def test_uint8_stays_uint8(saved):
    x = GENERATOR.integers(0, 256, (10, 3, 4, 5), dtype=np.uint8)
    data = arrays.load(saved(x))
    assert data.bounded
    assert data.train.x.dtype == np.uint8
    assert {i.tobytes() for i in x} == {i.tobytes() for i in [*data.train.x, *data.test.x]}


def test_uint8_of_three_axes_are_grey_images(saved):
    assert arrays.load(saved(np.zeros((10, 4, 5), np.uint8))).shape == (1, 4, 5)


def test_labels_follow_their_samples(saved):
    x = np.arange(40, dtype=np.uint8)[:, None]
    data = arrays.load(saved(x, labels=np.arange(40, dtype=np.int32)))
    for split in (data.train, data.test):
        assert split.labels.dtype == np.int64
        assert np.array_equal(split.labels, split.x[:, 0])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(9, int), r"labels of shape \(9,\) for 10 samples"),
        (np.zeros((10, 2), int), r"labels of shape \(10, 2\) for 10 samples"),
        (np.zeros(10), "labels of dtype float64; expected whole numbers"),
        (np.array(["a"] * 10), "labels of dtype <U1; expected whole numbers"),
    ],
)
def test_labels_that_do_not_fit_are_refused(saved, labels, message):
    with pytest.raises(InputError, match=message):
        arrays.load(saved(np.zeros((10, 3)), labels))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_the_first_row_that_is_not_finite_is_named(saved, bad, monkeypatch):
    monkeypatch.setattr(arrays, "_BLOCK_VALUES", 5)
    x = GENERATOR.normal(size=(30, 3))
    x[[17, 25], 1] = bad
    with pytest.raises(InputError, match=r"NaN, infinity .* in row 17;"):
        arrays.load(saved(x))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((5, 2), complex), "has dtype complex128; expected real numbers"),
        (np.array([["a"], ["b"]]), "has dtype <U1; expected real numbers"),
        (np.zeros((5, 2), "datetime64[s]"), r"has dtype datetime64\[s\]"),
        (np.zeros(5), r"has shape \(5,\); expected \(N, F\)"),
        (np.float32(3), r"has shape \(\); expected"),
        (np.zeros((2, 1, 1, 1, 1, 1)), "has shape .*; expected"),
        (np.zeros((0, 3)), r"has shape \(0, 3\); expected .* at least one sample"),
        (np.zeros((5, 0)), r"has shape \(5, 0\)"),
        (np.zeros((1, 3)), "holds 1 sample; at least 2"),
        (np.zeros((5, 28, 28, 3)), "channels last; expected .* numpy.moveaxis"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(saved, x, message):
    with pytest.raises(InputError, match=message):
        arrays.load(saved(x))


def test_python_objects_are_refused_unread(tmp_path):
    for name, save in (("a.npy", np.save), ("a.npz", lambda path, x: np.savez(path, x=x))):
        save(tmp_path / name, np.array([{}, 1], dtype=object))
        with pytest.raises(InputError, match="holds Python objects; expected numbers"):
            arrays.load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
@pytest.mark.parametrize("keep", [0, 5, 100, -20])
def test_a_cut_file_is_refused(tmp_path, name, keep):
    (np.save if name == "a.npy" else np.savez)(tmp_path / "whole", np.zeros((50, 3)))
    whole = next(tmp_path.glob("whole.*"))
    (tmp_path / name).write_bytes(whole.read_bytes()[:keep])
    with pytest.raises(InputError, match=rf"{name} is not a whole NumPy file"):
        arrays.load(tmp_path / name)


def test_npz_with_both_parts_keeps_them(tmp_path):
    train, test = GENERATOR.normal(size=(9, 3)), GENERATOR.normal(size=(4, 3))
    np.savez(
        tmp_path / "a.npz", x_train=train, x_test=test, y_train=np.arange(9), y_test=np.arange(4)
    )
    data = arrays.load(tmp_path / "a.npz")
    np.testing.assert_allclose(data.denormalise(data.train.x), train, atol=1e-6)
    np.testing.assert_allclose(data.denormalise(data.test.x), test, atol=1e-6)
    np.testing.assert_allclose(data.mean, train.mean(axis=0))
    assert data.test.labels.tolist() == [0, 1, 2, 3]


def test_npz_with_one_part_is_split(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(10, dtype=np.uint8)[:, None], y=np.arange(10))
    data = arrays.load(tmp_path / "a.npz")
    assert (len(data.train), len(data.test)) == (8, 2)
    assert np.array_equal(data.test.x[:, 0], data.test.labels)


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"images": np.zeros((4, 2))}, "holds images and lacks x_train and x_test"),
        ({"x_train": np.zeros((4, 2))}, "holds x_train and lacks x_test"),
        (
            {"x_train": np.zeros((4, 2)), "x_test": np.zeros((4, 3))},
            r"x_train has sample shape \(2,\) and .*x_test has \(3,\)",
        ),
        (
            {"x_train": np.zeros((4, 2)), "x_test": np.zeros((4, 2), np.uint8)},
            "x_train has dtype float64 and .*x_test has uint8",
        ),
    ],
)
def test_npz_that_lacks_what_is_needed_is_refused(tmp_path, held, message):
    np.savez(tmp_path / "a.npz", **held)
    with pytest.raises(InputError, match=message):
        arrays.load(tmp_path / "a.npz")


def test_what_is_prepared_from_a_large_file_is_mapped_and_the_same(saved, monkeypatch):
    path = saved(GENERATOR.normal(size=(40, 5)))
    small = arrays.load(path)
    monkeypatch.setattr(arrays, "_LARGE", 10)
    monkeypatch.setattr(arrays, "_BLOCK_VALUES", 12)
    large = arrays.load(path)
    for part in ("train", "test"):
        mapped = getattr(large, part).x
        assert isinstance(mapped, np.memmap)
        np.testing.assert_allclose(mapped, getattr(small, part).x, atol=1e-6)


def test_a_file_that_changes_is_prepared_again(saved, monkeypatch):
    monkeypatch.setattr(arrays, "_LARGE", 10)
    first = arrays.load(saved(np.zeros((10, 3), np.uint8)))
    second = arrays.load(saved(np.ones((10, 3), np.uint8)))
    assert first.train.x.max() == 0
    assert second.train.x.min() == 1


def test_latent_width_never_exceeds_the_data(saved):
    assert arrays.load(saved(np.eye(6))).latent_dim == 6
    assert arrays.load(saved(np.eye(60))).latent_dim == 32


@pytest.mark.parametrize("name", ["labels", "Target", "y_true", "classes"])
def test_labels_by_another_name_are_not_passed_over(tmp_path, name):
    np.savez(tmp_path / "a.npz", x=np.zeros((10, 3)), **{name: np.arange(10)})
    with pytest.raises(InputError, match=f"a.npz holds no y but {name}, which looks like labels"):
        arrays.load(tmp_path / "a.npz")


def test_other_arrays_beside_the_samples_are_left_alone(tmp_path):
    x = np.random.default_rng(0).normal(size=(10, 3))
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(10) % 2, labels=np.arange(3), time=np.arange(3))
    assert arrays.load(tmp_path / "a.npz").train.labels is not None
