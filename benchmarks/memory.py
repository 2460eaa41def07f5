"""Peak memory of training on a file larger than memory.

Writes images of random bytes to a `.npy` file, or to `x_train.npy` and `x_test.npy` in a folder,
trains for a few steps on random rows of all of it, encodes every image, and prints the peak of
resident memory after each stage. The file is removed afterwards.

    OMP_NUM_THREADS=1 python benchmarks/memory.py --gigabytes 10
    OMP_NUM_THREADS=1 python benchmarks/memory.py --gigabytes 10 --splits
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from torch import nn

import latentrank
from latentrank.data import load

SHAPE = (3, 128, 128)
BYTES = int(np.prod(SHAPE))


def write(path: Path, count: int) -> None:
    """Images of random bytes, block by block."""
    block = np.random.default_rng(0).integers(0, 256, (256, *SHAPE), dtype=np.uint8)
    header = {"descr": "|u1", "fortran_order": False, "shape": (count, *SHAPE)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, count, len(block)):
            file.write((block[: count - start] + np.uint8(start // len(block) % 256)).tobytes())


def networks(width: int) -> tuple[nn.Module, nn.Module]:
    """Small ones: what is measured is the reading."""
    few = 3 * 8 * 8
    encoder = nn.Sequential(nn.AvgPool2d(16), nn.Flatten(), nn.Linear(few, width))
    decoder = nn.Sequential(
        nn.Linear(width, few), nn.Unflatten(1, (3, 8, 8)), nn.Upsample(scale_factor=16)
    )
    return encoder, decoder


def say(stage: str, started: float) -> None:
    """The peak so far."""
    unit = 2**10 if sys.platform == "darwin" else 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit / 2**20
    print(f"{stage:<28} peak {peak:5.2f} GiB   {time.perf_counter() - started:6.0f} s", flush=True)


def main() -> None:
    """Write, load, train, and say how much memory that took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=10)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--splits", action="store_true", help="a file for each split")
    parser.add_argument("--folder", help="where to write; by default the folder for such files")
    given = parser.parse_args()
    count = round(given.gigabytes * 1e9 / BYTES)
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        started = time.perf_counter()
        say("imported", started)
        source = Path(folder, "data")
        source.mkdir()
        if given.splits:
            write(source / "x_train.npy", count - count // 5)
            write(source / "x_test.npy", count // 5)
        else:
            source /= "images.npy"
            write(source, count)
        say(f"written, {count} images", started)
        data = load(source)
        say("loaded", started)
        encoder, decoder = networks(16)
        config = latentrank.RunConfig(
            method="ae",
            data=str(source),
            latent_dim=16,
            steps=given.steps,
            device="cpu",
        )
        latentrank.train(
            config, Path(folder, "run"), dataset=data, encoder=encoder, decoder=decoder
        )
        say("trained and encoded", started)


if __name__ == "__main__":
    main()
