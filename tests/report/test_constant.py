"""Figures of values that do not vary: drawn, without a warning."""

import io

import numpy as np
import pytest

from latentrank.report import figures

SHAPES = [(1, 8, 8), (3, 8, 8), (1, 20), (2, 20), (5,), (1,), (1, 4, 4, 4)]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 1e-30, 5e8, 1e30])
@pytest.mark.parametrize("shape", SHAPES)
def test_samples_that_are_all_alike_are_drawn(shape, value):
    x = np.full((2, *shape), value)
    drawn = [
        figures.reconstructions(x, x),
        figures.samples(x),
        figures.labelled_rows({"one": x, "other": x}),
        figures.interpolation(np.stack([x, x])),
        figures.pca_grid(np.stack([x, x])),
    ]
    for figure in drawn:
        figure.savefig(io.BytesIO(), dpi=40)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("value", [0.0, 1e-30, 1e-3, 1.0, 1e30])
@pytest.mark.parametrize("count", [1, 2, 5])
def test_curves_that_are_constant_are_drawn(count, value):
    steps, heights = np.arange(1, count + 1), np.full(count, value)
    drawn = [
        figures.error_by_coefficients({"ae": (steps, heights)}, rank={"ae": 1.5}),
        figures.error_by_coefficients({"ae": (steps, heights)}, pca=(steps, heights)),
        figures.spectrum({"ae": heights}),
        figures.loss_curves({"epoch": steps, "loss": heights, "val_error": heights}),
        figures.latent_scatter(np.stack([heights, heights], axis=1)),
        figures.pareto_front(np.stack([heights, heights], axis=1), heights == value, ["a", "b"]),
    ]
    for figure in drawn:
        figure.savefig(io.BytesIO(), dpi=40)
