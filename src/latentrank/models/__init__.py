"""What is trained: autoencoders, their sibling the GAN, and the files they are kept in."""

from latentrank.models.autoencoder import Autoencoder
from latentrank.models.gan import GAMES, GAN, Discriminator
from latentrank.models.spec import Spec

__all__ = ["GAMES", "GAN", "Autoencoder", "Discriminator", "Spec"]
