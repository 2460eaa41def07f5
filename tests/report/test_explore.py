"""The page of sliders: every picture is the decoder's, and nothing comes from outside."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from latentrank import runs
from latentrank.config import RunConfig
from latentrank.data.axes import Axes, Axis
from latentrank.errors import InputError
from latentrank.report import explore
from latentrank.report.view import View

MIDDLE = explore.STEPS // 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore")
    rng = np.random.default_rng(0)
    np.savez(folder / "images.npz", x=rng.integers(0, 255, (40, 3, 8, 8), dtype=np.uint8))
    np.savez(folder / "table.npz", x=rng.normal(size=(40, 5)))
    np.savez(folder / "curves.npz", x=rng.normal(size=(40, 2, 50)))
    return folder


def trained(folder, data, method="rrae", **options):
    values = {"method": method, "data": str(folder / data), "latent_dim": 6, "epochs": 1}
    where = folder / "-".join([method, data, *map(str, options.values())])
    if not where.exists():
        runs.train(RunConfig(**{**values, "options": options}), where, progress=False)
    return runs.Run(where)


def written(found):
    """The page, and what its script is given."""
    page = explore.write_explore(found).read_text(encoding="utf-8")
    return page, json.loads(re.search(r"const page = (.*);\n", page)[1])


def pixels(url):
    content = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_each_picture_is_what_the_decoder_gives(folder):
    found = trained(folder, "images.npz", rank=3)
    _, values = written(found)
    sprite = pixels(values["sprites"][1])
    assert sprite.shape == (3 * 8, explore.STEPS * 8, 3)
    row, step = 2, MIDDLE + 4
    x = torch.from_numpy(found.dataset().test.x[View(found).kept.rows[:1]]) / 255
    model = found.model()
    stats = model.statistics
    change = 4 / MIDDLE * explore.REACH * stats.variances[row].sqrt() * stats.directions[:, row]
    for moved, column in ((0, MIDDLE), (change, step)):
        wanted = model.decode(model.encode(x) + moved)[0].detach().clamp(0, 1) * 255
        shown = sprite[row * 8 : (row + 1) * 8, column * 8 : (column + 1) * 8]
        assert np.abs(shown - wanted.numpy().transpose(1, 2, 0)).max() <= 1


def test_the_walks_start_at_the_mean_and_at_test_codes(folder):
    found = trained(folder, "images.npz", rank=3)
    view = View(found)
    codes = explore.walks(view)
    assert codes.shape == (8, 3, explore.STEPS, 6)
    np.testing.assert_allclose(codes[0, 1, MIDDLE], found.model().statistics.mean, atol=1e-6)
    np.testing.assert_allclose(
        codes[2, 0, MIDDLE], found.codes("test")[view.kept.rows[1]], atol=1e-5
    )


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ("table.npz", "rows. Columns of the table, in order, in standard deviations"),
        ("curves.npz", "curves.</p>"),
    ],
)
def test_vectors_and_curves_are_drawn(folder, data, told):
    page, values = written(trained(folder, data, rank=2))
    assert page.count('type="range"') == values["rows"] == 2
    assert told in page
    sprite = pixels(values["sprites"][0])
    assert len(np.unique(sprite.reshape(-1, 3), axis=0)) > 2


def channels(page):
    """The legend of a page, name to colour."""
    found = re.findall(r'<li><i style="background: (#\w+)"></i>(.*?)</li>', page)
    return {name: colour for colour, name in found}


def test_channels_of_curves_have_a_legend_in_their_colours(folder):
    page, values = written(trained(folder, "curves.npz", rank=2))
    legend = channels(page)
    assert list(legend) == ["channel 1", "channel 2"]
    drawn = pixels(values["sprites"][0]).reshape(-1, 3).astype(int)
    for colour in legend.values():
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert np.abs(drawn - wanted).max(1).min() < 20, "of the palette of a drawing"
    for other in ("images.npz", "table.npz"):
        assert channels(written(trained(folder, other, rank=2))[0]) == {}


def test_curves_are_drawn_at_their_coordinates():
    """Half of the curve is low, and has a tenth of the width."""
    x = np.concatenate([np.linspace(0, 1, 100), np.linspace(1, 10, 101)[1:]])
    curve = np.where(np.arange(200) < 100, 0.0, 1.0)[None, None]
    (picture,) = explore._lines(curve, (0.0, 1.0), Axes(places=(Axis("t", values=x),)))
    height, width = picture.shape[:2]
    low = (picture[height // 2 :].min((0, 2)) < 128).nonzero()[0]
    high = (picture[: height // 2].min((0, 2)) < 128).nonzero()[0]
    assert low.max() < 0.16 * width < 0.9 * width < high.max()


def test_the_page_needs_nothing_from_outside(folder):
    page, _ = written(trained(folder, "images.npz", rank=3))
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=[\"']?(?!data:)", page)
    assert "://" not in page


def test_what_cannot_be_explored_is_refused(folder):
    with pytest.raises(InputError, match=r"NSGAN generates from noise.* none to start from"):
        explore.write_explore(trained(folder, "images.npz", "nsgan"))
    constant = trained(folder, "table.npz", rank=2)
    constant.model().statistics.variances.zero_()
    with pytest.raises(InputError, match="nothing to explore"):
        explore.write_explore(constant)
