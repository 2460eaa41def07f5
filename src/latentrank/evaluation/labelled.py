"""Labelled samples: checked, numbered by class, and chosen evenly over the classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from latentrank.data.plain import unwrapped
from latentrank.errors import InputError, check_count

Samples = NDArray[Any]


class Labelled(NamedTuple):
    """Samples with class numbers 0 to K - 1; -1 for a test label absent from training."""

    x: Any
    y: NDArray[np.int64]


def labelled(
    x: Samples, labels: ArrayLike, test_x: Samples, test_labels: ArrayLike
) -> tuple[Labelled, Labelled, int]:
    """Check labelled samples, and number their classes.

    Args:
        x: `(N, ...)`, training samples.
        labels: `(N,)`, of any type that can be sorted.
        test_x: `(M, ...)`.
        test_labels: `(M,)`.

    Returns:
        Training samples, test samples, and the number of classes.

    Raises:
        InputError: inconsistent shapes, no samples, missing labels, a single class, or test
            labels that all belong to other classes.
    """
    train_y, test_y = (np.asarray(unwrapped(y, "labels")) for y in (labels, test_labels))
    for part, rows, y in (("training", x, train_y), ("test", test_x, test_y)):
        if y.shape != (len(rows),) or len(rows) == 0:
            raise InputError(
                f"The labels have shape {y.shape} for {len(rows)} {part} samples; "
                "give one for each, and at least one."
            )
        if any(label is None or label != label for label in y.tolist()):
            raise InputError(
                f"The {part} labels contain missing values, None or NaN; leave out those samples."
            )
    if x.shape[1:] != test_x.shape[1:]:
        raise InputError(
            f"Training samples have shape {x.shape[1:]} and test samples {test_x.shape[1:]}, "
            "expected the same; take both from one encoder."
        )
    classes, numbers = np.unique(train_y, return_inverse=True)
    if len(classes) < 2:
        raise InputError(
            "The training labels contain a single class, expected at least 2; "
            "give labels of several classes."
        )
    place = np.minimum(np.searchsorted(classes, test_y), len(classes) - 1)
    test_numbers = np.where(classes[place] == test_y, place, -1)
    if (test_numbers < 0).all():
        raise InputError(
            f"None of the test labels, such as {test_y[0]!r}, occurs among the training labels, "
            f"such as {train_y[0]!r}; give both as the same type, of the same classes."
        )
    return Labelled(x, numbers), Labelled(test_x, test_numbers), len(classes)


def checked_budget(n_labels: int | None, available: int, draws: int) -> int:
    """The number of labels to use.

    Raises:
        InputError: more labels than available, fewer than two, no draw, or no integer.
    """
    count = available if n_labels is None else n_labels
    check_count(count, "n_labels")
    check_count(draws, "draws")
    if not 2 <= count <= available:
        raise InputError(
            f"{count} labels were requested, expected 2 to {available}, the number available; "
            "choose a number in that range, or None for all."
        )
    return count


def draw_labels(labels: ArrayLike, n_labels: int, seed: int) -> NDArray[np.int64]:
    """Choose samples whose labels are used, balanced over the classes as far as possible.

    Args:
        labels: `(N,)` labels to choose from.
        n_labels: number of labels, from 1 to N.
        seed: random seed.

    Returns:
        `(n_labels,)` different row numbers, in random order.

    Example:
        >>> labels = np.repeat([0, 1, 2], [50, 50, 2])
        >>> np.bincount(labels[draw_labels(labels, 10, seed=0)]).tolist() in ([4, 4, 2],)
        True
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(np.asarray(labels)))
    shuffled = np.asarray(labels)[order]
    # The i-th sample of its class comes in round i; rounds are filled one after the other.
    rounds = np.empty(len(order), dtype=np.int64)
    for label in np.unique(shuffled):
        mine = shuffled == label
        rounds[mine] = np.arange(mine.sum())
    chosen = np.argsort(rounds, kind="stable")[:n_labels]
    return rng.permutation(order[chosen])
