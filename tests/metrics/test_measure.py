"""Values of a run: what they depend on, and that every command gives the same ones."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from latentrank import metrics, runs
from latentrank.__main__ import main
from latentrank.errors import InputError
from latentrank.metrics import Metric, Subject, is_possible, labels, measure, parse, usual
from latentrank.metrics.measure import _request, _title
from latentrank.report import write_comparison
from latentrank.reproduce import reproduce
from latentrank.sweep import parse_search, sweep

DISTANCE = "fd:gaussian"


def subject_of(run, **options):
    return Subject(run.settings, run.folder, **options)


def distance_of(folder):
    (value,) = [v for v in metrics.read(folder) if v.metric == "fd[classifier]:gaussian"]
    return value.value


def test_a_distance_is_the_same_number_from_every_command(folder, trained, tmp_path):
    """A run on part of the data: the classifier sees all of it, whoever asks."""
    settings = {"train_size": 40, "test_size": 12}
    run = trained("ae", "images.npz", "-part", **settings, seed=1)
    copies = [shutil.copytree(run.folder, tmp_path / name) for name in ("one", "two")]
    command = ["evaluate", str(copies[0]), "--features", "classifier", "--no-probes"]
    assert main([*command, "--density", "gaussian"]) == 0
    expected = measure(subject_of(runs.Run(copies[1])), DISTANCE)
    assert distance_of(copies[0]) == expected.value

    base = {"method": "ae", "data": str(folder / "images.npz"), "epochs": 1, "seed": 1, **settings}
    (trial,) = sweep(
        base, [parse_search("latent_dim=4")], 1, minimise=DISTANCE, out=tmp_path / "sweeps"
    )
    assert trial.value == expected.value

    same = {name: run.settings.get(name) for name in ("batch_size", "learning_rate")}
    part = {
        "preset": "blobs",
        "metrics": {"FD": DISTANCE},
        "settings": {"data": base["data"], "epochs": 1, "latent_dim": 4, **settings, **same},
    }
    rows = [{"name": "AE", "method": "ae"}]
    recipe = {"title": "t", "paper": "p", "rows": rows, "parts": [part]}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(recipe))
    page = reproduce(str(tmp_path / "own.yaml"), seeds=2, out=tmp_path / "out", device="cpu")
    assert page.grids[0].rows["AE"]["FD"].values[1] == expected.value

    write_comparison([runs.Run(copies[0])], tmp_path / "compare.html")
    assert f"{expected.value:.4g}" in (tmp_path / "compare.html").read_text()


def test_interpolated_samples_lie_between_codes_of_test_samples(trained):
    """PCA decodes linearly, so they lie on a line through two reconstructed samples."""
    subject = subject_of(trained("pca", "plain.npy"))
    ends = subject.generated("reconstruction").astype(np.float64)
    found = subject.generated("interpolation", 30).astype(np.float64)
    assert len(found) == 30
    np.testing.assert_array_equal(found, subject.generated("interpolation", 30))
    for point in found:
        span = np.linalg.norm(ends[:, None] - ends[None], axis=2)
        detour = np.linalg.norm(ends[:, None] - point, axis=2) + np.linalg.norm(
            ends[None] - point, axis=2
        )
        # Far above the rounding of float32 values of 5 columns, below any real detour.
        excess = (detour - span)[~np.eye(len(ends), dtype=bool)]
        assert excess.min() < 1e-4
        assert np.median(excess) > 1e-2


def test_the_classifier_is_trained_on_all_data_and_the_value_says_so(trained):
    part = trained("ae", "images.npz", "-part", train_size=40, test_size=12, seed=1)
    whole = trained("ae", "images.npz")
    found = [measure(subject_of(run, samples=20), DISTANCE) for run in (part, whole)]
    about = [value.identity["features"] for value in found]
    assert about[0] == about[1]
    assert about[0]["trained_on"]["training_images"] == len(whole.dataset().train)
    assert about[0]["trained_on"]["training_images"] > len(part.dataset().train)
    assert {"weights", "preprocessing", "accuracy", "name"} <= set(about[0])
    assert found[0].identity["samples"] == 20
    assert found[0].identity["seed"] == 1


def test_a_stored_value_is_reused_only_if_it_matches_the_whole_request(trained):
    run = trained("ae", "images.npz")
    one = measure(subject_of(run, samples=20), DISTANCE)
    assert measure(subject_of(run, samples=20), DISTANCE) == one
    others = [
        measure(subject_of(run, samples=20, seed=7), DISTANCE),
        measure(subject_of(run, samples=21), DISTANCE),
        measure(subject_of(run, samples=20), "fd:gmm"),
        measure(subject_of(run, samples=20), "fd:gmm:components=2"),
    ]
    assert len({v.value for v in [one, *others]}) == 5
    kept = metrics.read(run.folder)
    assert all(value in kept for value in [one, *others])


def test_the_usual_density_is_stored_under_its_own_name(trained):
    gan = subject_of(trained("nsgan", "images.npz"), samples=20)
    assert measure(gan, "fd:usual").metric == "fd[classifier]:prior"
    assert "reconstruction" not in " ".join(usual(gan, "classifier"))


def test_training_further_leaves_no_stale_value(trained, tmp_path):
    run = trained("ae", "images.npz", "-again")
    before = measure(subject_of(run, samples=20), DISTANCE)
    model = run.folder / "model.safetensors"
    late = metrics.Value("late", "late", 1.0, model=before.model)
    again = runs.resume(run.folder, {"epochs": 2}, progress=False)
    assert "measured" not in again.metrics
    assert metrics.read(run.folder) == []
    metrics.add(run.folder, [late])  # of a process that began before
    assert metrics.read(run.folder) == []
    after = measure(subject_of(runs.Run(run.folder), samples=20), DISTANCE)
    assert after.model != before.model
    assert after.value != before.value
    assert metrics.read(run.folder) == [after]
    model.write_bytes(model.read_bytes()[:-1] + b"\x01")
    assert metrics.read(run.folder) == []


def test_usual_metrics_are_those_that_the_data_allows(trained):
    table = usual(subject_of(trained("ae", "table.npz")))
    assert {"accuracy:10", "knn-accuracy:all"} <= set(table)
    assert not any(name.startswith(("fd", "relative", "active")) for name in table)
    assert "accuracy:10" not in usual(subject_of(trained("ae", "table.npz")), probes=False)
    assert "accuracy:10" not in usual(subject_of(trained("ae", "plain.npy")))
    assert "active-units" in usual(subject_of(trained("vae", "table.npz")))


def test_densities_are_measured_as_given_or_as_usual_for_the_method(trained):
    subject = subject_of(trained("ae", "images.npz"))
    for density, expected in ((["prior"], {"prior"}), (None, set(subject.model.usual_densities))):
        found = [parse(text) for text in usual(subject, "classifier", density, probes=False)]
        of = {spec.argument for spec in found if spec.metric.argument == "DENSITY"}
        assert of == {"reconstruction"} | expected
    for text in usual(subject, "inception", ["prior"], probes=False):
        spec = parse(text)
        if spec.metric.argument == "DENSITY":
            assert spec.features == ("inception" if "features" in spec.metric.uses else "")
    with pytest.raises(InputError, match="did you mean 'gaussian'"):
        usual(subject, "classifier", ["gausian"])
    with pytest.raises(InputError, match="prior were given without features"):
        usual(subject, None, ["prior"])


def test_a_metric_that_uses_no_number_of_samples_is_measured_once_a_density(trained, monkeypatch):
    """One of another package, of generated samples without features, and with a usual density."""
    mine = Metric("spread", lambda subject, _: 1.0, argument="DENSITY", usual=("gaussian",))
    monkeypatch.setitem(metrics.METRICS._values, "spread", mine)
    subject = subject_of(trained("ae", "images.npz"))
    found = usual(subject, "classifier", ["gaussian"], probes=False)
    of = [text for text in found if text.startswith("spread")]
    assert of == ["spread:reconstruction", "spread:gaussian"]
    assert [measure(subject, text).label for text in of] == [
        "reconstruction: spread", "gaussian: spread",
    ]  # fmt: skip


def test_a_kept_value_is_not_computed_again(trained, monkeypatch):
    run = trained("ae", "images.npz")
    asked = (DISTANCE, "fd:reconstruction", "linear-accuracy:10")
    first = [measure(subject_of(run, samples=20), text) for text in asked]
    assert first[1].identity["samples"] == len(run.dataset().test)

    def computed(*given):
        raise AssertionError("computed again")

    monkeypatch.setattr(Subject, "features", computed)
    monkeypatch.setattr(Subject, "all_codes", computed)
    assert [measure(subject_of(run, samples=20), text) for text in asked] == first
    assert measure(subject_of(run, samples=21), asked[1]) == first[1]
    with pytest.raises(AssertionError, match="computed again"):
        measure(subject_of(run, samples=23), DISTANCE)


def test_a_value_that_is_not_finite_is_neither_given_nor_kept(trained, monkeypatch):
    run = trained("ae", "table.npz", "-own")
    nothing = Metric("nothing", lambda subject, _: float("nan"))
    monkeypatch.setitem(metrics.METRICS._values, "nothing", nothing)
    with pytest.raises(InputError, match=r"nothing of .* is nan"):
        measure(subject_of(run), "nothing")
    assert "nothing" not in [value.metric for value in metrics.read(run.folder)]


def pretend(*, shape=(1, 8, 8), bounded=True, labels=(None, None), parameters=None, **others):
    """The parts of a subject that its metrics' needs look at."""
    train, test = (SimpleNamespace(labels=y, parameters=parameters) for y in labels)
    data = SimpleNamespace(
        shape=shape, preprocessing=SimpleNamespace(bounded=bounded), train=train, test=test
    )
    known = {"has_posterior": False, "run": SimpleNamespace(lacks=()), "reconstructs": True}
    return SimpleNamespace(dataset=data, full_dataset=data, **{**known, **others})


@pytest.mark.parametrize(
    ("metric", "possible", "subject"),
    [
        ("fd:gaussian", True, pretend()),
        ("fd:gaussian", False, pretend(bounded=False)),
        ("fd:gaussian", False, pretend(shape=(64,))),
        ("accuracy:10", True, pretend(labels=(range(11), range(3)))),
        ("accuracy:10", False, pretend(labels=(range(10), range(3)))),
        ("accuracy:10", False, pretend(labels=(range(11), None))),
        ("accuracy:10", False, pretend(labels=(None, range(3)))),
        ("accuracy:all", True, pretend(labels=(range(10), range(3)))),
        ("accuracy:all", False, pretend(labels=(range(10), range(3)), reconstructs=False)),
        ("training-error", True, pretend()),
        ("prediction-error:auto", True, pretend(parameters=range(3))),
        ("prediction-error:auto", False, pretend()),
        ("active-units", True, pretend(has_posterior=True)),
        ("active-units", False, pretend()),
        ("seconds-per-100-batches", False, pretend(run=SimpleNamespace(lacks=("history",)))),
    ],
)
def test_a_metric_is_possible_with_what_it_needs(metric, possible, subject):
    assert is_possible(subject, parse(metric)) == possible


@pytest.mark.parametrize("weights", [None, "digest"])
@pytest.mark.parametrize(
    ("text", "depends", "title"),
    [
        ("fd[inception]:gmm", {"density": "gmm", "samples": 20, "seed": 7}, "FID"),
        ("fd:gmm", {"density": "gmm", "samples": 20, "seed": 7}, "FD-classifier"),
        ("fd:reconstruction", {"density": "reconstruction", "seed": 7}, "FD-classifier"),
        ("accuracy:10", {"seed": 7}, "accuracy"),
        ("rank", {}, "rank"),
    ],
)
def test_a_value_is_identified_by_all_that_it_depends_on(text, depends, title, weights):
    """Otherwise one of other data, weights, samples or seeds would be taken for it."""
    spec, own = parse(text), {"samples": 20, "seed": 7, "weights_key": lambda name: weights}
    features = {"name": spec.features} | ({"weights": weights} if weights else {})
    expected = {**depends, **({"features": features} if spec.features else {})}
    assert _request(SimpleNamespace(measured_on=None, **own), spec) == expected
    other = _request(SimpleNamespace(measured_on="another", **own), spec)
    assert other == {**expected, "data": "another"}
    assert _title(spec) == title


def test_probes_see_all_labels_of_the_data(trained):
    part = trained("ae", "images.npz", "-part", train_size=40, test_size=12, seed=1)
    found = measure(subject_of(part), "linear-accuracy:all")
    assert found.identity["labels"] == 96
    assert 0 <= found.value <= 100
    assert found.spread is None
    few = measure(subject_of(part), "linear-accuracy:10")
    assert few.spread is not None
    assert (few.identity["draws"], few.label) == (3, "linear, 10 labels: accuracy")


@pytest.mark.parametrize(
    ("method", "data", "metric", "told"),
    [
        ("ae", "table.npz", "fd:gaussian", "measured on images"),
        ("ae", "plain.npy", "accuracy:10", "no labels"),
        ("ae", "table.npz", "active-units", "needs a Gaussian posterior; choose"),
        ("ae", "table.npz", "prediction-error:auto", "needs parameters"),
        ("nsgan", "images.npz", "accuracy:10", "needs codes of samples, which"),
        ("ae", "images.npz", "fd:gausian", "did you mean 'gaussian'"),
        ("ae", "images.npz", "fd[incepton]:gaussian", "did you mean 'inception'"),
        ("ae", "images.npz", "accuracy", "expected accuracy:LABELS"),
        ("ae", "images.npz", "rank:3", "expected rank"),
        ("ae", "images.npz", "accuracy:many", "expected an integer of at least 2, or all"),
        ("ae", "images.npz", "accuracy:1", "expected an integer of at least 2, or all"),
        ("ae", "images.npz", "accuracy:97", "97 labels were requested, and there are 96"),
        ("ae", "plain.npy", "contrast:lowst", "did you mean 'lowest'"),
        ("ae", "plain.npy", "gradient:many", "steps is 'many', expected an integer of at least 1"),
        ("ae", "plain.npy", "gradient:0", "steps is 0, expected an integer of at least 1"),
        ("ae", "images.npz", "rank[inception]", "uses no features"),
    ],
)
def test_mistakes_are_reported(trained, method, data, metric, told):
    with pytest.raises(InputError, match=told):
        measure(subject_of(trained(method, data)), metric)


def test_arguments_of_a_metric_of_ones_own_are_checked_before_a_training(monkeypatch):
    def never(subject, argument):
        raise AssertionError

    mine = Metric("quantile", never, argument="SHARE", check=float)
    monkeypatch.setitem(metrics.METRICS._values, "quantile", mine)
    assert metrics.check("quantile:0.5").argument == "0.5"
    with pytest.raises(InputError, match=r"expected quantile:SHARE \(could not"):
        metrics.check("quantile:half")


def test_a_metric_of_ones_own_is_measured_kept_and_compared(trained, tmp_path, monkeypatch):
    run = trained("ae", "table.npz", "-own")
    mine = Metric("code-width", lambda subject, _: float(np.ptp(subject.codes("test"))), "lower")
    monkeypatch.setitem(metrics.METRICS._values, "code-width", mine)
    assert main(["evaluate", str(run.folder), "--no-probes"]) == 0
    kept = json.loads((run.folder / "metrics.json").read_text())["measured"]
    (row,) = [row for row in kept.values() if row["metric"] == "code-width"]
    assert row["better"] == "lower"
    write_comparison([run], tmp_path / "compare.html")
    assert "code width" in (tmp_path / "compare.html").read_text()


def test_values_that_need_no_model_are_measured_side_by_side(trained, tmp_path, monkeypatch):
    """The first leaves a file of values, which is not yet a run; the next one uses them."""
    config = trained("ae", "images.npz").settings
    trainings, train = [], labels.supervised
    monkeypatch.setattr(labels, "supervised", lambda *a: trainings.append(a) or train(*a))
    right, wrong = (
        measure(Subject(config, tmp_path / "untrained"), f"supervised-{name}:10").value
        for name in ("accuracy", "mistakes")
    )
    assert wrong == 100 - right
    assert len(trainings) == 1
