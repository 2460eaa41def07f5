"""Training with Lightning: the module, the callbacks, and `fit`."""

from latentrank.training.fit import fit
from latentrank.training.module import TrainingModule

__all__ = ["TrainingModule", "fit"]
