"""What is seen of a training while it runs."""

import io

import numpy as np
import torch
from rich.console import Console

import latentrank
from latentrank.config import TrainConfig
from latentrank.data import Dataset, Split
from latentrank.training import fit
from latentrank.training.callbacks import ProgressLine


def shown(terminal, epochs):
    """What a training of so many epochs writes."""
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    file = io.StringIO()
    line = ProgressLine("mine", Console(file=file, force_terminal=terminal, width=80))
    torch.manual_seed(0)
    model = latentrank.build("ae", (6,), 2, bounded=False)
    data = Dataset("mine", Split(x[:32]), Split(x[32:]), bounded=False)
    fit(model, data, TrainConfig(epochs=epochs), progress=False, callbacks=[line])
    return file.getvalue()


def test_a_file_has_a_line_for_every_tenth_and_the_last():
    lines = shown(False, 40).strip().splitlines()
    assert [line.split("%")[0].split()[-1] for line in lines] == [
        *(str(10 * tenth) for tenth in range(1, 10)),
        "100",
    ]
    assert all("epoch" in line and "error" in line for line in lines)


def test_a_short_training_has_a_line_an_epoch():
    assert len(shown(False, 3).strip().splitlines()) == 3


def test_a_terminal_has_one_line_drawn_anew():
    assert "10 %  epoch" not in shown(True, 40)
