import os
import threading
from importlib.metadata import EntryPoint

import pytest
from filelock import FileLock
from pydantic import Field

import latentrank.config
from latentrank import data, runs
from latentrank.config import RunConfig, TrainConfig
from latentrank.runs import cache
from latentrank.runs.cache import content, folder_name, train


def test_folders_are_named_by_content_and_not_by_machine():
    base = {"method": "lorae", "data": "blobs"}
    one = folder_name(RunConfig(**{**base, "device": "cpu", "data_root": "/a"}))
    same = folder_name(RunConfig(**{**base, "learning_rate": 5e-4, "latent_dim": 32}))
    assert one == same
    for change in ({"seed": 1}, {"epochs": 11}, {"options": {"penalty": 0.1}}):
        assert folder_name(RunConfig(**{**base, **change})) != one
    assert content(RunConfig(**base))["options"] == content(RunConfig(**base))["settings"] == {}


def test_a_data_set_that_cannot_be_imported_names_no_other_run(monkeypatch):
    broken = EntryPoint("broken", "no_such_package:DATA", "latentrank.datasets")
    points = data.DATASETS._entry_points
    monkeypatch.setitem(data.DATASETS.__dict__, "_entry_points", {**points, "broken": broken})
    wide = RunConfig(method="ae", data="blobs", latent_dim=32)
    assert content(wide) == content(RunConfig(method="ae", data="blobs"))


def test_a_training_that_another_process_does_is_waited_for(wanted, tmp_path, monkeypatch):
    training = wanted()
    train(training)
    (training.folder / "metrics.json").rename(tmp_path / "metrics.json")
    monkeypatch.setattr(runs, "train", None)
    monkeypatch.setattr(runs, "resume", None)
    waiting = threading.Thread(target=train, args=(training,))
    with FileLock(training.folder.with_name(f".{training.folder.name}.lock")):
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        (tmp_path / "metrics.json").rename(training.folder / "metrics.json")
    waiting.join(30)
    assert not waiting.is_alive()  # it found it done


def test_the_completed_fraction_is_that_of_the_history(wanted):
    training = wanted(epochs=8)
    assert training.so_far[0] == 0
    training.folder.mkdir()
    (training.folder / "config.yaml").touch()
    (training.folder / "history.csv").write_text("epoch,step\n1,10\n2,20\n")
    assert training.so_far[0] == 0.25
    steps = training._replace(config=training.config.updated({"steps": 25}))
    assert steps.so_far[0] == 0.8


def test_a_new_setting_with_a_default_leaves_every_name_as_it_was(monkeypatch):
    """As a later version of the library has it: one more setting, the same runs."""
    config = RunConfig(method="lorae", data="blobs", options={"penalty": 0.1}, epochs=3)
    before = folder_name(config)

    class LaterTrainConfig(TrainConfig):
        momentum: float = Field(0.5, description="added later")

    class LaterRunConfig(RunConfig):
        training: LaterTrainConfig = Field(default_factory=LaterTrainConfig)

    def settings(marked=None):
        momentum = {} if marked else {"momentum": LaterTrainConfig.model_fields["momentum"]}
        return {**latentrank.config.settings(marked), **momentum}

    paths = latentrank.config._paths(LaterRunConfig)
    monkeypatch.setattr(cache, "RunConfig", LaterRunConfig)
    monkeypatch.setattr(cache, "settings", settings)
    monkeypatch.setattr(latentrank.config, "path_of", lambda name: paths[name])
    given = {"method": "lorae", "data": "blobs", "options": {"penalty": 0.1}, "epochs": 3}
    assert folder_name(LaterRunConfig(**given)) == before
    assert folder_name(LaterRunConfig(**given, momentum=0.9)) != before


@pytest.mark.parametrize("place", ["x.npy", "folder"])
def test_data_that_change_while_the_program_runs_give_another_name(place, tmp_path):
    """As in a notebook that writes its data anew and searches once more."""
    (tmp_path / "folder").mkdir()
    file = tmp_path / ("x.npy" if place == "x.npy" else "folder/x.npy")
    config = RunConfig(method="ae", data=str(tmp_path / place))
    names = []
    for time, content_of_file in enumerate((b"one", b"two", b"one")):
        file.write_bytes(content_of_file)
        os.utime(file, (time, time))
        names.append(folder_name(config))
    assert names[0] == names[2] != names[1]


@pytest.mark.parametrize(
    ("one", "other"), [("hf:lab/x", "hf:others/x"), ("a/x.npy", "b/x.npy"), ("{}:/a/T", "{}:/b/T")]
)
def test_data_that_end_in_one_name_give_different_names(one, other, tmp_path):
    (tmp_path / "x.h5").write_bytes(b"content")
    names = [
        folder_name(RunConfig(method="ae", data=source.format(tmp_path / "x.h5")))
        for source in (one, other, one)
    ]
    assert names[0] == names[2] != names[1]
    assert content(RunConfig(method="ae", data="x.h5:/a"))["data"].isalnum()


def test_labels_beside_an_array_belong_to_its_content(tmp_path):
    config = RunConfig(method="ae", data=str(tmp_path / "x.npy"))
    (tmp_path / "x.npy").write_bytes(b"samples")
    names = [folder_name(config)]
    for labels in (b"one", b"other"):
        (tmp_path / "x.labels.npy").write_bytes(labels)
        names.append(folder_name(config))
    assert len(set(names)) == 3


def test_files_in_linked_folders_belong_to_the_content(tmp_path):
    """As where each split lies on another disk."""
    (tmp_path / "data").mkdir()
    (tmp_path / "disk").mkdir()
    (tmp_path / "data" / "train").symlink_to(tmp_path / "disk")
    config = RunConfig(method="ae", data=str(tmp_path / "data"))
    names = []
    for content_of_file in (b"one", b"other"):
        (tmp_path / "disk" / "x.npy").write_bytes(content_of_file)
        names.append(folder_name(config))
    assert names[0] != names[1]
    assert folder_name(RunConfig(method="ae", data=".")) != folder_name(config)
