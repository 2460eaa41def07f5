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
    where = folder / f"{method}-{data}"
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


def test_the_page_needs_nothing_from_outside(folder):
    page, _ = written(trained(folder, "images.npz", rank=3))
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=[\"']?(?!data:)", page)
    assert "://" not in page


def test_what_cannot_be_explored_is_refused(folder):
    with pytest.raises(InputError, match="nsgan has no codes of samples"):
        explore.write_explore(trained(folder, "images.npz", "nsgan"))
    constant = trained(folder, "table.npz", rank=2)
    constant.model().statistics.variances.zero_()
    with pytest.raises(InputError, match="nothing to explore"):
        explore.write_explore(constant)
