import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import Dataset as TorchDataset

from latentrank.data.base import Dataset, Split
from latentrank.errors import InputError
from latentrank.evaluation.distances import frechet_distance, kernel_distance, precision_recall
from latentrank.evaluation.features import extractor, features, place, real_features
from latentrank.evaluation.images import to_uint8


class Recorder:
    """An extractor whose features are the images' own pixels."""

    name, distance, protocol, key = "pixels", "FD-pixels", "as they are", "0"
    batch_size = 64

    def __init__(self):
        self.batches = []

    def features(self, images):
        self.batches.append(len(images))
        return images.reshape(len(images), -1).astype(np.float32)


class AsTensors(TorchDataset):
    def __init__(self, images):
        self.images = images

    def __len__(self):
        return len(self.images)

    def __getitem__(self, i):
        return torch.from_numpy(self.images[i])


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Seeded random weights in the shape of Inception's: about 95 MB."""
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    cls = module.FeatureExtractorInceptionV3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "load_state_dict_from_url", lambda *args, **kwargs: {})
        patch.setattr(cls, "load_state_dict", lambda self, state: None)
        network = cls("inception-v3-compat", ["2048"])
    torch.manual_seed(0)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(network.state_dict(), path)
    return path


def theirs(weights, real, fake):
    """torch-fidelity's own features of both sets."""
    utils = pytest.importorskip("torch_fidelity.utils")
    network = utils.create_feature_extractor(
        "inception-v3-compat",
        ["2048"],
        cuda=False,
        verbose=False,
        feature_extractor_weights_path=str(weights),
    )
    options = {"batch_size": 4, "cuda": False, "save_cpu_ram": True, "verbose": False}
    return [
        utils.get_featuresdict_from_dataset(AsTensors(x), network, **options)["2048"]
        for x in (real, fake)
    ]


@pytest.mark.slow
def test_inception_agrees_with_torch_fidelity_from_image_to_number(weights, rng):
    real = rng.integers(0, 256, (8, 3, 32, 32), dtype=np.uint8)
    fake = rng.integers(0, 128, (6, 3, 32, 32), dtype=np.uint8)
    inception = extractor("inception", weights=weights)
    ours = [features(x, inception, batch_size=5) for x in (real, fake)]
    expected = theirs(weights, real, fake)
    for mine, other in zip(ours, expected, strict=True):
        assert mine.dtype == np.float32
        assert mine.shape == (len(mine), 2048)
        np.testing.assert_allclose(mine, other.numpy(), rtol=1e-3, atol=1e-5)

    from torch_fidelity import metric_fid, metric_kid, metric_prc

    # 2048 features of 8 images: their eigenvalues of a 2048x2048 product take a minute, so only
    # the coordinates that vary most are compared here.
    kept = np.argsort(ours[0].var(axis=0))[-200:]
    stats = [metric_fid.fid_features_to_statistics(x[:, kept]) for x in expected]
    fid = metric_fid.fid_statistics_to_metric(*stats, verbose=False)[metric_fid.KEY_METRIC_FID]
    assert frechet_distance(ours[0][:, kept], ours[1][:, kept]) == pytest.approx(fid, rel=1e-3)
    kid = metric_kid.kid_features_to_metric(
        *expected, kid_subsets=5, kid_subset_size=6, verbose=False
    )
    found = kernel_distance(*ours, subsets=5, subset_size=6)
    assert found.mean == pytest.approx(kid[metric_kid.KEY_METRIC_KID_MEAN], rel=1e-3)
    prc = metric_prc.prc_features_to_metric(expected[1], expected[0], verbose=False)
    assert precision_recall(*ours) == pytest.approx((prc["precision"], prc["recall"]))


@pytest.mark.slow
def test_inception_takes_grey_and_float_images_as_their_8_bit_colours(weights, rng):
    grey = rng.integers(0, 256, (2, 1, 28, 28), dtype=np.uint8)
    inception = extractor("inception", weights=weights)
    expected = inception.features(np.repeat(grey, 3, axis=1))
    np.testing.assert_array_equal(inception.features(grey), expected)
    np.testing.assert_array_equal(inception.features(grey.astype(np.float32) / 255), expected)
    with pytest.raises(InputError, match=r"shape \(2, 4, 8, 8\) were given, expected \(N, 1"):
        inception.features(np.zeros((2, 4, 8, 8), dtype=np.uint8))
    assert (inception.name, inception.distance) == ("inception", "FID")
    assert "299x299" in inception.protocol
    assert "TensorFlow 1" in inception.protocol


def test_to_uint8_rounds_and_clips_and_leaves_colours_alone():
    colours = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(to_uint8(colours), colours)
    np.testing.assert_array_equal(to_uint8(colours.astype(np.float32) / 255), colours)
    assert to_uint8(np.array([-1.0, 0.999, 2.0])).tolist() == [0, 255, 255]
    with pytest.raises(InputError, match="int64, expected uint8, or real numbers"):
        to_uint8(np.array([0, 128, 255]))


@pytest.mark.parametrize("batch_size", [1, 4, 7, 100])
def test_batches_cover_every_image_once_in_order(rng, batch_size):
    images, recorder = rng.random((7, 1, 2, 2)), Recorder()
    found = features(images, recorder, batch_size)
    np.testing.assert_array_equal(found, images.reshape(7, 4).astype(np.float32))
    assert sum(recorder.batches) == 7
    assert max(recorder.batches) <= batch_size


def test_batches_are_by_default_those_that_suit_the_network(rng):
    recorder = Recorder()
    recorder.batch_size = 3
    features(rng.random((7, 1, 2, 2)), recorder)
    assert recorder.batches == [3, 3, 1]


def test_no_images_are_explained():
    with pytest.raises(InputError, match="No images were given"):
        features(np.zeros((0, 1, 2, 2)), Recorder())


def test_missing_weights_name_both_remedies(monkeypatch, tmp_path):
    pytest.importorskip("torch_fidelity")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(InputError, match=r"download=True.*weights=PATH") as error:
        extractor("inception")
    assert str(tmp_path) in str(error.value)
    assert "https://" in str(error.value)


def test_a_failed_download_names_the_other_remedy_and_leaves_nothing(monkeypatch, tmp_path):
    pytest.importorskip("torch_fidelity")

    def fail(*args, **kwargs):
        raise OSError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(InputError, match=r"could not be downloaded .*no route.*weights=PATH"):
        extractor("inception", download=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_download_is_checked_and_reused(monkeypatch, tmp_path):
    pytest.importorskip("torch_fidelity")
    calls = []

    def fetch(url, path, hash_prefix, progress):
        calls.append(hash_prefix)
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(b"not weights")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    for _ in range(2):
        with pytest.raises(InputError, match="is not a file of Inception weights"):
            extractor("inception", download=True)
    assert calls == ["6726825d"]


def test_a_path_without_a_file_is_explained(tmp_path):
    path = tmp_path / "none.pth"
    with pytest.raises(InputError, match=re.escape(f"There is no file {path}")):
        extractor("inception", weights=path)


@pytest.mark.parametrize("content", ["text", "code", "other weights"])
def test_a_file_that_is_not_inceptions_is_refused_and_runs_nothing(tmp_path, content):
    pytest.importorskip("torch_fidelity")
    path, trace = tmp_path / "weights.pth", tmp_path / "trace"

    class Trap:
        def __reduce__(self):
            return (trace.mkdir, ())

    if content == "text":
        path.write_text("hello")
    else:
        torch.save(Trap() if content == "code" else {"a": torch.zeros(1)}, path)
    with pytest.raises(InputError, match="is not a file of Inception weights"):
        extractor("inception", weights=path)
    assert not trace.exists()


def test_an_unknown_extractor_is_explained():
    with pytest.raises(InputError, match="no feature network 'clasifier'; did you mean"):
        extractor("clasifier")


def test_the_classifier_is_trained_on_the_data_and_kept(blobs, tmp_path):
    images, labels = blobs
    data = Dataset("blobs", Split(images, labels), Split(images[:40], labels[:40]))
    first = extractor("classifier", data, cache=tmp_path)
    assert (first.name, first.distance) == ("classifier", "FD-classifier")
    assert len(list(tmp_path.iterdir())) == 1
    second = extractor("classifier", data, cache=tmp_path)
    np.testing.assert_array_equal(first.features(images), second.features(images))


def test_a_classifier_without_labelled_data_is_explained(blobs):
    split = Split(blobs[0])
    with pytest.raises(InputError, match="data 'bare' has none; give labelled data"):
        extractor("classifier", Dataset("bare", split, split))
    with pytest.raises(InputError, match="without data to train one on"):
        extractor("classifier")


def test_a_device_goes_by_its_name_in_a_configuration(monkeypatch):
    for there, expected in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        monkeypatch.setattr(torch, "empty", lambda *size, device: None)
        assert place("auto") == expected
        assert place("gpu") == place("cuda") == "cuda"


def test_a_device_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="The device is nowhere"):
        place("nowhere")


class Pixels:
    """An extractor whose features are the images' own pixels, and that counts its images."""

    name, protocol, batch_size = "pixels", "as they are", 64

    def __init__(self, distance="FD-classifier", key="a"):
        self.distance, self.key, self.seen = distance, key, 0

    def features(self, images):
        self.seen += len(images)
        return images.reshape(len(images), -1).astype(np.float32)


@pytest.fixture
def pair(rng):
    return rng.random((40, 1, 2, 2)), rng.random((30, 1, 2, 2)) * 0.8


def test_features_of_real_images_are_computed_once_for_given_weights(pair, tmp_path):
    real, fake = pair
    extractor = Pixels()
    first = real_features(real, extractor, cache=tmp_path)
    np.testing.assert_array_equal(real_features(real, extractor, cache=tmp_path), first)
    assert extractor.seen == 40
    real_features(real, Pixels(key="b"), cache=tmp_path)
    real_features(fake, extractor, cache=tmp_path)
    assert len(list(tmp_path.iterdir())) == 3


def test_kept_features_are_bit_equal(pair, tmp_path):
    fresh = real_features(pair[0], Pixels())
    for _ in range(2):
        np.testing.assert_array_equal(real_features(pair[0], Pixels(), cache=tmp_path), fresh)
