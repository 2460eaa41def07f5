"""Pictures that the command line writes one at a time."""

import numpy as np
import pytest

from latentrank import runs
from latentrank.config import RunConfig
from latentrank.errors import InputError
from latentrank.report import pictures
from latentrank.report.style import write_figure
from tests.report.fake import fake_run


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    x = np.random.default_rng(0).integers(0, 255, (30, 1, 8, 8), dtype=np.uint8)
    np.savez(folder / "images.npz", x=x)
    return folder


def trained(folder, method):
    values = {"method": method, "data": str(folder / "images.npz"), "latent_dim": 4, "epochs": 1}
    if not (folder / method).exists():
        runs.train(RunConfig(**values), folder / method, progress=False)
    return runs.Run(folder / method)


@pytest.mark.parametrize("kind", pictures.KINDS)
def test_every_kind_is_drawn_and_written(folder, kind, tmp_path):
    figure = pictures.interpolation(trained(folder, "ae"), kind)
    path = write_figure(figure, tmp_path / "a.png")
    assert path.read_bytes()[1:4] == b"PNG"


def test_samples_of_images_are_drawn_from_black_to_white(folder):
    x = np.zeros((70, 1, 8, 8), dtype=np.uint8)
    x[1] = 255
    figure = pictures.sample_grid(trained(folder, "ae"), x)
    mosaic = np.asarray(figure.axes[0].images[0].get_array())
    assert sorted(np.unique(mosaic[..., :3])) == [0, 255]
    assert figure.axes[0].get_ylim()[0] == 4


def test_samples_of_a_field_use_all_colours_whatever_the_other_channels(folder):
    ramp = np.linspace(0, 1, 64).reshape(1, 8, 8)
    x = np.stack([np.stack([1e5 + 300 * ramp[0] * i, ramp[0]]) for i in range(1, 25)])
    np.savez(folder / "flow.npz", x=x)
    values = {"method": "pca", "data": str(folder / "flow.npz"), "latent_dim": 2}
    run = runs.train(RunConfig(**values), folder / "flow", progress=False)
    figure = pictures.sample_grid(run, x)
    mosaic = np.asarray(figure.axes[0].images[0].get_array())
    assert len(np.unique(mosaic[..., :3].reshape(-1, 3), axis=0)) > 50
    assert len(figure.axes) == 2  # with a colour bar


def test_what_cannot_be_drawn_is_refused(folder):
    with pytest.raises(InputError, match="did you mean 'linear'"):
        pictures.interpolation(trained(folder, "ae"), "liner")
    with pytest.raises(InputError, match="nothing to interpolate between"):
        pictures.interpolation(trained(folder, "nsgan"))


def test_the_plane_of_a_code_with_one_direction_is_a_line(tmp_path):
    axes = pictures.interpolation(fake_run(tmp_path, kept=1), "pca").axes[0]
    assert axes.get_ylim()[0] == 1
    assert axes.get_ylabel() == ""
