"""Methods, networks, metrics, densities and data sets of the user's own that cannot be used."""

from importlib.metadata import EntryPoint

import numpy as np
import pytest
import torch
from pydantic import Field
from torch import nn

import latentrank
from latentrank import Dataset, RunConfig, Split, TrainConfig, density, methods
from latentrank.bottlenecks import Bottleneck, Latent
from latentrank.data.registry import DATASETS, NamedData
from latentrank.density import Density, Subspace
from latentrank.density.table import DENSITIES
from latentrank.errors import InputError
from latentrank.methods import METHODS, Method, MethodOptions, ReconstructionOptions
from latentrank.metrics import METRICS, Measured, Metric, Subject, measure
from latentrank.nets import NETWORKS
from latentrank.term import Term
from latentrank.training import fit
from latentrank.training.rank_search.registry import SEARCHES

REGISTRIES = [METHODS, NETWORKS, METRICS, DENSITIES, DATASETS, SEARCHES]


class Gates(Bottleneck):
    """A bottleneck without a fault, which the others inherit."""

    def __init__(self, latent_dim):
        super().__init__(latent_dim)
        self.gates = nn.Parameter(torch.full((latent_dim,), 0.5))

    def encode(self, h):
        return h * self.gates

    def forward(self, h, index=None):
        return Latent(h * self.gates, {"gates": self.gates.abs().sum()})


class GatesOptions(ReconstructionOptions):
    penalty: float = Field(1e-3, ge=0)


TERMS = (Term("gates", "penalty"),)


def method(make, options=GatesOptions, terms=TERMS):
    return Method("own", "x.", "x", options, lambda width, options, rank: make(width), terms=terms)


@pytest.fixture
def trained(monkeypatch):
    """A function that trains a bottleneck, and returns the model."""
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    data = Dataset("x", Split(x[:30]), Split(x[30:]), bounded=False)

    def train(make, **row):
        monkeypatch.setitem(METHODS._values, "own", method(make, **row))
        model = latentrank.build("own", 6, latent_dim=3, bounded=False)
        fit(model, data, TrainConfig(epochs=1, batch_size=15, device="cpu"), progress=False)
        return model

    return train


@pytest.mark.parametrize("registry", REGISTRIES, ids=lambda one: one.kind)
def test_something_else_is_refused_when_it_is_registered_or_provided(registry, monkeypatch):
    with pytest.raises(InputError, match=f"^The {registry.kind} 'mine' is 3, expected a"):
        registry.register("mine", 3)
    assert "mine" not in registry
    point = EntryPoint("mine", "math:pi", registry.group)
    monkeypatch.setitem(registry.__dict__, "_entry_points", {"mine": point})
    with pytest.raises(InputError, match=r"'mine', provided by math:pi, is 3\.14.*, expected a"):
        registry.get("mine")


class NoIndex(Gates):
    def forward(self, h):
        return Latent(h, {})


class IndexNeeded(Gates):
    def forward(self, h, index):
        return Latent(h, {})


class NoBatches(Gates):
    def finalize(self):
        pass


class NotInitialised(Bottleneck):
    def __init__(self, latent_dim):
        self.width = latent_dim


class OneCode(Gates):
    def encode(self, h):
        return (h * self.gates).mean(dim=0, keepdim=True)


class NoCode(Gates):
    def encode(self, h):
        return None


class Double(Gates):
    def encode(self, h):
        return (h * self.gates).double()


def with_terms(terms):
    """A class that returns some loss terms."""

    class Terms(Gates):
        def forward(self, h, index=None):
            return Latent(h * self.gates, terms(self.gates))

    return Terms


class LateBuffer(Gates):
    def finalize(self, h_batches):
        self.register_buffer("late", torch.ones(3))


class NotOrthonormal(Gates):
    def basis(self):
        return torch.ones(3, 2)


class BasisOfRows(Gates):
    def basis(self):
        return torch.eye(2, 3)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (NoIndex, r"NoIndex.forward \(.*, line \d+\) takes \(h\), expected \(h, index\)"),
        (IndexNeeded, r"IndexNeeded.forward .* takes \(h, index\), expected \(h\)"),
        (NoBatches, r"NoBatches.finalize .* takes \(\), expected \(h_batches\)"),
        (NotInitialised, "NotInitialised was not initialised; call super"),
        (lambda width: Gates(2), "Gates has latent_dim 2, expected 3"),
        (OneCode, r"OneCode.encode returned codes of shape \(1, 3\), expected \(10, 3\)"),
        (NoCode, r"NoCode.encode \(.*\) returned None, expected Tensor"),
        (Double, "Double.encode returned codes of type torch.float64, expected torch.float32"),
        (with_terms(lambda gates: {}), "The loss term gates has neither a function nor a value"),
        (with_terms(lambda gates: {"gates": gates}), r"gates has shape \(3,\), expected a scalar"),
        (with_terms(lambda gates: {"gates": 3.0}), r"gates is 3\.0, expected a scalar tensor"),
        (
            with_terms(lambda gates: {"gates": gates.sum(), "loss": gates.sum()}),
            "term named 'loss'",
        ),
        (LateBuffer, "LateBuffer.finalize changed the shape of late"),
        (NotOrthonormal, r"NotOrthonormal.basis .* shape \(3, 2\), expected orthonormal columns"),
        (BasisOfRows, r"BasisOfRows.basis .* shape \(2, 3\), expected orthonormal .* length 3"),
    ],
)
def test_a_bottleneck_that_does_not_keep_to_the_interface_is_named(make, told, trained):
    with pytest.raises(InputError, match=told):
        trained(make)


def test_the_function_of_a_term_returns_a_scalar(trained):
    row = {"terms": (Term("size", "penalty", lambda code, decoder: None),)}
    with pytest.raises(InputError, match="The loss term size is None, expected a scalar"):
        trained(Gates, **row)


@pytest.mark.parametrize(
    "matrix",
    [lambda gates: 2 * torch.diag(gates), lambda gates: torch.ones(2, 2)],
    ids=["values", "shape"],
)
@pytest.mark.parametrize("use", ["fold", "compress"])
def test_a_matrix_other_than_that_of_the_encoding_is_not_folded(matrix, use, trained):
    class Linear(Gates):
        def linear_map(self):
            return matrix(self.gates)

    model = trained(Linear)
    with pytest.raises(InputError, match=r"Linear.linear_map returned a matrix of shape"):
        getattr(model, use)()


def test_the_matrix_of_the_encoding_is_folded(trained):
    class Linear(Gates):
        def linear_map(self):
            return torch.diag(self.gates)

    model, x = trained(Linear), torch.randn(5, 6)
    assert torch.allclose(model.fold().encode(x), model.encode(x), atol=1e-6)


class Plain(MethodOptions):
    pass


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"options": GatesOptions()}, "The options of own are GatesOptions"),
        ({"options": Plain}, "expected a class derived from latentrank.methods.ReconstructionOpt"),
        ({"terms": Term("gates", "penalty")}, "terms of own is Term.*, expected a .* type tuple"),
        ({"terms": ("gates",)}, "A term of own is 'gates', expected a value of type Term"),
        ({"terms": (Term("gates", 1.0), Term("gates", 2.0))}, "own has two terms named 'gates'"),
        ({"terms": (Term("loss", 1.0),)}, "own has a term named 'loss', which is the name of"),
    ],
)
def test_a_row_of_the_wrong_parts_is_refused(row, told):
    with pytest.raises(InputError, match=told):
        method(Gates, **row)


def test_the_bottleneck_of_a_row_is_no_class_of_its_width_alone():
    with pytest.raises(InputError, match=r"takes \(latent_dim\), expected \(latent_dim, options,"):
        Method("own", "x.", "x", GatesOptions, Gates)


def test_a_game_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setitem(METHODS._values, "own", Method("own", "x.", "x", Plain, game="maximin"))
    with pytest.raises(InputError, match="There is no game 'maximin'"):
        latentrank.build("own", 6, latent_dim=3)


@pytest.mark.parametrize("weight", [None, True, [1.0]])
def test_the_weight_of_a_term_is_a_number_or_the_name_of_an_option(weight):
    with pytest.raises(InputError, match="The weight of the term 'gates' is"):
        Term("gates", weight)


def test_the_function_of_a_term_takes_code_and_decoder():
    with pytest.raises(InputError, match=r"takes \(codes\), expected \(code, decoder\)"):
        Term("gates", 1.0, lambda codes: codes.sum())


def test_an_option_is_not_named_like_a_setting(monkeypatch):
    class Options(ReconstructionOptions):
        keep: int = 3

    monkeypatch.setitem(METHODS._values, "own", method(Gates, Options, ()))
    with pytest.raises(InputError, match="keep is an option of own and a setting; rename"):
        RunConfig(method="own", data="blobs")


def test_the_options_of_our_methods_are_not_named_like_settings():
    for name in methods.names():
        RunConfig(method=name, data="blobs")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"compute": lambda subject: 1.0}, r"takes \(subject\), expected \(subject, argument\)"),
        ({"of": "rank"}, r"takes \(subject, argument\), expected \(subject, argument, value\)"),
        ({"compute": 3}, "The function of the metric 'own' is 3, expected a function"),
        ({"check": dict.fromkeys, "needs": "codes"}, "needs of the metric 'own' is 'codes', exp"),
        ({"check": lambda: None}, r"The check of the metric 'own' .* takes \(\), expected"),
        ({"needs": ("code",)}, "no need of a metric called 'code'; did you mean 'codes'"),
        ({"uses": ("seeds",)}, "no use of a metric called 'seeds'; did you mean 'seed'"),
        ({"better": "up"}, "no direction of a metric called 'up'"),
    ],
)
def test_a_metric_that_could_not_be_measured_is_refused(given, told):
    with pytest.raises(InputError, match=told):
        Metric(**{"name": "own", "compute": lambda subject, argument: 1.0, **given})


@pytest.mark.parametrize("name", ["fid", "own:norm", "own[norm]", "own norm", ""])
def test_a_metric_has_a_name_by_which_it_can_be_asked_for(name):
    with pytest.raises(InputError, match=r"is called .* choose another name"):
        METRICS.register(name, Metric(name, lambda subject, argument: 1.0))
    assert name not in METRICS


@pytest.mark.parametrize("value", ["3", None])
def test_a_measured_value_is_a_number(value, tmp_path, monkeypatch):
    def mine(subject, argument):
        return Measured(value)

    monkeypatch.setitem(METRICS._values, "own", Metric("own", mine))
    config = RunConfig(method="pca", data="gaussian2d", latent_dim=2, train_size=9, test_size=4)
    run = latentrank.train(config, tmp_path / "run", progress=False)
    with pytest.raises(InputError, match=r"mine \(.*\) returned .*, expected a number"):
        measure(Subject(run.settings, run.folder), "own")


def test_a_density_that_draws_nan_is_named():
    class Broken(Density):
        def _draw(self, n, rng):
            return np.full((n, self.rank), np.nan)

        def _log_density(self, coordinates):
            return np.zeros(len(coordinates))

    codes = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(InputError, match=r"Broken._draw returned NaN"):
        Broken(Subspace.of(codes)).sample(2, seed=0)


def test_a_density_takes_codes():
    with pytest.raises(InputError, match=r"'own' \(.*\) takes \(\), expected \(codes\)"):
        DENSITIES.register("own", lambda: None)
    assert "own" not in density.names()


def test_a_named_data_set_takes_a_request():
    described = DATASETS.get("blobs").description
    with pytest.raises(InputError, match=r"load of blobs .* takes \(\), expected \(request\)"):
        NamedData(described, lambda: None)


def test_a_failure_of_own_code_before_the_first_epoch_leaves_no_folder(tmp_path, monkeypatch):
    class Failing(Gates):
        def forward(self, h, index=None):
            raise ZeroDivisionError

    monkeypatch.setitem(METHODS._values, "own", method(Failing))
    config = RunConfig(
        method="own", data="gaussian2d", latent_dim=3, train_size=9, test_size=4, device="cpu"
    )
    with pytest.raises(ZeroDivisionError):
        latentrank.train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
