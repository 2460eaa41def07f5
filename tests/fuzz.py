"""Mutated files of strangers: each is taken, or refused by an InputError of one sentence.

    python -m tests.fuzz --cases 10000 --seed 0

Cases run in a child process with limits on memory and time; the child reports by line, and is
replaced when it dies or hangs. An audit hook reports programs started, connections made, pickled
functions looked up, and files written outside the case's own folder.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import importlib.util
import io
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image

import latentrank
from latentrank import data, recipes
from latentrank.errors import InputError
from latentrank.estimator import LowRankAutoencoder
from latentrank.export.weights import export_safetensors, load_safetensors
from latentrank.io import read_yaml
from latentrank.metrics import store
from latentrank.parametric import ParameterMap

#: Seconds and bytes (beyond those of the child at its start) that a case may take.
SECONDS, MEMORY = 20, 2**31

Reader = Callable[[Path], Any]


class Suspicious(BaseException):
    """What a file must not make this process do; no `except Exception` hides it."""


# --- files to start from --------------------------------------------------------------------


class RunsCode:
    """A pickle of it touches a file when it is loaded."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


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
    _ = run.config, run.metrics, run.history, run.parameter_names
    store.read(path)
    run.encoded("train"), run.encoded("test")
    _use(run.model())


def _resume(path: Path) -> None:
    latentrank.runs.resume(path, progress=False)


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
    np.random.seed(0)  # noqa: NPY002
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


# --- mutations ------------------------------------------------------------------------------

#: Values where a name, a number or a size belongs.
HOSTILE: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 65536, 2**20, 2**31 - 1, 2**31, 2**53, 2**63, 2**64,
    10**30, 1.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), "", "x", "ae", "../../etc/passwd",
    "nuclear_norm", "\x00", "\x1b[2J", "é\u202e", "a" * 5000, "1e400", "__class__", [], {}, [[]],
    [1], [0], [-1], [2**40, 2**40], [1, 1, 1, 1, 1, 1, 1], {"a": 1}, {"": None}, {"method": "vae"},
    "float16", "object", "<U99999999", "complex128", "datetime64[s]",
]  # fmt: skip
TOKENS = [
    b"\x00", b"\xff", b"\x00" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"{", b"}",
    b"[", b"'", b'"', b"\n", b"%s", b"1e999", b"nan", b"-1", b"99999999999", b"!!python/object:os.system",
    b"&a [*a, *a]", b"../", b"\xc3\x28", b"(lp0", b"cos\nsystem\n(S'true'\ntR.", b"|O", b"<f8", b"True",
]  # fmt: skip


def mutate(content: bytes, rng: random.Random) -> bytes:
    """Content with one to three parts flipped, cut, repeated, overwritten or inserted."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        # half of them near the start, where headers are
        end = len(changed) if rng.random() < 0.5 else min(len(changed), 128)
        at = rng.randrange(end + 1)
        kind = rng.randrange(7)
        if kind == 0 and at < len(changed):
            changed[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(changed):
            changed[at] = rng.randrange(256)
        elif kind == 2:
            del changed[at : at + rng.choice((1, 4, 100, len(changed)))]
        elif kind == 3:
            changed[at:at] = changed[at : at + rng.choice((1, 8, 200))]
        elif kind == 4:
            token = rng.choice(TOKENS)
            changed[at : at + len(token)] = token
        elif kind == 5:
            changed[at:at] = rng.choice(TOKENS)
        else:
            changed[at:at] = rng.randbytes(rng.choice((1, 8, 64)))
    return bytes(changed)


def mutate_value(value: Any, rng: random.Random) -> Any:
    """A JSON-like value with one place changed, left out, or added."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        rest = {k: v for k, v in value.items() if k != key}
        kind = rng.random()
        if kind < 0.1:
            return rest
        if kind < 0.2:
            return {**value, rng.choice(["x", "", "é", key + "_", "method"]): rng.choice(HOSTILE)}
        return {**value, key: mutate_value(value[key], rng)}
    if isinstance(value, list) and value and rng.random() < 0.7:
        i = rng.randrange(len(value))
        kind = rng.random()
        if kind < 0.15:
            return value[:i] + value[i + 1 :]
        if kind < 0.3:
            return [*value, *value]
        return [*value[:i], mutate_value(value[i], rng), *value[i + 1 :]]
    return rng.choice(HOSTILE)


def _mutate_json(content: bytes, rng: random.Random) -> bytes:
    return json.dumps(mutate_value(json.loads(content), rng)).encode()


def _mutate_yaml(content: bytes, rng: random.Random) -> bytes:
    changed = mutate_value(yaml.safe_load(content), rng)
    return yaml.safe_dump(changed, allow_unicode=True).encode()


def _mutate_safetensors(content: bytes, rng: random.Random) -> bytes:
    """One place of the header changed, with a length that fits."""
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    # settings of ours are JSON inside JSON
    about = header.get("__metadata__", {})
    if about and rng.random() < 0.5:
        name = rng.choice(list(about))
        with contextlib.suppress(ValueError):
            about[name] = json.dumps(mutate_value(json.loads(about[name]), rng))
    else:
        header = mutate_value(header, rng)
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content[8 + size :]


def _mutate_zip(content: bytes, rng: random.Random) -> bytes:
    """One member changed, renamed, repeated or left out, with a checksum that fits."""
    with zipfile.ZipFile(io.BytesIO(content)) as old:
        held = [(name, old.read(name)) for name in old.namelist()]
    i = rng.randrange(len(held))
    name, inner = held[i]
    kind = rng.random()
    if kind < 0.6:
        held[i] = (name, mutate(inner, rng))
    elif kind < 0.7:
        held.pop(i)
    elif kind < 0.8:
        held.append((name, inner))
    elif kind < 0.9:
        names = ["../" + name, "/" + name, "x/" + name, "y", name + "\x01", ".npy", "é" * 90]
        held[i] = (rng.choice(names), inner)
    else:
        held[i] = (name, bytes(2**24))
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        warnings.simplefilter("ignore")
        for name, inner in held:
            new.writestr(name, inner)
    return out.getvalue()


def _mutate_gzip(content: bytes, rng: random.Random) -> bytes:
    return gzip.compress(mutate(gzip.decompress(content), rng))


def _mutate_png(content: bytes, rng: random.Random) -> bytes:
    """Another size in the header, with a checksum that fits."""
    import zlib

    head = bytearray(content[12:29])
    sizes = (0, 1, 9, 5000, 65535, 2**31 - 1, 2**32 - 1)
    head[4:8] = rng.choice(sizes).to_bytes(4, "big")
    if rng.random() < 0.5:
        head[8:12] = rng.choice(sizes).to_bytes(4, "big")
    if rng.random() < 0.3:
        head[12 + rng.randrange(2)] = rng.randrange(256)
    return content[:12] + bytes(head) + zlib.crc32(head).to_bytes(4, "big") + content[33:]


def _mutate_npy(content: bytes, rng: random.Random) -> bytes:
    """A header of another shape, type or order, with a length that fits."""
    held = np.lib.format.read_array(io.BytesIO(content))
    shapes = [(), (0,), (1,), (12,), (2**40,), (-1, 6), (2**31, 2**31), (3, 4, 6), (72, 1), (1, 72)]
    shape = rng.choice([*shapes, held.shape])
    descriptions = ["|O", "<f8", "<c8", "<U6", "<M8[s]", "|V4", "|b1", ">f4", "<i8", "|S0"]
    dtype = rng.choice([*descriptions, held.dtype.str, held.dtype.str])
    text = repr({"descr": dtype, "fortran_order": rng.random() < 0.3, "shape": shape}) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + held.tobytes()


STRUCTURED: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".json": _mutate_json, ".yaml": _mutate_yaml, ".safetensors": _mutate_safetensors,
    ".npz": _mutate_zip, ".zip": _mutate_zip, ".pt": _mutate_zip, ".ckpt": _mutate_zip,
    ".gz": _mutate_gzip, ".png": _mutate_png, ".npy": _mutate_npy,
}  # fmt: skip


def spoil(path: Path, rng: random.Random, canary: Path) -> str:
    """Change one file, or one of those in a folder.

    Returns:
        What was done, for the report.
    """
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    chosen = rng.choice(files)
    content = chosen.read_bytes()
    structured = STRUCTURED.get(chosen.suffix)
    kind = rng.random()
    if kind < 0.02:
        torch.save(RunsCode(canary), chosen)
        return f"{chosen.name}: a pickle that runs code"
    if kind < 0.04 and path.is_dir():
        chosen.unlink()
        return f"{chosen.name}: removed"
    if kind < 0.06:
        chosen.write_bytes(rng.choice(files).read_bytes() if rng.random() < 0.5 else b"")
        return f"{chosen.name}: another file, or empty"
    if structured is not None and kind < 0.6:
        with contextlib.suppress(ValueError, KeyError):
            chosen.write_bytes(structured(content, rng))
            return f"{chosen.name}: {structured.__name__}"
    chosen.write_bytes(mutate(content, rng))
    return f"{chosen.name}: bytes"


# --- one case -------------------------------------------------------------------------------


def verdict(read: Reader, path: Path) -> str:
    """`"taken"`, `"refused"`, or what is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except InputError as error:
        text = str(error)
        ends = text[-1:] in ".?:'\")" or "run: " in text or "with: " in text
        if not text.isprintable() or len(text) > 1100 or not ends:
            return f"FAULT message {text[:300]!r}"
        return "refused"
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        at = error.__traceback__
        places = []
        while at is not None:
            code = at.tb_frame.f_code
            places.append(f"{Path(code.co_filename).name}:{code.co_name}:{at.tb_lineno}")
            at = at.tb_next
        return f"FAULT {type(error).__name__}: {' '.join(str(error).split())[:200]!r} in " + (
            " > ".join(places[-7:])
        )
    return "taken"


_FORBIDDEN = ("os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen",
              "socket.connect", "socket.bind", "pickle.find_class", "ctypes.dlopen")  # fmt: skip


class Watch:
    """Reports what a file makes this process do, while it is on."""

    def __init__(self, inside: Path) -> None:
        self.on = False
        self.inside = str(inside)
        sys.addaudithook(self._hook)

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.on:
            return
        if event in _FORBIDDEN and "nvidia" not in str(given):  # torch looks for a GPU
            raise Suspicious(f"{event} {given!r}"[:300])
        writes = event == "open" and isinstance(given[1], str) and set(given[1]) & set("wax+")
        if writes and not str(given[0]).startswith((self.inside, "/dev/null", "/proc/")):
            raise Suspicious(f"writes {given[0]!r}")


def case(number: int, seed: int, found: dict[str, tuple[Path, Reader]], place: Path) -> list[str]:
    """Run one case.

    Returns:
        Its kind, what was changed, and the verdict.
    """
    rng = random.Random(f"{seed}/{number}")
    kind = list(found)[number % len(found)]
    source, read = found[kind]
    work = Path(tempfile.mkdtemp(dir=place))
    target = work / source.name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
    canary = work / "canary"
    try:
        done = spoil(target, rng, canary)
        said = verdict(read, target)
        return [kind, done, "FAULT code was run" if canary.exists() else said]
    finally:
        shutil.rmtree(work, ignore_errors=True)


# --- many cases -----------------------------------------------------------------------------


def _child(numbers: list[int], seed: int, place: Path) -> None:
    torch.set_num_threads(1)
    os.environ["LATENTRANK_CACHE"] = str(place / "cache")
    found = seeds(place / "seeds")
    for _, (path, read) in found.items():  # imports everything, and shows that all are valid
        copy = Path(tempfile.mkdtemp(dir=place)) / path.name
        (shutil.copytree if path.is_dir() else shutil.copy)(path, copy)
        read(copy)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, resource.RLIM_INFINITY))
    watch = Watch(place)
    print("ready", flush=True)
    for number in numbers:
        print(f"begin {number}", flush=True)
        watch.on = True
        signal.alarm(SECONDS + 5)  # kills even what holds the interpreter's lock
        try:
            result = case(number, seed, found, place)
        finally:
            watch.on = False
            signal.alarm(0)
        print(json.dumps([number, *result]), flush=True)


def run(numbers: list[int], seed: int) -> Iterator[list[Any]]:
    """Run cases in children, each of which lasts until a case ends it.

    Yields:
        The case's number, kind, change and verdict.
    """
    left = list(numbers)
    while left:
        place = Path(tempfile.mkdtemp(prefix="fuzz-"))
        call = [sys.executable, "-m", "tests.fuzz", "--seed", str(seed), "--child", str(place)]
        process = subprocess.Popen(
            call, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdin is not None
        process.stdin.write(json.dumps(left).encode())
        process.stdin.close()
        try:
            yield from _answers(process, left)
        finally:
            process.kill()
            process.wait()
            shutil.rmtree(place, ignore_errors=True)


def _answers(process: subprocess.Popen[bytes], left: list[int]) -> Iterator[list[Any]]:
    ready = False
    assert process.stdout is not None
    while left:
        seconds = SECONDS + 5 if ready else 600
        line = b""
        if select.select([process.stdout], [], [], seconds)[0]:
            line = process.stdout.readline()
        if line.startswith(b"["):
            result = json.loads(line)
            left.remove(result[0])
            yield result
        elif line:
            ready = ready or line.startswith(b"ready")
        elif ready:
            process.kill()
            why = f"FAULT died or hung ({process.wait()})"
            yield [left.pop(0), "?", "?", why]
            return
        else:
            raise RuntimeError(process.stderr.read().decode() if process.stderr else "")


def main() -> int:
    """Run the cases and print the counts by kind, and every fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="*")
    parser.add_argument("--child", type=Path)
    given = parser.parse_args()
    if given.child:
        _child(json.load(sys.stdin), given.seed, given.child)
        return 0
    counts: Counter[tuple[str, str]] = Counter()
    start = time.monotonic()
    for number, kind, change, said in run(given.only or list(range(given.cases)), given.seed):
        word = said.split()[0]
        counts[kind, word] += 1
        if word == "FAULT" or given.only:
            print(number, kind, "|", change, "|", said, flush=True)
    for kind in dict.fromkeys(kind for kind, _ in counts):
        row = (f"{counts[kind, word]:5d} {word}" for word in ("taken", "refused", "FAULT"))
        print(f"{kind:25s}", *row)
    total = Counter(word for (_, word), n in counts.items() for _ in range(n))
    print(f"{dict(total)} in {time.monotonic() - start:.0f} s")
    return int(total["FAULT"] > 0)


if __name__ == "__main__":
    sys.exit(main())
