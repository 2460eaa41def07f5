"""What an image costs to decode, and to compute features of, by the size of the batch.

    python benchmarks/inference.py

The MNIST network decodes 512 codes; Inception, with random weights and if torch-fidelity is
installed, sees 64 images. Processor milliseconds per image on one thread: median and quartiles.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import torch
from harness import take_turns

import latentrank
from latentrank.evaluation.features import extractor, features


def show(what: str, images: int, run: Callable[[int], object], sizes: list[int]) -> None:
    """A line for each size of the batch."""
    seconds = take_turns({str(n): lambda n=n: run(n) for n in sizes}, rounds=5, warmup=1)
    for size, times in seconds.items():
        low, median, high = (1e3 * t / images for t in statistics.quantiles(times, n=4))
        print(f"{what:<22} batch {size:>4}   {median:8.3f} ms   quartiles {low:.3f} to {high:.3f}")


@torch.inference_mode()
def main() -> None:
    model = latentrank.build("ae", (1, 32, 32), 128, net="mnist").eval()
    codes = torch.randn(512, 128, generator=torch.Generator().manual_seed(0))
    decoded: Callable[[int], object] = lambda n: [model.decode(part) for part in codes.split(n)]  # noqa: E731
    show("MNIST network, decode", len(codes), decoded, [512, 256, 128, 64, 32])
    if find_spec("torch_fidelity") is None:
        return
    from features import IMAGES, random_weights

    with tempfile.TemporaryDirectory() as folder:
        network = extractor("inception", weights=random_weights(Path(folder) / "weights.pth"))
    show("Inception, features", len(IMAGES), lambda n: features(IMAGES, network, n), [64, 16, 8, 4])


if __name__ == "__main__":
    main()
