"""Everything works on a device without float64."""

import numpy as np
import pytest
import torch

import latentrank
from latentrank import methods
from latentrank.config import MachineConfig, TrainConfig
from latentrank.evaluation.features import place
from latentrank.linalg import leading_basis, nuclear_norm, spectrum, truncate_rank
from latentrank.linalg.precision import to_float64
from latentrank.training import fit
from tests.apple_gpu import MPS, apple_gpu


def table(n=48):
    """Columns far from zero, whose offset is subtracted in float64."""
    rng = np.random.default_rng(0)
    return 1e6 + rng.normal(size=(n, 3)) @ rng.normal(size=(3, 6))


def images(n=48):
    return np.random.default_rng(0).integers(0, 256, (n, 1, 8, 8), dtype=np.uint8)


def trained(method, data, device="cpu"):
    bounded = data.preprocessing.bounded
    model = latentrank.build(method, data.shape, latent_dim=4, bounded=bounded)
    config = TrainConfig(epochs=1, batch_size=16, machine=MachineConfig(device=device))
    return model, fit(model, data, config, progress=False)


@pytest.mark.parametrize(
    "refused",
    [
        lambda x: x.double(),
        lambda x: x.to("cpu", torch.float64),
        lambda x: torch.zeros(2, dtype=torch.float64).copy_(x),
        lambda x: torch.zeros(2, dtype=torch.float64, device=MPS),
        lambda x: torch.tensor(np.ones(2), device=MPS),
        lambda x: torch.zeros(2, dtype=torch.float64).to(MPS),
        lambda x: x + torch.zeros(2),
    ],
)
def test_the_simulated_device_refuses_what_the_real_one_does(refused):
    with (
        apple_gpu() as device,
        pytest.raises((TypeError, RuntimeError), match=r"float64|one device"),
    ):
        refused(torch.ones(2, device=device))


def test_float64_is_computed_on_the_cpu():
    with apple_gpu() as device:
        x = torch.tensor([0.1], device=device)
        assert to_float64(x).dtype == torch.float64
        assert to_float64(x).device.type == "cpu"
        assert float(to_float64(x)) == float(np.float32(0.1))


@pytest.mark.parametrize(
    "function",
    [
        lambda y: truncate_rank(y, 2),
        lambda y: truncate_rank(y.mT, 2),
        nuclear_norm,
        lambda y: spectrum(y.detach()),
        lambda y: leading_basis(y, 2),
    ],
)
def test_linear_algebra_is_that_of_the_cpu(function):
    y = torch.randn(6, 9)

    def both(y):
        y = y.detach().requires_grad_()
        value = function(y)
        if value.requires_grad:
            value.square().sum().backward()
        return value.detach().cpu(), torch.zeros(0) if y.grad is None else y.grad.cpu()

    wanted = both(y)
    with apple_gpu() as device:
        found = both(y.to(device))
    # The nuclear norm's method depends on the device: 1e-5 is its stated tolerance in float32.
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("x", [table(), images()], ids=["table", "images"])
@pytest.mark.parametrize("method", methods.names())
def test_every_method_trains(method, x):
    data = latentrank.data.load(x)
    with apple_gpu():
        model, history = trained(method, data, "mps")
    assert len(history.rows) == 1
    assert {p.device.type for p in model.state_dict().values()} == {"cpu"}
    assert np.isfinite(model.encode_array(data.test.x)).all()


@pytest.mark.parametrize("x", [table(), images()], ids=["table", "images"])
@pytest.mark.parametrize("method", methods.names())
def test_a_model_can_be_moved_there(method, x):
    data = latentrank.data.load(x)
    model, _ = trained(method, data)
    own = data.test.x
    inputs, codes, rank = model.preprocessing.normalise(own), model.encode_array(own), model.rank()
    with apple_gpu() as device:
        model.to(device)
        moved = torch.tensor(own).float().to(device)
        # The values in float32 are those of the data for bytes, and close for the table.
        found = model.preprocessing.normalise(moved)
        assert found.device == device
        torch.testing.assert_close(found.cpu(), inputs, rtol=0, atol=0.1)
        torch.testing.assert_close(model.encode_array(own), codes, rtol=1e-5, atol=1e-5)
        assert model.decode_array(codes).shape == own.shape
        assert model.rank() == rank
        model.finalize(inputs.to(device))
        if model.bottleneck.linear_map() is not None and model.reconstructs:
            small = model.compress(0.5)
            assert small.encode_array(own).shape == (len(own), small.latent_dim)


def test_a_gpu_is_that_of_the_machine():
    with apple_gpu():
        assert place("gpu") == "mps"
