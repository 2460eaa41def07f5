import warnings

import numpy as np
import pytest

from latentrank.data import Dataset, Split, infer, units, views
from latentrank.data.units import check_range
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing

GENERATOR = np.random.default_rng(0)
DTYPES = ["uint8", "int16", "uint16", "int64", "float16", "float32", "float64"]


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "int8", "uint16"])
def test_tables_are_normalised_by_column(dtype):
    x = (np.abs(GENERATOR.normal(size=(50, 4))) * [1, 2, 5, 9]).astype(np.int64).astype(dtype)
    made, said = infer(x)
    seen = made.normalise(x).double().numpy()
    # float32 rounds each value to 6e-8 of itself
    np.testing.assert_allclose(seen.mean(axis=0), 0, atol=1e-6)
    np.testing.assert_allclose(seen.std(axis=0), 1, atol=1e-6)
    assert said == []
    back = made.denormalise(made.normalise(x))
    assert back.dtype == dtype
    np.testing.assert_array_equal(np.rint(back), x)


@pytest.mark.parametrize("shape", [(30, 3, 40), (30, 3, 6, 7), (30, 3, 4, 5, 6)])
def test_channels_of_different_units_are_normalised_by_themselves(shape):
    units_of_channels = np.array([1e5, 1.0, 1e-6]).reshape(3, *[1] * (len(shape) - 2))
    x = (GENERATOR.normal(size=shape) + 100) * units_of_channels
    seen = infer(x)[0].normalise(x).double().numpy()
    axes = (0, *range(2, len(shape)))
    np.testing.assert_allclose(seen.mean(axis=axes), 0, atol=1e-6)
    np.testing.assert_allclose(seen.std(axis=axes), 1, atol=1e-6)


def test_one_pass_keeps_the_digits_of_a_large_mean(monkeypatch):
    x = 1e9 + GENERATOR.normal(size=(1001, 3))
    monkeypatch.setattr(views, "BLOCK_VALUES", 7)
    found = units.Moments.of(x, "x")
    exact = (x - 1e9).astype(np.longdouble)  # exact: both are multiples of 2**-23
    np.testing.assert_allclose(found.mean - 1e9, exact.mean(axis=0).astype(float), atol=2e-6)
    np.testing.assert_allclose(found.scale, exact.std(axis=0).astype(float), rtol=1e-6)


@pytest.mark.parametrize("wobble", [0, 1e-17])
def test_a_constant_column_is_decoded_exactly(wobble):
    x = np.stack([0.1 + wobble * (np.arange(20) % 4), GENERATOR.normal(size=20)], axis=1)
    made, _ = infer(x)
    assert abs(made.normalise(x)[:, 0]).max() < 1e-15
    decoded = made.denormalise(GENERATOR.normal(size=x.shape))
    assert len(np.unique(decoded[:, 0])) == 1
    np.testing.assert_allclose(decoded[:, 0], 0.1, rtol=1e-15)


@pytest.mark.parametrize("size", [1e-300, 1e-200, 1e-30, 1e30, 1e140])
def test_values_of_any_size_reach_the_network_alike(size):
    x = GENERATOR.uniform(1, 2, (50, 3)) * size
    made, _ = infer(x)
    seen = made.normalise(x)
    assert 0.5 < float(seen.std()) < 2
    np.testing.assert_allclose(made.denormalise(seen), x, rtol=1e-6)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("most", "high"), [(1, 1), (3, 3), (16, 16), (90, 255), (255, 255)])
def test_the_range_of_whole_numbers_decides_whatever_their_dtype(dtype, most, high):
    x = GENERATOR.integers(0, most, (8, 1, 5, 6), endpoint=True)
    x[0, 0, 0, :2] = 0, most
    made, said = infer(x.astype(dtype))
    assert (made.low, made.high, made.scale, made.dtype) == (0, high, high, dtype)
    assert said == [f"The values are integers from 0 to {most}; 0 to {high} is scaled to 0 to 1."]
    np.testing.assert_allclose(made.denormalise(made.normalise(x)), x, rtol=2**-22)


@pytest.mark.parametrize(
    ("most", "high"), [(1000, 1023), (4000, 4095), (9000, 16383), (4e4, 65535)]
)
def test_few_bits_in_many_are_noticed(most, high):
    x = np.zeros((2, 1, 4, 4), np.uint16)
    x[0, 0, 0, 0] = most
    assert infer(x)[0].high == high


def test_truth_values_come_back_as_truth_values():
    x = GENERATOR.random((10, 1, 4, 4)) > 0.5
    made, _ = infer(x)
    assert made.bounded
    np.testing.assert_array_equal(made.denormalise(made.normalise(x)), x)


@pytest.mark.parametrize("shape", [(10, 1, 4, 5), (10, 2, 3, 4, 5)])
def test_real_images_within_0_and_1_keep_their_values(shape):
    x = GENERATOR.random(shape)
    made, _ = infer(x)
    assert (made.identity, made.low, made.high) == (True, 0, 1)
    assert infer(x, x[:1])[0].bounded
    assert not infer(x, x[:1] + 0.5)[0].bounded
    assert not infer(x - 0.5)[0].bounded


def test_channels_of_different_units_within_0_and_1_are_no_colours():
    x = GENERATOR.random((10, 2, 4, 5)) * np.array([1, 1e-3]).reshape(2, 1, 1)
    made, _ = infer(x)
    assert not made.bounded
    np.testing.assert_allclose(made.normalise(x).std(dim=(0, 2, 3), correction=0), 1, rtol=1e-5)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e300])
def test_the_first_row_that_is_not_finite_is_named(bad, monkeypatch):
    monkeypatch.setattr(views, "BLOCK_VALUES", 5)
    x = GENERATOR.normal(size=(30, 3))
    x[[17, 25], 1] = bad
    with pytest.raises(InputError, match=r"NaN, infinity .* in row 17, counted from 0;"):
        infer(x)
    rows = np.arange(100, 130)
    with pytest.raises(InputError, match=r"in row 117, counted from 0;"):
        infer(x, rows=(rows,))
    with pytest.raises(InputError, match=r"in row 117, counted from 0;"):
        infer(x[:17], x, rows=(None, rows))


@pytest.mark.parametrize("constant", [False, True])
def test_test_samples_that_would_be_infinite_are_refused(constant):
    x = np.full((30, 3), 2.0) if constant else GENERATOR.normal(size=(30, 3))
    far = x.copy()
    far[4, 1] = -1e37
    assert np.isfinite(infer(x, far)[0].normalise(far).numpy()).all()
    far[4, 1] *= 100
    with pytest.raises(InputError, match=r"values from -1e\+\d+ to .* in channel or column 1,"):
        infer(x, far)


def test_statistics_are_those_of_the_training_split():
    x = GENERATOR.normal(size=(50, 4))
    data = Dataset("mine", Split(x), Split(x + 100))
    np.testing.assert_allclose(data.preprocessing.offset, x.mean(axis=0), atol=1e-14)


def test_large_values_that_are_declared_normalised_are_noticed():
    x = 1e5 + GENERATOR.normal(size=(50, 4))
    assert "leave bounded out" in Dataset("mine", Split(x), Split(x), bounded=False).notes[0]
    x = GENERATOR.normal(size=(50, 4))
    assert Dataset("mine", Split(x), Split(x), bounded=False).notes == ()


@pytest.mark.parametrize(("most", "high"), [(255.0, 255.0), (254.3, 255.0), (100.0, None)])
def test_bytes_that_were_averaged_keep_their_bounds(most, high):
    x = GENERATOR.uniform(0, most, (20, 3, 8, 8))
    x[0, :, 0, 0] = most
    made, said = infer(x)
    assert made.high == high
    assert said[0].endswith("0 to 255 is scaled to 0 to 1." if high else "standard deviation.")


def test_half_floats_come_back_finite():
    x = GENERATOR.uniform(-60000, 60000, (20, 4)).astype(np.float16)
    made, _ = infer(x)
    assert np.isfinite(made.denormalise(np.full((1, 4), 5.0))).all()


def test_values_beyond_the_bounds_are_refused():
    made = Preprocessing(low=0.0, high=1.0)
    check_range(np.array([[0, 1 + 1e-6]]), made, "x")  # rounding
    for bad in (-0.5, 255):
        with pytest.raises(InputError, match=r"x has values from .* trained on .* 0 to 1; scale"):
            check_range(np.array([[0, bad]]), made, "x")


def test_later_values_of_a_column_that_was_constant_cause_a_warning():
    x = np.random.default_rng(0).normal(size=(8, 4, 5))
    x[:, 1], x[:, 3] = 0.1, 0
    made, _ = infer(x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_range(x.astype(np.float32), made, "x")  # rounding
        check_range(x * np.array([9.0, 1.0, 9.0, 1.0])[:, None], made, "x")
    x[7, 1, 2], x[5, 3, 0] = 0.2, -1
    with pytest.warns(
        UserWarning, match=r"x has other values .* did not vary there \(1, 3, counted"
    ):
        check_range(x, made, "x")


def test_values_that_every_sample_lacks_are_called_a_mask():
    fields = np.random.default_rng(0).normal(size=(10, 1, 6, 6))
    fields[:, :, 2:4, 2:5] = np.nan
    with pytest.raises(InputError, match="at the same 6 of 36 places of every sample"):
        infer(fields)
    fields[3, 0, 0, 0] = np.nan
    with pytest.raises(InputError, match="in row 0, counted from 0; fill in"):
        infer(fields)


def test_no_training_samples_are_reported_as_such():
    with pytest.raises(InputError, match="mine has no training samples, expected at least one"):
        Dataset("mine", Split(np.zeros((0, 3))), Split(np.zeros((2, 3))))
