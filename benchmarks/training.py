"""Training against pythae's: the same network, data, batch and optimiser, on one thread.

    python benchmarks/training.py [--samples 1600] [--validation 160]

Needs pythae, which `make bench` installs. Random images of 1 x 32 x 32, batch 32, 3 epochs. The
steps themselves are compared, from the end of one to the end of the next, and whole trainings, in
which each library validates after every epoch and does its work at the start and at the end. A
training of 150 steps is still short, so one-time costs weigh more than in actual use. Each library
runs in its own process, since they set up memory differently. With other numbers of images the
ratios are printed and not recorded.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import multiprocessing
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from harness import record, row
from lightning.pytorch import Callback

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.training import fit

SAMPLES, VALIDATION, BATCH, WIDTH, EPOCHS, ROUNDS = 1600, 160, 32, 128, 3, 5
Images = npt.NDArray[np.float32]


class Clock(Callback):
    """Processor time at the end of each step."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def on_train_batch_end(self, *args: object) -> None:
        """Note the time."""
        self.times.append(time.process_time())


def ours(images: Images, held: Images, precision: str) -> tuple[list[float], float]:
    """Times at the ends of steps, and the error of the training at its end."""
    torch.manual_seed(0)
    model = latentrank.build("ae", (1, 32, 32), WIDTH, net="mnist")
    data = Dataset("random", Split(images), Split(held))
    config = TrainConfig(epochs=EPOCHS, batch_size=BATCH, device="cpu", precision=precision)
    clock = Clock()
    history = fit(model, data, config, progress=False, callbacks=[clock])
    return clock.times, history.rows[-1]["validation_error"]


def theirs(images: Images, held: Images) -> tuple[list[float], float]:
    """The same of pythae."""
    from pythae.models import AE, AEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.pipelines import TrainingPipeline
    from pythae.trainers import BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

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

    class Watch(TrainingCallback):
        def __init__(self) -> None:
            self.times: list[float] = []

        def on_train_step_end(self, *args: object, **kwargs: object) -> None:
            self.times.append(time.process_time())

    torch.manual_seed(0)
    nets = latentrank.build("ae", (1, 32, 32), WIDTH, net="mnist")
    model = AE(
        AEConfig(input_dim=(1, 32, 32), latent_dim=WIDTH),
        Encoder(nets.encoder),
        Decoder(nets.decoder),
    )
    watch = Watch()
    silent = contextlib.redirect_stderr(io.StringIO())  # progress bars
    with tempfile.TemporaryDirectory() as folder, silent:
        config = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=EPOCHS,
            per_device_train_batch_size=BATCH,
            no_cuda=True,
            optimizer_cls="Adam",
            learning_rate=TrainConfig().resolved("ae").learning_rate,
        )
        TrainingPipeline(model=model, training_config=config)(
            train_data=images, eval_data=held, callbacks=[watch]
        )
    return watch.times, 0.0


WANTED = {"float32": "at least 1.2", "bf16-mixed": "at least 2"}


def run(name: str, samples: int, validation: int) -> tuple[float, float, float]:
    """Median seconds of a step, seconds of the whole training, and its error."""
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    images = np.random.default_rng(0).random((samples, 1, 32, 32), dtype=np.float32)
    held = images[:validation]
    started = time.process_time()
    times, error = {
        "float32": lambda: ours(images, held, "32-true"),
        "bf16-mixed": lambda: ours(images, held, "bf16-mixed"),
        "pythae": lambda: theirs(images, held),
    }[name]()
    return float(np.median(np.diff(times))), time.process_time() - started, error


def measured(
    samples: int, validation: int
) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, float]]:
    """Seconds of a step and of a whole training, round by round; and errors."""
    spawn = multiprocessing.get_context("spawn")
    pools = {name: ProcessPoolExecutor(1, spawn) for name in (*WANTED, "pythae")}
    steps: dict[str, list[float]] = {name: [] for name in pools}
    wholes: dict[str, list[float]] = {name: [] for name in pools}
    errors = {}
    for turn in range(ROUNDS + 1):
        for name, pool in pools.items():
            step, whole, errors[name] = pool.submit(run, name, samples, validation).result()
            if turn:  # the first warms up
                steps[name].append(step)
                wholes[name].append(whole)
    return steps, wholes, errors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--validation", type=int, default=VALIDATION)
    given = parser.parse_args()
    steps, wholes, errors = measured(given.samples, given.validation)
    rows: list[dict[str, Any]] = []
    for what, seconds in (("step", steps), ("whole training", wholes)):
        rows += [
            row(f"{what} on the MNIST network, pythae over {name}", seconds, "pythae", name, wanted)
            for name, wanted in WANTED.items()
        ]
    if (given.samples, given.validation) == (SAMPLES, VALIDATION):
        record("training", rows)
    else:
        print(*rows, sep="\n")
    change = errors["bf16-mixed"] / errors["float32"] - 1
    print(f"The error of bf16-mixed differs from float32's by {change:+.2%}.")


if __name__ == "__main__":
    main()
