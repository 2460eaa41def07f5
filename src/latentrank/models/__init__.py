"""The models: autoencoders and GANs."""

from latentrank.models.autoencoder import Autoencoder
from latentrank.models.base import LatentModel
from latentrank.models.gan import GAN
from latentrank.models.spec import Spec

__all__ = ["GAN", "Autoencoder", "LatentModel", "Spec"]
