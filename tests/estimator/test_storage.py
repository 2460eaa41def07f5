"""Pickled, saved and loaded estimators do what they did."""

import json
import pickle

import numpy as np
import pytest
import torch
from sklearn.base import clone
from torch import nn

from latentrank import LowRankAutoencoder, methods
from latentrank.errors import InputError


def same_behaviour(a, b, x):
    np.testing.assert_array_equal(a.transform(x), b.transform(x))
    np.testing.assert_array_equal(a.sample(3, random_state=0), b.sample(3, random_state=0))
    np.testing.assert_array_equal(a.singular_values_, b.singular_values_)
    assert a.history_ == b.history_
    assert a.get_feature_names_out().tolist() == b.get_feature_names_out().tolist()
    if a.model_.reconstructs:
        assert a.score(x) == b.score(x)


@pytest.mark.parametrize("method", methods.names())
def test_every_method_is_pickled_saved_and_loaded(method, plane, tmp_path):
    estimator = LowRankAutoencoder(method, latent_dim=3, epochs=1, random_state=0).fit(plane)
    pickled = pickle.loads(pickle.dumps(estimator))
    same_behaviour(pickled, estimator, plane)
    loaded = LowRankAutoencoder.load(estimator.save(tmp_path / method))
    same_behaviour(loaded, estimator, plane)
    assert loaded.get_params() == estimator.get_params()
    if method != "pca":
        for again in (pickled, loaded):
            assert again.partial_fit(plane).n_iter_ == 2


@pytest.mark.parametrize("shape", [(2, 30), (9, 8, 3), (1, 4, 4, 4)])
def test_estimators_of_curves_images_and_volumes_are_pickled_saved_and_loaded(shape, tmp_path):
    x = np.random.default_rng(0).normal(size=(12, *shape))
    estimator = LowRankAutoencoder("pca", latent_dim=2).fit(x)
    same_behaviour(pickle.loads(pickle.dumps(estimator)), estimator, x)
    same_behaviour(LowRankAutoencoder.load(estimator.save(tmp_path)), estimator, x)


def own_networks():
    encoder = nn.Sequential(nn.Linear(8, 16), nn.ELU(), nn.Linear(16, 3))
    return {"encoder": encoder, "decoder": nn.Sequential(nn.Linear(3, 8))}


@pytest.mark.parametrize("method", ["lorae", "rae-sn"])
def test_custom_networks_are_copied_cloned_pickled_and_saved(method, plane, tmp_path):
    networks = own_networks()
    before = networks["decoder"][0].weight.detach().clone()
    estimator = LowRankAutoencoder(method, latent_dim=3, epochs=2, random_state=0, **networks)
    assert clone(estimator).fit(plane).model_.spec.net == "custom"
    estimator.fit(plane)
    assert torch.equal(networks["decoder"][0].weight, before)
    same_behaviour(pickle.loads(pickle.dumps(estimator)), estimator, plane)
    folder = estimator.save(tmp_path / "own")
    loaded = LowRankAutoencoder.load(folder, **networks)
    same_behaviour(loaded, estimator, plane)
    assert torch.equal(networks["decoder"][0].weight, before)
    np.testing.assert_array_equal(loaded.fit(plane).embedding_, estimator.embedding_)
    with pytest.raises(InputError, match="load\\(folder, encoder="):
        LowRankAutoencoder.load(folder)


def test_parts_of_own_networks_that_do_not_learn_never_do(plane, tmp_path):
    networks = own_networks()
    networks["encoder"][0].requires_grad_(False)
    given = networks["encoder"][0].weight
    first = LowRankAutoencoder("lorae", latent_dim=3, epochs=1, random_state=0, **networks)
    folder = first.fit(plane).save(tmp_path)
    for estimator in (first, LowRankAutoencoder.load(folder, **networks)):
        for train in (estimator.partial_fit, estimator.set_params(warm_start=True).fit):
            learned = estimator.model_.encoder[2].weight
            encoder = train(plane).model_.encoder
            assert torch.equal(encoder[0].weight, given)
            assert not torch.equal(encoder[2].weight, learned)


def test_a_compressed_estimator_is_pickled_and_saved(plane, tmp_path):
    estimator = LowRankAutoencoder(
        "rrae", latent_dim=6, rank=2, epochs=2, compress=0.05, random_state=np.random.RandomState(0)
    ).fit(plane)
    pickled = pickle.loads(pickle.dumps(estimator))
    same_behaviour(pickled, estimator, plane)
    assert pickled.partial_fit(plane).n_iter_ == 3
    same_behaviour(LowRankAutoencoder.load(estimator.save(tmp_path)), estimator, plane)


def test_only_folders_of_an_estimator_are_loaded(plane, tmp_path):
    with pytest.raises(InputError, match=r"estimator.json is missing"):
        LowRankAutoencoder.load(tmp_path)
    folder = LowRankAutoencoder("ae", latent_dim=2, epochs=1).fit(plane).save(tmp_path)
    for text in ("{", "[]", '{"format": 2}', '{"format": 2, "parameters": {"methd": 3}}'):
        refused_with(text, folder)


def test_an_estimator_that_lacks_what_was_fitted_is_refused(plane, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(plane, columns=[f"x{i}" for i in range(plane.shape[1])])
    folder = LowRankAutoencoder("ae", latent_dim=2, epochs=1).fit(frame).save(tmp_path)
    whole = json.loads((folder / "estimator.json").read_text())
    for name in whole["fitted"]:
        fitted = {key: value for key, value in whole["fitted"].items() if key != name}
        refused_with(json.dumps({**whole, "fitted": fitted}), folder)
    names = {**whole["fitted"], "feature_names_in_": ["x0"]}
    refused_with(json.dumps({**whole, "fitted": names}), folder)


def refused_with(text, folder):
    (folder / "estimator.json").write_text(text)
    with pytest.raises(InputError, match=r"The estimator in .* again"):
        LowRankAutoencoder.load(folder)


@pytest.mark.parametrize(("shape", "kind"), [((5,), "table"), ((9,), "curves"), ((2, 9), "curves")])
def test_a_loaded_estimator_knows_whether_it_was_fitted_to_a_table(shape, kind, tmp_path):
    X = np.random.default_rng(0).normal(size=(20, *shape))
    fitted = LowRankAutoencoder("ae", latent_dim=2, epochs=1, kind=kind).fit(X)
    again = LowRankAutoencoder.load(fitted.save(tmp_path))
    expected = shape[0] if len(shape) == 1 else None
    assert getattr(fitted, "n_features_in_", None) == expected
    assert getattr(again, "n_features_in_", None) == expected
