"""Files of named arrays: identifying samples, labels and parameters."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from scipy.sparse import issparse

from latentrank.data.arrays import Contents, Meaning, Part, refuse_unused, text_of
from latentrank.data.splits import SPLIT_COLUMNS, join, role, split_in, split_of
from latentrank.data.views import Array
from latentrank.errors import InputError

#: Names of samples and of labels as arrays, the first of which that a file has is used.
SAMPLE_ARRAYS = ("x", "images", "imgs", "data", "samples")
_LABEL_ARRAYS = ("y", "labels", "label", "targets", "target")
#: Columns and variables of these names hold labels, unless others are named.
LABELS = ("label", "labels", "class")
# Other names of labels: better rejected than silently ignored.
_LABEL_WORDS = ("label", "target", "y_", "class")
_EXPECTED = "expected x, or x_train and x_test (labels: y, or y_train and y_test)"


def contents(
    what: str,
    held: Mapping[str, Any],
    meaning: Meaning,
    inner: str | None = None,
    read: Callable[[Any], Array] = np.asarray,
) -> Contents:
    """The samples of a file of named arrays, with their labels and parameters.

    Samples are named `x`, or `x_train` and `x_test`, with or without `x_val`; labels `y` and
    parameters `parameters`, with the same suffixes. Other names in `SAMPLE_ARRAYS`, such as
    `images`, and for labels `labels` or `targets`, mean the same. Case and word order do not
    matter. If a file has a single array, its name does not matter.

    Args:
        what: the file, for messages.
        held: its arrays, each accessed only if used.
        meaning: other names of samples (`columns`), labels and parameters.
        inner: name of the samples, if the user gave one.
        read: converts the value of a name to an array.

    Raises:
        InputError: the samples cannot be identified, or a name does not exist.
    """
    known = [n for n in meaning.asked if _roles(held, (n,)) or n.strip("/") in held or n in held]
    meaning = meaning.within(known)
    if inner:
        refuse_unused(f"{what}:{inner}", columns=None if meaning.lenient else meaning.columns)
    samples = {"": _known(what, held, inner)} if inner else _samples(what, held, meaning)
    if any(issparse(held[name]) for name in samples.values()):
        raise _sparse(what, ", ".join(samples.values()))
    x = {split: read(held[name]) for split, name in samples.items()}
    asked = {name: _chosen(what, held, name) for name in meaning.parameters or ()}
    asked = asked or {"parameters": _roles(held, ("parameters",))}
    chosen = {name for roles in (samples, *asked.values()) for name in roles.values()}
    rest = [name for name in held if name not in chosen]
    labels = _chosen(what, held, meaning.labels) or _roles(rest, _LABEL_ARRAYS)
    used = set(samples.values())

    def beside(roles: Mapping[str, str], split: str) -> Any:
        name = _beside(samples, roles, split)
        used.update(() if name is None else (name,))
        return None if name is None else _rows(held[name], len(x[split]))

    parameters = {
        split: matrix({name: beside(roles, split) for name, roles in asked.items()}) for split in x
    }
    parts = {
        split: Part(f"{what}: {name}", x[split], beside(labels, split), parameters[split][0])
        for split, name in samples.items()
    }
    if not meaning.lenient:
        _refuse_misnamed(what, rest, samples, labels)
    found, said = join(parts, meaning.validation, what)
    over = {name: array for name, array in held.items() if name not in used}
    if not (meaning.lenient or meaning.is_split):
        refuse_split(what, over)
    if over:
        said.append(unused(what, "arrays", over, len(parts[""].x) if "" in parts else None))
    columns = next((names for _, names in parameters.values() if names), meaning.parameters)
    return Contents(found, meaning.parameters and columns, tuple(said))


def holds_samples(name: str) -> bool:
    """Whether an array of this name holds samples.

    Example:
        >>> holds_samples("x_train"), holds_samples("y_train")
        (True, False)
    """
    return any(role(name, base) is not None for base in SAMPLE_ARRAYS)


def samples_of(names: Iterable[str]) -> dict[str, str]:
    """The split in each of the names under which samples are looked for, `""` if there is none.

    Example:
        >>> samples_of(["x_train", "X_test", "y_train", "data"])
        {'x_train': 'train', 'X_test': 'test'}
    """
    return {name: split for split, name in _roles(names, SAMPLE_ARRAYS).items()}


def refuse_split(what: str, held: Mapping[Any, Any]) -> None:
    """Refuse an array that says which split a sample belongs to, as only a column of a table can.

    Raises:
        InputError: there is one.
    """
    for name in (name for name in held if str(name).lower() in SPLIT_COLUMNS):
        words = sorted({text_of(value) for value in np.ravel(np.asarray(held[name])).tolist()})
        if words and all(map(split_of, words)):
            raise InputError(
                f"{what} holds {name}, which divides the samples ({', '.join(words)}); only tables "
                "are divided by such a column: give the parts as x_train and x_test, or as "
                "Dataset(name, Split(x), Split(x_test)), or drop it."
            )


def unused(what: str, kind: str, over: Mapping[str, Any], count: int | None) -> str:
    """The note on arrays that are not read, some of which may be parameters.

    Args:
        what: holds them.
        kind: what they are called there.
        over: they themselves, by name.
        count: of the samples; None if they are split.
    """
    numbers = [
        name
        for name, array in over.items()
        if getattr(array, "shape", None) == (count,) and array.dtype.kind in "iuf"
    ]
    advice = f"; to use parameters of the samples, set parameters={','.join(numbers)}"
    return f"{what} also holds unused {kind}: {', '.join(over)}{advice if numbers else ''}."


def _known(what: str, held: Mapping[str, Any], name: str) -> str:
    key = next((key for key in (name, name.strip("/")) if key in held), None)
    if key is None:
        raise InputError(
            f"{what} holds no {name.strip('/')}; it holds {', '.join(held) or 'nothing'}: choose "
            "one of these."
        )
    return key


def _samples(what: str, held: Mapping[str, Any], meaning: Meaning) -> dict[str, str]:
    """The names of the samples, by split."""
    chosen = meaning.columns or ()
    if meaning.lenient and not all(_roles(held, (name,)) for name in chosen):
        chosen = ()
    if len(chosen) > 1:
        raise InputError(
            f"columns names {len(chosen)} arrays of {what} ({', '.join(chosen)}), expected one, "
            "which holds the samples; name that one."
        )
    found = (
        _chosen(what, held, *chosen)
        if chosen
        else _roles(held, SAMPLE_ARRAYS)
        or {split: name for name in held if (split := split_of(name)) is not None}
    )
    folded = _sparse_matrices(held)
    if not chosen and folded and (not found or not folded.keys().isdisjoint(found.values())):
        raise _sparse(what, ", ".join(folded.values()))
    if not found:
        named = {*_LABEL_ARRAYS, "parameters", meaning.labels, *(meaning.parameters or ())} - {None}
        rest = [
            name
            for name in held
            if all(role(name, str(base)) is None for base in named)
            and not name.lower().startswith(_LABEL_WORDS)
            and len(getattr(held[name], "shape", ())) >= 2
        ]
        found = {"": rest[0]} if len(rest) == 1 else {}
    if not found:
        raise InputError(
            f"{what} holds {', '.join(held) or 'nothing'} and lacks x_train and x_test; "
            f"{_EXPECTED}, or name the array: {what}:/NAME."
        )
    if set(found) == {"train"}:
        raise InputError(f"{what} holds {', '.join(held)} and lacks x_test; {_EXPECTED}.")
    return found


def _sparse_matrices(held: Mapping[str, Any]) -> dict[str, str]:
    """Sparse matrices as SciPy, AnnData and MATLAB save them, in arrays: the values, and a name."""
    known = [prefix for name in held if (prefix := name.removesuffix("data")) != name]
    return {
        f"{prefix}data": prefix.strip("/") or "data"
        for prefix in known
        if any(
            all(prefix + part in held for part in parts)
            for parts in (("indices", "indptr"), ("ir", "jc"), ("format", "shape"))
        )
    }


def _sparse(what: str, name: str) -> InputError:
    return InputError(
        f"{what} holds a sparse matrix ({name}), expected a dense array; save toarray() of it, or "
        f"name another array: {what}:/NAME."
    )


def _roles(held: Iterable[str], bases: Sequence[str]) -> dict[str, str]:
    """Names by split, for the first base that has any."""
    for base in bases:
        found = {split: name for name in held if (split := role(name, base)) is not None}
        if found:
            return found
    return {}


def _chosen(what: str, held: Mapping[str, Any], name: str | None) -> dict[str, str]:
    if name is None:
        return {}
    return _roles(held, (name,)) or {"": _known(what, held, name)}


def _beside(samples: Mapping[str, str], roles: Mapping[str, str], split: str) -> str | None:
    """The name of the labels, or of parameters, of the samples of a split; None if there is none.

    Args:
        samples: their names by split.
        roles: names of labels by split, likewise.
        split: which samples.
    """
    if samples.keys() == {""}:  # one array, perhaps the part of a split
        name = samples[""]
        own = next(filter(None, (role(name, base) for base in SAMPLE_ARRAYS)), split_in(name))
        found = roles.get("") if own is None else roles.get(own) or roles.get("")
        return found or (roles.get("train") if own is None and "test" not in roles else None)
    # next to x_test, x is the training part, and likewise y next to y_test
    other = "train" if split == "" else "" if split == "train" else None
    return roles.get(split) or (None if other is None or other in samples else roles.get(other))


def _rows(given: Any, count: int) -> Any:
    """Labels or parameters of so many samples, as they are stored."""
    values = np.asarray(given)
    # MATLAB has no vectors, only matrices of one row or one column
    return values[0] if count > 1 and values.shape == (1, count) else values


def matrix(arrays: Mapping[str, Any]) -> tuple[Array | None, tuple[str, ...] | None]:
    """Parameters as one array.

    Args:
        arrays: `(N,)` or `(N, ...)` by name; None where there is none.

    Returns:
        `(N, P)` and the names of its columns, where several of one array are numbered; None and
        None if there are no arrays, or not all.

    Raises:
        InputError: they have different numbers of rows.

    Example:
        >>> values, names = matrix({"mach": np.ones(3), "wing": np.ones((3, 2))})
        >>> values.shape, names
        ((3, 3), ('mach', 'wing[0]', 'wing[1]'))
    """
    if not arrays or any(values is None for values in arrays.values()):
        return None, None
    rows = {name: np.atleast_1d(values) for name, values in arrays.items()}
    if len({len(values) for values in rows.values()}) > 1:
        shapes = ", ".join(str(values.shape) for values in arrays.values())
        raise InputError(
            f"The parameters {', '.join(arrays)} have shapes {shapes}; give one row per sample in "
            "each."
        )
    widths = {name: math.prod(values.shape[1:]) for name, values in rows.items()}
    names = [
        name if width == 1 else f"{name}[{i}]"
        for name, width in widths.items()
        for i in range(width)
    ]
    columns = [values.reshape(len(values), widths[name]) for name, values in rows.items()]
    return np.concatenate(columns, axis=1), tuple(names)


def _refuse_misnamed(
    what: str, rest: Iterable[str], samples: Mapping[str, str], labels: Mapping[str, str]
) -> None:
    misnamed = [key for key in rest if key.lower().startswith(_LABEL_WORDS)]
    if misnamed and not labels:
        wanted = " and ".join("y" + (f"_{split}" if split else "") for split in samples)
        raise InputError(
            f"{what} holds no {wanted} but {misnamed[0]}, which looks like labels; use it with "
            f"labels={misnamed[0]}, or leave them out."
        )
