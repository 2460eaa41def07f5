"""One family of advected pulses, saved in every format, is one and the same data set."""

import zlib

import datasets
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.io
import torch
import xarray as xr
import zarr
from safetensors.numpy import save_file

from latentrank.data import load, readers, views
from latentrank.errors import InputError

GENERATOR = np.random.default_rng(0)
T = np.linspace(0, 1, 40)
PARAMETERS = np.stack([GENERATOR.uniform(0.2, 0.8, 30), GENERATOR.uniform(0.05, 0.1, 30)], axis=1)
PULSES = np.exp(-(((T - PARAMETERS[:, :1]) / PARAMETERS[:, 1:]) ** 2))
NAMES = ("start", "width")


def save_npy(path):
    np.save(path, PULSES)
    np.save(path.with_suffix(".parameters.npy"), PARAMETERS)


def save_h5(path, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("run/x", data=PULSES, **options)
        file["run/parameters"] = PARAMETERS


def save_mat_7_3(path):
    """As MATLAB does: HDF5 after MATLAB's own header, with all axes reversed."""
    with h5py.File(path, "w", userblock_size=512) as file:
        file["x"], file["parameters"] = PULSES.T, PARAMETERS.T
    with path.open("r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM")


def frame():
    columns = {f"u{i}": PULSES[:, i] for i in range(len(T))}
    return pd.DataFrame({NAMES[0]: PARAMETERS[:, 0], NAMES[1]: PARAMETERS[:, 1], **columns})


def lists():
    return pd.DataFrame({NAMES[0]: PARAMETERS[:, 0], NAMES[1]: PARAMETERS[:, 1], "u": list(PULSES)})


def as_xarray():
    along = {name: ("sample", PARAMETERS[:, i]) for i, name in enumerate(NAMES)}
    return xr.Dataset({"u": (("sample", "t"), PULSES)}, coords={**along, "t": T})


def save_zarr(path):
    store = zarr.open_group(path, mode="w")
    for name, array in (("x", PULSES), ("parameters", PARAMETERS)):
        store.create_array(name, data=array, chunks=(7, array.shape[1]))


def save_zarr_zip(path):
    with zarr.storage.ZipStore(path, mode="w") as store:
        group = zarr.open_group(store, mode="w")
        for name, array in (("x", PULSES), ("parameters", PARAMETERS)):
            group.create_array(name, data=array)


NAMED = {"x": PULSES, "parameters": PARAMETERS}
CHOSEN = {"parameters": NAMES}
FORMATS = {
    "a.npy": (save_npy, {}),
    "a.npz": (lambda path: np.savez(path, **NAMED), {}),
    "a.csv": (lambda path: frame().to_csv(path, index=False), CHOSEN),
    "index.csv": (lambda path: frame().to_csv(path), CHOSEN),
    "semicolon.csv": (lambda path: frame().to_csv(path, sep=";", index=False), CHOSEN),
    "a.tsv": (lambda path: frame().to_csv(path, sep="\t", index=False), CHOSEN),
    "a.csv.gz": (lambda path: frame().to_csv(path, index=False), CHOSEN),
    "a.tsv.gz": (lambda path: frame().to_csv(path, sep="\t", index=False), CHOSEN),
    "a.parquet": (lambda path: frame().to_parquet(path), CHOSEN),
    "a.dat": (lambda path: frame().to_csv(path, index=False), CHOSEN),
    "a.txt": (
        lambda path: np.savetxt(path, frame(), fmt="%.17g", header=" ".join(frame())),
        CHOSEN,
    ),
    "lists.parquet": (lambda path: lists().to_parquet(path), CHOSEN),
    "a.h5": (save_h5, {"inner": ":/run/x"}),
    "group.h5": (save_h5, {"inner": ":/run"}),
    "packed.hdf5": (lambda path: save_h5(path, compression="gzip"), {"inner": ":run/x"}),
    "a.zarr": (save_zarr, {}),
    "a.zarr.zip": (save_zarr_zip, {}),
    "xarray.zarr": (lambda path: as_xarray().to_zarr(path, zarr_format=3), {}),
    "xarray2.zarr": (lambda path: as_xarray().to_zarr(path, zarr_format=2), {}),
    "a.nc": (lambda path: as_xarray().to_netcdf(path, engine="h5netcdf"), {}),
    "classic.nc": (lambda path: as_xarray().to_netcdf(path, engine="scipy"), {}),
    "a.mat": (lambda path: scipy.io.savemat(path, NAMED), {}),
    "new.mat": (save_mat_7_3, {}),
    "a.pt": (lambda path: torch.save({n: torch.from_numpy(x) for n, x in NAMED.items()}, path), {}),
    "a.safetensors": (lambda path: save_file(NAMED, path), {}),
}


def loaded(folder, name):
    save, options = FORMATS[name]
    path = folder / name
    save(path)
    options = dict(options)
    return load(f"{path}{options.pop('inner', '')}", kind="curves", **options)


@pytest.fixture(params=["in memory", "large"])
def size(request, monkeypatch):
    if request.param == "large":
        monkeypatch.setattr(views, "LARGE", 100)
        monkeypatch.setattr(views, "BLOCK_VALUES", 200)


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_data_set_from_every_format(tmp_path, name, size):
    data = loaded(tmp_path, name)
    reference = loaded(tmp_path, "a.npy")
    assert data.shape == (1, 40)
    assert data.fingerprint == reference.fingerprint
    assert data.preprocessing == reference.preprocessing
    assert data.true_dimension == 2
    for split in (data.train, data.test):
        np.testing.assert_array_equal(split.parameters, PARAMETERS[split.rows])
        np.testing.assert_array_equal(np.asarray(split.x)[:, 0], PULSES[split.rows])


@pytest.mark.parametrize("name", ["a.csv", "a.nc", "lists.parquet"])
def test_parameters_keep_their_names(tmp_path, name):
    assert loaded(tmp_path, name).parameter_names == NAMES


def as_lists(arrays):
    return {name: list(values) for name, values in arrays.items()}


OTHER = {"x": PULSES, "dose": PARAMETERS, "mach": PULSES[:, 3].copy()}


@pytest.mark.parametrize(
    ("name", "save"),
    [
        ("a.npz", lambda path: np.savez(path, **OTHER)),
        ("a.mat", lambda path: scipy.io.savemat(path, OTHER)),  # vectors become rows
        ("a.safetensors", lambda path: save_file(OTHER, path)),
        ("a.parquet", lambda path: pd.DataFrame(as_lists(OTHER)).to_parquet(path)),
        ("saved", lambda path: datasets.Dataset.from_dict(as_lists(OTHER)).save_to_disk(path)),
    ],
)
def test_several_parameters_may_be_one_array_of_any_name(tmp_path, name, save):
    save(tmp_path / name)
    data = load(tmp_path / name, parameters="dose,mach")
    assert data.parameter_names == ("dose[0]", "dose[1]", "mach")
    expected = np.column_stack([PARAMETERS, PULSES[:, 3]])
    np.testing.assert_array_equal(data.train.parameters, expected[data.train.rows])


def test_every_suffix_is_tried_here_or_below():
    tried = {readers.suffix_of(name) for name in FORMATS}
    others = {".nii", ".nii.gz", ".pq", ".he5", ".nc4", ".cdf", ".pth", ".xlsx",
              ".tif", ".tiff", ".gif"}  # fmt: skip
    assert set(readers.suffixes()) - tried == others


def test_plain_arrays_in_hdf5_are_mapped(tmp_path):
    save_h5(tmp_path / "a.h5")
    x = load(f"{tmp_path / 'a.h5'}:/run/x", kind="curves").train.x
    held = readers.hdf5.read(tmp_path / "a.h5", "run/x", readers.Meaning())
    assert x.dtype == np.float64
    base = held.parts[0].x
    while isinstance(base, np.ndarray) and not isinstance(base, np.memmap):
        base = base.base
    assert isinstance(base, np.memmap)


@pytest.mark.parametrize("name", ["a.csv", "a.h5", "a.nc", "a.mat", "a.pt", "a.parquet", "a.nii",
                                  "a.safetensors", "a.xlsx", "a.txt", "a.zarr"])  # fmt: skip
def test_damaged_files_are_refused_in_one_sentence(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x93no such thing\x00\xff" * 9)
    with pytest.raises(InputError, match=r"cannot be read as .*; save"):
        load(tmp_path / name)


def test_code_in_a_file_is_not_run(tmp_path):
    class Harmful:
        def __reduce__(self):
            return (tmp_path.joinpath("ran").mkdir, ())

    torch.save({"x": Harmful()}, tmp_path / "a.pt")
    with pytest.raises(InputError, match="cannot be read as tensors"):
        load(tmp_path / "a.pt")
    assert not (tmp_path / "ran").exists()


def test_a_missing_package_is_named_with_the_remedy(tmp_path, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pandas", None)
    (tmp_path / "a.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"needs pandas; .* 'latentrank\[tables\]'"):
        load(tmp_path / "a.csv")


@pytest.mark.parametrize("compressed", [False, True])
def test_a_type_of_data_that_matlab_does_not_have_is_refused(compressed, tmp_path):
    """SciPy looks it up beyond the end of its table, and may crash."""
    path = tmp_path / "x.mat"
    scipy.io.savemat(path, {"x": PULSES})
    content = path.read_bytes()
    tag = content.index((9).to_bytes(4, "little"), 136)  # of the numbers, in double precision
    matrix = content[128:tag] + (1033).to_bytes(4, "little") + content[tag + 4 :]
    if compressed:
        packed = zlib.compress(matrix)
        matrix = (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    path.write_bytes(content[:128] + matrix)
    with pytest.raises(InputError, match="there is no type of data 1033"):
        load(path)


def test_matlab_files_with_text_cells_and_structures_are_read(tmp_path):
    held = {"x": PULSES, "note": "text", "names": np.array(["a", "b"], dtype=object)}
    for compressed in (False, True):
        path = tmp_path / f"{compressed}.mat"
        scipy.io.savemat(path, {**held, "s": {"a": 1.0}}, do_compression=compressed)
        found = load(f"{path}:/x", kind="table")
        assert np.array_equal(found.train.x, PULSES[found.train.rows])


@pytest.mark.parametrize(
    ("saved", "refused"),
    [
        (torch.eye(6), None),
        ([torch.eye(6)], None),
        ((torch.eye(6), torch.arange(6)), None),
        ((torch.eye(6), torch.arange(6), torch.eye(6)), "holds a tuple; expected a tensor, or"),
        ([1, 2], "holds a list; expected a tensor, or a dictionary"),
        (3, "holds a int; expected a tensor, or a dictionary"),
    ],
)
def test_what_a_file_of_torch_may_hold(tmp_path, saved, refused):
    torch.save(saved, tmp_path / "a.pt")
    if refused is None:
        data = load(tmp_path / "a.pt")
        assert data.shape == (6,)
        assert (data.train.labels is not None) == isinstance(saved, tuple)
    else:
        with pytest.raises(InputError, match=rf"a\.pt {refused}"):
            load(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("a.npy", "one NumPy array; leave it out"),
        ("a.csv", "a table; choose columns with columns="),
        ("a.parquet", "a Parquet table; choose columns with columns="),
        ("a.zarr", "one array; leave it out"),
    ],
)
def test_a_name_after_a_file_without_named_arrays_is_refused(tmp_path, name, remedy):
    table = pd.DataFrame({"u": np.arange(6.0), "v": np.arange(6.0) ** 2})
    np.save(tmp_path / "a.npy", table.to_numpy())
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_parquet(tmp_path / "a.parquet")
    zarr.save_array(tmp_path / "a.zarr", table.to_numpy())
    assert load(tmp_path / name).shape == (2,)
    with pytest.raises(InputError, match=rf"{name}:/u names an array inside a file, .* {remedy}"):
        load(f"{tmp_path / name}:/u")


def test_a_variable_is_named_in_one_way(tmp_path):
    u = xr.DataArray(np.arange(24.0).reshape(6, 4), dims=("s", "t"))
    xr.Dataset({"u": u, "v": 2 * u}).to_netcdf(tmp_path / "a.nc")
    assert load(f"{tmp_path / 'a.nc'}:/v").shape == (1, 4)
    with pytest.raises(InputError, match=r"columns does not apply to .*a\.nc:/v"):
        load(f"{tmp_path / 'a.nc'}:/v", columns="u,v")


def test_a_name_that_a_zarr_store_lacks_is_answered_with_those_it_has(tmp_path):
    save_zarr(tmp_path / "a.zarr")
    with pytest.raises(InputError, match=r"called 'parametres'; did you mean 'parameters'\?"):
        load(f"{tmp_path / 'a.zarr'}:/parametres")
