"""Numbers that say how good a latent space is."""

from latentrank.evaluation.interpolation import parameter_error, relative_error

__all__ = ["parameter_error", "relative_error"]
