"""Trains a GAN on one process or several and, in the first, keeps what it has learned."""

import os
import sys

import numpy as np
import torch

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.training import fit


def main(path, devices):
    """Train with the same batches, whatever the number of processes they are spread over."""
    x = np.random.default_rng(0).uniform(size=(45, 6)).astype(np.float32)
    data = Dataset("noise", Split(x), Split(x[:24]), latent_dim=3)
    torch.manual_seed(0)
    model = latentrank.build("nsgan", (6,), 3)
    # A rate at which half a batch's gradient would lead elsewhere. In float64, since Adam's first
    # steps divide each gradient by its own size: one that is next to zero is all rounding.
    config = TrainConfig(
        epochs=2,
        batch_size=8 // devices,
        device="cpu",
        devices=devices,
        learning_rate=1e-2,
        precision="64-true",
    )
    history = fit(model, data, config, progress=False)
    if os.environ.get("LOCAL_RANK", "0") == "0":
        torch.save({"state": model.state_dict(), "rows": history.rows}, path)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1], int(sys.argv[2]))
