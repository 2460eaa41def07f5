"""Features of any network in timm, such as DINOv2."""

from __future__ import annotations

import math
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentrank.errors import InputError, need
from latentrank.evaluation.images import Images, batch_size, from_home, to_rgb, weights_digest


class TimmNetwork:
    """A timm network up to its pooled features, with timm's own preprocessing.

    Images are resized, cropped and normalised by the transform that timm builds from the
    network's data configuration, so that features equal those of plain timm. Stein et al.
    (arXiv:2306.04675) recommend DINOv2 for photographs.

    Attributes:
        name: `"timm:"` and timm's name of the network.
        distance: `"FD-"` and the network's short name.
        protocol: features and preprocessing, in words.
        key: hash of the weights file.
        batch_size: images in one forward pass, fewer on a CPU.

    Args:
        network: timm's name, such as `"tf_efficientnet_lite0"`.
        weights: file of weights, safetensors or PyTorch's.
        device: where to compute, as torch names it.

    Raises:
        InputError: timm is not installed, an unknown network, or a file of other weights.
    """

    def __init__(self, network: str, weights: Path, device: str = "cpu") -> None:
        self.name = f"timm:{network}"
        self.distance = f"FD-{short_name(network)}"
        model = _create(network)
        _load(model, weights, network)
        self._network = model.eval().to(device=device, memory_format=torch.channels_last)
        self._device = device
        config = _timm().data.resolve_model_data_config(model)
        self._transform = _timm().data.create_transform(**config, is_training=False)
        self.batch_size = batch_size(device, math.prod(config["input_size"][1:]))
        self.protocol = (
            f"{model.num_features} pooled features of {network} from timm, images resized to "
            f"{config['input_size'][1]}x{config['input_size'][2]} ({config['interpolation']}, crop "
            f"{config['crop_pct']:g}), mean {config['mean']}, deviation {config['std']}"
        )
        self.key = weights_digest(weights)

    def features(self, images: Images) -> NDArray[np.float32]:
        """The pooled features before the last layer.

        Args:
            images: `(N, C, H, W)`, C 1 or 3 (grey is repeated), uint8 or floats in [0, 1].

        Returns:
            `(N, d)` float32.

        Raises:
            InputError: arrays that are not grey or colour images.
        """
        from PIL import Image

        pixels = to_rgb(images).permute(0, 2, 3, 1).numpy()
        batch = torch.stack([self._transform(Image.fromarray(rows)) for rows in pixels])
        batch = batch.to(self._device, memory_format=torch.channels_last)
        with torch.inference_mode():
            values = self._network(batch)
        return np.asarray(values.float().cpu().numpy())


def short_name(network: str) -> str:
    """The name of a network, as it appears in the name of a distance.

    Weights of the same architecture that were trained on other data, and DINOv2 in other sizes than
    the ViT-L/14 that is used for evaluation (Stein et al., NeurIPS 2023), have names of their own,
    since their distances cannot be compared.

    Example:
        >>> short_name("tf_efficientnet_lite0"), short_name("vit_large_patch14_dinov2.lvd142m")
        ('efficientnet_lite0', 'dinov2')
        >>> short_name("vit_small_patch14_dinov2.lvd142m"), short_name("resnet50.a1_in1k")
        ('dinov2-small', 'resnet50.a1_in1k')
    """
    size = re.match(r"vit_(\w+)_patch14_(reg4_)?dinov2", network)
    if size is None:
        return network.removeprefix("tf_")
    variant = "-".join(part for part in (size[1], (size[2] or "").rstrip("_")) if part)
    return "dinov2" if variant == "large" else f"dinov2-{variant}"


def timm_weights(network: str, download: bool) -> Path:
    """The weights in the Hugging Face hub's cache, downloaded there if that is allowed.

    Args:
        network: timm's name.
        download: whether they may be downloaded.

    Raises:
        InputError: they are not cached and may not, or cannot, be downloaded.
    """
    repository = (_create(network, empty=True).pretrained_cfg or {}).get("hf_hub_id")
    # timm depends on huggingface_hub, and _create raises if timm is missing
    from huggingface_hub import hf_hub_download, try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    if not repository:
        raise InputError(
            f"timm lists no weights to download for {network}; give a file with weights=PATH."
        )
    found = try_to_load_from_cache(repository, "model.safetensors")
    if isinstance(found, str):
        return Path(found)
    if not download:
        raise InputError(
            f"The weights of {repository} are not in {from_home(Path(HF_HUB_CACHE))}; allow the "
            "download with download=True, or give a file with weights=PATH."
        )
    try:
        return Path(hf_hub_download(repository, "model.safetensors"))
    except Exception as error:  # whatever the hub's client raises
        raise InputError(
            f"The weights of {repository} could not be downloaded "
            f"({type(error).__name__}: {str(error).splitlines()[0]}); fetch model.safetensors "
            "elsewhere and give it with weights=PATH."
        ) from error


def _timm() -> Any:
    need("timm.data", "features", "A feature network of timm")
    return need("timm", "features", "A feature network of timm")


def _create(network: str, empty: bool = False) -> Any:
    timm = _timm()
    if not timm.is_model(network):
        close = get_close_matches(network, timm.list_models(), n=1)
        hint = f"; did you mean '{close[0]}'?" if close else "; timm.list_models() lists them."
        raise InputError(f"timm has no network '{network}'{hint}")
    with torch.device("meta" if empty else "cpu"):
        return timm.create_model(network, pretrained=False, num_classes=0)


def _load(model: Any, weights: Path, network: str) -> None:
    """Load weights; only those of the classification layer, dropped here, may be unused."""
    try:
        state = _timm().models.load_state_dict(str(weights), weights_only=True)
        head = (model.pretrained_cfg or {}).get("classifier") or ()
        heads = tuple(f"{name}." for name in ((head,) if isinstance(head, str) else head))
        model.load_state_dict({k: v for k, v in state.items() if not k.startswith(heads)})
    except Exception as error:  # a file of another format can raise anything
        raise InputError(
            f"{weights} contains no weights of {network}; give the file that timm publishes for it."
        ) from error
