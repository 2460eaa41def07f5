"""Which ranks may be requested, and the message of every refusal."""

import numpy as np
import pytest

import latentrank
from latentrank import methods
from latentrank.errors import InputError

ADAPTIVE = ["rrae", "rrae-adaptive", "vrrae"]
SHAPES = [(6,), (1, 33), (3, 9, 11), (1, 5, 6, 7)]


@pytest.mark.parametrize("name", [*ADAPTIVE, "lorae"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_auto_builds_for_every_kind_of_sample(name, shape):
    model = latentrank.build(name, shape, 5, rank="auto")
    assert model.latent_dim == 5


@pytest.mark.parametrize("name", ADAPTIVE)
def test_auto_starts_from_the_most_directions_it_may_try(name):
    def most(latent_dim, **options):
        model = latentrank.build(name, (6,), latent_dim, rank="auto", **options)
        return model.bottleneck.max_rank

    assert (most(5), most(40), most(40, max_rank=12)) == (5, 32, 12)


@pytest.mark.parametrize("name", ADAPTIVE)
def test_a_number_is_kept_as_it_is(name):
    assert latentrank.build(name, (6,), 5, rank=np.int64(3)).bottleneck.rank == 3


def test_rrae_adaptive_is_rrae_that_looks_for_its_rank():
    adaptive, rrae = methods.get("rrae-adaptive"), methods.get("rrae")
    assert adaptive.bottleneck is rrae.bottleneck
    asked = methods.options("rrae-adaptive").model_dump()
    assert asked == methods.options("rrae", {"rank": "auto"}).model_dump()


REFUSED = [
    ("rrae", {"rank": 6}, "rank is 6 with latent_dim 5, expected an integer from 1 to 5, or a"),
    ("rrae", {"rank": 0}, "rank is 0"),
    ("rrae", {"rank": 2.5}, "rank is 2.5"),
    ("rrae", {"rank": True}, "rank is True"),
    ("rrae", {"rank": "many"}, "rank is 'many', expected an integer, or auto"),
    ("rrae", {"rank": "auto", "max_rank": 9}, "max_rank is 9 with latent_dim 5"),
    ("rrae", {"rank": "auto", "adapt": "shrik"}, "expected shrink or grow"),
    ("vrrae", {"rank": "auto", "tolerance": 0}, "tolerance is 0, expected a number above 0"),
    ("vrrae", {"rank": "auto", "tolerance": "all"}, "tolerance is 'all'"),
    ("rrae-weak", {"rank": "auto"}, "rank is 'auto', expected an integer"),
    ("irmae-wd", {"rank": 3}, "There is no option of irmae-wd called 'rank'"),
    ("lorae", {"target_rank": 2}, "There is no option of lorae called 'target_rank'"),
    ("lorae", {"rank": 6}, "rank is 6 with latent_dim 5"),
    ("lorae", {"target_error": 0}, "target_error is 0, expected a number above 0"),
    ("lorae", {"target_error": "low"}, "target_error is 'low'"),
    ("lorae", {"rank": 2, "target_error": 0.1}, "rank and target_error are both"),
    ("lorae", {"rank": "auto", "target_error": 0.1}, "give only one"),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED, ids=str)
def test_what_cannot_be_asked_is_refused_in_a_sentence(name, options, message):
    with pytest.raises(InputError, match=message) as caught:
        latentrank.build(name, (6,), 5, **options)
    assert str(caught.value).endswith(".")
