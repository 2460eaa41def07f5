"""What tests of figures share."""

import numpy as np


def draws(figure):
    """Whether it can be drawn, and is not blank."""
    figure.canvas.draw()
    return len({*np.asarray(figure.canvas.buffer_rgba())[..., 0].ravel()}) > 1


def shown_pixels(figure):
    """The opaque pixels of a grid of grey images, one list for each row of images."""
    (image,) = figure.axes[0].images
    array = image.get_array()
    return array[array[..., 3].any(axis=1)][:, array[..., 3].any(axis=0), 0]


def panels(figure):
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_visible()}
