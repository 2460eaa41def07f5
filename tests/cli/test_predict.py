"""Fields at new parameters, from Python and from the command line, without the data."""

import numpy as np
import pytest

from latentrank import inference, runs
from latentrank.__main__ import main
from latentrank.config import RunConfig
from latentrank.data import parameters
from latentrank.errors import InputError
from latentrank.parametric import KINDS, ExtrapolationWarning, ParameterMap

AXIS = np.linspace(0, 1, 12)


def fields(p):
    """Linear in the parameters, far from zero, `(N, 12)`."""
    return 1000 + p @ np.stack([AXIS, 5 * AXIS**2]) + 3 * np.sin(6 * AXIS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table with named parameters, its POD, and the data gone."""
    folder = tmp_path_factory.mktemp("predict")
    grid = np.stack(np.meshgrid(np.linspace(0, 1, 5), np.linspace(10, 40, 5)), -1).reshape(-1, 2)
    names = ["mach", "angle", *(f"u{i}" for i in range(12))]
    rows = np.hstack([grid, fields(grid)])
    lines = [",".join(names), *(",".join(map(repr, row)) for row in rows.tolist())]
    (folder / "fields.csv").write_text("\n".join(lines))
    config = RunConfig(
        method="pca",
        data=str(folder / "fields.csv"),
        parameters="mach,angle",
        latent_dim=4,
    )
    runs.train(config, folder / "run", progress=False)
    plain = np.random.default_rng(0).normal(size=(30, 5))
    np.save(folder / "plain.npy", plain)
    runs.train(
        RunConfig(method="pca", data=str(folder / "plain.npy"), latent_dim=2),
        folder / "plain",
        progress=False,
    )
    (folder / "fields.csv").unlink()
    return folder


@pytest.fixture
def run(folder):
    return runs.Run(folder / "run")


NEW = np.array([[0.3, 22.0], [0.71, 13.5]])


def test_the_true_dimension_is_the_number_of_parameters(run):
    assert run.metrics["true_dimension"] == 2
    assert run.metrics["rank"] == 2


@pytest.mark.parametrize("kind", ["linear", "radial"])
def test_fields_that_are_linear_in_their_parameters_are_exact(run, kind):
    """Up to float32 of values whose spread is about 100: 1e-5 and a few roundings of it."""
    found = inference.predict(run, NEW, kind)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, fields(NEW), atol=1e-3)


def test_the_gaussian_process_is_accurate(run):
    np.testing.assert_allclose(
        inference.predict(run, NEW, "gaussian-process"), fields(NEW), atol=0.1
    )


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "multilinear"])
def test_the_map_is_kept_with_the_run(run, kind):
    first = inference.predict(run, NEW, kind)
    kept = ParameterMap.load(run.folder / f"parameters-{kind}.safetensors")
    assert kept.names == ("mach", "angle")
    np.testing.assert_array_equal(inference.decode(run, kept(NEW)), first)
    np.testing.assert_array_equal(inference.predict(runs.Run(run.folder), NEW, kind), first)


def test_a_method_with_a_basis_interpolates_its_coefficients(tmp_path):
    p = np.linspace(0, 1, 30)[:, None]
    np.savez(tmp_path / "p.npz", x=np.sin(3 * p + AXIS), parameters=p)
    config = RunConfig(
        method="rrae", data=str(tmp_path / "p.npz"), options={"rank": 2}, latent_dim=6, epochs=2
    )
    run = runs.train(config, tmp_path / "run", progress=False)
    assert inference.parameter_map(run).coefficients.shape == (24, 2)


def test_new_codes_leave_no_map_of_the_old_ones(tmp_path):
    p = np.linspace(0, 1, 20)[:, None]
    np.savez(tmp_path / "p.npz", x=p * AXIS, parameters=p)
    config = RunConfig(method="pca", data=str(tmp_path / "p.npz"), latent_dim=2)
    run = runs.train(config, tmp_path / "run", progress=False)
    inference.predict(run, [[0.5]])
    assert (run.folder / "parameters-auto.safetensors").is_file()
    run.write_codes()
    assert list(run.folder.glob("parameters-*")) == []


def test_extrapolation_is_named(run):
    with pytest.warns(ExtrapolationWarning, match=r"counted from 0: row 1 \(mach 1.5, angle 20\)"):
        found = inference.predict(run, [[0.5, 20.0], [1.5, 20.0]], "radial")
    np.testing.assert_allclose(found, fields(np.array([[0.5, 20.0], [1.5, 20.0]])), atol=1e-2)


@pytest.mark.parametrize("header", ["angle,mach\n22,0.3\n13.5,0.71\n", "0.3,22\n0.71,13.5\n"])
def test_a_table_of_parameters_is_read_by_name_or_in_order(folder, tmp_path, capsys, header):
    (tmp_path / "new.csv").write_text(header)
    out = tmp_path / "out.npz"
    command = ["predict", str(folder / "run"), "--parameters", str(tmp_path / "new.csv")]
    assert main([*command, "--kind", "radial", "--out", str(out)]) == 0
    assert "fields (2, 12), by radial" in capsys.readouterr().out
    made = np.load(out)
    np.testing.assert_allclose(made["fields"], fields(NEW), atol=1e-3)
    np.testing.assert_array_equal(made["parameters"], NEW)
    assert made["extrapolated"].tolist() == [False, False]


def test_an_array_of_parameters_and_one_row(folder, tmp_path, capsys):
    np.save(tmp_path / "one.npy", np.array([5.0, 20.0]))
    command = ["predict", str(folder / "run"), "--parameters", str(tmp_path / "one.npy")]
    assert main([*command, "--out", str(tmp_path / "out.npz")]) == 0
    told = " ".join(capsys.readouterr().err.split())
    assert "1 of 1 rows is extrapolated" in told
    assert np.load(tmp_path / "out.npz")["extrapolated"].tolist() == [True]


@pytest.mark.parametrize(
    ("arrays", "name"),
    [
        ({"parameters": NEW}, "new.npz"),
        ({"x": np.zeros((7, 2)), "parameters": NEW}, "new.npz"),
        ({"x": np.zeros((7, 2)), "new": NEW}, "new.npz:/new"),
    ],
)
def test_parameters_are_found_among_the_arrays_of_a_file(folder, tmp_path, arrays, name):
    np.savez(tmp_path / "new.npz", **arrays)
    command = ["predict", str(folder / "run"), "--parameters", str(tmp_path / name)]
    assert main([*command, "--out", str(tmp_path / "out.npz")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "out.npz")["parameters"], NEW)


def test_parameters_are_found_among_the_variables_of_a_file(tmp_path):
    xarray = pytest.importorskip("xarray")
    fields = {"u": (("n", "k"), np.zeros_like(NEW)), "parameters": (("n", "k"), NEW)}
    xarray.Dataset(fields).to_netcdf(tmp_path / "new.nc", engine="h5netcdf")
    np.testing.assert_array_equal(parameters.read(tmp_path / "new.nc", NEW.shape[1]), NEW)


def test_what_does_not_fit_is_refused_in_one_sentence(folder, tmp_path, capsys, run):
    (tmp_path / "wrong.csv").write_text("mach,pressure\n1,2\n")
    (tmp_path / "notes.md").write_text("1 2")
    np.save(tmp_path / "wide.npy", np.zeros((2, 3)))
    np.save(tmp_path / "nan.npy", np.full((2, 2), np.nan))
    for name, said in (
        ("wrong.csv", "There is no column in"),
        ("wide.npy", "has shape (2, 3), expected (N, 2), a row of parameters (mach, angle)"),
        ("nan.npy", "2 of 2 parameters hold NaN or infinity"),
        ("notes.md", "notes.md cannot be read as parameters; give a .npy or .csv file"),
        ("absent.npy", "absent.npy does not exist; give a .npy or .csv file"),
    ):
        command = ["predict", str(folder / "run"), "--parameters", str(tmp_path / name)]
        assert main([*command, "--out", str(tmp_path / "x.npz")]) == 2
        told = capsys.readouterr().err
        assert said in " ".join(told.split())
        assert told.count("\n") == 1
    with pytest.raises(InputError, match="have no parameters to predict from"):
        inference.predict(runs.Run(folder / "plain"), NEW)
    with pytest.raises(InputError, match="3 columns, expected 2"):
        inference.predict(run, np.zeros((2, 3)))
    with pytest.raises(InputError, match="did you mean 'radial'"):
        inference.predict(run, NEW, "radail")


def test_interpolate_prints_both_errors_by_kind(tmp_path, capsys):
    p = np.linspace(0, 1, 30)[:, None]
    np.savez(tmp_path / "p.npz", x=1 + p * AXIS, parameters=p)
    config = RunConfig(method="pca", data=str(tmp_path / "p.npz"), latent_dim=2)
    run = runs.train(config, tmp_path / "run", progress=False)
    assert main(["interpolate", str(run.folder), "--kind", "parameters"]) == 0
    told = capsys.readouterr().out
    for kind in KINDS:
        assert f"{kind:<16}  0.00" in told
    from latentrank.metrics import Subject, measure

    subject = Subject(run.settings, run.folder)
    for name in ("prediction-error:auto", "prediction-error:radial", "fold-error:linear"):
        assert measure(subject, name).value < 1e-3
