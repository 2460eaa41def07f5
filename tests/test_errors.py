import importlib
import inspect
from dataclasses import replace
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

import latentrank
from latentrank import errors
from latentrank.bottlenecks import Bottleneck
from latentrank.density.base import Density, Subspace
from latentrank.density.table import DENSITIES
from latentrank.errors import InputError, check_count, check_returned, own_failure, own_place
from latentrank.methods import METHODS, Method, ReconstructionOptions
from latentrank.nets import NETWORKS


@pytest.mark.parametrize("count", [1, 7, np.int64(7), np.uint8(1)])
def test_whole_numbers_from_one_pass(count):
    check_count(count, "rank")


@pytest.mark.parametrize("bad", [0, -1, 2.5, 3.0, "3", True, None, np.float32(2)])
def test_anything_else_is_refused(bad):
    with pytest.raises(
        InputError, match=r"rank is .*, expected an integer of at least 1; choose one"
    ):
        check_count(bad, "rank")


# --- code of the user's own ---------------------------------------------------------------------


def broken():
    return np.linalg.inv("no matrix")


def line_of(function, offset=0):
    return f"{__file__}, line {inspect.getsourcelines(function)[1] + offset}"


def test_an_error_has_the_place_in_the_users_code_that_caused_it():
    with pytest.raises(Exception, match="dimensional") as raised:
        broken()
    assert own_place(raised.value) == line_of(broken, 1)


def test_an_error_in_libraries_has_none():
    with pytest.raises(InputError) as raised:
        check_count(0, "rank")
    error = raised.value.with_traceback(raised.tb.tb_next)
    assert own_place(error) == ""


def test_the_sentence_on_an_error_names_its_place_and_its_cause():
    with pytest.raises(Exception, match="dimensional") as raised:
        broken()
    said = own_failure(raised.value)
    assert said.startswith(f"The code in {line_of(broken, 1)} failed (LinAlgError: ")
    assert said.endswith("; correct it.")


def test_an_installed_package_that_extends_the_library_counts_as_the_users_code(
    tmp_path, monkeypatch
):
    file = tmp_path / "site-packages" / "extension_of_mine.py"
    file.parent.mkdir()
    file.write_text("def broken():\n    return 1 / 0\n")
    monkeypatch.syspath_prepend(file.parent)
    try:
        importlib.import_module("extension_of_mine").broken()
    except ZeroDivisionError as raised:
        error = raised.with_traceback(raised.__traceback__.tb_next)  # without this file
    assert own_place(error) == ""
    point = EntryPoint("mine", "extension_of_mine:broken", "latentrank.metrics")
    monkeypatch.setattr(errors, "distributions", lambda: [SimpleNamespace(entry_points=[point])])
    assert own_place(error) == f"{file}, line 2"


def test_a_returned_value_of_another_type_is_refused_with_the_place():
    with pytest.raises(InputError) as raised:
        check_returned(3, str, broken)
    told = f"broken ({line_of(broken)}) returned a value of type int, expected str; correct it."
    assert str(raised.value) == told


class NoEncode(Bottleneck):
    pass


class ATensor(Bottleneck):
    def forward(self, h, index=None):
        return h


class TooNarrow(Bottleneck):
    def encode(self, h):
        return h[:, 1:]


def pair(encoder_dim, latent_dim):
    return nn.Linear(5, encoder_dim), nn.Linear(latent_dim, 5)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (NoEncode, "NoEncode has no method encode"),
        (ATensor, r"ATensor.forward \(.*, line \d+\) returned a value of type Tensor"),
        (TooNarrow, r"TooNarrow.forward returned codes of shape \(4, 2\), expected \(4, 3\)"),
        (nn.Identity, r"The bottleneck of own \(.*\) returned a value of type Identity"),
    ],
)
def test_a_wrong_bottleneck_is_named(make, told, monkeypatch):
    row = Method(
        "own", "x.", "x", ReconstructionOptions, bottleneck=lambda width, options, rank: make(width)
    )
    monkeypatch.setitem(METHODS._values, "own", row)
    with pytest.raises(InputError, match=told):
        latentrank.build("own", 5, latent_dim=3).losses(torch.rand(4, 5))


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda shape, wide, narrow: None, "returned None, expected tuple"),
        (lambda shape, wide, narrow: (1, 2, 3), "returned 3 values"),
        (lambda shape, wide, narrow: (1, 2), "encoder is 1, expected an instance"),
        (lambda shape, wide, narrow: pair(wide + 1, narrow), r"\(2, 4\), expected \(2, 3\)"),
    ],
)
def test_a_wrong_family_of_networks_is_named(make, told, monkeypatch):
    monkeypatch.setitem(NETWORKS._values, "own", make)
    with pytest.raises(InputError, match=told):
        latentrank.build("ae", 5, latent_dim=3, net="own")


def test_a_family_may_return_modules_of_any_kind(monkeypatch):
    monkeypatch.setitem(NETWORKS._values, "own", lambda shape, wide, narrow: pair(wide, narrow))
    model = latentrank.build("ae", 5, latent_dim=3, net="own", bounded=True)
    assert model(torch.rand(4, 5)).abs().max() <= 1


class Wrong(Density):
    def _draw(self, n, rng):
        return rng.normal(size=(n + 1, self.rank))

    def _log_density(self, coordinates):
        return 0.0


def test_a_wrong_density_is_named(monkeypatch):
    codes = np.random.default_rng(0).normal(size=(20, 3))
    monkeypatch.setitem(DENSITIES._values, "own", lambda codes: None)
    with pytest.raises(InputError, match="returned None, expected Density"):
        latentrank.density.fit("own", codes)
    density = Wrong(Subspace.of(codes))
    with pytest.raises(InputError, match=r"_draw returned an array of shape \(3, 3\), expected"):
        density.sample(2)
    with pytest.raises(InputError, match=r"_log_density .* type float, expected ndarray"):
        density.log_prob(codes)


def test_a_data_set_that_is_none_is_named(monkeypatch):
    entry = latentrank.data.DATASETS.get("blobs")
    own = replace(entry, load=lambda request: None)
    monkeypatch.setitem(latentrank.data.DATASETS._values, "own", own)
    with pytest.raises(InputError, match="returned None, expected Dataset"):
        latentrank.data.load("own")


def test_a_notebook_shows_the_callers_lines_and_the_sentence():
    """IPython calls this method instead of printing a traceback."""

    def caller():
        latentrank.data.load("nowhere.npy")

    with pytest.raises(InputError) as caught:
        caller()
    shown = "\n".join(caught.value._render_traceback_())
    assert 'latentrank.data.load("nowhere.npy")' in shown
    assert shown.endswith("InputError: There is no nowhere.npy; check the path.")
    assert shown.count("File ") == 2  # this test, and the function in it
    assert InputError("never raised.")._render_traceback_() == ["InputError: never raised."]
