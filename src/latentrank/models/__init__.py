"""What is trained: autoencoders, and their sibling the GAN."""

from latentrank.models.autoencoder import Autoencoder
from latentrank.models.base import LatentModel
from latentrank.models.gan import GAN
from latentrank.models.spec import Spec

__all__ = ["GAN", "Autoencoder", "LatentModel", "Spec"]
