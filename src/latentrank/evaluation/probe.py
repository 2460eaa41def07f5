"""Probes: MLP, linear and nearest-neighbour classifiers of labels from frozen codes."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from latentrank.data.base import to_float
from latentrank.density.base import as_codes
from latentrank.errors import check_known
from latentrank.evaluation.fitting import fit_classes
from latentrank.evaluation.labelled import Labelled, checked_budget, draw_labels, labelled
from latentrank.linalg.threads import threads
from latentrank.torch_state import isolated

Kind = Literal["mlp", "linear", "knn"]
KINDS: tuple[Kind, ...] = ("mlp", "linear", "knn")

WIDTH = 128
BATCH = 256
ENOUGH = 100  # number of labels from which a fifth is held out for early stopping
CHECK_EVERY = 25  # steps between evaluations on the held-out part, at least an epoch
PATIENCE = 10  # evaluations without improvement before training stops
MAX_STEPS = 20_000
FIXED_STEPS = 500  # used when there are too few labels to hold any out

Codes = NDArray[Any]
Prepare = Callable[[Codes], Tensor]


@dataclass(frozen=True)
class ProbeResult:
    """Test accuracies of one kind of probe, one for each draw of labels.

    Attributes:
        accuracies: share of test samples classified correctly, 0 to 1, one per draw.
        n_labels: number of labels the probe was trained on.
        kind: `"mlp"`, `"linear"`, `"knn"` or `"supervised"`.
    """

    accuracies: tuple[float, ...]
    n_labels: int
    kind: str

    @property
    def accuracy_mean(self) -> float:
        """Mean over the draws."""
        return float(np.mean(self.accuracies))

    @property
    def accuracy_std(self) -> float:
        """Standard deviation over the draws, 0 for a single one."""
        return float(np.std(self.accuracies))


def _head(inputs: int, classes: int) -> nn.Sequential:
    """The papers' head: two hidden layers of width 128, ReLU, dropout one half."""
    return nn.Sequential(
        nn.Linear(inputs, WIDTH), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Dropout(0.5),
        nn.Linear(WIDTH, classes),
    )  # fmt: skip


def _accuracy(
    network: nn.Module, data: Labelled, device: torch.device, prepare: Prepare = to_float
) -> float:
    network.eval()
    right = 0
    with torch.inference_mode():
        for start in range(0, len(data.y), 1000):
            rows = slice(start, start + 1000)
            guesses = network(prepare(data.x[rows]).to(device)).argmax(dim=1).cpu().numpy()
            right += int((guesses == data.y[rows]).sum())
    return right / len(data.y)


class _EarlyStop:
    """Early stopping: keeps the weights with the best accuracy on the held-out part."""

    def __init__(self, network: nn.Module, accuracy: Callable[[], float]) -> None:
        self.network, self.accuracy = network, accuracy
        self.best, self.looks_since = -1.0, 0
        self.weights = deepcopy(network.state_dict())

    def look(self) -> bool:
        accuracy = self.accuracy()
        self.looks_since += 1
        if accuracy > self.best:
            self.best, self.looks_since = accuracy, 0
            self.weights = deepcopy(self.network.state_dict())
        return self.looks_since >= PATIENCE


def _train(
    network: nn.Module,
    data: Labelled,
    seed: int,
    device: torch.device,
    prepare: Prepare = to_float,
) -> None:
    """Adam at 1e-3, stopped early on a fifth of the labels if there are enough."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(data.y))
    held = len(order) // 5 if len(order) >= ENOUGH else 0
    held_out = Labelled(data.x[order[:held]], data.y[order[:held]])
    stop = _EarlyStop(network, lambda: _accuracy(network, held_out, device, prepare))
    kept = order[held:]
    looks = max(math.ceil(len(kept) / BATCH), CHECK_EVERY)
    fit_classes(
        network,
        lambda rows: prepare(data.x[rows]).to(device),
        data.y,
        kept,
        torch.optim.Adam(network.parameters(), lr=1e-3),
        rng,
        batch_size=BATCH,
        steps=MAX_STEPS if held else FIXED_STEPS,
        after_step=lambda step: held and step % looks == 0 and stop.look(),
    )
    if held:
        network.load_state_dict(stop.weights)


def _mlp_accuracy(train: Labelled, test: Labelled, classes: int, seed: int) -> float:
    # One scale for the entire code makes the result independent of its unit. Standardising each
    # coordinate would amplify the rounding noise of a rank-deficient code.
    scale = float(np.sqrt(np.mean(np.square(train.x, dtype=np.float64)))) or 1.0
    with isolated(seed):
        head = _head(train.x.shape[1], classes)
        _train(head, Labelled(train.x / scale, train.y), seed, torch.device("cpu"))
    return _accuracy(head, Labelled(test.x / scale, test.y), torch.device("cpu"))


def _linear_accuracy(train: Labelled, test: Labelled, classes: int, seed: int) -> float:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with threads(train.x.shape[1]):
        return float(model.fit(*train).score(*test))


def _knn_accuracy(train: Labelled, test: Labelled, classes: int, seed: int) -> float:
    from sklearn.neighbors import KNeighborsClassifier

    # Five neighbours would outvote a class that has one label.
    neighbours = min(5, max(1, len(train.y) // (2 * classes)))
    return float(KNeighborsClassifier(neighbours).fit(*train).score(*test))


_PROBES: dict[str, Callable[[Labelled, Labelled, int, int], float]] = {
    "mlp": _mlp_accuracy,
    "linear": _linear_accuracy,
    "knn": _knn_accuracy,
}


def probe(
    codes_train: Codes,
    labels_train: ArrayLike,
    codes_test: Codes,
    labels_test: ArrayLike,
    kind: Kind = "mlp",
    n_labels: int | None = None,
    draws: int = 3,
    seed: int = 0,
) -> ProbeResult:
    """Accuracy of a classifier that sees frozen codes and some of the labels.

    `mlp` is the papers' head: two hidden layers of width 128, ReLU, dropout 0.5, Adam at 1e-3
    [Jing et al. 2020, arXiv:2010.00679, Sec. 4.3]. With at least 100 labels, a fifth of them is
    held out and the weights with the best accuracy on it are kept; with fewer, none are held out,
    and training takes a fixed 500 steps. (The papers stop on validation accuracy at every size; for
    10 labels that requires further labels.) The codes are divided by one number, their root mean
    square, rather than standardised per coordinate. `linear` is logistic regression on standardised
    codes. `knn` votes over up to five neighbours, fewer with under ten labels per class.

    Args:
        codes_train: `(N, L)` finite.
        labels_train: `(N,)`, at least two different ones.
        codes_test: `(M, L)`.
        labels_test: `(M,)`; a class absent from training counts as an error.
        kind: `"mlp"`, `"linear"` or `"knn"`.
        n_labels: how many labels are used, spread evenly over the classes; None is all.
        draws: independent choices of labels (and of initial weights). `linear` and `knn` with all
            labels are deterministic and run once.
        seed: of the draws.

    Raises:
        InputError: an unknown kind, arrays of inconsistent shapes, a single class, or more labels
            than available.

    Example:
        >>> codes = np.repeat([[0.0, 0.0], [1.0, 1.0]], 20, axis=0)
        >>> labels = np.repeat([0, 1], 20)
        >>> result = probe(codes, labels, codes, labels, kind="linear", n_labels=10)
        >>> result.accuracy_mean, result.accuracy_std, result.n_labels
        (1.0, 0.0, 10)
    """
    check_known("kind of probe", kind, KINDS)
    train_x, test_x = (as_codes(codes).astype(np.float32) for codes in (codes_train, codes_test))
    train, test, classes = labelled(train_x, labels_train, test_x, labels_test)
    count = checked_budget(n_labels, len(train.y), draws)
    if kind != "mlp" and count == len(train.y):
        draws = 1
    accuracies = []
    for draw in range(draws):
        rows = draw_labels(train.y, count, seed + draw)
        chosen = Labelled(train.x[rows], train.y[rows])
        accuracies.append(_PROBES[kind](chosen, test, classes, seed + draw))
    return ProbeResult(tuple(accuracies), count, kind)


def supervised(
    encoder_factory: Callable[[], nn.Module],
    images: Codes,
    labels: ArrayLike,
    test_images: Codes,
    test_labels: ArrayLike,
    n_labels: int | None = None,
    draws: int = 3,
    seed: int = 0,
    device: str = "cpu",
    prepare: Prepare = to_float,
) -> ProbeResult:
    """The supervised baseline: encoder and MLP head trained together on the labels alone.

    The head, the optimiser and the stopping rule are those of `probe`.

    Args:
        encoder_factory: creates an encoder, `(B, *shape)` to `(B, width)`; called once per draw
            under a fixed seed.
        images: `(N, *shape)` uint8 or float32.
        labels: `(N,)`, at least two different ones.
        test_images: `(M, *shape)`.
        test_labels: `(M,)`.
        n_labels: how many labels are used, spread evenly over the classes; None is all.
        draws: independent choices of labels and initial weights.
        seed: of the draws.
        device: where to train.
        prepare: maps images to the encoder's input.

    Returns:
        The `ProbeResult`, of kind `"supervised"`.

    Raises:
        InputError: arrays of inconsistent shapes, a single class, or more labels than available.

    Example:
        >>> images = np.repeat(np.array([0, 255], dtype=np.uint8), 10).reshape(20, 1, 1, 1)
        >>> labels = np.repeat([0, 1], 10)
        >>> supervised(nn.Flatten, images, labels, images, labels, draws=1).accuracies
        (1.0,)
    """
    train, test, classes = labelled(images, labels, test_images, test_labels)
    count = checked_budget(n_labels, len(train.y), draws)
    place = torch.device(device)
    cards = [place.index or 0] if place.type == "cuda" else []
    accuracies = []
    for draw in range(draws):
        rows = draw_labels(train.y, count, seed + draw)
        with isolated(seed + draw, cards):
            for card in cards:  # dropout draws there
                torch.cuda.default_generators[card].manual_seed(seed + draw)
            network = _with_head(encoder_factory(), prepare(train.x[:1]), classes).to(place)
            chosen = Labelled(train.x[rows], train.y[rows])
            _train(network, chosen, seed + draw, place, prepare)
        accuracies.append(_accuracy(network, test, place, prepare))
    return ProbeResult(tuple(accuracies), count, "supervised")


def _with_head(encoder: nn.Module, sample: Tensor, classes: int) -> nn.Sequential:
    encoder.eval()
    with torch.no_grad():
        width = encoder(sample).shape[1]
    return nn.Sequential(encoder, _head(int(width), classes))
