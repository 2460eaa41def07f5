"""A sample of the mutated files of `tests/fuzz`, and the faults that it has found by kind."""

import json
from pathlib import Path

import pytest
import torch

import latentrank
from latentrank.errors import InputError
from latentrank.io import atomic_write
from tests.fuzz.case import Suspicious, Watch, case
from tests.fuzz.seeds import seeds

#: One of each kind of file and change would take minutes; these are quick, and parse most.
QUICK = ("data a.npy", "data a.npz", "data a.csv", "data a.safetensors", "model lorae",
         "settings", "parameter map", "recipe", "exported weights")  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("LATENTRANK_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield seeds(tmp_path_factory.mktemp("seeds"))
    monkeypatch.undo()


@pytest.mark.parametrize("kind", QUICK)
def test_mutated_files_are_taken_or_refused_in_a_sentence(kind, found, tmp_path):
    only = {kind: found[kind]}
    said = [case(number, 0, only, tmp_path) for number in range(12)]
    assert [one for one in said if one[2].startswith("FAULT")] == []
    assert {verdict for _, _, verdict in said} >= {"refused"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latent_dim": 2**18}, "not those of the model"),  # a matrix of 2^36 numbers
        ({"input_shape": [2**20]}, "not those of the model"),
        ({"options": {"method": "vae"}}, "not those of the model"),
        ({"method": {"ae": 1}}, "damaged"),
        ({"method": "irmae", "options": {"depth": 2**31}}, "depth is 2147483648"),
        ({"preprocessing": {"offset": [0.0] * 5}}, "5 numbers for samples of shape"),
        ({"preprocessing": {"scale": [1.0] * 7}}, "7 numbers for samples of shape"),
        ({"preprocessing": {"layout": "NHWC"}}, "layout NHWC"),
        ({"preprocessing": {"dtype": "<U99999999"}}, "not one of real numbers"),
    ],
)
def test_a_description_of_a_model_that_does_not_fit_is_refused(change, message, tmp_path):
    latentrank.save(latentrank.build("lorae", (6,), 3).eval(), tmp_path)
    path = tmp_path / "model.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=message):
        latentrank.load(tmp_path)


def test_what_a_file_does_is_watched():
    """The fuzzer would see code that is run: it refuses nothing, it reports."""
    watch = Watch("/nowhere")
    watch.on = True
    try:
        with pytest.raises(Suspicious, match="writes"):
            Path("/dev/shm/of-a-test").write_text("")
    finally:
        watch.on = False


def test_a_file_of_safetensors_that_cannot_be_written_is_a_sentence(tmp_path):
    from safetensors.torch import save_file

    with pytest.raises(InputError, match="cannot be written"), atomic_write(tmp_path / "x") as path:
        save_file({"x": torch.zeros(3)}, path / "not" / "a" / "folder")
