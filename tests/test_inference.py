"""Codes of other data, densities on codes, and samples in the data's own units."""

import shutil

import numpy as np
import pytest
import torch

import latentrank
from latentrank import density, inference, runs
from latentrank.config import RunConfig
from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.io import write_yaml


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inference")
    rng = np.random.default_rng(0)
    table = rng.normal(size=(60, 5)) * [1, 10, 0.1, 3, 2] + 40
    np.savez(folder / "table.npz", x_train=table[:40], x_test=table[40:])
    np.savez(folder / "other.npz", x_train=7 * table[:40], x_test=table[40:])
    images = rng.integers(0, 255, (30, 1, 8, 8), dtype=np.uint8)
    np.savez(folder / "images.npz", x=images)
    return folder


def trained(folder, method, data="table.npz", **options):
    where = folder / "-".join([method, data, *map(str, options.values())])
    if not where.exists():
        values = {"method": method, "data": str(folder / data), "latent_dim": 4, "epochs": 1}
        runs.train(RunConfig(**{**values, "options": options}), where, progress=False)
    return runs.Run(where)


@pytest.fixture(scope="module")
def table_run(folder):
    return trained(folder, "vrrae", rank=2)


def test_other_data_is_brought_to_the_units_of_the_runs_data(folder, table_run):
    own = inference.embed(table_run)["codes"]
    other = inference.embed(table_run, source=folder / "other.npz")["codes"]
    np.testing.assert_allclose(other, own, atol=1e-4)


def test_coefficients_are_the_codes_in_the_basis(table_run):
    found = inference.embed(table_run, "train", coefficients=True)["codes"]
    data = table_run.dataset()
    x = data.preprocessing.normalise(data.train.x)
    np.testing.assert_allclose(found, table_run.model().coefficients(x).detach(), atol=1e-5)


@pytest.mark.parametrize("method", ["pca", "vrrae", "ae"])
def test_errors_come_with_the_codes_of_own_and_other_data(folder, method):
    run = trained(folder, method, **({"rank": 2} if method == "vrrae" else {}))
    with np.load(folder / "table.npz") as held:
        x = {"train": held["x_train"], "test": held["x_test"]}
    scale = x["train"].std(0)
    for split in x:
        model = run.model()
        missed = model.decode_array(model.encode_array(x[split])) - x[split]
        found = inference.embed(run, split, errors=True)["errors"]
        np.testing.assert_allclose(found, ((missed / scale) ** 2).mean(1), rtol=1e-4)
    np.testing.assert_allclose(found.mean(), run.metrics["validation_error"], rtol=1e-5)
    other = inference.embed(run, source=folder / "other.npz", errors=True)["errors"]
    np.testing.assert_allclose(other, found, rtol=1e-2)  # seven times as large, so rounded anew
    assert "errors" not in inference.embed(run)


def test_all_samples_of_a_file_are_embedded_in_its_order(folder, table_run):
    x = np.random.default_rng(1).normal(size=(30, 5))
    np.save(folder / "one.npy", x)
    found = inference.embed(table_run, "all", folder / "one.npy")
    assert found["rows"].tolist() == list(range(30))
    for split in ("train", "test"):
        part = inference.embed(table_run, split, folder / "one.npy")
        np.testing.assert_array_equal(part["codes"], found["codes"][part["rows"]])


def test_labels_and_parameters_come_along(folder):
    values = {"method": "ae", "data": "curves:shifted-sine", "latent_dim": 2, "epochs": 1}
    sine = runs.train(RunConfig(**{**values, "test_size": 6}), folder / "sine", progress=False)
    found = inference.embed(sine)
    assert sorted(found) == ["codes", "parameters"]
    assert len(found["parameters"]) == len(found["codes"]) == 6


def test_names_of_classes_come_with_the_codes_of_every_split(tmp_path):
    x, kinds = np.random.default_rng(0).normal(size=(30, 4)), np.array(["cat", "dog"])
    np.savez(tmp_path / "a.npz", x=x, y=kinds[np.arange(30) % 2])
    config = RunConfig(method="pca", data=str(tmp_path / "a.npz"), latent_dim=2)
    run = latentrank.train(config, tmp_path / "run", progress=False)
    for split in ("train", "test", "all"):
        for source in (None, tmp_path / "a.npz"):
            found = inference.embed(run, split, source)
            named = found["class_names"][found["labels"]]
            assert named.tolist() == kinds[found["rows"] % 2].tolist()


@pytest.mark.parametrize("split", ["all", "test"])
def test_other_data_beyond_the_bounds_are_refused(tmp_path, split):
    masks = (np.random.default_rng(0).random((30, 1, 8, 8)) > 0.5).astype(np.uint8)
    np.save(tmp_path / "a.npy", masks)
    np.save(tmp_path / "b.npy", masks * 255)
    np.save(tmp_path / "c.npy", masks.astype(np.float64))
    config = RunConfig(method="pca", data=str(tmp_path / "a.npy"), latent_dim=2)
    run = latentrank.train(config, tmp_path / "run", progress=False)
    with pytest.raises(InputError, match=r"b\.npy has values from 0 to 255, .* from 0 to 1; scale"):
        inference.embed(run, split, tmp_path / "b.npy")
    same = inference.embed(run, split, tmp_path / "c.npy")["codes"]
    # Twice the error bound of a product of 64 terms, whose order depends on the size of a batch,
    # for samples of a norm of at most 8 and directions of norm 1.
    rounding = 2 * 64 * np.finfo(np.float32).eps / 2 * 8
    np.testing.assert_allclose(same, inference.embed(run, split)["codes"], 0, rounding)


def test_samples_are_decoded_codes_in_the_datas_own_units(table_run):
    made = inference.sample(table_run, "gaussian", 50, seed=3)
    z = torch.from_numpy(made.codes)
    decoded = table_run.dataset().preprocessing.denormalise(table_run.model().decode(z))
    np.testing.assert_allclose(made.x, decoded, rtol=1e-5)
    assert abs(made.x.mean() - 40) < 5
    assert np.array_equal(made.x, inference.sample(table_run, "gaussian", 50, seed=3).x)


QUICK = {"gmm": "gmm:components=2,covariance=diag", "flow": "flow:steps=2"}


@pytest.mark.parametrize("spec", [QUICK.get(name, name) for name in density.names()])
def test_no_data_are_needed_after_training(folder, tmp_path, spec):
    """The folder of a run can be given to somebody who does not have the data."""
    run = trained(folder, "vrrae", rank=2)
    copy = runs.Run(shutil.copytree(run.folder, tmp_path / "copy"))
    settings = copy.config | {"data": str(tmp_path / "moved.npz")}
    write_yaml(copy.folder / "config.yaml", settings)
    with pytest.raises(InputError):
        copy.dataset()
    np.testing.assert_array_equal(
        inference.sample(copy, spec, 5, seed=1).x, inference.sample(run, spec, 5, seed=1).x
    )
    for split in ("train", "test", "all"):
        found, expected = inference.embed(copy, split), inference.embed(run, split)
        assert list(found) == list(expected)
        for name in found:
            np.testing.assert_array_equal(found[name], expected[name])


@pytest.mark.parametrize("split", ["train", "test"])
def test_the_codes_kept_with_a_run_are_those_of_its_data(table_run, split):
    model = table_run.model()
    x = model.preprocessing.normalise(table_run.split(split).x)
    expected = model.encode(x).detach().numpy()
    # float32, in batches of another size
    tolerance = 64 * np.finfo(np.float32).eps * np.abs(expected).max()
    np.testing.assert_allclose(runs.Run(table_run.folder).codes(split), expected, atol=tolerance)


def test_what_is_known_of_the_samples_is_kept_with_their_codes(tmp_path):
    x = np.random.default_rng(0).normal(size=(12, 3))
    names = np.array([f"größe/{i}.png" for i in range(12)])
    parameters = np.arange(24.0).reshape(12, 2)
    whole = Split(x, np.arange(12) % 2, parameters, np.arange(12), names)
    dataset = Dataset("mine", whole.take(slice(8)), whole.take(slice(8, 12)))
    config = RunConfig(method="ae", data="mine", latent_dim=2, epochs=1)
    runs.train(config, tmp_path / "run", dataset=dataset, progress=False)
    for split in ("train", "test"):
        kept = runs.Run(tmp_path / "run").encoded(split)
        assert set(kept) == {"codes", "labels", "parameters", "rows", "names"}
        for name, values in getattr(dataset, split).metadata.items():
            np.testing.assert_array_equal(kept[name], values)


def test_codes_that_a_run_has_lost_are_encoded_once(table_run, tmp_path, monkeypatch):
    copy = runs.Run(shutil.copytree(table_run.folder, tmp_path / "copy"))
    (copy.folder / "codes.safetensors").unlink()
    for split in ("test", "train"):
        np.testing.assert_array_equal(copy.codes(split), table_run.codes(split))
    monkeypatch.setattr(runs.Run, "_encode", None)
    again = runs.Run(copy.folder)
    for split in ("train", "test"):
        np.testing.assert_array_equal(again.codes(split), table_run.codes(split))
    np.testing.assert_array_equal(again.kept.x, table_run.kept.x)


def test_codes_of_a_run_that_cannot_be_written_to_are_encoded_again(
    table_run, tmp_path, monkeypatch
):
    copy = runs.Run(shutil.copytree(table_run.folder, tmp_path / "copy"))
    (copy.folder / "codes.safetensors").unlink()

    def full(*args):
        raise InputError("The disk is full.")

    monkeypatch.setattr("latentrank.runs.folder.atomic_write", full)
    np.testing.assert_array_equal(copy.codes("test"), table_run.codes("test"))
    assert not (copy.folder / "codes.safetensors").exists()


def test_codes_of_a_damaged_file_are_refused(table_run, tmp_path):
    copy = runs.Run(shutil.copytree(table_run.folder, tmp_path / "copy"))
    (copy.folder / "codes.safetensors").write_bytes(b"12345678")
    with pytest.raises(InputError, match=r"codes\.safetensors is damaged"):
        copy.codes("train")


def test_densities_are_fitted_to_the_training_codes(table_run):
    codes = table_run.codes("train")
    expected = density.fit("kde", codes, bandwidth=0.5).log_prob(codes)
    found = inference.fit_density(table_run, "kde:bandwidth=0.5").log_prob(codes)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("method", ["rrae", "rrae-weak", "rrae-adaptive", "vrrae", "pca"])
def test_codes_are_interpolated_over_parameters_in_any_basis(folder, method):
    """At the parameters of the training samples lie their own codes, projected on the basis."""
    rng = np.random.default_rng(1)
    parameters = rng.random((40, 2))
    x = parameters @ rng.normal(size=(2, 6))
    np.savez(folder / "family.npz", x=x, parameters=parameters)
    run = trained(folder, method, "family.npz")
    known = run.encoded("train")
    predicted = inference.predict(run, known["parameters"], "radial")
    # Radial functions pass through their nodes up to the conditioning of 32 points.
    expected = run.model().decode_array(known["codes"])
    np.testing.assert_allclose(predicted, expected, atol=1e-3)


def test_samples_repeat_with_random_states_of_every_kind(table_run):
    kinds = (lambda: 3, lambda: np.random.RandomState(3), lambda: np.random.default_rng(3))
    for kind in kinds:
        first, again = (inference.sample(table_run, "gaussian", 4, kind()).codes for _ in range(2))
        np.testing.assert_array_equal(first, again)


def test_samples_of_images_are_images(folder):
    made = inference.sample(trained(folder, "ae", "images.npz"), "gaussian", 3)
    assert (made.x.shape, made.x.dtype) == ((3, 1, 8, 8), np.uint8)


def test_the_prior_of_a_method_with_a_basis_is_over_its_coefficients(table_run):
    prior = inference.fit_density(table_run, "prior")
    basis = table_run.model().bottleneck.basis().numpy()
    coefficients = prior.sample(4000, seed=0) @ basis
    assert prior.rank == 2
    np.testing.assert_allclose(np.cov(coefficients.T), np.eye(2), atol=0.1)


def test_a_gan_has_no_errors(folder):
    with pytest.raises(InputError, match="gan reconstructs nothing, so there is no error"):
        inference.embed(trained(folder, "gan", "images.npz"), errors=True)


def test_a_gan_generates_from_noise_alone(folder):
    gan = trained(folder, "nsgan", "images.npz")
    assert gan.model().usual_densities == ("prior",)
    made = inference.sample(gan, "prior", 2000)
    assert abs(made.codes.std() - 1) < 0.05
    with pytest.raises(InputError, match="nsgan has no codes"):
        inference.sample(gan, "gaussian", 3)


def test_what_does_not_fit_is_refused(folder, table_run):
    with pytest.raises(InputError, match="did you mean 'test'"):
        inference.embed(table_run, "tests")
    with pytest.raises(InputError, match="give data of that shape"):
        inference.embed(table_run, source=folder / "images.npz")
    with pytest.raises(InputError, match="leave out coefficients=True"):
        inference.embed(trained(folder, "ae", "images.npz"), coefficients=True)
    with pytest.raises(InputError, match="did you mean 'gmm'"):
        inference.sample(table_run, "gnm", 3)


@pytest.mark.parametrize("layout", ["NHW", "NHWC", "NCHW"])
def test_samples_have_the_datas_own_layout_units_and_bounds(tmp_path, layout):
    own = {"NHW": (8, 9), "NHWC": (8, 9, 3), "NCHW": (3, 8, 9)}[layout]
    x = np.random.default_rng(0).integers(0, 256, (60, *own), dtype=np.uint8)
    np.save(tmp_path / "x.npy", x)
    config = RunConfig(method="ae", data=str(tmp_path / "x.npy"), latent_dim=3, epochs=1)
    run = latentrank.train(config, tmp_path / "run", progress=False)
    drawn = inference.sample(run, "gaussian", 5).x
    assert drawn.shape == (5, *own)
    assert drawn.dtype == np.uint8
    assert inference.decode(run, run.codes("test")).shape == (12, *own)


def test_other_data_that_are_not_finite_are_refused(folder, table_run, tmp_path):
    x = np.full((3, 5), 40.0)
    x[2, 1] = np.nan
    np.save(tmp_path / "holes.npy", x)
    with pytest.raises(InputError, match=r"holes\.npy holds NaN, .* in row 2"):
        inference.embed(table_run, "all", tmp_path / "holes.npy")
