"""Recognition of training, validation and test parts by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence, Sized
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from latentrank.data.arrays import Part, check_both, concatenated
from latentrank.data.views import Rows
from latentrank.errors import InputError, check_known

S = TypeVar("S", bound=Sized)

_WORDS = {
    "train": ("train", "training"),
    "validation": ("val", "valid", "validation", "dev", "eval", "evaluation"),
    "test": ("test", "testing", "holdout"),
}
SPLITS = {word: split for split, words in _WORDS.items() for word in words}
VALIDATION = ("train", "test", "none")
#: Names of a column that says which split a sample belongs to.
SPLIT_COLUMNS = ("split", "subset", "partition")
# What else the name of a split's folder says, as in trainset
_SUFFIX = "(?:set|data|images?|imgs?)?"


def split_of(word: str) -> str | None:
    """The split that a folder or file is named after, or None.

    Example:
        >>> [split_of(word) for word in ("Training", "VAL", "cats")]
        ['train', 'validation', None]
    """
    return SPLITS.get(word.strip().lower())


def split_in(word: str) -> str | None:
    """The only split that is one of several words in a name, or None.

    Example:
        >>> [split_in(word) for word in ("train_images", "PublicTest", "valset2017", "station")]
        ['train', 'test', 'validation', None]
    """
    words = re.findall("[A-Z]?[a-z]+|[A-Z]+", word)
    found = {
        split
        for known, split in SPLITS.items()
        if any(re.fullmatch(known + _SUFFIX, w.lower()) for w in words)
    }
    return found.pop() if len(found) == 1 else None


def rows_of(places: Sequence[str | None]) -> dict[str, Rows]:
    """The rows of each split, of those that have any.

    Args:
        places: the split of each sample, or None.

    Example:
        >>> rows_of(["test", "train", None, "test"])
        {'train': array([1]), 'test': array([0, 3])}
    """
    among: NDArray[np.object_] = np.array(places, dtype=object)
    found = {split: np.flatnonzero(among == split) for split in _WORDS}
    return {split: rows for split, rows in found.items() if len(rows)}


def role(name: str, base: str) -> str | None:
    """The split in the name of an array, `""` if there is none.

    Args:
        name: such as `x_train`, `trainX` or `test/x`.
        base: such as `x`.

    Returns:
        A split, `""`, or None if the name does not match.

    Example:
        >>> [role(name, "x") for name in ("X", "x_train", "Val/x", "max")]
        ['', 'train', 'validation', None]
    """
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    base = base.lower()
    if words == [base]:
        return ""
    for word, split in SPLITS.items():
        if words in ([base, word], [word, base], [base + word], [word + base]):
            return split
    return None


def join(parts: Mapping[str, Part], validation: str, what: str) -> tuple[list[Part], list[str]]:
    """The parts of a data set, with validation samples assigned as requested.

    Args:
        parts: by split; `""` for samples of no split.
        validation: the split that a validation part joins, or `"none"`.
        what: description of their origin, for messages.

    Returns:
        All samples in one part, or training and test parts; and notes for the user.

    Raises:
        InputError: one of them is missing.
    """
    found = dict(parts)
    if "" in found and len(found) > 1:
        if "train" in found:
            raise InputError(
                f"{what} holds {found[''].what} and {found['train'].what}, and both can be the "
                "training samples; leave one of them out."
            )
        found["train"] = found.pop("")
    found, said = place_validation(found, validation, combined)
    if len(found) == 1 and "" not in found:
        lacking = "test" if "train" in found else "train"
        raise InputError(
            f"{what} holds {' and '.join(part.what for part in found.values())} and lacks samples "
            f"for {'testing' if lacking == 'test' else 'training'}; give both."
        )
    return [found[name] for name in ("", "train", "test") if name in found], said


def place_validation(
    parts: Mapping[str, S], validation: str, joined: Callable[[S, S], S]
) -> tuple[dict[str, S], list[str]]:
    """Assign validation samples as requested, or to the test part if it is missing.

    Args:
        parts: by split.
        validation: the split that they join, or `"none"`.
        joined: joins two parts.

    Returns:
        The parts without `validation`, and notes for the user.

    Raises:
        InputError: `validation` has another value.
    """
    check_known("place for validation samples", validation, VALIDATION)
    found = dict(parts)
    spare = found.pop("validation", None)
    if spare is None:
        return found, []
    place = validation if "test" in found else "test"
    if place == "none":
        return found, [f"{len(spare)} validation samples are left out."]
    found[place] = joined(found[place], spare) if place in found else spare
    return found, [f"{len(spare)} validation samples are used for {place}ing."]


def combined(first: Part, second: Part) -> Part:
    """The samples of two parts of one split.

    Raises:
        InputError: they have different shapes or dtypes, or only one has labels or the like.
    """
    check_both(first, second, ("labels", "parameters", "names"))
    values = concatenated([first.metadata, second.metadata])
    if first.x.shape[1:] != second.x.shape[1:] or first.x.dtype != second.x.dtype:
        raise InputError(
            f"{first.what} has {first.x.dtype} of shape {first.x.shape} and {second.what} has "
            f"{second.x.dtype} of shape {second.x.shape}; give both the same."
        )
    known = [part.rows for part in (first, second) if part.rows is not None]
    rows = np.concatenate(known) if len(known) == 2 else None
    return Part(first.what, np.concatenate([first.x, second.x]), **values, rows=rows)
