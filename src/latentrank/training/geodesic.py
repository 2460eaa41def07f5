r"""The geodesic start: training begins with codes that unfold the training data.

A rank reduction autoencoder from a random start often folds: two parts of the data share one
coefficient, and interpolations between codes are wrong, however small the reconstruction error.
Here training begins instead from the coordinates of Isomap (Tenenbaum, de Silva and Langford 2000),
whose distances in `k` dimensions are those along the data. It has three parts:

1. Isomap of the training samples, or of a subset of landmarks, gives coordinates `A`, `(N, k)`. Of
   the numbers of neighbours whose graph is connected, the one with the smallest residual variance
   is chosen: `1 - r^2` between geodesic and embedded distances. It hardly changes if the chart
   lacks a parameter that changes the data little; trustworthiness (Venna and Kaski 2001), near 1
   if neighbours in the chart are neighbours in the data, does.
2. With a random orthonormal `U`, `(L, k)`, encoder and decoder learn `E(x) = a U^T` and
   `D(a U^T) = x` by `||E(x) - a U^T|| / ||a U^T||` and the mean squared error of the decoder. The
   encoder's last layer is then solved for.
3. The method's own training follows, at a low learning rate: a high one loses the start.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import numpy as np
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import pdist
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR

from latentrank.config import TrainConfig
from latentrank.data import Batch, DataModule
from latentrank.errors import InputError
from latentrank.formatting import counted
from latentrank.linalg.precision import to_float64
from latentrank.losses import relative_error
from latentrank.models.base import LatentModel
from latentrank.nets import surgery, weight_of
from latentrank.training.callbacks import ProgressLine
from latentrank.training.context import data_of, model_of
from latentrank.training.optimizers import can_be_fused, gradient_step
from latentrank.training.rank_search import search_for
from latentrank.training.state import KeptCallback

if TYPE_CHECKING:  # takes a tenth of the time to the first step, and hardly any run needs it
    from sklearn.manifold import Isomap

Array = NDArray[Any]

#: Maximum number of samples that Isomap is fitted to, since it computes all pairwise distances.
MOST_LANDMARKS: Final = 1000
#: Numbers of neighbours to try, if there are enough samples.
_NEIGHBOURS: Final = (2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 17, 20, 25, 30)
#: Residual variance above which the data have no chart of so many dimensions.
DOUBTFUL: Final = 0.1
#: Trustworthiness below which the chart places dissimilar samples side by side.
TRUSTED: Final = 0.99
#: Neighbours in the chart from which trustworthiness is measured.
_NEAREST: Final = 3
#: Initial learning rate of Adam; it falls to zero along a cosine.
_LEARNING_RATE: Final = 3e-3
#: Samples from which the encoder's last layer is solved for.
_SOLVED_FROM: Final = 4096
#: Directions of the last layer's inputs below this share of the largest singular value are unused.
_SMALLEST: Final = 1e-5


class Chart(NamedTuple):
    """Isomap of the landmarks.

    Attributes:
        isomap: fitted.
        neighbours: number of neighbours of each landmark in the graph.
        residual_variance: 0 (distances along the data are kept) to 1.
    """

    isomap: Isomap
    neighbours: int
    residual_variance: float

    def coordinates(self, x: Array) -> NDArray[np.float64]:
        """Where samples lie in the chart, `(N, F)` to `(N, k)`."""
        return np.asarray(self.isomap.transform(x), dtype=np.float64)

    def trustworthiness(self, x: Array) -> float:
        """Trustworthiness for the landmarks: 1 if neighbours in the chart are so in the data."""
        from sklearn.manifold import trustworthiness

        nearest = min(_NEAREST, (len(x) - 1) // 2)
        if nearest == 0:
            return 1.0
        return float(trustworthiness(x, self.isomap.embedding_, n_neighbors=nearest))


def chart(x: Array, dimensions: int) -> Chart:
    """The chart with the smallest residual variance over the numbers of neighbours.

    Args:
        x: `(N, F)` landmarks.
        dimensions: `k`, at most `N - 1`.

    Raises:
        InputError: there are too few samples for so many dimensions.

    Example:
        >>> angle = np.linspace(0, 5, 40)
        >>> found = chart(np.stack([np.cos(angle), np.sin(angle)], axis=1), dimensions=1)
        >>> order = found.coordinates(np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]]))[:, 0]
        >>> found.residual_variance < 1e-4, bool(abs(np.sign(np.diff(order)).sum()) == 2)
        (True, True)
    """
    if dimensions > len(x) - 1:
        raise InputError(
            f"init is geodesic with rank {dimensions} on {len(x)} samples, expected a rank of at "
            f"most {len(x) - 1}; lower the rank, or give more samples."
        )
    tried = [n for n in _NEIGHBOURS if n < len(x)] or [len(x) - 1]
    connected = [n for n in tried if _is_connected(x, n)]
    # Where no graph is connected, Isomap joins the parts of the last by their shortest gaps.
    charts = [_chart(x, dimensions, n) for n in connected or tried[-1:]]
    return min(charts, key=lambda found: found.residual_variance)


def _is_connected(x: Array, neighbours: int) -> bool:
    from sklearn.neighbors import kneighbors_graph

    graph = kneighbors_graph(x, neighbours)
    return int(connected_components(graph, directed=False, return_labels=False)) == 1


def _chart(x: Array, dimensions: int, neighbours: int) -> Chart:
    from sklearn.manifold import Isomap

    # The dense solver has no random start.
    isomap = Isomap(n_neighbors=neighbours, n_components=dimensions, eigen_solver="dense")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about joining parts of the graph
        isomap.fit(x)
    return Chart(isomap, neighbours, residual_variance(isomap.dist_matrix_, isomap.embedding_))


def residual_variance(geodesic: Array, embedded: Array) -> float:
    """`1 - r^2`, r the correlation of geodesic and embedded distances (Tenenbaum et al. 2000).

    Args:
        geodesic: `(N, N)` distances.
        embedded: `(N, k)` coordinates.

    Returns:
        From 0 to 1; 1 where all distances of either kind are equal, which determine no correlation.

    Example:
        >>> points = np.array([[0.0], [1.0], [3.0]])
        >>> round(residual_variance(np.abs(points - points.T), points), 9)
        0.0
        >>> residual_variance(np.zeros((3, 3)), np.zeros((3, 1)))  # samples that are all equal
        1.0
    """
    pairs = np.triu_indices(len(embedded), 1)
    if len(pairs[0]) < 2:
        return 0.0
    distances = np.stack([geodesic[pairs], pdist(embedded)])
    if np.ptp(distances, axis=1).min() == 0:
        return 1.0
    return float(1 - np.corrcoef(distances)[0, 1] ** 2)


class GeodesicStart(KeptCallback):
    """Trains encoder and decoder towards the chart before the first step of a run.

    Each of several processes does the same, with all of the data, in batches of the size that all
    of them have together. A checkpoint records that it is done; a run that was interrupted before
    its first checkpoint starts again.

    Args:
        steps: batches of the start, at least 1.
        seed: of the directions and of the order of batches.

    Attributes:
        report: results for the metrics, once the start is done.
    """

    kept = ("report",)

    def __init__(self, steps: int, seed: int) -> None:
        self.steps = steps
        self.seed = seed
        self.report: dict[str, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Train towards the chart, unless a resumed run has done so."""
        if not self.report:
            own = data_of(trainer)
            together = own.batch_size * trainer.world_size
            data = DataModule(
                own.dataset, together, seed=self.seed, preprocessing=own.preprocessing
            )
            callbacks: list[Callback] = cast(Any, trainer).callbacks
            lines = [one for one in callbacks if isinstance(one, ProgressLine)]
            batches: Iterator[Batch] = islice(_endless(data), self.steps)
            if lines and trainer.is_global_zero:
                batches = lines[0].follow(batches, self.steps, "geodesic start")
            self.report = self._begin(model_of(pl_module), data, batches)

    def _begin(
        self, model: LatentModel, data: DataModule, batches: Iterator[Batch]
    ) -> dict[str, Any]:
        rank = model.bottleneck.rank
        landmarks = np.concatenate([_flat(b) for b in data.train_batches(MOST_LANDMARKS)])
        found = chart(landmarks, rank)
        like = weight_of(model)
        a = np.concatenate([found.coordinates(_flat(batch)) for batch in data.train_batches()])
        scale = _scale(model, a)
        coefficients = torch.from_numpy(a).to(like) * scale
        generator = torch.Generator().manual_seed(self.seed)
        drawn = torch.randn(model.latent_dim, rank, generator=generator)
        basis = torch.linalg.qr(drawn)[0].to(like)
        _train(model, basis, coefficients, batches, self.steps)
        seen = list(data.train_batches(_SOLVED_FROM))
        rows = torch.cat([batch.index for batch in seen]).to(like.device)
        x = torch.cat([batch.x for batch in seen]).to(like)
        _read_out(model.encoder, x, coefficients[rows] @ basis.T)
        model.bottleneck.begin(basis, coefficients)
        return _report(found, landmarks, rank, self.steps)


def _flat(batch: Batch) -> NDArray[np.float32]:
    return np.asarray(batch.x.flatten(1).numpy())


def _scale(model: LatentModel, a: Array) -> float:
    """The factor on the coordinates that gives codes unit variance, averaged over their numbers.

    With a posterior, the coefficients get unit variance instead, which is that of its prior.
    """
    spread = float(np.sqrt(np.square(a - a.mean(0)).sum(1).mean())) or 1.0
    like = weight_of(model)
    h = torch.zeros(1, model.bottleneck.encoder_dim).to(like)
    has_prior = model.bottleneck.posterior(h) is not None
    return float((a.shape[1] if has_prior else model.latent_dim) ** 0.5) / spread


@torch.no_grad()
def _read_out(encoder: nn.Module, x: Tensor, targets: Tensor) -> None:
    """Solve for the encoder's last layer by least squares, if it is a dense one.

    Gradient steps leave it a few percent off. Directions in which its inputs hardly vary are left
    out: they would need large weights.

    Args:
        encoder: changed in place.
        x: `(n, *input_shape)`; if possible more samples than the layer has inputs.
        targets: `(n, L)`.
    """
    layer = surgery.output_layer(encoder)
    if not isinstance(layer, nn.Linear) or layer.bias is None:
        return
    if layer.out_features != targets.shape[1]:  # it takes several rows of each sample
        return
    seen: list[Tensor] = []
    watch = layer.register_forward_pre_hook(lambda _, inputs: seen.append(to_float64(inputs[0])))
    encoder(x)
    watch.remove()
    features, y = seen[0], to_float64(targets)
    left, sizes, right = torch.linalg.svd(features - features.mean(0), full_matrices=False)
    kept = sizes > _SMALLEST * sizes[0]
    weight = (y - y.mean(0)).T @ left[:, kept] / sizes[kept] @ right[kept]
    layer.weight.copy_(weight)
    layer.bias.copy_(y.mean(0) - weight @ features.mean(0))


def _endless(data: DataModule) -> Iterator[Batch]:
    """Batches in the order of one epoch after another."""
    loader: Any = data.train_dataloader()
    epoch = 0
    while True:
        loader.sampler.set_epoch(epoch)
        yield from loader
        epoch += 1


def _train(
    model: LatentModel, basis: Tensor, coefficients: Tensor, batches: Iterator[Batch], steps: int
) -> None:
    """Train the encoder towards `a U^T`, and the decoder from there back to the samples."""
    both = [*model.encoder.parameters(), *model.decoder.parameters()]
    parameters = list(dict.fromkeys(both))  # they may share some
    fused = basis.is_cuda and can_be_fused(parameters)
    optimizer = torch.optim.Adam(parameters, _LEARNING_RATE, fused=fused or None)
    course = CosineAnnealingLR(optimizer, steps)
    for batch in batches:
        x = batch.x.to(basis)
        target = coefficients[batch.index.to(basis.device)] @ basis.T
        misfit = (model.decode(target) - x).square().mean()
        gradient_step(relative_error(model.encoder(x), target) + misfit, optimizer)
        course.step()


def _report(found: Chart, landmarks: Array, rank: int, steps: int) -> dict[str, Any]:
    trust = found.trustworthiness(landmarks)
    message = (
        f"The geodesic start has a residual variance of {found.residual_variance:.2g} and a "
        f"trustworthiness of {trust:.3f} in {counted(rank, 'dimension')}, from {len(landmarks)} "
        f"samples with {found.neighbours} neighbours each."
    )
    gaps, mixed = found.residual_variance > DOUBTFUL, trust < TRUSTED
    reliable = not (gaps or mixed)
    if gaps:
        message += (
            f" Above a residual variance of {DOUBTFUL:g} the data have no chart of so few "
            "dimensions without gaps; compare with init random, or raise the rank."
        )
    elif mixed:
        message += (
            f" Below a trustworthiness of {TRUSTED:g} the chart places dissimilar samples side by "
            "side; compare with init random, or give more samples."
        )
    return {
        "residual_variance": found.residual_variance,
        "trustworthiness": trust,
        "neighbours": found.neighbours,
        "landmarks": len(landmarks),
        "steps": steps,
        "reliable": reliable,
        "message": message,
    }


def start_of(model: LatentModel, config: TrainConfig) -> GeodesicStart | None:
    """The start that a configuration asks for; None for a random one.

    Raises:
        InputError: the code of the method has no basis of a given rank.

    Example:
        >>> import latentrank
        >>> model = latentrank.build("rrae", (6,), latent_dim=4)
        >>> start_of(model, TrainConfig(init="geodesic")).steps
        3000
    """
    if config.init == "random":
        return None
    method = model.spec.method
    if not model.bottleneck.begins_with_basis:
        raise InputError(
            f"init is geodesic, but the code of {method} has no basis of a given rank to start "
            "from; choose a method such as rrae, or leave init out."
        )
    if search_for(model, config) is not None:
        raise InputError(
            f"init is geodesic, but {method} searches for its rank during training; give the "
            "rank as a number, or leave init out."
        )
    return GeodesicStart(config.init_steps, config.seed)
