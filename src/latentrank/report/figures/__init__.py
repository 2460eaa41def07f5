"""The figures of a report: pure functions from arrays to matplotlib figures, one file per kind.

Samples are given in the units of the data, `(N, *shape)`: images `(C, H, W)`, curves `(C, T)`,
vectors `(F,)` or volumes `(C, D, H, W)`, of which the middle slice is drawn.
"""

from latentrank.report.figures.coefficients import error_by_coefficients
from latentrank.report.figures.fields import fields
from latentrank.report.figures.losses import loss_curves
from latentrank.report.figures.measurements import bars, dots, pareto_front, power_law
from latentrank.report.figures.samples import labelled_rows, reconstructions, samples
from latentrank.report.figures.scatter import latent_scatter, tsne
from latentrank.report.figures.spectrum import SPECTRUM_FLOOR, spectrum
from latentrank.report.figures.walks import interpolation, pca_grid

__all__ = [
    "SPECTRUM_FLOOR",
    "bars",
    "dots",
    "error_by_coefficients",
    "fields",
    "interpolation",
    "labelled_rows",
    "latent_scatter",
    "loss_curves",
    "pareto_front",
    "pca_grid",
    "power_law",
    "reconstructions",
    "samples",
    "spectrum",
    "tsne",
]
