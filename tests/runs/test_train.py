"""The run folder: complete or absent, and no code in it is run."""

import errno
import json
import os
import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import LambdaCallback
from pydantic import Field

import latentrank
from latentrank import methods
from latentrank.config import RunConfig
from latentrank.errors import InputError
from latentrank.io import read_yaml, write_text
from latentrank.serialization import FORMAT


@pytest.fixture(scope="module")
def arrays(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.npy"
    rng = np.random.default_rng(0)
    np.save(path, (rng.normal(size=(80, 3)) @ rng.normal(size=(3, 9))).astype(np.float32))
    return path


@pytest.fixture(scope="module")
def finished(arrays, tmp_path_factory):
    given = {"epochs": 3, "batch_size": 16, "latent_dim": 6, "learning_rate": 1e-2}
    config = RunConfig(method="rrae", data=str(arrays), options={"rank": 2}, **given)
    return latentrank.train(config, tmp_path_factory.mktemp("runs") / "a", progress=False)


def test_a_run_folder_holds_what_it_promises(finished):
    names = {path.name for path in finished.folder.iterdir()}
    assert {
        "config.yaml",
        "model.json",
        "model.safetensors",
        "metrics.json",
        "history.csv",
    } <= names
    metrics = finished.metrics
    assert metrics["rank"] == 2
    assert metrics["latent_dim"] == 6
    assert metrics["seconds"] > 0
    assert len(metrics["singular_values"]) == 6
    assert finished.history["epoch"].tolist() == [1, 2, 3]
    assert {"train/loss", "train/reconstruction", "validation_error", "rank"} <= set(
        finished.history
    )


def test_metrics_agree_with_the_reloaded_model(finished):
    again = latentrank.Run(finished.folder)
    data = again.dataset()
    x = data.preprocessing.normalise(data.test.x)
    with torch.no_grad():
        error = float((again.model()(x).double() - x.double()).square().mean())
    assert again.metrics["validation_error"] == pytest.approx(error, rel=1e-6)
    covariance = np.cov(again.codes("test").astype(np.float64).T)
    values = np.linalg.svd(covariance, compute_uv=False)
    np.testing.assert_allclose(
        again.metrics["singular_values"], values / values[0], rtol=1e-5, atol=1e-9
    )


def test_the_resolved_configuration_repeats_the_run(finished, tmp_path):
    config = RunConfig(**finished.config)
    assert config.options.rank == 2
    again = latentrank.train(config, tmp_path / "again", progress=False)
    np.testing.assert_array_equal(again.codes("test"), finished.codes("test"))


def test_a_second_run_does_not_take_the_place_of_the_first(finished):
    with pytest.raises(InputError, match="already contains a run"):
        latentrank.train(finished.settings, finished.folder, progress=False)


def test_a_run_does_not_replace_files_that_are_there(finished, arrays, tmp_path):
    saved = latentrank.save(finished.model(), tmp_path / "saved")
    before = {path.name: path.read_bytes() for path in saved.iterdir()}
    with pytest.raises(InputError, match=r"contains a model\.\w+, which the run would replace"):
        latentrank.train(finished.settings, saved, progress=False)
    assert {path.name: path.read_bytes() for path in saved.iterdir()} == before


def test_a_run_can_stand_beside_its_data(finished, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    run = latentrank.train(finished.settings.updated({"epochs": 1}), tmp_path, progress=False)
    assert run.finished
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_no_code_in_a_model_file_is_run(finished, tmp_path):
    folder = broken_copy(finished.folder, tmp_path / "pickled")
    torch.save(_RunsCode(tmp_path / "was-here"), folder / "model.safetensors")
    with pytest.raises(InputError, match="damaged"):
        latentrank.load(folder)
    assert not (tmp_path / "was-here").exists()


class _RunsCode:
    """What a pickle of it does on loading: touch a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_weights_that_are_tied_are_saved_and_come_back(tmp_path):
    encoder, decoder = (torch.nn.Linear(4, 4, bias=False) for _ in range(2))
    decoder.weight = encoder.weight
    model = latentrank.build("ae", (4,), 4, encoder=encoder, decoder=decoder).eval()
    latentrank.save(model, tmp_path)
    own = {name: torch.nn.Linear(4, 4, bias=False) for name in ("encoder", "decoder")}
    x = torch.randn(3, 4)
    assert torch.equal(latentrank.load(tmp_path, **own)(x), model(x))


def test_a_saved_model_does_not_change_with_the_defaults(tmp_path, monkeypatch):
    model = latentrank.build("lorae", (4,), 2)
    latentrank.save(model.eval(), tmp_path)
    row = methods.get("lorae")

    class Later(row.options):
        penalty: float = Field(9.0, description="with another default")

    monkeypatch.setitem(methods.METHODS._values, "lorae", replace(row, options=Later))
    assert latentrank.build("lorae", (4,), 2).objective.weights == {"nuclear_norm": 9.0}
    assert latentrank.load(tmp_path).objective.weights == model.objective.weights


def broken_copy(source: Path, target: Path) -> Path:
    target.mkdir()
    for name in ("config.yaml", "model.json", "model.safetensors", "metrics.json"):
        (target / name).write_bytes((source / name).read_bytes())
    return target


def test_damaged_models_are_refused_in_one_sentence(finished, tmp_path):
    folder = broken_copy(finished.folder, tmp_path / "short")
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="damaged"):
        latentrank.load(folder)

    folder = broken_copy(finished.folder, tmp_path / "json")
    (folder / "model.json").write_text("{")
    with pytest.raises(InputError, match="damaged"):
        latentrank.load(folder)

    folder = broken_copy(finished.folder, tmp_path / "other")
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**description, "latent_dim": 7}))
    with pytest.raises(InputError, match="not those of the model"):
        latentrank.load(folder)

    with pytest.raises(InputError, match=r"There is no model in .*model\.json is missing"):
        latentrank.load(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is not the folder of a run"):
        latentrank.Run(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"format": FORMAT - 1}, "an older format; train it again"),
        ({"format": FORMAT + 1, "later": 1}, "a newer format; update latentrank"),
        ({"later": 1}, f"the field later, unknown to latentrank {latentrank.__version__}; update"),
    ],
)
def test_models_of_other_versions_are_refused_in_one_sentence(finished, tmp_path, change, told):
    folder = broken_copy(finished.folder, tmp_path / "other")
    description = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps({**description, **change}))
    with pytest.raises(InputError, match=rf"model\.json in .*other has {told}"):
        latentrank.load(folder)


def test_an_unfinished_run_says_how_to_resume(finished, tmp_path):
    folder = broken_copy(finished.folder, tmp_path / "unfinished")
    (folder / "metrics.json").unlink()
    unfinished = latentrank.Run(folder)
    assert not unfinished.finished
    with pytest.raises(InputError, match="latentrank train --resume"):
        _ = unfinished.metrics


@pytest.mark.parametrize("method", [["lorae"], {"a": 1}, 3, None])
def test_a_method_edited_to_no_name_is_refused_in_a_sentence(method, finished, tmp_path):
    folder = broken_copy(finished.folder, tmp_path / "run")
    values = read_yaml(folder / "config.yaml")
    (folder / "config.yaml").write_text(json.dumps({**values, "method": method}))
    with pytest.raises(InputError, match="which is not registered here"):
        _ = latentrank.Run(folder).settings


@pytest.mark.parametrize("name", ["metrics.json", "codes.safetensors", "report.html"])
def test_a_file_that_cannot_be_replaced_is_not_blamed_on_the_checkpoint(name, finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    (folder / name).unlink(missing_ok=True)
    (folder / name).mkdir()
    with pytest.raises(InputError, match=rf"{re.escape(name)} cannot be removed \("):
        latentrank.runs.resume(folder, {"epochs": 5}, progress=False)


def test_a_finished_run_is_not_trained_anew_where_its_checkpoint_is_missing(finished, tmp_path):
    folder = shutil.copytree(finished.folder, tmp_path / "run")
    before = (folder / "model.safetensors").read_bytes()
    (folder / "checkpoints" / "last.ckpt").unlink()
    with pytest.raises(InputError, match="is finished and has no checkpoint to continue from"):
        latentrank.runs.resume(folder, {"epochs": 9}, progress=False)
    assert (folder / "model.safetensors").read_bytes() == before


def test_fewer_epochs_than_were_trained_are_not_blamed_on_the_checkpoint(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    latentrank.runs.resume(folder, {"epochs": 6}, progress=False)
    (folder / "metrics.json").unlink()
    with pytest.raises(InputError, match="epochs is 4, but the training has gone beyond"):
        latentrank.runs.resume(folder, {"epochs": 4}, progress=False)


def test_an_error_of_a_callback_is_not_blamed_on_the_checkpoint(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)

    def failing(*_):
        raise RuntimeError("no connection to the logger")

    watching = [LambdaCallback(on_train_start=failing)]
    with pytest.raises(RuntimeError, match="no connection"):
        latentrank.runs.resume(folder, {"epochs": 5}, progress=False, callbacks=watching)


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    target = tmp_path / "text"
    write_text(target, "before")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match="No space left"):
        write_text(target, "after")
    assert [path.name for path in tmp_path.iterdir()] == ["text"]
    assert target.read_text() == "before"

    monkeypatch.setattr("latentrank.serialization.save_file", full)
    model = latentrank.build("ae", (3,), 2)
    with pytest.raises(InputError, match="No space left"):
        latentrank.save(model, tmp_path / "model")
    assert list((tmp_path / "model").iterdir()) == []


def test_settings_that_cannot_be_used_are_named(tmp_path):
    base = {"method": "ae", "data": "shapes"}
    with pytest.raises(InputError, match="did you mean 'epochs'"):
        RunConfig(**{**base, "epoch": 3})
    with pytest.raises(InputError, match="batch_size is 0, expected"):
        RunConfig(**{**base, "batch_size": 0})
    with pytest.raises(InputError, match="No method is given"):
        RunConfig(data="shapes")
    file = tmp_path / "run.yaml"
    file.write_text("a: [1")
    with pytest.raises(InputError, match="is not YAML"):
        read_yaml(file)
    file.write_text("only words")
    with pytest.raises(InputError, match="contains no settings"):
        read_yaml(file)
    with pytest.raises(InputError, match="cannot be read"):
        read_yaml(tmp_path / "nothing.yaml")


def test_numbers_that_may_mislead_come_with_a_warning(tmp_path):
    rng = np.random.default_rng(0)
    np.save(tmp_path / "few.npy", rng.normal(size=(20, 9)).astype(np.float32))
    config = {"method": "ae", "data": str(tmp_path / "few.npy"), "latent_dim": 8, "epochs": 1}
    warning = latentrank.train(RunConfig(**config), tmp_path / "few").metrics["warning"]
    assert "4 test samples have rank 3 at most" in warning
    config |= {"learning_rate": 0.3, "train_size": 16}
    warning = latentrank.train(RunConfig(**config), tmp_path / "fast").metrics["warning"]
    assert "no better than the mean of the data" in warning


def test_a_good_run_is_not_warned_of(finished):
    assert "warning" not in finished.metrics


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_a_run_says_in_which_precision_and_on_how_many_threads(precision, tmp_path):
    settings = {"data": "blobs", "train_size": 32, "test_size": 16, "latent_dim": 4, "epochs": 1}
    config = RunConfig(method="ae", device="cpu", precision=precision, **settings)
    metrics = latentrank.train(config, tmp_path / "run", progress=False).metrics
    assert metrics["training_precision"] == precision
    assert metrics["threads"] == torch.get_num_threads()


def test_the_random_states_of_the_process_stay_as_they_were(arrays, tmp_path, monkeypatch):
    """Otherwise what a loop over runs draws itself would be the same after each of them."""
    monkeypatch.delenv("PL_GLOBAL_SEED", raising=False)

    def states():
        numpys = np.random.get_state()[1].tolist()  # noqa: NPY002
        return random.getstate(), numpys, torch.get_rng_state().tolist()

    random.seed(1), np.random.seed(2), torch.manual_seed(3)  # noqa: NPY002
    drawn = states()
    config = RunConfig(method="vae", data=str(arrays), epochs=1, latent_dim=3, seed=2**33)
    latentrank.train(config, tmp_path / "run", progress=False)
    assert states() == drawn
    assert "PL_GLOBAL_SEED" not in os.environ


def test_notes_on_data_are_printed_once_however_often_one_trains_on_them(tmp_path, capfd):
    """A search or an experiment trains on the same data again and again."""
    np.save(tmp_path / "noted.npy", np.random.default_rng(0).random((20, 5, 6)))
    config = RunConfig(method="pca", data=str(tmp_path / "noted.npy"), layout="NHW", latent_dim=2)
    for name in "ab":
        latentrank.train(config, tmp_path / name)
    assert capfd.readouterr().err.count("Axes are read as NHW.") == 1


def test_a_run_of_a_custom_method_says_where_it_can_be_used(finished, tmp_path):
    values = read_yaml(finished.folder / "config.yaml") | {"method": "mine"}
    (tmp_path / "config.yaml").write_text(json.dumps(values))
    told = f"The run in {tmp_path} has the method 'mine', which is not registered here; use it from"
    with pytest.raises(InputError, match=re.escape(told)):
        _ = latentrank.Run(tmp_path).settings


def test_a_tilde_is_the_home_folder_for_all_parts_of_a_run(arrays, tmp_path, monkeypatch):
    """Lightning's checkpoints were there, and the rest in a folder called `~`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config = RunConfig(method="ae", data=str(arrays), latent_dim=2, epochs=1)
    run = latentrank.train(config, "~/runs/a", progress=False)
    assert run.folder == tmp_path / "home" / "runs" / "a"
    assert {"checkpoints", "metrics.json"} <= {path.name for path in run.folder.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert latentrank.Run("~/runs/a").metrics == run.metrics
    assert latentrank.save(run.model(), "~/model") == tmp_path / "home" / "model"
    latentrank.load("~/model")


@pytest.mark.parametrize("callbacks", [[print], [object], print])
def test_what_is_no_callback_is_refused_before_anything_is_written(arrays, tmp_path, callbacks):
    config = RunConfig(method="ae", data=str(arrays), latent_dim=2, epochs=1)
    with pytest.raises(InputError, match=r"expected objects of lightning\.pytorch\.Callback"):
        latentrank.train(config, tmp_path / "run", progress=False, callbacks=callbacks)
    assert not (tmp_path / "run").exists()


def test_one_callback_is_as_good_as_a_list_of_it(arrays, tmp_path):
    from lightning.pytorch.callbacks import LambdaCallback

    ends = []
    one = LambdaCallback(on_train_epoch_end=lambda trainer, _: ends.append(trainer.current_epoch))
    config = RunConfig(method="ae", data=str(arrays), latent_dim=2, epochs=2)
    latentrank.train(config, tmp_path / "run", progress=False, callbacks=one)
    assert ends == [0, 1]


def test_data_whose_names_are_no_text_are_trained_on_and_shown(tmp_path):
    """Names of files from older systems may hold bytes that are not UTF-8."""
    from PIL import Image

    rng = np.random.default_rng(0)
    try:
        for name in (b"k\xe4fer", b"hund"):
            folder = tmp_path / os.fsdecode(b"bilder-\xfc/" + name)
            folder.mkdir(parents=True)
            for i in range(6):
                pixels = rng.integers(0, 255, (8, 8), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / os.fsdecode(b"gr\xfcn%d.png" % i))
    except OSError:
        pytest.skip("the names of files are always text here")
    config = RunConfig(method="ae", data=str(folder.parent), latent_dim=2, epochs=1)
    run = latentrank.train(config, tmp_path / "run", progress=False)
    again = latentrank.Run(run.folder)
    assert again.dataset().class_names == ("hund", "käfer")
    assert again.kept.class_names == ("hund", "käfer")
    assert again.dataset().name.endswith("bilder-ü")
    assert {name[6:9] for name in again.dataset().train.names if name[0] == "k"} == {"grü"}
