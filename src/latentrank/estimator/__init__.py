"""The library for people with arrays: an estimator that follows scikit-learn's conventions."""

from latentrank.estimator.lowrank import LowRankAutoencoder

__all__ = ["LowRankAutoencoder"]
