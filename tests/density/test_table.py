"""Names, options, specifications as text, and densities of other packages."""

import subprocess
import sys

import numpy as np
import pytest

from latentrank import density
from latentrank.density import Density, Spec, Subspace
from latentrank.errors import InputError


class Uniform(Density):
    """Uniform on the cube of the same covariance, in whitened coordinates."""

    def _draw(self, n, rng):
        return rng.uniform(-np.sqrt(3), np.sqrt(3), (n, self.rank))

    def _log_density(self, coordinates):
        inside = (np.abs(coordinates) <= np.sqrt(3)).all(axis=1)
        return np.where(inside, -self.rank * np.log(2 * np.sqrt(3)), -np.inf)


def fit_uniform(codes, *, margin: float = 0.0):
    """Uniform on a cube.

    Args:
        codes: `(N, L)`.
        margin: added on
            every side.
    """
    return Uniform(Subspace.of(codes))


def test_names_are_the_documented_ones():
    assert density.names()[:5] == ("gaussian", "gmm", "kde", "flow", "prior")


@pytest.mark.parametrize("name", density.names())
def test_every_density_says_what_it_is_and_explains_its_options(name):
    assert density.summary(name).endswith(".")
    for option in density.options(name).values():
        assert option.name != "codes"
        assert option.help, f"{name} does not explain {option.name}"
    written = "".join(f"{o.name}={o.default}," for o in density.options(name).values())
    spec = f"{name}:{written[:-1]}" if written else name
    defaults = {o.name: o.default for o in density.options(name).values()}
    assert density.parse(spec) == (name, defaults)


def test_listing_imports_no_other_library():
    code = "import sys; from latentrank import density; density.names(); sys.exit(%s)"
    heavy = "any(name in sys.modules for name in ('torch', 'sklearn', 'zuko'))"
    assert subprocess.run([sys.executable, "-c", code % heavy], check=False).returncode == 0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gaussian", Spec("gaussian", {})),
        (" gmm : seed = 3 , max-components=3", Spec("gmm", {"seed": 3, "max_components": 3})),
        ("gmm:components=bic,seed=1", Spec("gmm", {"components": "bic", "seed": 1})),
        ("kde:bandwidth=1e-1", Spec("kde", {"bandwidth": 0.1})),
        ("gmm:seed=null", Spec("gmm", {"seed": None})),
    ],
)
def test_a_density_as_text(text, expected):
    assert density.parse(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("gausian", "no density 'gausian'; did you mean 'gaussian'"),
        ("", "no density ''. Known: gaussian, gmm"),
        ("gmm:component=2", "option of the density gmm 'component'; did you mean 'components'"),
        ("gaussian:components=2", "gaussian has no options; leave out 'components'"),
        ("gmm:components", "is 'gmm:components', expected NAME or NAME:OPTION=VALUE"),
        ("gmm:components=", "expected NAME or NAME:OPTION=VALUE"),
        ("gmm:=3", "expected NAME or NAME:OPTION=VALUE"),
        ("gmm:", "expected NAME or NAME:OPTION=VALUE"),
        ("gmm 10", "no density 'gmm 10'; did you mean 'gmm'"),
    ],
)
def test_text_that_names_no_density(text, message):
    with pytest.raises(InputError, match=message):
        density.fit(text, np.eye(2))


def test_an_option_by_keyword_is_checked_and_overrides_the_text():
    codes = np.random.default_rng(0).normal(size=(30, 2))
    assert density.fit("gmm:components=3", codes, components=2).components == 2
    with pytest.raises(InputError, match="'component'; did you mean 'components'"):
        density.fit("gmm", codes, component=2)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gaussian", ["gaussian"]),
        ("gaussian, prior,", ["gaussian", "prior"]),
        (
            "gmm:components=2,covariance=diag, kde:bandwidth=1,gmm",
            ["gmm:components=2,covariance=diag", "kde:bandwidth=1", "gmm"],
        ),
        ("gmm:components=2, max-components=3", ["gmm:components=2, max-components=3"]),
    ],
)
def test_several_densities_in_one_text(text, expected):
    assert density.split_specs(text) == expected


def test_a_custom_density(monkeypatch):
    monkeypatch.setitem(density.DENSITIES._values, "uniform", fit_uniform)
    assert "uniform" in density.names()
    assert density.options("uniform")["margin"] == ("margin", 0.0, "added on every side.")
    codes = np.random.default_rng(0).normal(size=(50, 3))
    fitted = density.fit("uniform:margin=1", codes)
    assert np.isfinite(fitted.log_prob(fitted.sample(20, seed=0))).all()
    # the volume of the cube is that of the unit cube of coordinates, (2 sqrt 3)^3 sqrt(det C)
    volume = 3 * np.log(2 * np.sqrt(3)) + 0.5 * np.linalg.slogdet(np.cov(codes.T))[1]
    np.testing.assert_allclose(fitted.log_prob(codes.mean(axis=0)[None]), -volume)


def test_a_density_of_an_installed_package(tmp_path):
    (tmp_path / "others.py").write_text(
        "from latentrank.density.gaussian import fit as gaussian\n"
        "def fit(codes, *, width: int = 2):\n"
        '    """Somebody\'s own."""\n'
        "    return gaussian(codes)\n"
    )
    (tmp_path / "others-1.0.dist-info").mkdir()
    (tmp_path / "others-1.0.dist-info" / "METADATA").write_text("Name: others\nVersion: 1.0\n")
    (tmp_path / "others-1.0.dist-info" / "entry_points.txt").write_text(
        "[latentrank.densities]\nothers = others:fit\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from latentrank import density\n"
        "assert density.names()[-1] == 'others', density.names()\n"
        "assert density.fit('others:width=3', [[0.0], [1.0]]).rank == 1\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", [name for name in density.names() if name != "prior"])
def test_a_fitted_density_says_where_it_lives(name):
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(60, 2)) @ rng.normal(size=(2, 5))
    assert "of rank 2 in 5 dimensions" in repr(density.fit(name, codes))
