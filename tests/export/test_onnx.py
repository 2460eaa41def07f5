"""Exported files compute what the model computes, without the package."""

import copy
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import latentrank
from latentrank import export
from latentrank.errors import InputError
from latentrank.export import measure, onnx_file, parts
from latentrank.preprocessing import Preprocessing
from tests.export.models import trained

ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
Invalid = ort.capi.onnxruntime_pybind11_state
EPS = torch.finfo(torch.float32).eps


def outputs(path, inputs):
    """What onnxruntime computes from a file: no torch, nothing of ours."""
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return session.run(None, {name: np.asarray(inputs)})[0]


def metadata(path):
    return json.loads(
        ort.InferenceSession(str(path)).get_modelmeta().custom_metadata_map["latentrank"]
    )


def rms(x):
    return float(np.sqrt(np.square(np.asarray(x, dtype=np.float64)).mean()))


@torch.no_grad()
def check_as_exact_as_torch(path, module, inputs):
    """Both evaluate one formula in float32: each errs by its rounding, and so by similar amounts.

    How much is seen from torch's own distance to float64; sums in another order may err a few
    times more. A step left out or done twice would differ by a thousand times that.
    """
    exact = copy.deepcopy(module).double()(inputs.double()).numpy()
    rounding = rms(module(inputs).numpy() - exact) + EPS * rms(exact)
    assert rms(outputs(path, inputs.numpy()) - exact) <= 16 * rounding


FAST = ("rrae", "vae")


@pytest.mark.parametrize(
    "method",
    [
        pytest.param(m, marks=[] if m in FAST else pytest.mark.slow)
        for m in latentrank.methods.names()
    ],
)
def test_an_onnx_file_of_every_method_computes_what_the_model_does(method, tmp_path):
    if method == "vae-flow":
        pytest.importorskip("zuko")
    model, x = trained(method, (1, 8, 8))
    codes = model.encode(x).detach() if model.reconstructs else torch.randn(7, 5)
    given = {"encoder": x, "decoder": codes, "autoencoder": x}
    for part in export.PARTS if model.reconstructs else ("encoder", "decoder"):
        made = export.export_onnx(model, tmp_path / f"{part}.onnx", part)
        assert made.difference.relative < onnx_file.TOLERANCE
        module = parts.part_of(export.deployed(model), part)
        for size in (1, 7):
            check_as_exact_as_torch(made.path, module, given[part][:size])
    assert not [file.name for file in tmp_path.iterdir() if file.name.startswith(".")]


UNITS = {
    "bytes": ((3, 8, 9), Preprocessing(0.0, 255.0, 0.0, 255.0, "uint8", "NHWC")),
    "12 bits": ((1, 8, 9), Preprocessing(0.0, 4095.0, 0.0, 4095.0, "uint16", "NHW")),
    "masks": ((1, 8, 9), Preprocessing(0.0, 1.0, 0.0, 1.0, "bool", "NHW")),
    "brightness": ((1, 8, 9), Preprocessing(0.0, 1.0, 0.0, 1.0, "float32", "NCHW")),
    "channels": ((2, 16), Preprocessing((1e5, 0.0), (1e3, 0.1), None, None, "float32", "NTC")),
    "times": ((3,), Preprocessing((1.7e9, 0.0, -3.0), (1e3, 1.0, 2.0), dtype="float64")),
    "counts": ((3,), Preprocessing((5.0, 90.0, 7.0), (2.0, 30.0, 1.0), dtype="int64")),
}


@pytest.mark.parametrize("name", UNITS)
def test_an_export_takes_and_gives_samples_as_their_owner_has_them(name, tmp_path):
    shape, made = UNITS[name]
    model, _ = trained("lorae", shape, made.bounded, made)
    draw = torch.rand if made.bounded else torch.randn
    x = np.ascontiguousarray(made.to_own_layout(made.denormalise(draw(64, *shape))))
    network = made.to_network_layout(x)
    codes = model.encode_array(network)
    back = made.to_own_layout(model.decode_array(codes))
    for part, given, wanted in (
        ("encoder", x, codes), ("decoder", codes, back), ("autoencoder", x, back)
    ):  # fmt: skip
        file = export.export_onnx(model, tmp_path / f"{part}.onnx", part)
        weights = export.export_safetensors(model, tmp_path / f"{part}.safetensors", part)
        loaded = measure.computed(export.load_safetensors(weights), given)
        for found in (outputs(file.path, given), loaded):
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
            if wanted.dtype.kind in "biu":
                assert (found != wanted).mean() <= 0.02
            else:
                scale = np.ptp(wanted.astype(np.float64), axis=0).max()
                np.testing.assert_allclose(found, wanted, atol=1e-4 * scale)


@pytest.mark.parametrize("part", export.PARTS)
def test_other_types_and_shapes_are_refused(part, tmp_path):
    shape, made = UNITS["bytes"]
    model, _ = trained("ae", shape, True, made)
    path = export.export_onnx(model, tmp_path / "a.onnx", part).path
    module = export.load_safetensors(export.export_safetensors(model, tmp_path / "a.st", part))
    x, type_, axes = measure.typical_inputs(model, part), "uint8", "8, 9, 3"
    wrong = [x.astype(np.float32) / 255, np.ascontiguousarray(x.swapaxes(1, -1))]
    if part == "decoder":
        type_, axes, wrong = "float32", "5", [x.astype(np.uint8), x[:, :4]]
    for given in wrong:
        with pytest.raises(Invalid.InvalidArgument):
            outputs(path, given)
        with pytest.raises(InputError, match=rf"expected {type_} of shape \(N, {axes}\); give"):
            module(torch.from_numpy(given))


@pytest.mark.parametrize(
    ("name", "part"),
    [("brightness", "encoder"), ("brightness", "autoencoder"), ("12 bits", "encoder")],
)
def test_what_is_computed_of_a_sample_outside_the_range_is_nan(name, part, tmp_path):
    shape, made = UNITS[name]
    model, _ = trained("ae", shape, True, made)
    path = export.export_onnx(model, tmp_path / "a.onnx", part).path
    x = measure.typical_inputs(model, part)[:2]
    for wrong in (5 * made.high, *([-0.5] if made.dtype == "float32" else [])):
        x.reshape(2, -1)[1, 5] = wrong
        found = outputs(path, x)
        assert np.isfinite(found[0]).all()
        assert np.isnan(found[1]).all()
    assert metadata(path)["input"]["outside_range"].endswith("of such a sample is NaN")


def test_a_compressed_encoder_gives_fewer_numbers_and_says_what_that_costs(tmp_path):
    model, x = trained("rrae", rank=2)
    made = export.export_onnx(model, tmp_path / "small.onnx", compress=1e-3)
    assert outputs(made.path, x).shape == (7, 2)
    assert made.widths == (5, 2)
    assert made.change <= 1e-3
    assert export.export_onnx(model, tmp_path / "large.onnx").change is None


@torch.no_grad()
def test_what_compression_changes_is_that_of_codes_like_the_training_datas():
    model, _ = trained("ae")
    small = export.deployed(model, 0.02)
    assert small.latent_dim < 5
    stats = model.statistics
    drawn = torch.randn(4000, 5) * stats.variances.sqrt()
    fewer = drawn * (torch.arange(5) < small.latent_dim)
    before, after = (model.decode(stats.mean + z @ stats.directions.T) for z in (drawn, fewer))
    expected = float((after - before).norm() / before.norm())
    assert export.compression_change(model, small) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("precision", "relative"), [("float16", 1e-2), ("int8", 0.2)])
@pytest.mark.parametrize("shape", [(1, 8, 8), (6,)])
def test_the_loss_of_a_lower_precision_is_measured(precision, relative, shape, tmp_path):
    """Below the rounding of its weights, times what the layers add up, and above nothing."""
    model, x = trained("lorae", shape)
    full = export.export_onnx(model, tmp_path / "full.onnx")
    small = export.export_onnx(model, tmp_path / "small.onnx", precision=precision)
    assert full.difference.relative < 1e-5 < small.difference.relative < relative
    assert small.path.stat().st_size < full.path.stat().st_size
    assert metadata(small.path)["precision"] == precision
    assert outputs(small.path, x).dtype == np.float32


@pytest.mark.parametrize("part", ["decoder", "autoencoder"])
@pytest.mark.parametrize(("shape", "layout"), [((2, 8, 8), "NHWC"), ((2,), None)])
def test_the_loss_does_not_depend_on_the_units_of_the_channels(part, shape, layout, tmp_path):
    """The same network loses the same, whatever its outputs are multiplied by afterwards."""
    relative = []
    for offset, scale in (((0.0, 0.0), (1.0, 1.0)), ((1e5, 0.0), (300.0, 1e-3))):
        units = Preprocessing(offset, scale, dtype="float64", layout=layout)
        model, _ = trained("ae", shape, preprocessing=units)
        made = export.export_onnx(model, tmp_path / "model.onnx", part, precision="int8")
        relative.append(made.difference.relative)
    assert relative[0] > 1e-4
    assert relative[1] == pytest.approx(relative[0], rel=1e-3)


def test_a_channel_that_is_wrong_shows_beside_large_numbers():
    rng = np.random.default_rng(0)
    expected = rng.normal(size=(64, 2, 8)) * [[1e3], [1.0]] + [[1e9], [0.0]]
    units = Preprocessing((1e9, 0.0), (1e3, 1.0))
    found = expected * [[1.0], [0.0]]
    difference = measure.Difference.between(found, expected, units)
    assert difference.relative == pytest.approx(0.5**0.5, 0.1)
    # all of the second channel is wrong, by as many of its deviations as it is away from 0
    largest = np.abs(expected[:, 1]).max()
    assert difference.largest == largest
    assert difference.largest_relative == pytest.approx(largest, 0.1)
    # one step of float32 is 64 at 1e9
    single = expected.astype(np.float32)
    found = np.nextafter(single, np.float32(np.inf))
    assert measure.Difference.between(found, single, units).relative < 1e-6
    assert measure.Difference.between(found, single).largest == 64
    single[3] = found[3] = np.nan  # as of a sample beyond the bounds
    assert measure.Difference.between(found, single, units).relative < 1e-6


def test_a_model_that_float16_cannot_hold_is_refused(tmp_path):
    model, _ = trained("ae")
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.mul_(1e6)
    with pytest.raises(InputError, match="cannot be computed in float16"):
        export.export_onnx(model, tmp_path / "a.onnx", precision="float16")
    assert list(tmp_path.iterdir()) == []


def test_the_metadata_say_what_the_file_is_and_takes(tmp_path):
    shape, made = UNITS["12 bits"]
    model, _ = trained("rrae", shape, True, made, rank=2)
    model.spec = model.spec.model_copy(update={"data_fingerprint": "f00"})
    path = export.export_onnx(model, tmp_path / "a.onnx", compress=1e-3).path
    about = metadata(path)
    expected = {
        "latentrank": latentrank.__version__,
        "torch": torch.__version__,
        "opset": export.OPSET,
        "part": "encoder",
        "method": "rrae",
        "latent_dim": 5,
        "code_dim": 2,
        "rank": 2,
        "data_fingerprint": "f00",
        "precision": "float32",
    }
    assert {name: about[name] for name in expected} == expected
    x, codes = about["input"], about["output"]
    assert (x["name"], x["shape"], x["dtype"]) == ("x", ["N", 8, 9], "uint16")
    assert (x["layout"], x["range"]) == ("NHW", [0.0, 4095.0])
    assert (codes["name"], codes["shape"], codes["dtype"]) == ("codes", ["N", 2], "float32")
    session = ort.InferenceSession(str(path))
    assert session.get_inputs()[0].shape == ["batch", 8, 9]
    assert session.get_modelmeta().producer_name == "latentrank"


def test_what_an_estimator_exports_is_what_it_computes(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    ae = latentrank.LowRankAutoencoder("lorae", latent_dim=4, epochs=1, random_state=0).fit(x)
    path = ae.to_onnx(tmp_path / "a.onnx", "autoencoder").path
    back, expected = outputs(path, x), ae.inverse_transform(ae.transform(x))
    assert back.dtype == expected.dtype == np.uint8
    assert np.abs(back.astype(int) - expected).max() <= 1


def test_a_code_that_hardly_varies_is_exported(tmp_path):
    model, _ = trained("ae", (1, 8, 8))
    *_, last = (layer for layer in model.decoder.modules() if hasattr(layer, "weight"))
    with torch.no_grad():
        last.weight *= 1e-6  # all decoded samples, on which the file is compared, are nearly equal
    made = export.export_onnx(model, tmp_path / "made.onnx", compress=0.9)
    assert made.widths[1] == 1
    assert made.difference.largest <= 1e-6


def test_a_file_that_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    model, _ = trained("ae")
    write = onnx_file._write
    monkeypatch.setattr(onnx_file, "_write", lambda module, *rest: write(nn.Linear(6, 5), *rest))
    with pytest.raises(RuntimeError, match="something else than the model"):
        export.export_onnx(model, tmp_path / "wrong.onnx")
    monkeypatch.setattr("torch.onnx.export", lambda *args, **kwargs: program_of_nothing())
    monkeypatch.setattr(onnx_file, "_write", write)
    monkeypatch.setattr(onnx_file, "_describe", lambda path, about: None)
    with pytest.raises(Invalid.InvalidProtobuf):
        export.export_onnx(model, tmp_path / "wrong.onnx")
    assert list(tmp_path.iterdir()) == []


def program_of_nothing():
    """What the exporter returns, except that it saves no model."""
    inputs = [SimpleNamespace(shape=("batch", 6))]
    return SimpleNamespace(
        model=SimpleNamespace(graph=SimpleNamespace(inputs=inputs)),
        save=lambda path, external_data: Path(path).write_bytes(b"nothing"),
    )


@pytest.mark.parametrize("missing", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_extra_is_named(missing, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=rf"needs {missing}; .*'latentrank\[onnx\]'"):
        export.export_onnx(trained("ae")[0], tmp_path / "a.onnx")


def test_an_unknown_part_and_a_bad_path_are_refused(tmp_path):
    model, _ = trained("ae")
    with pytest.raises(InputError, match="did you mean 'encoder'"):
        export.export_safetensors(model, tmp_path / "a.safetensors", "encodr")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        export.export_safetensors(model, tmp_path / "file" / "a.safetensors")


def test_what_cannot_be_compressed_is_refused(tmp_path):
    for tol in (0.0, -1.0, 7.0, float("nan")):
        with pytest.raises(InputError, match=f"compression is {tol:g}, .* such as compress=0.001"):
            export.export_safetensors(trained("ae")[0], tmp_path / "a.safetensors", compress=tol)
    model, _ = trained("irmae", nonlinear=True)
    with pytest.raises(InputError, match="compress needs a code that is linear"):
        export.export_safetensors(model, tmp_path / "a.safetensors", compress=1e-3)
    with pytest.raises(InputError, match=r"call model\.finalize"):
        latentrank.build("rrae", (6,), latent_dim=4, rank=2).fold()


def test_a_model_without_its_basis_is_not_exported(tmp_path):
    model = latentrank.build("rrae", (6,), latent_dim=4, rank=2)
    for write in (export.export_onnx, export.export_safetensors):
        with pytest.raises(InputError, match="no basis yet, so it cannot be exported"):
            write(model, tmp_path / "encoder", "encoder")
    assert not list(tmp_path.iterdir())


def test_networks_that_fix_the_number_of_samples_are_named_as_the_reason(tmp_path):
    class Counting(nn.Linear):
        def forward(self, x):
            return super().forward(x.reshape(len(x), 6))

    networks = {"encoder": Counting(6, 4), "decoder": nn.Linear(4, 6)}
    model = latentrank.build("ae", (6,), latent_dim=4, **networks)
    model.finalize(torch.randn(20, 6))
    with pytest.raises(InputError, match=r"fix the number of samples, at the 2 .*x\.shape\[0\]"):
        export.export_onnx(model, tmp_path / "encoder.onnx", "encoder")
    assert not list(tmp_path.iterdir())


def test_networks_that_torch_cannot_export_are_named_as_the_reason(tmp_path):
    class Branching(nn.Linear):
        def forward(self, x):
            return super().forward(x if x.sum() > 0 else -x)

    networks = {"encoder": Branching(6, 4), "decoder": nn.Linear(4, 6)}
    model = latentrank.build("ae", (6,), latent_dim=4, **networks)
    with pytest.raises(InputError, match=r"cannot export these networks to ONNX .Could not"):
        export.export_onnx(model, tmp_path / "encoder.onnx", "encoder")


def test_custom_networks_are_exported(tmp_path):
    nets = {"encoder": nn.Linear(6, 5), "decoder": nn.Linear(5, 6)}
    model, x = latentrank.build("ae", (6,), latent_dim=5, **nets).eval(), torch.randn(4, 6)
    onnx = export.export_onnx(model, tmp_path / "a.onnx").path
    np.testing.assert_allclose(outputs(onnx, x), model.encode(x).detach(), atol=1e-5)
