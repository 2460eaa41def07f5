"""The bottlenecks, the modules between encoder and decoder, one file each."""

from latentrank.bottlenecks.base import Bottleneck, Latent, RankBottleneck
from latentrank.bottlenecks.discriminator import Discriminator
from latentrank.bottlenecks.flow import FlowPosterior
from latentrank.bottlenecks.gaussian import Gaussian
from latentrank.bottlenecks.gaussian_svd import GaussianSVD
from latentrank.bottlenecks.identity import Identity
from latentrank.bottlenecks.learned_basis import LearnedBasis
from latentrank.bottlenecks.linear_chain import LinearChain
from latentrank.bottlenecks.nuclear import NuclearNorm
from latentrank.bottlenecks.truncated_svd import TruncatedSVD

__all__ = [
    "Bottleneck",
    "Discriminator",
    "FlowPosterior",
    "Gaussian",
    "GaussianSVD",
    "Identity",
    "Latent",
    "LearnedBasis",
    "LinearChain",
    "NuclearNorm",
    "RankBottleneck",
    "TruncatedSVD",
]
