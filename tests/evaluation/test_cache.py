from importlib import import_module

import numpy as np

from latentrank.evaluation.cache import content_key


def test_the_key_depends_on_every_value_type_shape_and_setting(rng):
    x = rng.integers(0, 9, (6, 2)).astype(np.int64)
    other = x.copy()
    other[-1, -1] += 1
    variants = [
        ({"x": x}, {"seed": 0}),
        ({"x": other}, {"seed": 0}),
        ({"x": x.reshape(2, 6)}, {"seed": 0}),
        ({"x": x.view(np.uint64)}, {"seed": 0}),
        ({"y": x}, {"seed": 0}),
        ({"x": x}, {"seed": 1}),
        ({"x": x, "y": x}, {"seed": 0}),
    ]
    assert len({content_key(arrays, settings) for arrays, settings in variants}) == len(variants)


def test_the_key_is_that_of_the_content_not_of_the_memory(rng, monkeypatch):
    x = rng.normal(size=(10, 3))
    key = content_key({"x": x}, {})
    assert content_key({"x": np.asfortranarray(x)}, {}) == key
    monkeypatch.setattr(import_module("latentrank.evaluation.cache"), "CHUNK", 3)
    assert content_key({"x": x}, {}) == key
