"""Values from files and from the command line mean what they look like."""

import ast
import inspect
from pathlib import Path

import numpy as np
import pytest
import torch

import latentrank
from latentrank import config, methods
from latentrank.config import DataConfig, MachineConfig, RunConfig, TrainConfig, settings
from latentrank.errors import InputError
from latentrank.io import parse_value, read_yaml, write_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("-2E5", -2e5),
        ("1.5e+2", 150.0),
        ("0.1", 0.1),
        ("8", 8),
        ("true", True),
        ("null", None),
        ("1e", "1e"),
        ("e3", "e3"),
        ("polar", "polar"),
        ("a: [", "a: ["),
    ],
)
def test_a_value_is_read_as_meant(text, value):
    found = parse_value(text)
    assert found == value
    assert type(found) is type(value)


def test_what_is_written_is_read_again(tmp_path):
    values = {"a": 1e-6, "b": None, "c": [1, "x"], "d": {"e": 0.1, "f": True}, "g": "1e-3"}
    write_yaml(tmp_path / "a.yaml", values)
    assert read_yaml(tmp_path / "a.yaml") == values


def test_every_setting_and_every_option_is_described():
    described = [*RunConfig.model_fields.values(), *settings().values()]
    described += [f for n in methods.names() for f in methods.get(n).options.model_fields.values()]
    assert all(field.description for field in described)


SETTINGS = {"epochs": 3, "device": "cpu", "image_size": 8, "latent_dim": 5, "learning_rate": 0.1}


def test_a_setting_may_be_given_by_its_name_or_in_its_section():
    by_name = RunConfig(method="rrae", data="x.npy", options={"rank": 4}, **SETTINGS)
    in_sections = RunConfig(
        method="rrae",
        options={"rank": 4},
        latent_dim=5,
        data={"source": "x.npy", "image_size": 8},
        training={"epochs": 3, "learning_rate": 0.1, "machine": {"device": "cpu"}},
    )
    assert by_name == in_sections
    assert {name: by_name.get(name) for name in SETTINGS} == SETTINGS
    assert RunConfig(**by_name.model_dump()) == by_name
    assert RunConfig(**by_name.flat()) == by_name


def test_data_and_their_folder_may_be_given_as_paths():
    data = RunConfig(method="ae", data=Path("in/x.npy"), data_root=Path("there")).data
    assert (data.source, data.data_root) == ("in/x.npy", "there")
    assert RunConfig(method="ae", data={"source": Path("in/x.npy")}).data.source == "in/x.npy"


def test_a_path_is_never_the_name_of_a_data_set():
    assert RunConfig(method="ae", data="shapes").data.source == "shapes"
    assert RunConfig(method="ae", data=Path("./shapes")).data.source == "./shapes"
    assert RunConfig(method="ae", data=Path("/shapes")).data.source == "/shapes"


def test_type_checkers_know_the_settings_of_the_machine_by_name_alone():
    assert TrainConfig(device="cpu").machine.device == "cpu"
    fields = [node for node in ast.walk(ast.parse(inspect.getsource(config)))
              if isinstance(node, ast.AnnAssign)]  # fmt: skip
    known = {
        field.target.id: (ast.unparse(field.annotation.slice), ast.literal_eval(field.value))
        for field in fields
        if ast.unparse(field.annotation).startswith("InitVar")
    }
    machine = MachineConfig.model_fields
    assert known == {
        name: (MachineConfig.__annotations__[name], field.default)
        for name, field in machine.items()
    }


def test_names_of_other_libraries_lead_to_ours():
    with pytest.raises(InputError, match="did you mean 'learning_rate'"):
        TrainConfig(lr=0.1)


def test_the_configuration_of_a_method_holds_its_defaults():
    config = RunConfig(method="irmae-wd", data="shapes")
    assert config.training.weight_decay == methods.get("irmae-wd").weight_decay
    assert config.options == methods.options("irmae-wd")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"data": "shapes"}, "No method is given; name it"),
        (
            {"method": "ae", "data": "shapes", "epochs": -1},
            "epochs is -1, expected an integer of at least 1",
        ),
        ({"method": "ae", "data": "shapes", "epoch": 1}, "did you mean 'epochs'"),
        (
            {"method": "ae", "data": "shapes", "schedule": "up"},
            "schedule is 'up', expected constant, cosine or",
        ),
    ],
)
def test_a_wrong_setting_is_one_sentence(values, told):
    with pytest.raises(InputError, match=told):
        RunConfig(**values)


@pytest.mark.parametrize("samples", [np.zeros((300, 40)), torch.zeros(300, 40), None, 3])
def test_samples_in_place_of_a_name_are_refused_without_printing_them(samples):
    with pytest.raises(InputError, match=f"data is of type {type(samples).__name__}, expected"):
        RunConfig(method="ae", data=samples)


@pytest.mark.parametrize("config", ["ae", {"method": "ae", "data": "blobs"}])
def test_training_needs_a_configuration(config, tmp_path):
    with pytest.raises(InputError, match=f"type {type(config).__name__}, expected a RunConfig"):
        latentrank.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_empty_default_is_no_example():
    with pytest.raises(InputError, match=r"expected a list of tensorboard, wandb or mlflow\.$"):
        RunConfig(method="ae", data="blobs", loggers=["foo"])


@pytest.mark.parametrize("first", [True, False])
def test_settings_by_name_go_with_whole_sections_in_any_order(first):
    alone = {"epochs": 3, "train_size": 30, "device": "cpu"}
    whole = {"training": TrainConfig(batch_size=8), "data": DataConfig(source="blobs")}
    config = RunConfig(method="ae", **(alone | whole if first else whole | alone))
    assert (config.training.epochs, config.training.batch_size) == (3, 8)
    assert (config.data.source, config.data.train_size) == ("blobs", 30)
    assert config.machine.device == "cpu"


@pytest.mark.parametrize("first", [True, False])
def test_a_setting_of_the_machine_goes_with_its_section_in_any_order(first):
    alone, whole = {"device": "cpu"}, {"machine": MachineConfig(threads=1)}
    machine = TrainConfig(**(alone | whole if first else whole | alone)).machine
    assert (machine.device, machine.threads) == ("cpu", 1)
