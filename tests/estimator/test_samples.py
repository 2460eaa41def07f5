"""What the estimator is given, and in which shape and units it comes back."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from torch.utils.data import DataLoader, TensorDataset

from latentrank import LowRankAutoencoder
from latentrank.data import load
from latentrank.errors import InputError

SMALL = {"latent_dim": 2, "epochs": 1, "random_state": 0}


@pytest.mark.parametrize(
    "shape", [(1, 20), (3, 9, 11), (1, 4, 5, 6)], ids=["curves", "images", "volumes"]
)
def test_shaped_arrays_keep_their_shape(shape):
    x = np.random.default_rng(0).normal(size=(12, *shape))
    estimator = LowRankAutoencoder("lorae", latent_dim=3, epochs=1, random_state=0)
    codes = estimator.fit_transform(x)
    assert codes.shape == (12, 3)
    assert estimator.inverse_transform(codes).shape == x.shape
    with pytest.raises(InputError, match=r"expected .* the shape trained on"):
        estimator.transform(x[..., :-1])


@pytest.mark.parametrize(
    ("shape", "inner"),
    [((8, 9), (1, 8, 9)), ((8, 9, 3), (3, 8, 9)), ((3, 8, 9), (3, 8, 9)), ((7,), (7,))],
    ids=["grey", "channels last", "channels first", "table"],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_what_is_decoded_has_shape_dtype_and_bounds_of_the_data(shape, inner, dtype):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, size=(12, *shape)).astype(dtype)
    layout = "NHW" if shape == (8, 9) else None
    estimator = LowRankAutoencoder("ae", layout=layout, **SMALL).fit(x)
    assert estimator.model_.spec.input_shape == inner
    for made in (estimator.inverse_transform(estimator.transform(x)), estimator.sample(12)):
        assert (made.shape, made.dtype) == (x.shape, x.dtype)
        if len(shape) > 1:
            assert made.min() >= 0
            assert made.max() <= 255
    one = x[:1] if len(shape) == 1 else x[0]
    np.testing.assert_allclose(estimator.transform(one), estimator.embedding_[:1], atol=1e-5)


def test_a_layout_in_doubt_is_asked_for_and_taken():
    x = np.random.default_rng(0).normal(size=(12, 20, 24))
    with pytest.raises(InputError, match="layout="):
        LowRankAutoencoder("ae", **SMALL).fit(x)
    shapes = {"NHW": (1, 20, 24), "NCT": (20, 24), "NTC": (24, 20)}
    for layout, shape in shapes.items():
        fitted = LowRankAutoencoder("ae", layout=layout, **SMALL).fit(x)
        assert fitted.model_.spec.input_shape == shape
        assert fitted.sample(2).shape == (2, 20, 24)
    fitted = LowRankAutoencoder("ae", kind="curves", **SMALL).fit(x[:, 0])
    assert fitted.model_.spec.input_shape == (1, 24)
    assert fitted.inverse_transform(fitted.embedding_).shape == (12, 24)


def test_named_dimensions_tell_the_layout_as_those_of_a_file_do():
    xarray = pytest.importorskip("xarray")
    fields = np.random.default_rng(0).normal(size=(12, 5, 7))
    with pytest.raises(InputError, match="layout="):
        LowRankAutoencoder("pca", **SMALL).fit(fields)
    for dims, layout in ((("run", "lat", "lon"), None), (("run", "t", "c"), "NTC")):
        named = xarray.DataArray(fields, dims=dims)
        fitted = LowRankAutoencoder("pca", layout=layout, **SMALL).fit(named)
        read = load(named, layout=layout)
        assert fitted.model_.preprocessing.layout == read.preprocessing.layout
        assert fitted.model_.spec.input_shape == read.shape
    with pytest.raises(InputError, match="layout="):
        LowRankAutoencoder("pca", **SMALL).fit(named)
    curves = LowRankAutoencoder("pca", kind="curves", **SMALL)
    assert curves.fit(fields).model_.spec == curves.fit(named).model_.spec


def test_views_in_any_memory_order_are_their_values():
    x = np.random.default_rng(0).integers(0, 256, size=(12, 3, 8, 8), dtype=np.uint8)
    estimator = LowRankAutoencoder("ae", **SMALL).fit(x)
    expected = estimator.transform(x[::-1, ::-1].copy())
    for view in (x[::-1, ::-1], np.asfortranarray(x[::-1, ::-1])):
        np.testing.assert_array_equal(estimator.transform(view), expected)


def test_the_units_are_those_of_the_command_line(tmp_path):

    rng = np.random.default_rng(0)
    arrays = {
        "table": rng.normal(size=(40, 5)) * [1, 10, 1e-3, 1, 1] + [0, 5, 0, 1e9, 0],
        "channels": np.stack([1e5 + rng.normal(size=(40, 9)), rng.normal(size=(40, 9))], axis=1),
        "masks": rng.integers(0, 2, size=(40, 8, 8), dtype=np.uint8),
        "bytes": rng.integers(0, 256, size=(40, 8, 8, 3), dtype=np.uint8),
        "floats": rng.random((40, 1, 8, 8)),
    }
    for name, x in arrays.items():
        path = tmp_path / f"{name}.npy"
        np.save(path, x)
        file = load(str(path)).preprocessing
        own = LowRankAutoencoder("ae", **SMALL).fit(x).model_.preprocessing
        for field in ("low", "high", "dtype", "layout"):
            assert getattr(own, field) == getattr(file, field), (name, field)
        # the file's numbers are those of four fifths of the samples
        scale = np.asarray(file.scale)
        np.testing.assert_allclose(np.asarray(own.scale) / scale, 1, rtol=0.5)
        assert (np.abs(np.asarray(own.offset) - np.asarray(file.offset)) <= scale).all()


def test_large_offsets_keep_their_digits(plane):
    offset = 1.7e9
    near, far = (
        LowRankAutoencoder("ae", latent_dim=3, epochs=3, random_state=0).fit(x)
        for x in (plane, plane + offset)
    )
    # adding the offset rounds to 2**-22, of a deviation of about 1
    np.testing.assert_allclose(far.embedding_, near.embedding_, atol=1e-3)
    back = far.inverse_transform(far.embedding_)
    assert back.dtype == np.float64
    np.testing.assert_allclose(back - offset, near.inverse_transform(near.embedding_), atol=1e-3)
    assert far.score(plane + offset) == pytest.approx(near.score(plane), abs=1e-3)


def test_what_fit_saw_decides_on_the_units_and_not_the_dtype_of_later_samples():
    x = np.random.default_rng(0).integers(0, 256, size=(20, 1, 8, 8), dtype=np.uint8)
    for fitted_on, given in ((np.uint8, np.float32), (np.float32, np.uint8)):
        estimator = LowRankAutoencoder("ae", **SMALL).fit(x.astype(fitted_on))
        np.testing.assert_allclose(
            estimator.transform(x.astype(given)), estimator.embedding_, rtol=1e-4, atol=1e-5
        )


def test_samples_beyond_the_bounds_of_the_training_data_are_refused():
    masks = (np.random.default_rng(0).random((30, 8, 8)) > 0.5).astype(np.uint8)
    estimator = LowRankAutoencoder("pca", latent_dim=2).fit(masks)
    for use in (estimator.transform, estimator.score_samples):
        with pytest.raises(InputError, match=r"X has values from 0 to 255, .* from 0 to 1;"):
            use(masks * 255)


def test_constant_columns_are_decoded_exactly(plane):
    X = np.column_stack([np.full(len(plane), 7.1), plane])
    estimator = LowRankAutoencoder("ae", **SMALL).fit(X)
    np.testing.assert_array_equal(estimator.sample(5, random_state=0)[:, 0], 7.1)


@pytest.mark.parametrize("size", [1e-30, 1e30, 1e120])
def test_values_of_any_size_are_reduced(size, plane):
    estimator = LowRankAutoencoder("ae", latent_dim=3, epochs=3, random_state=0)
    score = estimator.fit(plane * size).score(plane * size)
    assert score == pytest.approx(clone(estimator).fit(plane).score(plane), abs=1e-3)
    assert np.isfinite(estimator.sample(3, random_state=0)).all()


def test_values_that_cannot_be_used_are_refused_with_the_remedy(plane):
    estimator = LowRankAutoencoder("ae", **SMALL).fit(plane)
    holes = plane.copy()
    holes[7, 2] = np.nan
    for call in (estimator.transform, clone(estimator).fit, estimator.score_samples):
        with pytest.raises(InputError, match=r"in row 7, counted from 0; .*SimpleImputer"):
            call(holes)
    assert make_pipeline(SimpleImputer(), clone(estimator)).fit_transform(holes).shape == (200, 2)
    holes[7, 2] = np.nan_to_num(np.inf)
    for call in (estimator.transform, clone(estimator).fit):
        with pytest.raises(InputError, match=r"a number beyond 1e\+150 in row 7"):
            call(holes)
    with pytest.raises(InputError, match="masked values"):
        estimator.transform(np.ma.masked_greater(plane, 5))


def test_what_is_no_array_is_refused_instead_of_made_one(plane):
    """NumPy makes an array `(200, 1, 8)` of the items of a data set of torch."""
    tensor = torch.from_numpy(plane)
    whole = TensorDataset(tensor)
    for given in (whole, DataLoader(tensor), load(plane), {"x": plane}, "plane.csv", 3):
        with pytest.raises(InputError, match=r"^X is of type .*, expected an array"):
            LowRankAutoencoder("ae", **SMALL).fit(given)
    for given in (tensor, plane.tolist(), list(tensor)):
        assert LowRankAutoencoder("pca", **SMALL).fit_transform(given).shape == (200, 2)


def test_columns_that_are_not_numbers_are_named():
    pandas = pytest.importorskip("pandas")
    numbers = {
        "whole": pandas.array(range(20), dtype="Int64"),
        "truth": [True, False] * 10,
        "level": pandas.Categorical([1, 2] * 10),
        "object": np.arange(20).astype(object),
    }
    usable = pandas.DataFrame(numbers)
    fitted = LowRankAutoencoder("pca", **SMALL).fit(usable)
    assert fitted.n_features_in_ == 4
    others = {
        "day": pandas.date_range("2020", periods=20),
        "span": pandas.to_timedelta(range(20), unit="h"),
        "city": ["here", "there"] * 10,
        "grade": pandas.Categorical(["low", "high"] * 10),
    }
    for name, values in others.items():
        for frame in (usable.assign(**{name: values}), pandas.DataFrame({name: values})):
            with pytest.raises(InputError, match=rf"columns that are not numbers: {name}; leave"):
                LowRankAutoencoder("pca", **SMALL).fit(frame)
    with pytest.raises(InputError, match="not numbers: city; leave"):
        fitted.transform(usable.assign(city=others["city"]))


def test_frames_go_in_and_come_back(plane):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(plane, columns=list("abcdefgh"), index=range(100, 300))
    estimator = LowRankAutoencoder("ae", **SMALL).set_output(transform="pandas")
    codes = estimator.fit_transform(frame)
    assert codes.columns.tolist() == ["lowrankautoencoder0", "lowrankautoencoder1"]
    assert codes.index.tolist() == frame.index.tolist()
    assert estimator.feature_names_in_.tolist() == frame.columns.tolist()
    with pytest.raises(ValueError, match="feature names"):
        estimator.transform(frame.rename(columns={"a": "z"}))


@pytest.fixture
def fields():
    """Square fields over named dimensions, and an estimator that was fitted to them."""
    xarray = pytest.importorskip("xarray")
    values = np.random.default_rng(0).normal(size=(20, 6, 6))
    named = xarray.DataArray(values, dims=["sample", "y", "x"])
    return named, LowRankAutoencoder("pca", latent_dim=2, layout="NHW").fit(named)


@pytest.mark.parametrize("again", ["fitted", "pickled", "loaded"])
def test_dimensions_in_another_order_or_of_other_names_are_refused(fields, again, tmp_path):
    named, estimator = fields
    if again == "pickled":
        estimator = pickle.loads(pickle.dumps(estimator))
    if again == "loaded":
        estimator = LowRankAutoencoder.load(estimator.save(tmp_path))
    turned = named.transpose("sample", "x", "y")
    with pytest.raises(InputError, match=r"transpose it: X.transpose\(\.\.\., 'y', 'x'\)"):
        estimator.transform(turned)
    with pytest.raises(InputError, match=r"transpose it"):
        estimator.transform(named.transpose("y", "sample", "x"))
    with pytest.raises(InputError, match=r"'lon'.* had \('y', 'x'\); rename them to those"):
        estimator.transform(named.rename(y="lat", x="lon"))
    codes = estimator.transform(named)
    assert np.array_equal(estimator.transform(turned.transpose(..., "y", "x")), codes)
    assert np.array_equal(estimator.transform(named.rename(sample="time")), codes)


@pytest.mark.parametrize("again", ["fitted", "pickled", "loaded"])
def test_a_dimension_that_runs_the_other_way_is_refused(fields, again, tmp_path):
    named, estimator = fields
    codes = estimator.fit(named.assign_coords(y=np.arange(6.0))).transform(named)
    if again == "pickled":
        estimator = pickle.loads(pickle.dumps(estimator))
    if again == "loaded":
        estimator = LowRankAutoencoder.load(estimator.save(tmp_path))
    falling = named.assign_coords(y=np.arange(6.0)[::-1])
    for one in (falling, falling.isel(sample=3)):
        with pytest.raises(
            InputError, match=r"X has y falling.*rising; .*sortby\('y', ascending=T"
        ):
            estimator.transform(one)
    for same in (named, named.assign_coords(y=np.arange(2.0, 8.0))):
        assert np.array_equal(estimator.transform(same), codes)


def test_a_single_sample_and_arrays_without_names_are_taken(fields):
    named, estimator = fields
    codes = estimator.transform(named)
    one = estimator.transform(named.isel(sample=3))
    np.testing.assert_allclose(one, codes[3:4], atol=1e-5)
    assert np.array_equal(estimator.transform(named.values), codes)
    unnamed = type(named)(named.values)  # its dimensions are called dim_0, dim_1, dim_2
    assert np.array_equal(estimator.transform(unnamed), codes)
    assert np.array_equal(estimator.fit(unnamed).transform(named), codes)


def test_an_hdf5_array_has_no_named_dimensions(fields, tmp_path):
    h5py = pytest.importorskip("h5py")
    named, estimator = fields
    with h5py.File(tmp_path / "fields.h5", "w") as file:
        file["x"], file["y"] = named.values, named.values
        codes = estimator.fit(file["x"]).transform(file["y"])
    assert np.array_equal(pickle.loads(pickle.dumps(estimator)).transform(named), codes)


def test_an_array_over_two_named_dimensions_holds_curves_as_a_file_does():
    xarray = pytest.importorskip("xarray")
    time = np.linspace(0, 1, 12)
    values = np.sin(np.outer(np.linspace(1, 4, 30), time))
    named = xarray.DataArray(values, dims=["sample", "time"], coords={"time": time})
    estimator = LowRankAutoencoder("pca", latent_dim=2, random_state=0).fit(named)
    assert estimator.model_.spec.input_shape == load(named).shape == (1, 12)
    assert estimator.model_.preprocessing.layout == load(named).preprocessing.layout
    assert estimator.inverse_transform(estimator.transform(named)).shape == named.shape
    table = LowRankAutoencoder("pca", latent_dim=2, random_state=0, kind="table").fit(named)
    assert table.model_.spec.input_shape == (12,)


def test_a_column_that_was_constant_at_first_and_then_varies_causes_a_warning():
    X = np.random.default_rng(0).normal(size=(30, 4))
    later = X.copy()
    X[:, 2] = 7.0
    ae = LowRankAutoencoder("ae", latent_dim=2, epochs=1, random_state=0).fit(X)
    for use in (ae.transform, ae.score_samples, ae.partial_fit):
        with pytest.warns(UserWarning, match=r"X has other values .* did not vary there \(2, "):
            use(later)
