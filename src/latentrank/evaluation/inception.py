"""The Inception network of December 2015, on which the FID is defined."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from latentrank.errors import InputError, need
from latentrank.evaluation.images import Images, batch_size, from_home, to_rgb, weights_digest


class Inception:
    """The Inception network of December 2015 on which the FID is defined, from torch-fidelity.

    Made by `extractor("inception")`.

    Attributes:
        name: `"inception"`.
        distance: `"FID"`.
        protocol: resizing, range and layer, in words.
        key: hash of the weights file.
        batch_size: images in one forward pass, fewer on a CPU.
    """

    name = "inception"
    distance = "FID"
    protocol = (
        "2048 pooled features of Inception v3 (2015-12-05) from 8-bit RGB, resized to 299x299 by "
        "the bilinear interpolation of TensorFlow 1 without antialiasing, as in torch-fidelity; "
        "clean-fid resizes by antialiased bicubic instead"
    )

    def __init__(self, weights: Path, device: str = "cpu") -> None:
        try:
            # torch-fidelity unpickles arbitrary objects; this rejects everything but tensors first.
            torch.load(weights, weights_only=True)
            network = _inception_module().FeatureExtractorInceptionV3(
                "inception-v3-compat", ["2048"], str(weights)
            )
        except Exception as error:  # a file of another format can raise anything
            raise InputError(
                f"{weights} is not a file of Inception weights; give the unchanged file that "
                "torch-fidelity publishes."
            ) from error
        # Convolutions on a CPU are faster in this layout, with equal results.
        self._network = _folded(network).to(device=device, memory_format=torch.channels_last)
        self._device = device
        self.batch_size = batch_size(device, 299 * 299)
        self.key = weights_digest(weights)

    def features(self, images: Images) -> NDArray[np.float32]:
        """The pooled features before the last layer.

        Args:
            images: `(N, C, H, W)`, C 1 or 3 (grey is repeated), uint8 or floats in [0, 1].

        Returns:
            `(N, 2048)` float32.

        Raises:
            InputError: arrays that are not grey or colour images.
        """
        with torch.inference_mode():
            (values,) = self._network(to_rgb(images).to(self._device))
        return np.asarray(values.cpu().numpy(), dtype=np.float32)


def _folded(network: Any) -> Any:
    """The network with each batch normalisation absorbed into the convolution before it."""
    for layer in network.eval().modules():
        normalisation = getattr(layer, "bn", None)
        if isinstance(normalisation, nn.BatchNorm2d):
            layer.conv = fuse_conv_bn_eval(cast(nn.Conv2d, layer.conv), normalisation)
            layer.bn = nn.Identity()
    return network


def _inception_module() -> Any:
    return need("torch_fidelity.feature_extractor_inceptionv3", "fid", "FID")


def inception_weights(download: bool) -> Path:
    """The weights in torch's download folder, downloaded there if that is allowed."""
    url: str = _inception_module().URL_INCEPTION_V3
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if path.exists():
        return path
    if not download:
        raise InputError(
            f"The Inception weights are not at {from_home(path)}; allow the download with "
            f"download=True, or fetch {url} elsewhere and give the file with weights=PATH."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        prefix = path.stem.rsplit("-", 1)[1]
        torch.hub.download_url_to_file(url, str(path), hash_prefix=prefix, progress=False)
    except (OSError, RuntimeError) as error:
        raise InputError(
            f"The Inception weights could not be downloaded from {url} ({error}); "
            "fetch the file elsewhere and give it with weights=PATH."
        ) from error
    return path
