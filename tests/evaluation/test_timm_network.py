"""Features of timm's networks, against plain timm and scipy."""

import os
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch

from latentrank.errors import InputError
from latentrank.evaluation import extractor, features, frechet_distance
from latentrank.evaluation.timm_network import short_name, timm_weights

timm = pytest.importorskip("timm")

SMALL = "resnet10t"  # 5 million weights
DATA = Path(os.environ.get("LATENTRANK_DATA") or Path(__file__).parents[3] / "shared" / "data")
SHARED = DATA.parent / "weights" / "tf_efficientnet_lite0.safetensors"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Seeded random weights, with those of the last layer as published files have them."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("timm") / "weights.pth"
    torch.save(timm.create_model(SMALL, pretrained=False).state_dict(), path)
    return path


def plain_timm(network, path, images):
    """What a user of timm would write without this package."""
    from PIL import Image

    model = timm.create_model(network, pretrained=False, checkpoint_path=str(path)).eval()
    model.reset_classifier(0)
    transform = timm.data.create_transform(**timm.data.resolve_data_config({}, model=model))
    pixels = [Image.fromarray(x.transpose(1, 2, 0)).convert("RGB") for x in images]
    with torch.no_grad():
        return torch.stack([model(transform(x)[None])[0] for x in pixels]).numpy()


def published_formula(a, b):
    a, b = a.astype(np.float64), b.astype(np.float64)
    cov_a, cov_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(cov_a @ cov_b)
    shift = a.mean(0) - b.mean(0)
    return float(shift @ shift + np.trace(cov_a) + np.trace(cov_b) - 2 * np.trace(root).real)


def pictures(rng, count, brightness):
    smooth = rng.integers(0, brightness, (count, 3, 4, 4)).repeat(8, axis=2).repeat(8, axis=3)
    return np.clip(smooth + rng.integers(0, 30, smooth.shape), 0, 255).astype(np.uint8)


def test_features_are_those_of_plain_timm(weights, rng):
    images = pictures(rng, 3, 200)
    network = extractor(f"timm:{SMALL}", weights=weights)
    found, expected = features(images, network, batch_size=2), plain_timm(SMALL, weights, images)
    # float32 sums in another memory layout
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    grey = features(images[:, :1], network)
    np.testing.assert_array_equal(grey, features(images[:, :1].repeat(3, axis=1), network))
    assert network.distance == "FD-resnet10t"
    assert "bilinear" in network.protocol or "bicubic" in network.protocol


def test_the_key_is_the_weights(weights, tmp_path):
    state = torch.load(weights)
    state["conv1.0.weight"] += 1
    torch.save(state, tmp_path / "others.pth")
    keys = [
        extractor(f"timm:{SMALL}", weights=path).key for path in (weights, tmp_path / "others.pth")
    ]
    assert keys[0] != keys[1]


@pytest.mark.real_data
@pytest.mark.skipif(not SHARED.is_file(), reason="the ImageNet weights are not here")
def test_the_distance_on_imagenet_features_is_that_of_timm_and_scipy(rng):
    real, fake = pictures(rng, 24, 200), pictures(rng, 20, 120)
    name = "tf_efficientnet_lite0"
    network = extractor(f"timm:{name}", weights=SHARED)
    assert network.distance == "FD-efficientnet_lite0"
    found = [features(x, network) for x in (real, fake)]
    expected = [plain_timm(name, SHARED, x) for x in (real, fake)]
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-4 * np.abs(theirs).max())
    # the square root of a matrix is slow and, of 1280 features of 20 images, hardly defined
    kept = np.argsort(found[0].var(axis=0))[-15:]
    distance = frechet_distance(found[0][:, kept], found[1][:, kept])
    assert distance == pytest.approx(published_formula(*(x[:, kept] for x in expected)), rel=1e-3)


def test_every_network_has_a_name_of_its_own():
    timm = pytest.importorskip("timm")
    names = timm.list_models(pretrained=True)
    assert len({short_name(name) for name in names}) == len(names)
    assert short_name("vit_large_patch14_dinov2.lvd142m") == "dinov2"
    assert short_name("tf_efficientnet_lite0") == "efficientnet_lite0"


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("timm:resnet10tt", b"", "did you mean 'resnet10t'"),
        (f"timm:{SMALL}", b"junk", "contains no weights of resnet10t"),
        ("timm:", b"", "There is no feature network 'timm:'"),
    ],
)
def test_mistakes_are_reported(name, content, told, tmp_path):
    (tmp_path / "weights.pth").write_bytes(content)
    with pytest.raises(InputError, match=told):
        extractor(name, weights=tmp_path / "weights.pth")


def test_weights_of_another_network_are_refused(weights):
    with pytest.raises(InputError, match="contains no weights of mobilenetv3_small_050"):
        extractor("timm:mobilenetv3_small_050", weights=weights)


def test_nothing_is_downloaded_unless_allowed(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *args: None)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", pytest.fail)
    with pytest.raises(InputError, match="allow the download with download=True"):
        timm_weights(SMALL, download=False)
