"""Loss terms that are accumulated and read later."""

import math

import numpy as np
import pytest
import torch

from latentrank.training.terms import DivergenceError, TermLog


def test_means_are_weighted_by_samples_and_reset():
    rng, log = np.random.default_rng(0), TermLog()
    for _ in range(2):
        values, samples = rng.normal(size=(200, 2)), rng.integers(1, 9, size=200)
        for step, (row, count) in enumerate(zip(values, samples, strict=True)):
            log.add({"loss": torch.tensor(row[0]), "kl": torch.tensor(row[1])}, int(count), step)
        expected = np.average(values, axis=0, weights=samples)
        found = log.means()
        assert found == pytest.approx(dict(zip(("loss", "kl"), expected, strict=True)), rel=1e-12)
    assert log.means() == {}


def test_the_first_term_that_is_not_finite_is_named_with_its_step():
    log = TermLog()
    log.add({"loss": torch.tensor(1.0), "kl": torch.tensor(2.0)}, 1, 0)
    with pytest.raises(DivergenceError, match=r"loss term kl became inf at step 2\."):
        log.add({"loss": torch.tensor(math.inf), "kl": torch.tensor(math.inf)}, 1, 1)


class Elsewhere:
    """Stands in for a tensor on a device that computes beside the program."""

    def __init__(self, value):
        self.tensor = torch.tensor(value)
        self.device = torch.device("cuda")

    def detach(self):
        return self.tensor


def test_on_a_device_values_are_read_now_and_then_and_the_step_is_still_known():
    log = TermLog()
    for step in range(10):
        log.add({"loss": Elsewhere(math.nan if step == 4 else 1.0)}, 1, step)
    with pytest.raises(DivergenceError, match="step 5"):
        log.read()
    for step in range(TermLog.INTERVAL - 1):
        log.add({"loss": Elsewhere(math.nan)}, 1, step)
    with pytest.raises(DivergenceError, match="step 1"):
        log.add({"loss": Elsewhere(math.nan)}, 1, TermLog.INTERVAL)
