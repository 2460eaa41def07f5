"""What the training module does around the steps of a run."""

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

import latentrank
from latentrank import Dataset, Split, TrainConfig
from latentrank.training import fit


class Fourier(nn.Module):
    """A layer with complex weights, as Fourier neural operators have."""

    def __init__(self):
        super().__init__()
        self.weights = nn.Parameter(torch.randn(5, dtype=torch.complex64))

    def forward(self, x):
        return torch.fft.irfft(torch.fft.rfft(x)[..., :5] * self.weights, n=16)


def operators():
    """Networks of curves whose first parameters are complex."""
    encoder = nn.Sequential(Fourier(), nn.Flatten(), nn.Linear(16, 3))
    decoder = nn.Sequential(nn.Linear(3, 16), nn.Unflatten(1, (1, 16)), Fourier())
    return {"encoder": encoder, "decoder": decoder}


@pytest.mark.parametrize(
    ("method", "settings"),
    [("ae", {}), ("rae-l2", {}), ("rrae", {"init": "geodesic", "init_steps": 5})],
)
def test_networks_with_complex_weights_are_trained_and_saved(method, settings, tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 1, 16)).astype(np.float32)
    data = Dataset("x", Split(x[:40]), Split(x[40:]), bounded=False)
    model = latentrank.build(method, (1, 16), 3, bounded=False, **operators())
    before = [p.detach().clone() for p in model.parameters()]
    fit(model, data, TrainConfig(epochs=2, **settings), progress=False)
    assert not any(map(torch.equal, before, model.parameters()))
    codes = model.encode_array(x)
    again = latentrank.load(latentrank.save(model, tmp_path), **operators())
    assert np.array_equal(again.encode_array(x), codes)
    np.testing.assert_allclose(model.fold().encode_array(x), codes, rtol=1e-4, atol=1e-5)


class Bases(Callback):
    """Keeps the basis that each validation ended with."""

    def __init__(self):
        self.found = []

    def on_validation_end(self, trainer, module):
        self.found.append(module.model.bottleneck.basis())


@pytest.mark.filterwarnings("error:The model has no basis yet")
@pytest.mark.parametrize("method", ["rrae", "vrrae"])
def test_codes_of_an_encoder_that_does_not_learn_are_validated_in_one_basis(method):
    x = np.random.default_rng(0).normal(size=(70, 6)).astype(np.float32)
    data = Dataset("x", Split(x[:50]), Split(x[50:]), bounded=False)
    encoder = nn.Linear(6, 4).requires_grad_(False)  # such as a pretrained one
    networks = {"encoder": encoder, "decoder": nn.Linear(4, 6)}
    model = latentrank.build(method, 6, 4, bounded=False, rank=2, **networks)
    bases = Bases()
    fit(model, data, TrainConfig(epochs=2), progress=False, callbacks=[bases])
    h = encoder(torch.from_numpy(x[:50]))
    expected = torch.linalg.svd(h, full_matrices=False).Vh[:2]
    for basis in bases.found:
        overlaps = torch.linalg.svdvals(expected @ basis)
        torch.testing.assert_close(overlaps, torch.ones(2), atol=1e-5, rtol=0)
