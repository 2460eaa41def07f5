"""Values from files and from the command line mean what they look like."""

import pytest

from latentrank.config import RunConfig, TrainConfig, check
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


def test_every_setting_is_described():
    fields = {**RunConfig.model_fields, **TrainConfig.model_fields}
    assert all(field.description for field in fields.values())


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"data": "shapes"}, "method is missing in here; give it"),
        ({"method": "ae", "data": "shapes", "epochs": -1}, "epochs is -1 in here"),
        ({"method": "ae", "data": "shapes", "epoch": 1}, "did you mean 'epochs'"),
        ({"method": "ae", "data": "shapes", "schedule": "up"}, "schedule is 'up' in here"),
    ],
)
def test_a_wrong_setting_is_one_sentence(values, told):
    with pytest.raises(InputError, match=told):
        check(values, "here")
