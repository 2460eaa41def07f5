"""Small images in files, and how tests load them."""

import numpy as np
from PIL import Image

from latentrank.data import load as load_any

GENERATOR = np.random.default_rng(0)


def pixels(height=6, width=8, channels=3):
    shape = (height, width, channels) if channels > 1 else (height, width)
    return GENERATOR.integers(0, 256, shape, dtype=np.uint8)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return array


def load(path, image_size=None):
    return load_any(path, image_size=image_size, progress=False)


def every_image(data):
    return np.concatenate([data.train.x, data.test.x])
