"""The model around the bottleneck: statistics of the codes, rank, fold, compress."""

import copy
import json
import warnings

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import latentrank
from latentrank.errors import InputError
from latentrank.export import export_safetensors, load_safetensors
from latentrank.preprocessing import Preprocessing


def finalized(x, **options):
    torch.manual_seed(0)
    model = latentrank.build("ae", (x.shape[1],), latent_dim=4, **options)
    model.finalize(lambda: x.split(7))
    return model.eval()


X = torch.rand(30, 6, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "samples",
    [X, X.split(10), lambda: X.split(10), DataLoader(X, 10)],
    ids=lambda x: type(x).__name__,
)
def test_samples_are_finalized_in_any_form_of_torch(samples):
    model = latentrank.build("rrae", 6, latent_dim=4, rank=2)
    model.finalize(samples)
    assert model.rank() == 2
    assert model.training
    assert torch.allclose(model.statistics.mean, model.encode(X).mean(dim=0), atol=1e-6)


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        (iter(X.split(10)), "type tuple_iterator, expected samples"),
        (None, "type NoneType, expected samples"),
        (X[:, 1:], r"got \(30, 5\) for a batch, expected a tensor of shape \(B, 6\)"),
        (DataLoader(TensorDataset(X), 10), "got a list for a batch"),
    ],
)
def test_what_cannot_be_finalized_is_refused(samples, told):
    model = latentrank.build("ae", 6, latent_dim=4)
    with pytest.raises(InputError, match=told):
        model.finalize(samples)
    assert model.training


@pytest.mark.parametrize("shape", [6, [6], torch.Size([6]), np.array([6])])
def test_a_shape_may_be_written_in_any_way(shape):
    assert latentrank.build("ae", shape, latent_dim=2).spec.input_shape == (6,)


@pytest.mark.parametrize("shape", [6.0, (1, 6.5), "abc", 0, (3, 0), None])
def test_a_shape_of_anything_but_sizes_is_refused(shape):
    with pytest.raises(InputError, match="A size in input_shape"):
        latentrank.build("ae", shape, latent_dim=2)


def test_statistics_are_those_of_all_codes_together():
    x = torch.rand(50, 6)
    model = finalized(x)
    codes = model.encode(x).detach().double().numpy()
    statistics = model.statistics
    np.testing.assert_allclose(statistics.mean, codes.mean(0), rtol=1e-5, atol=1e-7)
    covariance = statistics.directions * statistics.variances @ statistics.directions.T
    np.testing.assert_allclose(covariance, np.cov(codes.T), rtol=1e-3, atol=1e-8)
    assert (statistics.variances.diff() <= 0).all()


def test_rank_counts_the_directions_that_codes_use():
    x = torch.rand(40, 6)
    model = finalized(x)
    with torch.no_grad():
        last = latentrank.nets.output_layer(model.encoder)
        # Two free rows; the other two are combinations of them.
        last.weight[2:] = torch.randn(2, 2) @ last.weight[:2]
    model.finalize(lambda: x.split(7))
    assert model.rank() == 2


def test_what_needs_statistics_says_so():
    model = latentrank.build("ae", (6,), latent_dim=4).eval()
    with pytest.raises(InputError, match="rank needs the statistics"):
        model.rank()
    with pytest.raises(InputError, match="compress needs the statistics"):
        model.compress()
    for tol in (0, 7):
        with pytest.raises(InputError, match=f"tol is {tol}, .* not a number of coefficients"):
            finalized(torch.rand(20, 6)).compress(tol)


def test_compression_finds_the_exact_rank_of_exactly_low_rank_codes():
    torch.manual_seed(0)
    x = torch.rand(60, 12)
    model = latentrank.build("rrae", (12,), latent_dim=10, rank=3)
    model.finalize(lambda: x.split(16))
    model.eval()
    small = model.compress(1e-6, x=x)
    assert small.latent_dim == 3
    torch.testing.assert_close(small(x), model(x), atol=1e-5, rtol=1e-5)
    # The new code is centred and its directions are uncorrelated.
    codes = small.encode(x)
    torch.testing.assert_close(codes.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    correlation = torch.corrcoef(codes.T)
    torch.testing.assert_close(correlation, torch.eye(3), atol=1e-3, rtol=0)


def test_a_looser_tolerance_never_keeps_more():
    x = torch.rand(60, 12)
    model = finalized(x)
    widths = [model.compress(tol, x=x).latent_dim for tol in (1e-4, 1e-3, 1e-2, 1e-1, 1.0)]
    assert widths == sorted(widths, reverse=True)


def test_compressing_twice_is_compressing_once():
    x = torch.rand(60, 12)
    once = finalized(x).compress(1e-2, x=x)
    assert once.compress(1e-6, x=x).latent_dim == once.latent_dim


def test_a_compressed_model_is_saved_and_exported_once_folded(tmp_path):
    small = finalized(X).compress(tol=0.9)
    assert small.latent_dim < 4
    folded = small.fold()
    again = latentrank.load(latentrank.save(folded, tmp_path))
    assert torch.equal(again.encode(X), folded.encode(X))
    assert torch.allclose(again(X), small(X), atol=1e-6)
    decoder = export_safetensors(small, tmp_path / "decoder.safetensors", "decoder")
    assert torch.allclose(load_safetensors(decoder.path)(small.encode(X)), small(X), atol=1e-6)


def test_training_and_evaluation_paths_agree_where_a_method_is_deterministic():
    x = torch.rand(8, 6)
    for method in ("ae", "irmae", "lorae"):
        model = latentrank.build(method, (6,), latent_dim=4)
        trained = model.train()(x)
        torch.testing.assert_close(model.eval()(x), trained)


def test_compression_does_not_train():
    norm = torch.nn.BatchNorm1d(6)
    encoder = torch.nn.Sequential(norm, torch.nn.Linear(6, 3))
    model = latentrank.build("ae", (6,), 3, encoder=encoder, decoder=torch.nn.Linear(3, 6))
    x = torch.randn(40, 6)
    model.eval().finalize(lambda: [x])
    before = norm.running_mean.clone()
    model.train().compress(x=x)
    assert torch.equal(norm.running_mean, before)
    assert model.training


def test_codes_that_depend_on_their_batch_are_warned_of():
    model, x = latentrank.build("rrae", (6,), 3, rank=2).eval(), torch.randn(5, 6)
    with pytest.warns(UserWarning, match="no basis yet"):
        model.encode(x)
    model.finalize(lambda: [x])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        torch.testing.assert_close(model.encode(x)[:1], model.encode(x[:1]))


def test_arrays_of_another_shape_are_refused():
    model = finalized(torch.rand(10, 6))
    for shape in [(0, 6), (3, 5), (3, 1, 6)]:
        with pytest.raises(InputError, match=r"expected \(N, 6\)"):
            model.encode_array(np.zeros(shape))
    for shape in [(3, 5), (4,)]:
        with pytest.raises(InputError, match=r"expected \(N, 4\)"):
            model.decode_array(np.zeros(shape))
    assert model.decode_array(np.zeros((0, 4))).shape == (0, 6)


def test_images_whose_channels_come_last_are_not_to_be_reshaped():
    """Reshaping would scramble the pixels."""
    model = latentrank.build("ae", (3, 8, 6), 4, net="conv")
    with pytest.raises(InputError, match=r"channels come last, so give np\.moveaxis\(x, -1, 1\)"):
        model.encode_array(np.zeros((2, 8, 6, 3)))
    with pytest.raises(InputError, match="like those of the training"):
        model.encode_array(np.zeros((2, 3, 6, 8)))


@pytest.mark.parametrize("built_in", [True, False])
def test_a_compiled_model_is_saved_as_the_model_itself(built_in, tmp_path):
    networks = {} if built_in else {"encoder": nn.Linear(6, 4), "decoder": nn.Linear(4, 6)}
    model = latentrank.build("ae", (6,), latent_dim=4, bounded=False, **networks)
    x = torch.rand(3, 6)
    expected = model.eval()(x)
    if built_in:
        latentrank.save(torch.compile(model, backend="eager"), tmp_path)
    else:
        parts = {name: torch.compile(part, backend="eager") for name, part in networks.items()}
        compiled = latentrank.build("ae", (6,), latent_dim=4, bounded=False, **parts)
        latentrank.save(compiled, tmp_path)
        again = {
            name: torch.compile(copy.deepcopy(part), backend="eager")
            for name, part in networks.items()
        }
        assert torch.equal(latentrank.load(tmp_path, **again).encode(x), model.encode(x))
    assert torch.equal(latentrank.load(tmp_path, **copy.deepcopy(networks))(x), expected)


def test_a_file_is_no_folder_of_a_model(tmp_path):
    latentrank.save(finalized(torch.rand(10, 6)), tmp_path)
    with pytest.raises(InputError, match=r"model.safetensors is a file; give the folder"):
        latentrank.load(tmp_path / "model.safetensors")


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_arrays_are_encoded_in_the_precision_of_the_weights(dtype):
    model = finalized(X, bounded=False)
    codes, back = (model.encode_array(X.numpy()), model(X).detach().numpy())
    model.to(dtype)
    tolerance = 100 * max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
    made = model.encode_array(X.numpy())
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, codes, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(model.decode_array(made), back, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", ["irmae", "lorae", "rrae", "rrae-weak", "vrrae"])
def test_a_model_is_folded_and_compressed_in_the_precision_of_its_weights(method, dtype):
    torch.manual_seed(0)
    model = latentrank.build(method, 6, latent_dim=4, bounded=False)
    model.losses(X)  # gives the weak form its first basis
    model.finalize(X)
    model.to(dtype).eval()
    x, rounding = X.to(dtype), 100 * torch.finfo(dtype).eps
    codes, back = model.encode(x).double(), model(x).double()
    assert (model.fold().encode(x) - codes).norm() < rounding * codes.norm()
    assert (model.compress(1e-6)(x) - back).norm() < (rounding + 1e-5) * back.norm()


class Appended(nn.Module):
    """A decoder without parameters of its own, such as one that computes a known formula."""

    def forward(self, z):
        return torch.cat([z, z[:, :2]], dim=1)


def test_a_network_needs_no_parameters():
    model = latentrank.build("ae", 6, 4, encoder=nn.Linear(6, 4), decoder=Appended(), bounded=False)
    codes = model.encode_array(X.numpy())
    assert np.array_equal(model.decode_array(codes)[:, :4], codes)
    assert model.operations == 2 * 6 * 4


def test_arrays_are_encoded_and_decoded_in_evaluation_mode():
    """Also during training, whose state they leave as it is."""
    encoder = nn.Sequential(nn.BatchNorm1d(6), nn.Linear(6, 4), nn.Dropout())
    model = latentrank.build(
        "rae-sn", 6, 4, encoder=encoder, decoder=nn.Linear(4, 6), bounded=False
    )
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    codes = model.encode_array(X.numpy())
    back = model.decode_array(codes)
    assert model.training
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    model.eval()
    assert np.array_equal(model.encode(X).detach().numpy(), codes)
    assert np.array_equal(model.decode(torch.from_numpy(codes)).detach().numpy(), back)


def test_samples_on_another_scale_than_the_training_datas_have_no_codes():
    model = latentrank.build("ae", (1, 4, 4), latent_dim=2).eval()
    model.preprocessing = Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8")
    x = np.random.default_rng(0).integers(0, 256, (200, 1, 4, 4)).astype(np.uint8)
    codes = model.encode_array(x)
    assert np.array_equal(model.encode_array(x.astype(np.float64)), codes)
    for wrong in ((x / 255).astype(np.float32), 257.0 * x, torch.from_numpy(x) / 255):
        with pytest.raises(InputError, match="trained on values from 0 to 255; scale them as"):
            model.encode_array(wrong)


def test_a_saved_model_states_the_versions_that_wrote_it(tmp_path):
    model = latentrank.build("ae", (3,), latent_dim=2).eval()
    about = json.loads((latentrank.save(model, tmp_path) / "model.json").read_text())
    assert (about["latentrank"], about["torch"]) == (latentrank.__version__, torch.__version__)
    assert latentrank.load(tmp_path).spec == model.spec


def test_weights_of_other_networks_are_refused_with_a_remedy(tmp_path):
    encoder, decoder = torch.nn.Linear(6, 3), torch.nn.Linear(3, 6)
    latentrank.save(latentrank.build("ae", (6,), 3, encoder=encoder, decoder=decoder), tmp_path)
    other = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.ReLU())
    with pytest.raises(InputError, match="give the networks that it was trained with"):
        latentrank.load(tmp_path, encoder=other, decoder=decoder)
