"""Valid files of every kind, each with what reads it."""

# ruff: noqa: NPY002 - one global seed repeats every file

from __future__ import annotations

import gzip
import importlib.util
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Callback, Trainer
from PIL import Image

import latentrank
from latentrank import data, recipes
from latentrank.estimator import LowRankAutoencoder
from latentrank.export.weights import export_safetensors, load_safetensors
from latentrank.io import read_yaml
from latentrank.metrics import store
from latentrank.parametric import ParameterMap

Reader = Callable[[Path], Any]


def _load_data(path: Path, **how: Any) -> None:
    found = data.load(str(path), progress=False, **how)
    for split in (found.train, found.test):
        assert np.isfinite(found.preprocessing.normalise(split.x[:2]).numpy()).all()
        assert all(len(values) == len(split) for values in split.metadata.values())


def _load_model(path: Path) -> None:
    _use(latentrank.load(path))


@torch.no_grad()
def _use(model: Any) -> None:
    x = model.decode_array(np.zeros((2, model.latent_dim), dtype=np.float32))
    assert model.encode_array(x).shape == (2, model.latent_dim)


def _load_estimator(path: Path) -> None:
    model = LowRankAutoencoder.load(path)
    model.inverse_transform(model.transform(np.zeros((2, model.n_features_in_))))


def _load_export(path: Path) -> None:
    load_safetensors(path)


def _load_settings(path: Path) -> None:
    latentrank.RunConfig(**read_yaml(path)).flat()


def _load_run(path: Path) -> None:
    run = latentrank.Run(path)
    _ = run.config, run.metrics, run.history, run.kept
    store.read(path)
    run.encoded("train"), run.encoded("test")
    _use(run.model())


class _Shortened(Callback):
    """Ends a training whose damaged settings may ask for any number of epochs."""

    def on_train_batch_end(self, trainer: Trainer, *_: Any) -> None:
        trainer.should_stop = True


def _resume(path: Path) -> None:
    latentrank.runs.resume(path, progress=False, callbacks=[_Shortened()])


def _load_map(path: Path) -> None:
    found = ParameterMap.load(path)
    found(np.zeros((1, found.nodes.shape[1])))


def _formats(folder: Path, x: np.ndarray, y: np.ndarray, p: np.ndarray) -> Iterator[str]:
    """Write the same arrays in every format that the packages here can write."""
    np.save(folder / "a.npy", x)
    yield "a.npy"
    np.savez(folder / "a.npz", x=x, y=y, parameters=p)
    yield "a.npz"
    np.savez_compressed(folder / "b.npz", x_train=x[:8], y_train=y[:8], x_test=x[8:], y_test=y[8:])
    yield "b.npz"
    tensors = {"x": torch.from_numpy(x), "y": torch.from_numpy(y)}
    torch.save(tensors, folder / "a.pt")
    yield "a.pt"
    from safetensors.torch import save_file

    save_file(tensors, folder / "a.safetensors")
    yield "a.safetensors"
    from scipy.io import savemat

    savemat(folder / "a.mat", {"x": x, "y": y[:, None]})
    yield "a.mat"
    rows = [",".join(map(str, [*row, f"c{label}"])) for row, label in zip(x, y, strict=True)]
    text = "\n".join([",".join([*(f"u{i}" for i in range(x.shape[1])), "label"]), *rows, ""])
    (folder / "a.csv").write_text(text)
    yield "a.csv"
    with gzip.open(folder / "a.csv.gz", "wt") as file:
        file.write(text)
    yield "a.csv.gz"
    frames = [Image.fromarray((plane * 255).astype(np.uint8)) for plane in np.random.rand(4, 6, 6)]
    frames[0].save(folder / "a.tif", save_all=True, append_images=frames[1:])
    yield "a.tif"
    frames[0].save(folder / "a.gif", save_all=True, append_images=frames[1:])
    yield "a.gif"
    yield from _optional_formats(folder, x, y)


def _optional_formats(folder: Path, x: np.ndarray, y: np.ndarray) -> Iterator[str]:
    here = importlib.util.find_spec
    if here("pyarrow"):
        import pandas

        table = pandas.DataFrame(x, columns=[f"u{i}" for i in range(x.shape[1])])
        table.assign(label=y).to_parquet(folder / "a.parquet")
        yield "a.parquet"
    if here("openpyxl"):
        import pandas

        pandas.DataFrame(x).assign(label=y).to_excel(folder / "a.xlsx", index=False)
        yield "a.xlsx"
    if here("h5py"):
        import h5py

        with h5py.File(folder / "a.h5", "w") as file:
            file["x"], file["y"] = x, y
        yield "a.h5"
    if here("zarr"):
        import zarr

        group = zarr.open_group(str(folder / "a.zarr"), mode="w")
        group["x"], group["y"] = x, y
        yield "a.zarr"
    if here("xarray") and here("h5netcdf"):
        import xarray

        held = xarray.Dataset({"u": (("n", "t"), x)}, coords={"n": np.arange(len(x)) * 0.5})
        held.to_netcdf(folder / "a.nc", engine="h5netcdf")
        yield "a.nc"
    if here("nibabel"):
        import nibabel

        volumes = np.random.rand(3, 3, 3, 6).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(volumes, np.eye(4)), folder / "a.nii")
        nibabel.save(nibabel.Nifti1Image(volumes, np.eye(4)), folder / "a.nii.gz")
        yield "a.nii"
        yield "a.nii.gz"


def _images(folder: Path) -> None:
    for i, suffix in enumerate(("png", "jpg", "bmp", "gif", "tif", "webp", "ppm", "tga")):
        for name in ("cat", "dog"):
            (folder / name).mkdir(parents=True, exist_ok=True)
            pixels = np.random.randint(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{i}.{suffix}")


def _idx(root: Path) -> None:
    (root / "mnist").mkdir(parents=True)
    for part, n in (("train", 8), ("t10k", 4)):
        pixels = np.random.randint(0, 256, (n, 28, 28), dtype=np.uint8)
        head = np.array([0x803, n, 28, 28], dtype=">i4").tobytes()
        with gzip.open(root / "mnist" / f"{part}-images-idx3-ubyte.gz", "wb") as file:
            file.write(head + pixels.tobytes())
        labels = np.array([0x801, n], dtype=">i4").tobytes() + bytes(i % 10 for i in range(n))
        (root / "mnist" / f"{part}-labels-idx1-ubyte").write_bytes(labels)


def _celeba(root: Path) -> None:
    images = root / "celeba" / "img_align_celeba"
    images.mkdir(parents=True)
    names = [f"{i:06d}.png" for i in range(1, 10)]
    for name in names:
        Image.fromarray(np.random.randint(0, 256, (8, 8, 3), dtype=np.uint8)).save(images / name)
    lines = [f"{name} {i % 3}" for i, name in enumerate(names)]
    (root / "celeba" / "list_eval_partition.txt").write_text("\n".join(lines) + "\n")


def seeds(folder: Path) -> dict[str, tuple[Path, Reader]]:
    """Valid files by kind, each with what reads it."""
    rng = np.random.default_rng(0)
    np.random.seed(0)
    torch.manual_seed(0)
    x = rng.normal(size=(12, 6)).astype(np.float32)
    y, p = np.arange(12) % 3, rng.normal(size=(12, 2))
    found: dict[str, tuple[Path, Reader]] = {}
    for name in _formats(_new(folder / "formats"), x, y, p):
        found[f"data {name}"] = (folder / "formats" / name, _load_data)
    labelled = _new(folder / "labelled")
    np.save(labelled / "x.npy", x)
    np.save(labelled / "x.labels.npy", y)
    np.save(labelled / "x.parameters.npy", p)
    found["labels beside an array"] = (labelled, lambda path: _load_data(path / "x.npy"))
    _images(folder / "images")
    found["images"] = (folder / "images", _load_data)
    found["images resized"] = (folder / "images", lambda path: _load_data(path, image_size=4))
    _zipped(folder / "images", folder / "images.zip")
    found["images.zip"] = (folder / "images.zip", _load_data)
    _idx(folder / "idx")
    found["mnist"] = (folder / "idx", lambda path: _load_data("mnist", root=path))
    _celeba(folder / "faces")
    found["celeba"] = (folder / "faces", lambda path: _load_data("celeba", root=path))
    for method in ("lorae", "rrae", "vae", "pca", "rae-sn", "gan"):
        model = latentrank.build(method, (6,), 3, bounded=False)
        model.finalize(lambda: [torch.from_numpy(x)])
        latentrank.save(model, folder / f"model-{method}")
        found[f"model {method}"] = (folder / f"model-{method}", _load_model)
    small = latentrank.build("irmae", (1, 8, 8), 3)
    small.finalize(lambda: [torch.rand(9, 1, 8, 8)])
    latentrank.save(small.compress(0.1), folder / "model-compressed")
    found["model compressed"] = (folder / "model-compressed", _load_model)
    export_safetensors(small, folder / "encoder.safetensors")
    found["exported weights"] = (folder / "encoder.safetensors", _load_export)
    LowRankAutoencoder("ae", latent_dim=2, epochs=1).fit(x).save(folder / "estimator")
    found["estimator"] = (folder / "estimator", _load_estimator)
    named = {"data": str(folder / "formats" / "a.npz"), "latent_dim": 3, "batch_size": 4}
    config = latentrank.RunConfig(method="rrae", epochs=2, device="cpu", **named)
    run = latentrank.train(config, folder / "run", progress=False)
    latentrank.inference.parameter_map(run)
    found["run"] = (run.folder, _load_run)
    found["settings"] = (run.folder / "config.yaml", _load_settings)
    maps = list(run.folder.glob("parameters-*.safetensors"))
    found["parameter map"] = (maps[0], _load_map)
    shutil.copytree(run.folder, folder / "stopped")
    (folder / "stopped" / "metrics.json").unlink()
    found["checkpoint"] = (folder / "stopped", _resume)
    shutil.copy(next(recipes._FOLDER.glob("lorae*.yaml")), folder / "recipe.yaml")
    found["recipe"] = (folder / "recipe.yaml", lambda path: recipes.load(str(path)))
    return found


def _new(path: Path) -> Path:
    path.mkdir(parents=True)
    return path


def _zipped(folder: Path, target: Path) -> None:
    with zipfile.ZipFile(target, "w") as archive:
        for path in sorted(folder.rglob("*.png")):
            archive.write(path, path.relative_to(folder))
