"""Automatic rank selection in complete runs."""

import copy

import numpy as np
import pytest
import torch
from lightning.pytorch import Callback

import latentrank
from latentrank.config import RunConfig, TrainConfig
from latentrank.data import Dataset, Split
from latentrank.linalg import truncate_rank
from latentrank.preprocessing import Preprocessing
from latentrank.runs import train
from latentrank.training import fit
from latentrank.training.rank_search import search_for
from latentrank.training.rank_search.subset import Subset


@pytest.fixture(scope="module")
def plane():
    """A plane in six dimensions."""
    rng = np.random.default_rng(0)
    x = (rng.uniform(-1, 1, size=(90, 2)) @ rng.normal(size=(2, 6))).astype(np.float32)
    return Dataset("plane", Split(x[:64]), Split(x[64:]), bounded=False, latent_dim=4)


def build(method, latent_dim=4, **options):
    torch.manual_seed(0)
    return latentrank.build(method, (6,), latent_dim, bounded=False, **options)


class TestSubset:
    def test_variance_is_what_the_best_constant_leaves(self):
        x = np.random.default_rng(0).normal(3, 2, size=(1300, 2, 3)).astype(np.float32)
        expected = x.astype(np.float64).var(axis=0).mean()
        subset = Subset(Split(x), Preprocessing(), None)
        assert subset.variance() == pytest.approx(expected, rel=1e-6)

    def test_samples_are_spread_evenly_over_the_split(self):
        subset = Subset(Split(np.arange(1001, dtype=np.float32)[:, None]), Preprocessing(), 11)
        assert torch.cat(list(subset.batches())).ravel().tolist() == list(range(0, 1001, 100))

    def test_error_is_that_of_the_reconstructions_and_the_mode_is_kept(self, plane):
        model, x = build("rrae", rank=3), torch.from_numpy(plane.train.x)
        subset = Subset(plane.train, plane.preprocessing)
        codes = truncate_rank(subset.encodings(model), 2)
        expected = (model.decode(codes) - x).detach().double().square().mean()
        assert subset.error(model, codes) == pytest.approx(float(expected), rel=1e-6)
        assert model.training
        assert subset.error(model.eval(), codes) == pytest.approx(float(expected), rel=1e-6)
        assert not model.training


@pytest.mark.parametrize(
    ("method", "options"),
    [("ae", {}), ("lorae", {}), ("rrae", {}), ("rrae", {"rank": 2}), ("vrrae", {}), ("nsgan", {})],
    ids=str,
)
def test_no_rank_is_searched_for_unless_asked(method, options):
    assert search_for(build(method, **options), TrainConfig()) is None


def trained(method, dataset, epochs=60, seed=0, **options):
    model = build(method, **options)
    config = TrainConfig(epochs=epochs, batch_size=16, learning_rate=3e-3, seed=seed)
    config = config.model_copy(update={"validate_every": epochs})
    return model, fit(model, dataset, config, progress=False).reports["rank_search"]


@pytest.mark.parametrize(
    ("method", "adapt"),
    [
        ("rrae", "shrink"),
        ("vrrae", "grow"),
        pytest.param("rrae", "grow", marks=pytest.mark.slow),
        pytest.param("vrrae", "shrink", marks=pytest.mark.slow),
    ],
)
def test_adapts_to_the_dimension_of_a_plane(method, adapt, plane, tmp_path):
    model, report = trained(method, plane, rank="auto", adapt=adapt)
    assert report["rank"] == 2
    assert report["reliable"]
    x = torch.from_numpy(plane.test.x)
    assert model.bottleneck.rank == 2
    assert model.coefficients(x).shape == (len(x), 2)
    basis = model.bottleneck.basis()
    torch.testing.assert_close(basis.T @ basis, torch.eye(2), atol=1e-5, rtol=0)
    assert float((model(x) - x).detach().square().mean()) < 0.02 * plane.test.x.var()

    again = latentrank.load(latentrank.save(model, tmp_path))
    assert (again.bottleneck.rank, again.bottleneck.max_rank) == (2, 4)
    assert torch.equal(again.encode(x), model.encode(x))
    assert torch.equal(again(x), model(x))


@pytest.mark.parametrize(
    ("method", "settings"), [("lorae", {}), ("rrae", {}), ("rrae", {"patience": 1})]
)
def test_a_run_stopped_after_its_last_step_is_resumed_with_the_same_result(
    method, settings, plane, tmp_path
):
    config = TrainConfig(epochs=8, batch_size=16, learning_rate=1e-2, **settings)
    models = [build(method, rank="auto") for _ in range(2)]
    first, again = (
        fit(model, plane, config, folder=tmp_path, resume=bool(i), progress=False)
        for i, model in enumerate(models)
    )
    assert again.reports == first.reports
    weights, restored = (model.state_dict() for model in models)
    assert all(torch.equal(weights[name], restored[name]) for name in weights)
    assert models[0].term_weights == models[1].term_weights


class Interrupt(Callback):
    """Ctrl-C after the second step."""

    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 2:
            raise KeyboardInterrupt


def test_an_interrupted_search_leaves_its_weight_and_not_a_hundredth_of_it(plane):
    model = build("lorae", rank="auto", penalty=0.5)
    with pytest.raises(KeyboardInterrupt):
        fit(model, plane, TrainConfig(epochs=9), progress=False, callbacks=[Interrupt()])
    assert model.term_weights == {"nuclear_norm": 0.5}


@pytest.mark.parametrize("method", ["rrae", "vrrae"])
def test_a_run_that_learned_nothing_finds_nothing(method, plane):
    model = build(method, rank="auto")
    config = TrainConfig(epochs=5, batch_size=16, learning_rate=1e-9)
    report = fit(model, plane, config, progress=False).reports["rank_search"]
    assert report["rank"] == 4
    assert not report["reliable"]
    assert "train for longer" in report["message"]


@pytest.fixture(scope="module")
def unequal():
    """Four directions, each about half as long as the one before: any rank can be asked for."""
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(6, 6)))[0][:4]
    x = rng.uniform(-2, 2, size=(90, 4)) * [1, 0.6, 0.3, 0.15] @ directions
    x = x.astype(np.float32)
    return Dataset("unequal", Split(x[:64]), Split(x[64:]), bounded=False, latent_dim=4)


@pytest.mark.parametrize("rank", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_the_penalty_is_steered_to_a_rank(rank, unequal):
    model, report = trained("lorae", unequal, epochs=100, rank=rank)
    assert report["reliable"]
    assert report["rank"] == rank
    assert report["penalty"] == model.objective.weights["nuclear_norm"]
    assert model.rank() == rank


@pytest.mark.slow
def test_the_penalty_is_steered_to_an_error(unequal):
    target = float(0.2 * unequal.test.x.var())
    model, report = trained("lorae", unequal, epochs=100, target_error=target)
    x = torch.from_numpy(unequal.test.x)
    error = float((model(x) - x).detach().square().mean())
    assert report["error"] == pytest.approx(error, rel=1e-4)
    assert report["reliable"]
    assert error <= target
    assert report["rank"] < 4
    assert report["penalty"] > 1e-3


@pytest.mark.slow
def test_directions_that_are_equally_useful_are_not_destroyed_for_a_rank(plane):
    """No penalty keeps one of the two and not the other: the target does not hold, and says so."""
    _, report = trained("lorae", plane, epochs=100, rank=1)
    assert not report["reliable"]
    assert report["rank"] == 2
    assert report["error"] < 0.1 * plane.test.x.var()
    assert "was not reached" in report["message"]


@pytest.mark.slow
def test_the_penalty_finds_the_dimension_of_a_plane(plane):
    _, report = trained("lorae", plane, epochs=100, rank="auto")
    assert report["reliable"]
    assert report["rank"] == 2


def test_a_rank_that_is_not_reached_is_reported_as_such(plane):
    _, report = trained("lorae", plane, epochs=3, rank=1)
    assert not report["reliable"]
    assert "was not reached" in report["message"]


def test_the_gap_of_a_plane_is_clear(plane):
    model, report = trained("irmae-wd", plane)
    values = model.statistics.variances.double()
    assert report["rank"] == 2
    assert report["reliable"]
    assert report["ratio"] == pytest.approx(float(values[1] / values[2]), rel=1e-6)


def test_a_gap_that_is_not_clear_is_reported_as_such():
    model = build("irmae-wd", depth=1)
    model.statistics.variances = torch.tensor([1.0, 0.5, 0.1, 0.05])
    report = search_for(model, TrainConfig()).report(model)
    assert (report["rank"], report["reliable"]) == (2, False)
    assert report["ratio"] == pytest.approx(5)
    assert "no clear gap" in report["message"]


class StopAfter(Callback):
    """Interrupts as Ctrl-C does, in the middle of an epoch."""

    def on_train_batch_end(self, trainer, *args):
        if trainer.global_step == 50:
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("rrae", {"rank": "auto"}),
        pytest.param("vrrae", {"rank": "auto", "adapt": "grow"}, marks=pytest.mark.slow),
        pytest.param("lorae", {"rank": 2}, marks=pytest.mark.slow),
        ("lorae", {"rank": "auto"}),
    ],
    ids=str,
)
def test_a_resumed_search_equals_an_uninterrupted_one(method, options, plane, tmp_path):
    config = TrainConfig(epochs=25, batch_size=16, seed=3, validate_every=6)
    whole = build(method, **options)
    history = fit(whole, plane, config, folder=tmp_path / "whole", progress=False)
    part = copy.deepcopy(build(method, **options))
    with pytest.raises(KeyboardInterrupt):
        fit(part, plane, config, folder=tmp_path / "part", progress=False, callbacks=[StopAfter()])
    resumed = build(method, **options)
    again = fit(resumed, plane, config, folder=tmp_path / "part", resume=True, progress=False)
    assert again.reports == history.reports
    for name, tensor in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], tensor), name


def test_the_metrics_of_a_run_hold_what_was_found(plane, tmp_path):
    np.save(tmp_path / "plane.npy", plane.train.x)
    config = RunConfig(
        method="rrae-adaptive", data=str(tmp_path / "plane.npy"), latent_dim=4, epochs=5
    )
    run = train(config, tmp_path / "run", progress=False)
    found = run.metrics["rank_search"]
    assert found["rank"] == run.model().bottleneck.rank
    assert found["message"].endswith(".")
    assert run.history["directions"][-1] == found["rank"]


def test_patience_leaves_no_trial_open(plane):
    """Training may stop just after a direction was dropped that is needed."""
    torch.manual_seed(0)
    model = build("rrae", rank="auto")
    config = TrainConfig(epochs=200, batch_size=16, learning_rate=1e-2, patience=4)
    history = fit(model, plane, config, progress=False)
    assert history.rows[-1]["epoch"] < 200
    x = torch.from_numpy(plane.train.x)
    with torch.no_grad():
        error = float((model(x) - x).square().mean())
    variance = Subset(plane.train, plane.preprocessing).variance()
    assert error < 0.05 * variance


def search_on_a_curved_surface(epochs):
    """The report of an automatic rank, of at most 8."""
    rng = np.random.default_rng(0)
    x = np.sin(rng.normal(size=(300, 2)) @ rng.normal(size=(2, 12))).astype(np.float32)
    data = Dataset("waves", Split(x[:240]), Split(x[240:]), bounded=False)
    torch.manual_seed(0)
    model = latentrank.build("rrae", (12,), 8, bounded=False, rank="auto")
    return fit(model, data, TrainConfig(epochs=epochs), progress=False).reports["rank_search"]


def test_a_rank_found_while_networks_still_learned_is_unreliable():
    """After a few epochs one direction of a curved surface is as good as eight."""
    report = search_on_a_curved_surface(epochs=30)
    assert not report["reliable"]
    assert "dropped too early" in report["message"]


def test_a_search_that_never_began_does_not_claim_that_directions_were_dropped():
    """After two epochs the error is still that of the mean of the data."""
    report = search_on_a_curved_surface(epochs=2)
    assert (report["rank"], report["reliable"]) == (8, False)
    assert report["message"] == (
        "The rank was adapted down from 8: 8 directions; training ended before any could be "
        "dropped, train for longer."
    )
