"""What leaves the package computes what the model computes, without the package."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

import latentrank
from latentrank import export
from latentrank.errors import InputError

ort = pytest.importorskip("onnxruntime")
InvalidProtobuf = ort.capi.onnxruntime_pybind11_state.InvalidProtobuf
pytest.importorskip("onnxscript")


def trained(method, shape=(6,), bounded=False, **options):
    """A model with a basis and statistics, as after training."""
    torch.manual_seed(1)
    model = latentrank.build(method, shape, latent_dim=5, bounded=bounded, **options)
    x = torch.rand(64, *shape)
    model.finalize(lambda: [x])
    return model.eval(), x[:7]


def outputs(path, inputs):
    """What onnxruntime computes from a file: no torch, nothing of ours."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return session.run(None, {name: inputs.numpy()})[0]


MODELS = [
    ("rrae", (1, 8, 8), {"rank": 2}, "encoder"),
    ("lorae", (6,), {}, "decoder"),
    pytest.param("irmae", (6,), {"nonlinear": True}, "encoder", marks=pytest.mark.slow),
    pytest.param("vae", (2, 16), {}, "autoencoder", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("method", "shape", "options", "part"), MODELS)
@torch.no_grad()
def test_an_onnx_file_computes_what_the_model_does(method, shape, options, part, tmp_path):
    model, x = trained(method, shape, **options)
    path = export.export_onnx(model, tmp_path / "part.onnx", part)
    codes = model.encode(x)
    given, wanted = {
        "encoder": (x, codes),
        "decoder": (codes, model.decode(codes)),
        "autoencoder": (x, model.decode(codes)),
    }[part]
    for size in (1, 7):
        found = outputs(path, given[:size])
        np.testing.assert_allclose(found, wanted[:size].numpy(), atol=1e-5)
    assert [file.name for file in tmp_path.iterdir()] == ["part.onnx"]


@pytest.mark.parametrize("mean", [40.0, (40.0, -3.0, 0.5, 7.0, 1.0, 0.0)])
@torch.no_grad()
def test_what_is_exported_takes_and_gives_the_datas_own_units(mean, tmp_path):
    model, x = trained("lorae")
    model.spec = model.spec.with_units(np.asarray(mean), np.asarray(2.5))
    own = x * 2.5 + torch.tensor(mean)
    codes = model.encode(x)
    decoded = model.decode(codes) * 2.5 + torch.tensor(mean)
    wanted = {"encoder": (own, codes), "decoder": (codes, decoded), "autoencoder": (own, decoded)}
    for part, (given, expected) in wanted.items():
        onnx = export.export_onnx(model, tmp_path / f"{part}.onnx", part)
        np.testing.assert_allclose(outputs(onnx, given), expected.numpy(), atol=1e-4)
        weights = export.export_safetensors(model, tmp_path / f"{part}.safetensors", part)
        torch.testing.assert_close(
            export.load_safetensors(weights)(given), expected, atol=1e-4, rtol=0
        )


def test_a_compressed_encoder_gives_fewer_numbers(tmp_path):
    model, x = trained("rrae", rank=2)
    path = export.export_onnx(model, tmp_path / "small.onnx", tol=1e-3)
    assert outputs(path, x).shape == (7, 2)
    session = ort.InferenceSession(str(path))
    about = json.loads(session.get_modelmeta().custom_metadata_map["latentrank"])
    assert (about["method"], about["code_dim"], about["part"]) == ("rrae", 2, "encoder")
    with pytest.raises(RuntimeError, match="something else than the model"):
        export._compare(nn.Linear(6, 2), path, x)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("torch.onnx.export", lambda *args, **kwargs: program_of_nothing())
    with pytest.raises(InvalidProtobuf):
        export.export_onnx(trained("ae")[0], tmp_path / "wrong.onnx")
    assert list(tmp_path.iterdir()) == []


def program_of_nothing():
    """What the exporter returns, except that it saves no model."""
    return SimpleNamespace(
        model=SimpleNamespace(metadata_props={}),
        save=lambda path, external_data: Path(path).write_bytes(b"nothing"),
    )


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_is_named(missing, monkeypatch, tmp_path):
    there = export.find_spec
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == missing else there(name))
    with pytest.raises(InputError, match=rf"needs {missing}; .*'latentrank\[onnx\]'"):
        export.export_onnx(trained("ae")[0], tmp_path / "a.onnx")


@pytest.mark.parametrize("method", latentrank.methods.names())
@pytest.mark.parametrize("part", export.PARTS)
@torch.no_grad()
def test_safetensors_of_every_method_and_part_come_back(method, part, tmp_path):
    if method == "vae-flow":
        pytest.importorskip("zuko")
    model, x = trained(method)
    path = export.export_safetensors(model, tmp_path / "part.safetensors", part)
    module = export.load_safetensors(path)
    shipped = export.deployed(model)
    codes = shipped.encode(x)
    given = codes if part == "decoder" else x
    wanted = codes if part == "encoder" else shipped.decode(codes)
    assert torch.equal(module(given), wanted)
    assert torch.allclose(codes, model.encode(x), atol=1e-5)


def test_compressed_safetensors_come_back(tmp_path):
    model, x = trained("irmae")
    path = export.export_safetensors(model, tmp_path / "a.safetensors", "autoencoder", tol=0.05)
    again = export.load_safetensors(path)
    change = (again(x) - model(x)).norm() / model(x).norm()
    assert again.latent_dim <= 5
    assert float(change.detach()) < 0.2


def test_the_description_is_in_the_file(tmp_path):
    path = export.export_safetensors(trained("lorae")[0], tmp_path / "a.safetensors")
    with safe_open(path, "pt") as file:
        about = json.loads(file.metadata()["latentrank"])
    assert (about["method"], about["part"], about["input_shape"]) == ("lorae", "encoder", [6])


def test_a_users_own_networks_leave_but_are_not_rebuilt(tmp_path):
    nets = {"encoder": nn.Linear(6, 5), "decoder": nn.Linear(5, 6)}
    model = latentrank.build("ae", (6,), latent_dim=5, **nets).eval()
    path = export.export_safetensors(model, tmp_path / "a.safetensors")
    with pytest.raises(InputError, match="networks of its user's own"):
        export.load_safetensors(path)


def test_only_files_of_ours_are_loaded(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    for name in ("a.safetensors", "none.safetensors"):
        with pytest.raises(InputError, match="is not a file that latentrank export"):
            export.load_safetensors(tmp_path / name)


def test_an_unknown_part_and_a_bad_place_are_refused(tmp_path):
    model, _ = trained("ae")
    with pytest.raises(InputError, match="did you mean 'encoder'"):
        export.export_safetensors(model, tmp_path / "a.safetensors", "encodr")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        export.export_safetensors(model, tmp_path / "file" / "a.safetensors")


def test_what_is_not_linear_cannot_be_compressed(tmp_path):
    model, _ = trained("irmae", nonlinear=True)
    with pytest.raises(InputError, match="compress needs a latent that is linear"):
        export.export_safetensors(model, tmp_path / "a.safetensors", tol=1e-3)
