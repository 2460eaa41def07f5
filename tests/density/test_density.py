"""The registry: names, options, and the errors for those that do not exist."""

import numpy as np
import pytest

from latentrank import density
from latentrank.errors import InputError


def test_names_are_the_documented_ones():
    assert density.names() == ("gaussian", "gmm", "prior", "kde", "flow")


@pytest.mark.parametrize("name", density.names())
def test_every_name_has_a_fit_and_defaults(name):
    assert "codes" not in density.defaults(name)


def test_unknown_density():
    with pytest.raises(InputError, match="no density 'gausian'; did you mean 'gaussian'"):
        density.fit("gausian", np.eye(2))


def test_unknown_option():
    with pytest.raises(
        InputError, match="option of the density gmm 'component'; did you mean 'com"
    ):
        density.fit("gmm", np.eye(2), component=2)


def test_option_of_a_density_without_options():
    with pytest.raises(InputError, match="gaussian has no options; leave out 'components'"):
        density.fit("gaussian", np.eye(2), components=2)
