import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from latentrank import LowRankAutoencoder, density, evaluation, linalg
from latentrank.data import load
from latentrank.data.plain import as_array, real_parameters, stacked, unwrapped
from latentrank.errors import InputError
from latentrank.evaluation import theory

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4)).astype(np.float32)
TENSOR = torch.from_numpy(X)
COMPLEX = torch.complex(TENSOR, TENSOR)
SMALL = {"latent_dim": 2, "epochs": 1, "random_state": 0}
PIXELS = RNG.integers(0, 256, (8, 6, 3), dtype=np.uint8)


def both(x):
    """What a run trains on, and what the estimator does, in the order of the samples."""
    data, fitted = load(x), LowRankAutoencoder("ae", **SMALL).fit(x)
    order = np.argsort(np.concatenate([data.train.rows, data.test.rows]))
    return np.concatenate([data.train.x, data.test.x])[order], fitted


@pytest.mark.parametrize(
    ("given", "values"),
    [
        (COMPLEX.conj().imag, -X),
        (TENSOR.to(torch.float8_e4m3fn), TENSOR.to(torch.float8_e4m3fn).float().numpy()),
        ([row.bfloat16() for row in TENSOR], TENSOR.bfloat16().float().numpy()),
        ([row.clone().requires_grad_() for row in TENSOR], X),
        (np.array([*map(list, X), None], dtype=object)[:-1], X),
    ],
    ids=["a view of the sign", "8 bits", "16 bits in a list", "with gradients", "an object array"],
)
def test_tensors_have_the_values_that_torch_shows(given, values):
    x, fitted = both(given)
    np.testing.assert_array_equal(x, values)
    np.testing.assert_array_equal(
        fitted.embedding_, LowRankAutoencoder("ae", **SMALL).fit(values).embedding_
    )


@pytest.mark.parametrize(
    "given",
    [
        TENSOR.to_sparse(),
        TENSOR.to("meta"),
        torch.nested.nested_tensor(list(TENSOR), layout=torch.jagged),
    ],
    ids=["sparse", "meta", "nested"],
)
def test_tensors_without_an_array_are_refused(given):
    for read in (load, LowRankAutoencoder("ae", **SMALL).fit):
        with pytest.raises(InputError, match=r"expected a dense one .* to_dense\(\)"):
            read(given)


def test_masked_samples_in_a_list_and_masked_codes_are_refused():
    masked = np.ma.masked_greater(X, 0.5)
    for read in (load, LowRankAutoencoder("ae", **SMALL).fit):
        with pytest.raises(InputError, match="masked values"):
            read(list(masked))
    fitted = LowRankAutoencoder("ae", **SMALL).fit(X)
    with pytest.raises(InputError, match="masked values"):
        fitted.inverse_transform(np.ma.masked_greater(fitted.embedding_, 0))


def test_codes_may_be_tensors_of_any_kind():
    fitted = LowRankAutoencoder("ae", **SMALL).fit(X)
    codes = torch.from_numpy(fitted.embedding_)
    np.testing.assert_array_equal(
        fitted.inverse_transform(codes.clone().requires_grad_()),
        fitted.inverse_transform(fitted.embedding_),
    )


@pytest.mark.parametrize("mode", ["P", "CMYK", "HSV", "YCbCr"])
def test_pictures_that_code_colours_are_read_as_the_colours(mode):
    """Neighbours in a palette have nothing in common, and much ink is dark."""
    coded = Image.fromarray(PIXELS).convert(mode)
    assert np.asarray(coded).shape != PIXELS.shape or not (np.asarray(coded) == PIXELS).all()
    x, fitted = both([coded] * 12)
    assert fitted.inverse_transform(fitted.embedding_).shape == (12, *PIXELS.shape)
    np.testing.assert_array_equal(np.moveaxis(x[0], 0, -1), np.asarray(coded.convert("RGB")))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "RGB", "L"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_pictures_mean_what_their_files_mean(tmp_path, mode, orientation):
    """Colours behind transparent places are arbitrary, and cameras turn a picture by a tag."""
    picture = Image.fromarray(PIXELS).convert(mode)
    if mode == "P":
        picture.info["transparency"] = picture.getpixel((0, 0))
    if mode in ("RGBA", "LA"):
        picture.putalpha(Image.fromarray(PIXELS[..., 0]))
    picture.getexif()[0x0112] = orientation
    for name in "ab":
        picture.save(tmp_path / f"{name}.png", exif=picture.getexif())
    expected = load(tmp_path, progress=False).train.x[0]
    found = unwrapped([Image.open(tmp_path / "a.png")], "x")[0]
    np.testing.assert_array_equal(np.atleast_3d(found), np.moveaxis(expected, 0, -1))


@pytest.mark.parametrize("mode", ["L", "1", "I", "F", "RGB"])
def test_other_pictures_keep_their_values(mode):
    picture = Image.fromarray(PIXELS).convert(mode)
    np.testing.assert_array_equal(unwrapped(picture, "x"), np.asarray(picture))


def test_missing_names_do_not_become_a_class_called_nan():
    for missing in (float("nan"), None):
        with pytest.raises(InputError, match="no label for 1 of 12"):
            load({"x": X, "y": [*"abcabcabcab", missing]})
        with pytest.raises(InputError, match="no label for 1 of 12"):
            load(list(zip(X, [*"abcabcabcab", missing], strict=True)))
    assert load({"x": X, "y": [*"abcabcabcabc"]}).class_names == ("a", "b", "c")


def test_targets_that_are_no_class_are_refused():
    boxes = [(row, {"boxes": [[0, 0, 1, 1]], "label": 1}) for row in X]
    with pytest.raises(InputError, match="labels of type dict"):
        load(boxes)


def test_shapes_that_differ_are_named():
    with pytest.raises(InputError, match=r"x have shapes \(2,\), \(3,\)"):
        stacked([[1, 2], [1, 2, 3]], "x")
    with pytest.raises(InputError, match="parts of different shapes"):
        as_array([[1], [1, 2]], "x")
    with pytest.raises(InputError, match=r"X have shapes \(12,\), \(12, 4\)"):
        LowRankAutoencoder("ae").fit((X, X[:, 0]))


PAIRS = TensorDataset(TENSOR, torch.arange(12) % 3)


@pytest.mark.parametrize(
    ("loader", "message"),
    [
        (DataLoader(PAIRS, collate_fn=lambda items: torch.stack([x for x, _ in items]) * 2),
         "a custom collate_fn"),
        (DataLoader(PAIRS, sampler=RandomSampler(PAIRS, replacement=True)), "a RandomSampler"),
        (DataLoader(PAIRS, sampler=RandomSampler(PAIRS, num_samples=5)), "a RandomSampler"),
        (DataLoader(PAIRS, batch_sampler=[[0, 1], [2, 3]]), "draws samples with a list"),
    ],
    ids=["collate", "replacement", "some", "batches"],
)  # fmt: skip
def test_a_loader_that_does_more_than_gather_samples_is_refused(loader, message):
    with pytest.raises(InputError, match=message):
        load(loader)
    assert load(DataLoader(PAIRS, batch_size=5, shuffle=True)).train.labels is not None
    assert load(DataLoader(PAIRS, batch_size=None)).train.labels is not None


CODES = TENSOR.clone().requires_grad_()


@pytest.mark.parametrize(
    "measure",
    [
        lambda z: density.fit("gaussian", z).log_prob(z),
        lambda z: evaluation.frechet_distance(z, z[:6]),
        lambda z: evaluation.relative_error(z, z * 2),
        lambda z: evaluation.statistics(z).covariance,
        lambda z: theory.relative_contrasts(z, draws=2, neighbours=5),
    ],
    ids=["density", "distance", "error", "statistics", "contrasts"],
)
def test_codes_straight_from_a_model_are_measured(measure):
    """`model.encode(x)` has gradients, and in training of mixed precision 16 bits."""
    for codes in (CODES, CODES.bfloat16()):
        given = codes.detach().float().numpy()
        np.testing.assert_allclose(measure(codes), measure(given), rtol=1e-12)
    with pytest.raises(InputError, match="masked values"):
        measure(np.ma.masked_greater(X, 0.5))


@pytest.mark.parametrize("function", [lambda y: linalg.truncate_rank(y, 2), linalg.nuclear_norm])
def test_differentiable_functions_take_tensors_alone(function):
    with pytest.raises(InputError, match=r"of type ndarray, expected a tensor; .*as_tensor"):
        function(X)


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_parameters_of_no_samples_are_none(shape):
    assert real_parameters(np.zeros(shape), "x").shape == (0, *(shape[1:] or (1,)))
    with pytest.raises(InputError, match="expected \\(N, P\\) real numbers"):
        real_parameters(np.zeros((4, 0)), "x")
