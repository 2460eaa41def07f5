"""What a user sees while training runs."""

import io
import re
import sys

import numpy as np
import pytest
import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import (
    EarlyStopping,
    LearningRateMonitor,
    ModelCheckpoint,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import CSVLogger
from rich.console import Console

import latentrank
from latentrank import methods
from latentrank.config import TrainConfig
from latentrank.data import DataModule, Dataset, Split
from latentrank.terminal import standard_error
from latentrank.training import TrainingModule, fit
from latentrank.training.callbacks import History, ProgressLine


def shown(terminal, epochs, method="ae", init="random"):
    """What a training of so many epochs writes."""
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    file = io.StringIO()
    line = ProgressLine("mine", Console(file=file, force_terminal=terminal, width=80))
    torch.manual_seed(0)
    model = latentrank.build(method, (6,), 2, bounded=False)
    data = Dataset("mine", Split(x[:32]), Split(x[32:]), bounded=False)
    config = TrainConfig(epochs=epochs, init=init, init_steps=1000)
    fit(model, data, config, progress=False, callbacks=[line])
    return file.getvalue()


def test_a_file_has_a_line_for_every_tenth_and_the_last():
    lines = shown(False, 40).strip().splitlines()
    assert [line.split("%")[0].split()[-1] for line in lines] == [
        *(str(10 * tenth) for tenth in range(1, 10)),
        "100",
    ]
    assert all("epoch" in line and "error" in line for line in lines)
    assert re.search(r" \d:\d\d:\d\d left$", lines[-2])


def test_a_notebook_gets_the_lines_of_a_file(monkeypatch):
    """It says that it is a terminal, but shows each redrawn line below the one before."""
    stream = type("OutStream", (io.StringIO,), {"isatty": lambda self: True})
    stream.__module__ = "ipykernel.iostream"
    monkeypatch.setattr(sys, "stderr", stream())
    assert not standard_error().is_terminal


def test_brackets_in_a_name_are_shown_in_a_file():
    file = io.StringIO()
    line = ProgressLine("lorae on runs[bold].npy", Console(file=file, force_terminal=False))
    assert list(line.follow(range(10), 10, "start")) == list(range(10))
    line._start(10, 0, "epoch 1")
    line._move(5, "epoch 5")
    line._stop()
    assert "runs[bold].npy  50 %" in file.getvalue()


def test_a_short_training_has_a_line_per_epoch():
    assert len(shown(False, 3).strip().splitlines()) == 3


def test_a_geodesic_start_has_its_own_lines():
    """It takes longer than many trainings."""
    lines = shown(False, 10, "rrae", "geodesic").strip().splitlines()
    start = [line for line in lines if "geodesic start" in line]
    assert lines[: len(start)] == start
    assert start
    assert "100%" in start[-1]
    assert "10 %  epoch 1" in lines[len(start)]
    assert "geodesic start" in shown(True, 1, "rrae", "geodesic")


def test_a_history_says_how_long_it_is():
    history = History()
    assert repr(history) == "<History of 0 validations>"
    history.rows = [{"epoch": 1.0, "validation_error": 0.25}]
    assert repr(history) == "<History of 1 validation, error 0.25>"


def test_a_terminal_has_one_line_that_is_redrawn():
    drawn = shown(True, 40)
    assert "epoch 40  error" in drawn
    assert drawn.count("\n") == 1


def test_custom_checkpoints_need_no_run_folder(tmp_path):
    best = ModelCheckpoint(tmp_path, "{epoch}", monitor="validation_error")
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    data = Dataset("mine", Split(x[:32]), Split(x[32:]), bounded=False)
    torch.manual_seed(0)
    model = latentrank.build("ae", (6,), 2, bounded=False)
    history = fit(model, data, TrainConfig(epochs=3), progress=False, callbacks=[best])
    errors = [row["validation_error"] for row in history.rows]
    assert float(best.best_model_score) == pytest.approx(min(errors))
    assert [path.name for path in tmp_path.iterdir()] == [f"epoch={np.argmin(errors)}.ckpt"]


def test_a_training_module_runs_in_a_custom_trainer(tmp_path):
    """With the callbacks and loggers of Lightning, and the learning rate of the method."""
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    data = DataModule(Dataset("mine", Split(x[:32]), Split(x[32:]), bounded=False), batch_size=8)
    torch.manual_seed(0)
    model = latentrank.build("rrae", (6,), 4, bounded=False, rank=2)
    best, logger = ModelCheckpoint(tmp_path, monitor="validation_error"), CSVLogger(tmp_path)
    trainer = Trainer(
        max_epochs=3,
        accelerator="cpu",
        logger=logger,
        callbacks=[best, LearningRateMonitor(), EarlyStopping("validation_error")],
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    module = TrainingModule(model, TrainConfig())
    trainer.fit(module, datamodule=data)
    assert module.learning_rate == methods.get("rrae").learning_rate
    assert model.eval().rank() == 2
    assert float(best.best_model_score) > 0
    trained = torch.load(best.best_model_path, weights_only=True)["state_dict"]
    assert all(name.startswith("model.") for name in trained)


def test_a_custom_progress_bar_is_shown_instead(capsys):
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    data = Dataset("mine", Split(x[:32]), Split(x[32:]), bounded=False)
    model = latentrank.build("ae", (6,), 2, bounded=False)
    fit(model, data, TrainConfig(epochs=2), progress=False, callbacks=[TQDMProgressBar()])
    assert "Epoch 1" in capsys.readouterr().out
