"""Several trainings, of which the one with the lowest validation error is the run."""

import json

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import LambdaCallback

import latentrank
from latentrank import runs
from latentrank.config import RunConfig, TrainConfig
from latentrank.errors import InputError
from latentrank.runs.cache import content, folder_name
from latentrank.training import fit

GIVEN = {
    "method": "rrae", "options": {"rank": 1}, "epochs": 2, "batch_size": 16, "latent_dim": 4,
    "learning_rate": 1e-2, "device": "cpu", "seed": 3,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "x.npy"
    rng = np.random.default_rng(0)
    np.save(path, (rng.normal(size=(80, 2)) @ rng.normal(size=(2, 6))).astype(np.float32))
    return str(path)


@pytest.fixture(scope="module")
def best(data, tmp_path_factory):
    config = RunConfig(**GIVEN, data=data, n_init=3)
    return latentrank.train(config, tmp_path_factory.mktemp("runs") / "best", progress=False)


def test_the_kept_training_is_the_best_of_those_recorded(best, data, tmp_path):
    """Each is trained again on its own, from its recorded seed and on the same split."""
    record = best.metrics["restarts"]
    dataset = best.dataset()
    errors = []
    for seed in record["seeds"]:
        config = RunConfig(**{**GIVEN, "seed": seed}, data=data)
        run = latentrank.train(config, tmp_path / str(seed), dataset=dataset, progress=False)
        errors.append(run.metrics["validation_error"])
        if seed == record["seeds"][record["kept"]]:
            assert torch.equal(run.model().decoder[0].weight, best.model().decoder[0].weight)
            np.testing.assert_array_equal(run.history["rank"], best.history["rank"])
    assert record["errors"] == errors
    assert len(set(errors)) == 3
    assert best.metrics["validation_error"] == min(errors)
    assert record["seeds"][0] == GIVEN["seed"]


def test_the_run_is_read_like_any_other(best):
    again = runs.finished_run(best.folder)
    assert again.settings.training.n_init == 3
    assert again.settings.training.seed == GIVEN["seed"]
    assert not (best.folder / "restarts").exists()
    x = again.dataset().test.x
    np.testing.assert_allclose(again.model().encode_array(x), again.codes("test"), rtol=1e-5)


class Interrupted(Exception):  # noqa: N818
    pass


def test_an_interrupted_run_continues_where_it_was(best, data, tmp_path):
    """Interrupted in the second training: the first is not repeated, the ends are bit-equal."""
    ended = []

    def stop(trainer, module):
        ended.append(module.config.seed)
        if len(ended) == 3:  # two epochs of the first training, one of the second
            raise Interrupted

    config = RunConfig(**GIVEN, data=data, n_init=3)
    watch = LambdaCallback(on_train_epoch_end=stop)
    with pytest.raises(Interrupted):
        latentrank.train(config, tmp_path / "run", progress=False, callbacks=[watch])
    assert not runs.Run(tmp_path / "run").finished
    ended.clear()
    ended += [None] * 3
    run = runs.resume(tmp_path / "run", progress=False, callbacks=[watch])
    seeds = best.metrics["restarts"]["seeds"]
    assert ended[3:] in ([seeds[1], *[seeds[2]] * 2], [*[seeds[1]] * 2, *[seeds[2]] * 2])
    assert run.metrics["restarts"] == best.metrics["restarts"]
    np.testing.assert_array_equal(run.codes("test"), best.codes("test"))


def test_an_interrupted_move_is_finished_by_resuming(best, data, tmp_path, monkeypatch):
    write = runs.Run.write_metrics

    def stop(run, values):
        if "restarts" in values:
            raise Interrupted
        write(run, values)

    config = RunConfig(**GIVEN, data=data, n_init=3)
    with monkeypatch.context() as patched:
        patched.setattr(runs.Run, "write_metrics", stop)
        with pytest.raises(Interrupted):
            latentrank.train(config, tmp_path / "run", progress=False)
    run = runs.resume(tmp_path / "run", progress=False)
    assert run.metrics["restarts"] == best.metrics["restarts"]
    x = best.dataset().test.x
    np.testing.assert_array_equal(run.model().encode_array(x), best.codes("test"))


def test_the_best_of_several_is_not_trained_for_longer(best):
    before = json.dumps(best.metrics)
    with pytest.raises(InputError, match="best of 3 trainings"):
        runs.resume(best.folder, {"epochs": 5}, progress=False)
    assert json.dumps(best.metrics) == before


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"method": "pca", "options": {}}, "closed form"),
        ({"method": "nsgan", "options": {}}, "no validation error"),
        ({"options": {"rank": "auto"}}, "rank is searched for"),
        ({"method": "lorae", "options": {"target_error": 0.1}}, "same target_error"),
    ],
)
def test_pointless_restarts_are_refused(changes, reason, data, tmp_path):
    config = RunConfig(**{**GIVEN, **changes}, data=data, n_init=2)
    with pytest.raises(InputError, match=reason):
        latentrank.train(config, tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()


def test_own_networks_have_no_other_start(data, tmp_path):
    networks = {name: torch.nn.Linear(*sizes) for name, sizes in
                (("encoder", (6, 4)), ("decoder", (4, 6)))}  # fmt: skip
    with pytest.raises(InputError, match="same weights"):
        latentrank.train(
            RunConfig(**GIVEN, data=data, n_init=2), tmp_path / "run", progress=False, **networks
        )


def test_fit_refuses_what_it_would_ignore(best):
    with pytest.raises(InputError, match="n_init is 2"):
        fit(best.model(), best.dataset(), TrainConfig(n_init=2), progress=False)


def test_a_single_training_does_not_change_the_name():
    base = {"method": "lorae", "data": "blobs"}
    assert folder_name(RunConfig(**base, n_init=1)) == folder_name(RunConfig(**base))
    assert content(RunConfig(**base, n_init=2))["settings"] == {"n_init": 2}


def test_fewer_restarts_are_a_part_of_more():
    seeds = [one.seed for one in TrainConfig(n_init=5).restarts]
    assert [one.seed for one in TrainConfig(n_init=3).restarts] == seeds[:3]
    assert len(set(seeds)) == 5
    assert all(0 <= seed < 2**31 for seed in seeds)
