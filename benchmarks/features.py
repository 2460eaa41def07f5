"""Inception's features against torch-fidelity's own extractor, with equal, random weights.

    python benchmarks/features.py

Weights do not change what an image costs. Both see the same 8-bit images of 64 x 64 pixels, each in
batches of its usual size: torch-fidelity's is 64.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from harness import record, row, take_turns
from torch import nn
from torch_fidelity import feature_extractor_inceptionv3 as peer

from latentrank.evaluation.features import extractor, features

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 3, 64, 64)).astype(np.uint8)


def random_weights(path: Path) -> Path:
    """A file of weights in the shape of the published one."""
    network = peer.FeatureExtractorInceptionV3
    with (
        mock.patch.object(peer, "load_state_dict_from_url", return_value={}),
        mock.patch.object(network, "load_state_dict"),
    ):
        made = network("inception-v3-compat", ["2048"])
    torch.manual_seed(0)
    for layer in made.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    torch.save(made.state_dict(), path)
    return path


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        weights = random_weights(Path(folder) / "weights.pth")
        own = extractor("inception", weights=weights)
        theirs = peer.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"], str(weights))

    def peers() -> np.ndarray:
        with torch.no_grad():
            return theirs(torch.from_numpy(IMAGES))[0].numpy()

    difference = np.abs(features(IMAGES, own) - peers()).max() / np.abs(peers()).max()
    seconds = take_turns(
        {"ours": lambda: features(IMAGES, own), "torch-fidelity": peers}, rounds=5, warmup=1
    )
    what = "Inception features of 64 images, over ours: torch-fidelity"
    record("features", [row(what, seconds, "torch-fidelity", "ours", "at least 1.4")])
    print(f"The values differ by at most {difference:.1e} of the largest.")


if __name__ == "__main__":
    main()
