import numpy as np
import pytest

from latentrank.errors import InputError
from latentrank.report import figures
from tests.report.figures.drawing import panels


def test_training_and_validation_of_a_term_share_a_panel():
    history = {
        "epoch": [1, 2, 3],
        "seconds": [1, 2, 3],
        "train/loss": [3.0, 2.0, 1.0],
        "val_loss": [4.0, 3.0, 2.0],
        "train/nuclear_norm": [5.0, 5.0, 5.0],
        "lr": [1e-3] * 3,
    }
    found = panels(figures.loss_curves(history))
    assert list(found) == ["loss", "nuclear norm"]
    assert [line.get_label() for line in found["loss"].lines] == ["training", "validation"]
    assert [line.get_linestyle() for line in found["loss"].lines] == ["-", "--"]
    assert found["loss"].get_xlabel() == "epoch"


def test_scale_is_logarithmic_only_where_all_is_positive_and_far_apart():
    history = {
        "train/wide": [100.0, 1.0],
        "train/narrow": [2.0, 1.0],
        "train/signed": [100.0, -1.0],
        "train/zero": [100.0, 0.0],
    }
    scales = {
        name: axes.get_yscale() for name, axes in panels(figures.loss_curves(history)).items()
    }
    assert scales == {"wide": "log", "narrow": "linear", "signed": "linear", "zero": "linear"}


def test_missing_entries_leave_no_gap():
    found = panels(figures.loss_curves({"step": [10, 20, 30], "val/loss": [1.0, np.nan, 3.0]}))
    assert found["loss"].lines[0].get_xdata().tolist() == [10, 30]
    assert found["loss"].get_xlabel() == "step"


def test_rank_has_whole_ticks():
    axes = panels(figures.loss_curves({"rank": [2.0, 2.0, 3.0]}))["rank"]
    assert all(tick == int(tick) for tick in axes.get_yticks())


def test_one_epoch_is_a_point():
    (line,) = panels(figures.loss_curves({"epoch": [1], "train/loss": [2.0]}))["loss"].lines
    assert line.get_marker() == "."


@pytest.mark.parametrize("history", [{}, {"epoch": [1, 2]}, {"train/loss": [np.nan]}])
def test_no_history(history):
    with pytest.raises(InputError, match="train for longer"):
        figures.loss_curves(history)
