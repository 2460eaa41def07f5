"""Exported weights come back as the same module."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

import latentrank
from latentrank import export
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing
from tests.export.models import trained


@pytest.mark.parametrize("method", latentrank.methods.names())
@pytest.mark.parametrize("part", export.PARTS)
@torch.no_grad()
def test_safetensors_of_every_method_and_part_come_back(method, part, tmp_path):
    if method == "vae-flow":
        pytest.importorskip("zuko")
    model, x = trained(method)
    if part == "autoencoder" and not model.reconstructs:
        with pytest.raises(InputError, match="export its decoder"):
            export.export_safetensors(model, tmp_path / "part.safetensors", part)
        return
    made = export.export_safetensors(model, tmp_path / "part.safetensors", part)
    assert made.difference == (0, 0, 0, 0)
    module = export.load_safetensors(made.path)
    shipped = export.deployed(model)
    codes = shipped.encode(x)
    given = codes if part == "decoder" else x
    wanted = codes if part == "encoder" else shipped.decode(codes)
    assert torch.equal(module(given), wanted)
    assert torch.allclose(codes, model.encode(x), atol=1e-5)


def test_compressed_safetensors_come_back(tmp_path):
    model, x = trained("irmae")
    path = export.export_safetensors(
        model, tmp_path / "a.safetensors", "autoencoder", compress=0.05
    )
    again, small = export.load_safetensors(path), export.deployed(model, 0.05)
    assert again.latent_dim == small.latent_dim < model.latent_dim
    assert torch.equal(again(x), small(x))


def test_the_description_is_in_the_file(tmp_path):
    path = export.export_safetensors(trained("lorae")[0], tmp_path / "a.safetensors")
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["latentrank"])
    assert (about["method"], about["part"]) == ("lorae", "encoder")
    assert about["input"]["shape"] == ["N", 6]


def test_custom_networks_are_exported_but_not_rebuilt(tmp_path):
    nets = {"encoder": nn.Linear(6, 5), "decoder": nn.Linear(5, 6)}
    model = latentrank.build("ae", (6,), latent_dim=5, **nets).eval()
    made = export.export_safetensors(model, tmp_path / "a.safetensors")
    assert made.difference is None
    with pytest.raises(InputError, match="custom networks"):
        export.load_safetensors(made)


def test_only_files_of_this_package_are_loaded(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    for name in ("a.safetensors", "none.safetensors"):
        with pytest.raises(InputError, match="is not a file that latentrank export"):
            export.load_safetensors(tmp_path / name)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int16"])
def test_outputs_beyond_the_dtype_of_the_data_are_as_the_model_decodes_them(dtype, tmp_path):
    model, _ = trained("ae")
    model.preprocessing = Preprocessing(offset=0.0, scale=3e5, dtype=dtype)
    made = export.export_safetensors(model, tmp_path / "a.safetensors", "decoder")
    codes = 100 * torch.randn(20, model.latent_dim)
    found = export.load_safetensors(made.path)(codes).detach().numpy()
    np.testing.assert_array_equal(found, model.decode_array(codes.numpy()))
    assert np.isfinite(found).all()
