import json

import numpy as np
import pytest
import torch
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsRegressor
from torch import nn

import latentrank
from latentrank import runs
from latentrank.config import RunConfig, TrainConfig
from latentrank.data import Dataset, Split
from latentrank.errors import InputError
from latentrank.training import fit, geodesic
from latentrank.training.geodesic import chart, residual_variance

POSITIONS = np.linspace(0, 1, 24)


def arc(turns=1.6):
    """Curves that run along an arc of a circle: folded on a line by most random starts."""
    times = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    x = np.sin(times - turns * np.pi * POSITIONS[:, None]).astype(np.float32)[:, None]
    return Dataset("arc", Split(x), Split(x), bounded=False)


def started(dataset=None, method="rrae", config=None, **options):
    dataset = dataset or arc()
    torch.manual_seed(0)
    model = latentrank.build(
        method, dataset.shape, latent_dim=12, net="curves", bounded=False, **options
    )
    given = {"init": "geodesic", "init_steps": 400, "epochs": 1, "batch_size": 8}
    given |= {"learning_rate": 1e-7, **(config or {})}  # so that the start is seen by itself
    return model, fit(model, dataset, TrainConfig(**given), progress=False)


def shortest_paths(x, neighbours):
    """Distances along the graph of nearest neighbours, by Floyd and Warshall."""
    between = np.linalg.norm(x[:, None] - x[None], axis=-1)
    paths = np.full_like(between, np.inf)
    for i, row in enumerate(between):
        for j in np.argsort(row)[: neighbours + 1]:
            paths[i, j] = paths[j, i] = row[j]
    for k in range(len(x)):
        paths = np.minimum(paths, paths[:, [k]] + paths[[k]])
    return paths


def classical_scaling(distances, dimensions):
    """Coordinates whose inner products are nearest to those of the distances (Torgerson 1952)."""
    centring = np.eye(len(distances)) - 1 / len(distances)
    values, vectors = np.linalg.eigh(-0.5 * centring @ distances**2 @ centring)
    return vectors[:, -dimensions:] * np.sqrt(values[-dimensions:])


def independent_residual_variance(x, neighbours, dimensions):
    paths = shortest_paths(x, neighbours)
    if not np.isfinite(paths).all():
        return np.inf
    points = classical_scaling(paths, dimensions)
    embedded = np.linalg.norm(points[:, None] - points[None], axis=-1)
    pairs = np.triu_indices(len(x), 1)
    a, b = paths[pairs] - paths[pairs].mean(), embedded[pairs] - embedded[pairs].mean()
    return 1 - (a @ b) ** 2 / ((a @ a) * (b @ b))


def test_the_chart_has_the_smallest_residual_variance_of_all_connected_graphs():
    rng = np.random.default_rng(0)
    angle, height = rng.uniform(0, 4, 40), rng.uniform(0, 2, 40)
    sheet = np.stack([np.cos(angle), np.sin(angle), height], axis=1)
    found = chart(sheet, dimensions=2)
    tried = {n: independent_residual_variance(sheet, n, 2) for n in geodesic._NEIGHBOURS}
    assert np.isinf(tried[2]), "the test wants a graph in parts"
    assert found.neighbours == min(tried, key=tried.get)
    assert found.residual_variance == pytest.approx(min(tried.values()), rel=1e-9)


def test_residual_variance_is_zero_for_kept_distances_and_one_for_unrelated():
    points = np.array([[0.0], [1.0], [3.0], [4.0]])
    assert residual_variance(5 * np.abs(points - points.T), points) == pytest.approx(0, abs=1e-12)
    # The sides of a square are embedded as its diagonals and the other way round, half of them.
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1.0]])
    between = np.array([[0, 2, 1, 1], [2, 0, 1, 1], [1, 1, 0, 2], [1, 1, 2, 0.0]])
    sides = np.linalg.norm(square[:, None] - square[None], axis=-1)
    expected = np.corrcoef(between[np.triu_indices(4, 1)], sides[np.triu_indices(4, 1)])[0, 1]
    assert residual_variance(between, square) == pytest.approx(1 - expected**2)


@pytest.mark.parametrize(
    ("method", "options"),
    [("rrae", {}), ("rrae-weak", {}), ("rrae-weak", {"learned_coefficients": True})],
)
def test_a_coefficient_runs_one_way_along_the_data(method, options):
    model, history = started(method=method, rank=1, **options)
    x = model.preprocessing.normalise(arc().train.x)
    with torch.no_grad():
        along = model.coefficients(x)[:, 0].diff()
        off = float((model(x) - x).square().mean() / x.square().mean())
    assert bool((along > 0).all() or (along < 0).all())
    assert off < 0.3, "and the decoder knows the codes: that of a constant is 1"
    assert history.reports["geodesic_start"]["residual_variance"] < 0.01


def test_variational_codes_begin_with_the_variance_of_their_prior():
    model, _ = started(method="vrrae", rank=2, config={"init_steps": 800})
    with torch.no_grad():
        mean, _ = model.bottleneck.posterior(model.encoder(torch.from_numpy(arc().train.x)))
    # The encoder meets its targets to within some percent by then.
    assert float(mean.var(0, correction=0).sum()) == pytest.approx(2, rel=0.2)


def test_a_last_layer_on_each_row_of_a_sample_is_left_to_training():
    x = torch.randn(40, 4, 5)
    encoder = nn.Sequential(nn.Linear(5, 2), nn.Flatten())
    before = encoder[0].weight.clone()
    geodesic._read_out(encoder, x, torch.randn(40, 8))
    assert torch.equal(encoder[0].weight, before)


def test_large_data_are_laid_out_by_landmarks(monkeypatch):
    monkeypatch.setattr(geodesic, "MOST_LANDMARKS", 10)
    model, history = started(rank=1)
    assert history.reports["geodesic_start"]["landmarks"] == 10
    with torch.no_grad():
        along = model.coefficients(torch.from_numpy(arc().train.x))[:, 0].diff()
    assert bool((along > 0).all() or (along < 0).all())


def test_images_have_a_chart_too(tmp_path):
    config = RunConfig(
        method="rrae", data="gaussian2d", options={"rank": 2}, latent_dim=8, train_size=49,
        test_size=9, init="geodesic", init_steps=3, epochs=1, device="cpu",
    )  # fmt: skip
    run = runs.train(config, tmp_path / "run", progress=False)
    kept = json.loads((run.folder / "metrics.json").read_text())["geodesic_start"]
    assert kept["residual_variance"] < geodesic.DOUBTFUL
    assert kept["reliable"]


def test_a_closed_loop_has_no_chart_of_one_dimension():
    _, history = started(arc(turns=2 - 1 / 24), rank=1, config={"init_steps": 1})
    report = history.reports["geodesic_start"]
    assert report["residual_variance"] > geodesic.DOUBTFUL
    assert not report["reliable"]
    assert "no chart" in report["message"]


def pulses(count):
    """Of a centre and of a width, which changes them far less."""
    rng, t = np.random.default_rng(0), np.linspace(0, 1, 64)
    centre, width = rng.uniform([0.2, 0.03], [0.8, 0.1], size=(count, 2)).T[:, :, None]
    return np.exp(-(((t - centre) / width) ** 2)), width[:, 0]


def test_a_chart_without_a_parameter_is_not_trusted():
    """Although its distances are those along the data."""
    x, width = pulses(100)
    found = chart(x, 2)
    a = found.coordinates(x)
    nearest = KNeighborsRegressor(5, weights="distance")
    assert cross_val_score(nearest, a / a.std(axis=0), width, cv=5).mean() < 0.6
    assert found.residual_variance < geodesic.DOUBTFUL / 10
    report = geodesic._report(found, x, 2, 1)
    assert not report["reliable"]
    assert "dissimilar samples" in report["message"]


def test_trustworthiness_counts_how_far_neighbours_in_the_chart_come_from():
    """Venna and Kaski's formula, by loops."""
    x, _ = pulses(40)
    found = geodesic._chart(x, 2, 6)
    between = [np.linalg.norm(a[:, None] - a[None], axis=-1) for a in (x, found.isomap.embedding_)]
    rank_in_data, rank_in_chart = (np.argsort(np.argsort(d, axis=1), axis=1) for d in between)
    n, k = len(x), geodesic._NEAREST
    intruders = (rank_in_chart <= k) & (rank_in_chart > 0) & (rank_in_data > k)
    lost = (rank_in_data - k)[intruders].sum()
    expected = 1 - 2 * lost / (n * k * (2 * n - 3 * k - 1))
    assert found.trustworthiness(x) == pytest.approx(expected, rel=1e-12)


def test_a_resumed_run_does_not_start_again(tmp_path, monkeypatch):
    whole, _ = started(rank=1, config={"epochs": 2, "init_steps": 5, "learning_rate": 1e-3})
    again, _ = started(rank=1, config={"epochs": 2, "init_steps": 5, "learning_rate": 1e-3})
    for one, other in zip(whole.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other), "the seed decides"

    config = {"init": "geodesic", "init_steps": 5, "batch_size": 8, "learning_rate": 1e-3}
    torch.manual_seed(0)
    model = latentrank.build("rrae", (1, 16), latent_dim=12, net="curves", bounded=False, rank=1)
    fit(model, arc(), TrainConfig(epochs=1, **config), folder=tmp_path, progress=False)
    monkeypatch.setattr(geodesic, "chart", None)  # whoever starts again fails
    history = fit(
        model, arc(), TrainConfig(epochs=2, **config), folder=tmp_path, resume=True, progress=False
    )
    for one, other in zip(whole.parameters(), model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert history.reports["geodesic_start"]["steps"] == 5


@pytest.mark.parametrize(
    ("method", "options", "told"),
    [
        ("lorae", {}, "lorae has no basis of a given rank"),
        ("ae", {}, "choose a method such as rrae"),
        ("pca", {}, "pca has no basis of a given rank"),
        ("rrae", {"rank": "auto"}, "give the rank as a number"),
        ("rrae", {"rank": 12}, "on 8 samples, expected a rank of at most 7"),
    ],
)
def test_what_cannot_start_is_refused_in_a_sentence(method, options, told):
    few = arc()
    dataset = Dataset("few", few.train.take(np.arange(8)), few.test, bounded=False)
    with pytest.raises(InputError, match=told):
        started(dataset, method, **options)


def test_a_low_learning_rate_is_usual_after_a_geodesic_start():
    assert TrainConfig(init="geodesic").resolved("rrae").learning_rate == 3e-4
    assert TrainConfig(init="geodesic", learning_rate=0.1).resolved("rrae").learning_rate == 0.1
    assert TrainConfig().resolved("rrae").learning_rate == 5e-4


class Transposed(nn.Module):
    """A decoder with the encoder's weights."""

    def __init__(self, encoder):
        super().__init__()
        self.encoder = encoder

    def forward(self, z):
        return z @ self.encoder.weight


@pytest.mark.filterwarnings("error:optimizer contains a parameter group with duplicate")
@pytest.mark.filterwarnings("ignore:The geodesic start has a residual")
def test_a_start_takes_shared_weights_and_a_lowered_rank():
    x = arc().train.x[:, 0]
    encoder = nn.Linear(16, 4)
    networks = {"encoder": encoder, "decoder": Transposed(encoder)}
    model = latentrank.build("vrrae", 16, 4, bounded=False, rank=3, **networks)
    model.bottleneck.rank = 2
    config = TrainConfig(epochs=1, init="geodesic", init_steps=3)
    fit(model, Dataset("x", Split(x), Split(x), bounded=False), config, progress=False)
    assert model.rank() == 2
