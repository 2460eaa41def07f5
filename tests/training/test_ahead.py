"""Steps taken within one of Lightning's: what is trained, counted, validated and shown."""

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import LearningRateMonitor

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import DataModule, Dataset, Split
from latentrank.training import fit
from latentrank.training.ahead import SomeBatches
from latentrank.training.module import TrainingModule

EPOCHS, STEPS = 3, 7  # of 50 samples, 8 at a time, the last 2


@pytest.fixture
def dataset():
    x = np.random.default_rng(0).normal(size=(70, 6)).astype(np.float32)
    return Dataset("noise", Split(x[:50]), Split(x[50:]), bounded=False)


class Watching(Callback):
    """Notes what a trainer counts, at the end of every epoch."""

    def __init__(self):
        self.seen = []

    def on_train_epoch_end(self, trainer, module):
        progress = trainer.fit_loop.epoch_loop.batch_progress
        self.seen.append(
            (
                trainer.global_step,
                trainer.current_epoch,
                progress.current.completed,
                progress.total.processed,
                progress.is_last_batch,
                trainer.fit_loop.epoch_loop._batches_that_stepped,
            )
        )


class EveryBatch(Callback):
    """A user's callback."""

    def __init__(self):
        self.batches = []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        assert isinstance(outputs["loss"], torch.Tensor)
        self.batches.append((trainer.global_step, batch_idx, len(batch.x)))


class Occasionally(SomeBatches):
    def __init__(self):
        self.calls = 0

    def on_train_batch_end(self, *args):
        self.calls += 1


def train(dataset, *callbacks, **length):
    torch.manual_seed(0)
    model = latentrank.build("ae", (6,), 4, bounded=False)
    watching = Watching()
    config = TrainConfig(batch_size=8, schedule="cosine", **(length or {"epochs": EPOCHS}))
    history = fit(model, dataset, config, progress=False, callbacks=[watching, *callbacks])
    return model, watching.seen, [{**row, "seconds": 0} for row in history.rows]


@pytest.mark.parametrize("length", [{"epochs": EPOCHS}, {"steps": 2 * STEPS + 3}])
def test_all_is_as_if_the_trainer_had_taken_every_step(dataset, length):
    every, occasional = EveryBatch(), Occasionally()
    model, seen, rows = train(dataset, every, **length)
    ahead, seen_ahead, rows_ahead = train(dataset, occasional, **length)
    assert seen_ahead == seen
    assert rows_ahead == rows
    for one, other in zip(model.parameters(), ahead.parameters(), strict=True):
        torch.testing.assert_close(other, one, rtol=0, atol=0)
    # All steps of an epoch fit into one of Lightning's.
    assert len(every.batches) == seen[-1][0] > occasional.calls >= EPOCHS


def test_a_callback_sees_every_batch(dataset):
    every = EveryBatch()
    train(dataset, every)
    sizes = [8] * (STEPS - 1) + [2]
    assert every.batches == [
        (STEPS * epoch + batch + 1, batch, sizes[batch])
        for epoch in range(EPOCHS)
        for batch in range(STEPS)
    ]


def test_a_callback_that_acts_before_a_batch_sees_every_batch(dataset):
    class Before(Callback):
        steps = 0

        def on_train_batch_start(self, *args):
            self.steps += 1

    before = Before()
    train(dataset, before)
    assert before.steps == EPOCHS * STEPS
    # one of Lightning's own
    assert LearningRateMonitor.on_train_batch_start is not Callback.on_train_batch_start


@pytest.mark.parametrize(
    "hook", ["on_train_batch_start", "on_train_batch_end", "on_after_backward"]
)
def test_a_hook_of_the_module_sees_every_batch(hook, dataset, monkeypatch):
    steps = []
    called = lambda module, *_: steps.append(module.global_step)  # noqa: E731
    monkeypatch.setattr(TrainingModule, hook, called)
    train(dataset)
    assert len(steps) == EPOCHS * STEPS


def test_a_trainer_that_acts_inside_an_epoch_takes_every_step(dataset):
    """Such as a user's, with Lightning's settings."""

    def steps(**settings):
        torch.manual_seed(0)
        config = TrainConfig(epochs=2, batch_size=8).resolved("ae")
        module = TrainingModule(latentrank.build("ae", (6,), 4, bounded=False).train(), config)
        validated = []
        module.on_validation_epoch_start = lambda: validated.append(module.global_step)
        module.validation_step = lambda batch, batch_idx: None
        module.on_validation_epoch_end = lambda: None
        trainer = Trainer(
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            **{"max_epochs": 2, **settings},
        )
        trainer.fit(module, datamodule=DataModule(dataset, 8))
        return trainer.global_step, validated

    assert steps() == (2 * STEPS, [STEPS, 2 * STEPS])
    assert steps(val_check_interval=3) == (2 * STEPS, [3, 6, STEPS + 3, STEPS + 6])
    assert steps(max_epochs=-1, max_steps=STEPS + 2)[0] == STEPS + 2
    assert steps(limit_train_batches=4) == (8, [4, 8])
