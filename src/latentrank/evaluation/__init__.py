"""Metrics of latent spaces and generated samples, as functions of arrays."""

from latentrank.evaluation.classifier import Classifier, train_classifier
from latentrank.evaluation.collapse import active_units, kl_per_unit
from latentrank.evaluation.distances import (
    DensityCoverage,
    KernelDistance,
    PrecisionRecall,
    density_coverage,
    frechet_distance,
    kernel_distance,
    precision_recall,
)
from latentrank.evaluation.embedding import tsne
from latentrank.evaluation.entropy import Entropy, interpolation_entropy, mean_entropy
from latentrank.evaluation.features import Extractor, extractor, features, place, real_features
from latentrank.evaluation.prediction import (
    errors_by_kind,
    fold_error,
    parameter_error,
    reconstruction_error,
    relative_error,
    spread_ratio,
)
from latentrank.evaluation.probe import ProbeResult, probe, supervised
from latentrank.evaluation.statistics import RunningStatistics, Statistics, statistics

__all__ = [
    "Classifier",
    "DensityCoverage",
    "Entropy",
    "Extractor",
    "KernelDistance",
    "PrecisionRecall",
    "ProbeResult",
    "RunningStatistics",
    "Statistics",
    "active_units",
    "density_coverage",
    "errors_by_kind",
    "extractor",
    "features",
    "fold_error",
    "frechet_distance",
    "interpolation_entropy",
    "kernel_distance",
    "kl_per_unit",
    "mean_entropy",
    "parameter_error",
    "place",
    "precision_recall",
    "probe",
    "real_features",
    "reconstruction_error",
    "relative_error",
    "spread_ratio",
    "statistics",
    "supervised",
    "train_classifier",
    "tsne",
]
