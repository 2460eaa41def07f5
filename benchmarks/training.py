"""A whole training against pythae's: the same network, data, batch and optimiser, on one thread.

    python benchmarks/training.py

Needs pythae, which `make bench` installs. 512 random images of 1 x 32 x 32, batch 32, 4 epochs.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable

import numpy as np
import torch
from harness import record, row, take_turns

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.training import fit

SAMPLES, BATCH, WIDTH, EPOCHS = 512, 32, 128, 4
IMAGES = np.random.default_rng(0).random((SAMPLES, 1, 32, 32), dtype=np.float32)


def ours(precision: str) -> None:
    torch.manual_seed(0)
    model = latentrank.build("ae", (1, 32, 32), WIDTH, net="mnist")
    data = Dataset("random", Split(IMAGES), Split(IMAGES[:BATCH]))
    config = TrainConfig(epochs=EPOCHS, batch_size=BATCH, device="cpu", precision=precision)
    fit(model, data, config, progress=False)


def theirs() -> None:
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig

    class Encoder(BaseEncoder):
        def __init__(self, net: torch.nn.Module) -> None:
            super().__init__()
            self.net, self.latent_dim = net, WIDTH

        def forward(self, x: torch.Tensor) -> ModelOutput:
            return ModelOutput(embedding=self.net(x))

    class Decoder(BaseDecoder):
        def __init__(self, net: torch.nn.Module) -> None:
            super().__init__()
            self.net = net

        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=self.net(z))

    torch.manual_seed(0)
    nets = latentrank.build("ae", (1, 32, 32), WIDTH, net="mnist")
    model = AE(
        AEConfig(input_dim=(1, 32, 32), latent_dim=WIDTH),
        Encoder(nets.encoder),
        Decoder(nets.decoder),
    )
    with tempfile.TemporaryDirectory() as folder:
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            no_cuda=True,
            optimizer_cls="Adam",
        )
        TrainingPipeline(model=model, training_config=config)(
            train_data=IMAGES, eval_data=IMAGES[:BATCH]
        )


def main() -> None:
    logging.disable(logging.WARNING)
    os.environ["TQDM_DISABLE"] = "1"
    cases: dict[str, Callable[[], None]] = {
        "ours": lambda: ours("32-true"),
        "ours, bf16-mixed": lambda: ours("bf16-mixed"),
        "pythae": theirs,
    }
    seconds = take_turns(cases, rounds=3, warmup=1)
    what = "training on the MNIST network, pythae's time over"
    rows = [
        row(f"{what} {name}", seconds, "pythae", name, wanted)
        for name, wanted in (("ours", "at least 1.2"), ("ours, bf16-mixed", "at least 2"))
    ]
    record("training", rows)


if __name__ == "__main__":
    main()
