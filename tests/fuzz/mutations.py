"""Changes of files: of their bytes, and of what they mean."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import os
import random
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

#: Values where a name, a number or a size belongs.
HOSTILE: list[Any] = [
    None, True, False, 0, 1, -1, 2, 3, 7, 255, 65536, 2**20, 2**31 - 1, 2**31, 2**53, 2**63, 2**64,
    10**30, 1.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), "", "x", "ae", "../../etc/passwd",
    "nuclear_norm", "\x00", "\x1b[2J", "é\u202e", "a" * 5000, "1e400", "__class__", [], {}, [[]],
    [1], [0], [-1], [2**40, 2**40], [1, 1, 1, 1, 1, 1, 1], {"a": 1}, {"": None}, {"method": "vae"},
    "float16", "object", "<U99999999", "complex128", "datetime64[s]",
]  # fmt: skip
TOKENS = [
    b"\x00", b"\xff", b"\x00" * 8, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f",
    b"{", b"}", b"[", b"'", b'"', b"\n", b"%s", b"1e999", b"nan", b"-1", b"99999999999",
    b"!!python/object:os.system", b"&a [*a, *a]", b"../", b"\xc3\x28", b"(lp0",
    b"cos\nsystem\n(S'true'\ntR.", b"|O", b"<f8", b"True",
]  # fmt: skip


class RunsCode:
    """A pickle of it touches a file when it is loaded."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


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
