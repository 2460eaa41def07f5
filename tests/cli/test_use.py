"""Commands that use a run: codes, samples and exports."""

import re
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torch import nn

import latentrank
from latentrank import inference, runs
from latentrank.__main__ import _warnings_as_sentences, main
from latentrank.cli.use import _columns_of_codes
from tests.cli.commands import SMALL, run_of, squares

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_embed(folder):
    assert main(["embed", run_of(folder), "--out", "codes.npz"]) == 0
    with np.load("codes.npz") as found:
        assert found["codes"].shape == (16, 4)
        assert found["labels"].shape == (16,)
    assert main(["embed", run_of(folder), "--split", "train", "--coefficients"]) == 0
    with np.load(Path(run_of(folder)) / "codes-train.npz") as found:
        assert found["codes"].shape == (64, 2)


def test_sample(folder):
    made = []
    for seed in ("1", "1", "2"):
        spec = "gmm:components=2,covariance=diag"
        assert main(["sample", run_of(folder), "--density", spec, "--n", "9", "--seed", seed]) == 0
        with np.load(
            Path(run_of(folder)) / "samples-gmm-components-2-covariance-diag.npz"
        ) as found:
            made.append(found["codes"])
    np.testing.assert_array_equal(made[0], made[1])
    assert not np.array_equal(made[0], made[2])
    assert main(["sample", run_of(folder), "--n", "9"]) == 0
    with np.load(Path(run_of(folder)) / "samples-gaussian.npz") as found:
        assert found["x"].shape == (9, 1, 8, 8)
        assert found["x"].dtype == np.uint8
        assert np.linalg.matrix_rank(found["codes"], tol=1e-4) <= 3
    assert main(["sample", run_of(folder), "--out", "grid.png"]) == 0
    assert Path("grid.png").read_bytes()[1:4] == b"PNG"


def test_a_run_can_be_sampled_without_its_data(folder):
    """Pictures included, as for a colleague who was sent the folder of the run alone."""
    np.save("table.npy", np.random.default_rng(0).normal(size=(60, 6)))
    assert main(["train", "vae", "--data", "table.npy", *SMALL, "--out", "moved"]) == 0
    Path("table.npy").rename("elsewhere.npy")
    for spec in ("prior", "gaussian", "gmm", "kde"):
        assert main(["sample", "moved", "--density", spec, "--n", "5"]) == 0
        assert main(["sample", "moved", "--density", spec, "--out", f"{spec}.png"]) == 0
    assert main(["embed", "moved"]) == 0


def test_export(folder, capfd):
    command = ["export", run_of(folder), "--format", "safetensors", "--compress", "0.01"]
    assert main([*command, "--check", "--out", "encoder.safetensors"]) == 0
    told = capfd.readouterr().out
    for part in ("encoder.safetensors", "numbers instead of", "difference from torch"):
        assert part in told
    assert Path("encoder.safetensors").is_file()


def test_a_saved_model_with_custom_networks_is_exported():
    Path("nets.py").write_text(
        "from torch import nn\n\ndef make():\n    return nn.Linear(6, 2), nn.Linear(2, 6)\n"
    )
    nets = {"encoder": nn.Linear(6, 2), "decoder": nn.Linear(2, 6)}
    latentrank.save(latentrank.build("ae", (6,), latent_dim=2, **nets), "own")
    command = ["export", "own", "--format", "safetensors", "--out", "own.safetensors"]
    assert main([*command, "--networks", "nets.py:make"]) == 0
    assert Path("own.safetensors").is_file()


@pytest.mark.parametrize(
    "command",
    [
        ["embed"], ["sample"], ["export"], ["interpolate"],
        ["interpolate", "--kind", "parameters"], ["predict", "--parameters", "new.csv"],
    ],
)  # fmt: skip
def test_a_name_that_cannot_be_written_is_refused_before_anything_is_read(command, capfd):
    assert main([*command, "no-run", "--out", "a.txt"]) == 2
    assert "--out is a.txt" in capfd.readouterr().err


def test_the_loss_of_precision_is_reported_without_units(tmp_path, capfd):
    """In different units, the largest difference would belong to the largest numbers."""
    x = np.random.default_rng(0).normal(size=(40, 2, 16)) * [[1.0], [1e6]]
    np.save(tmp_path / "two.npy", x)
    run = str(tmp_path / "run")
    settings = ["--latent-dim", "2", "--epochs", "1", "--no-report", "--out", run]
    assert main(["train", "ae", "--data", str(tmp_path / "two.npy"), *settings]) == 0
    capfd.readouterr()
    command = ["export", run, "--part", "decoder", "--precision", "int8"]
    assert main([*command, "--out", str(tmp_path / "decoder.onnx")]) == 0
    told = " ".join(capfd.readouterr().out.split())
    (rms, most) = re.findall(r"([\d.e+-]+) %", told)
    assert 0 < float(rms) < float(most) < 100


def test_codes_of_other_data_leave_those_of_the_run(folder):
    run = run_of(folder)
    own = Path(run) / "codes-all.npz"
    assert main(["embed", run, "--split", "all"]) == 0
    before = own.read_bytes()
    other = Path("others.npy")
    np.save(other, np.load(squares(folder))["x"])
    assert main(["embed", run, "--data", str(other)]) == 0
    assert own.read_bytes() == before
    assert (Path(run) / "codes-others-all.npz").is_file()


def test_codes_and_samples_of_a_table_are_written_as_a_table(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(40, 3)), columns=["width", "height", "dose"])
    frame["id"] = [f"s{i}" for i in range(40)]
    frame["class"] = rng.choice(["cat", "dog"], 40)
    frame.to_csv(tmp_path / "t.csv", index=False)
    run = str(tmp_path / "run")
    settings = ["--parameters", "dose", "--latent-dim", "2", "--no-report", "--out", run]
    assert main(["train", "pca", "--data", str(tmp_path / "t.csv"), *settings]) == 0
    assert main(["embed", run, "--split", "all", "--out", "codes.csv"]) == 0
    found = pd.read_csv("codes.csv")
    assert list(found.columns) == ["name", "row", "label", "dose", "code 0", "code 1"]
    new = ["--data", str(tmp_path / "t.csv"), "--errors", "--out", "errors.csv"]
    assert main(["embed", run, *new]) == 0
    errors = inference.embed(runs.Run(run), "all", errors=True)["errors"]
    np.testing.assert_allclose(pd.read_csv("errors.csv")["error"], errors, atol=1e-12)
    assert found["name"].tolist() == frame["id"].tolist()
    assert found["label"].tolist() == frame["class"].tolist()
    np.testing.assert_allclose(found["dose"], frame["dose"])
    np.testing.assert_allclose(
        found["code 0"], inference.embed(runs.Run(run), "all")["codes"][:, 0]
    )
    assert main(["sample", run, "--n", "5", "--out", "new.csv"]) == 0
    new = pd.read_csv("new.csv")
    assert new.shape == (5, 2)
    assert list(new.columns) == ["width", "height"]


def test_one_image_is_embedded_in_colour_too(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(8):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(tmp_path / f"{i}.png")
    run = str(tmp_path / "run")
    settings = ["--latent-dim", "2", "--no-report", "--out", run]
    assert main(["train", "pca", "--data", str(tmp_path), *settings]) == 0
    assert main(["embed", run, "--data", str(tmp_path / "3.png"), "--out", "one.npz"]) == 0
    own = inference.embed(runs.Run(run), "all")
    with np.load("one.npz") as found:
        np.testing.assert_allclose(found["codes"], own["codes"][own["rows"] == 3], rtol=1e-4)
        assert found["names"].tolist() == ["3.png"]
    grey = np.full((8, 8), 7, np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert main(["embed", run, "--data", str(tmp_path / "grey.png"), "--out", "grey.npz"]) == 0


def test_our_warnings_are_sentences(tmp_path, monkeypatch):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(30, 3)), columns=["p", "valve", "T"])
    table.to_csv(tmp_path / "later.csv", index=False)
    table.assign(valve=1).to_csv(tmp_path / "plant.csv", index=False)
    run, usual, printed = str(tmp_path / "run"), warnings.formatwarning, []
    settings = ["--latent-dim", "2", "--no-report", "--out", run]
    assert main(["train", "pca", "--data", str(tmp_path / "plant.csv"), *settings]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        show = lambda *told, **_: printed.append(warnings.formatwarning(*told[:4]))  # noqa: E731
        monkeypatch.setattr(warnings, "showwarning", show)
        for debug in ([], ["--debug"]):
            out = f"codes{len(debug)}.npz"
            assert (
                main(["embed", run, "--data", str(tmp_path / "later.csv"), "--out", out, *debug])
                == 0
            )
    sentence, with_place = printed
    assert "UserWarning: " in with_place
    assert sentence.startswith(
        f"latentrank: Warning: {tmp_path / 'later.csv'} has other values than"
    )
    assert sentence.endswith("or leave them out.\n")
    assert sentence.count("\n") == 1
    with _warnings_as_sentences():  # those of other packages stay as they are
        other = warnings.formatwarning("odd", UserWarning, np.__file__, 3)
    assert other == usual("odd", UserWarning, np.__file__, 3)
    assert warnings.formatwarning is usual


def test_parameters_called_as_other_columns_keep_these():
    arrays = {
        "codes": np.zeros((2, 1)),
        "rows": np.array([5, 7]),
        "parameters": np.array([[0.1, 0.2, 0.3]] * 2),
    }
    columns = _columns_of_codes(arrays, ("row", "code 0", "dose"))
    assert list(columns) == ["row", "parameter row", "parameter code 0", "dose", "code 0"]
    assert columns["row"].tolist() == [5, 7]
    assert columns["code 0"].tolist() == [0, 0]
