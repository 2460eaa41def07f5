"""A trained run put to use: codes of data, densities fitted to its codes, and new samples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from latentrank import data, density
from latentrank.data import Dataset, Split
from latentrank.density import Density
from latentrank.errors import InputError, unknown
from latentrank.models.base import LatentModel
from latentrank.runs import Run

_BATCH = 512


SPLITS = ("train", "test", "all")


@dataclass(frozen=True)
class Samples:
    """Generated samples and the codes that they were decoded from.

    Attributes:
        codes: `(n, L)` float32.
        x: `(n, *shape)`, in the data's own units and type: uint8 where the data is uint8.
    """

    codes: NDArray[np.float32]
    x: NDArray[Any]


def embed(
    run: Run, split: str = "test", source: str | Path | None = None, *, coefficients: bool = False
) -> dict[str, NDArray[Any]]:
    """The codes of the run's data, or of other data of the same shape.

    Args:
        run: a finished run.
        split: `"train"`, `"test"`, or `"all"`, both in the order in which they stand in their
            file, where they stand in one.
        source: name or path of other data; it is brought to the units that the run's data has.
        coefficients: give the codes in the bottleneck's own basis, `(N, k)`, where it has one.

    Returns:
        `codes`, `(N, L)` float32 or `(N, k)`; and `labels`, `parameters` and `rows`, where each
        sample stands in its file, where known.

    Raises:
        InputError: an unknown split, data of another shape, or a method without a basis.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    names = ("train", "test") if split == "all" else (split,)
    found = [_embedded(run, name, source) for name in names]
    joined = {
        name: np.concatenate([part[name] for part in found])
        for name in found[0]
        if all(name in part for part in found)
    }
    if coefficients:
        joined["codes"] = joined["codes"] @ _basis(run)
    if split == "all" and "rows" in joined:
        order = np.argsort(joined["rows"], kind="stable")
        joined = {name: values[order] for name, values in joined.items()}
    return joined


def _embedded(run: Run, split: str, source: str | Path | None) -> dict[str, NDArray[Any]]:
    if source is None:
        dataset, codes = run.dataset(), run.codes(split)
    else:
        settings = run.settings
        root, size = settings.data.data_root, settings.data.image_size
        dataset = data.load(source, root=root, image_size=size)
        codes = _encode(run, dataset, _part(dataset, split))
    return {"codes": codes, **_part(dataset, split).beside}


def _part(dataset: Dataset, split: str) -> Split:
    return dataset.train if split == "train" else dataset.test


@torch.no_grad()
def _encode(run: Run, other: Dataset, part: Split) -> NDArray[np.float32]:
    """Codes of other data, normalised as the training data was and not by its own statistics."""
    model = run.model()
    spec = model.spec
    if other.shape != spec.input_shape:
        raise InputError(
            f"The samples of {other.name} have shape {other.shape}, and the run was trained on "
            f"samples of shape {spec.input_shape}; give data of that shape."
        )
    codes = []
    for start in range(0, len(part), _BATCH):
        x = model.preprocessing.normalise(part.x[start : start + _BATCH])
        codes.append(model.encode(x))
    return np.asarray(torch.cat(codes).numpy())


def _basis(run: Run) -> NDArray[np.float32]:
    basis = run.model().bottleneck.basis()
    if basis is None:
        raise InputError(
            f"The codes of {run.settings.method} are not kept in a basis of their own, so there "
            "are no coefficients; leave --coefficients out."
        )
    return np.asarray(basis.numpy())


def usual_densities(model: LatentModel) -> tuple[str, ...]:
    """The densities that new codes are drawn from unless others are asked for.

    Args:
        model: a trained model.

    Returns:
        The papers' two; of a GAN, whose generator starts from noise, the prior.
    """
    return model.usual_densities


def fit_density(run: Run, name: str, **options: Any) -> Density:
    """A density fitted to the run's training codes, by `density_of_codes`.

    Args:
        run: a finished run.
        name: one of `latentrank.density.names()`.
        **options: as the density has them.

    Raises:
        InputError: an unknown density or option, or one that the method does not have.
    """
    return density_of_codes(run.model(), run.codes("train"), name, **options)


def density_of_codes(model: LatentModel, codes: NDArray[Any], name: str, **options: Any) -> Density:
    """A density that new codes of a model can be drawn from.

    Args:
        model: a trained model.
        codes: `(N, L)`, its training codes.
        name: one of `latentrank.density.names()`. The prior of a method that keeps its codes in
            a basis is the standard normal over the coefficients.
        **options: as the density has them.

    Raises:
        InputError: an unknown density or option, any but the prior for a GAN, or the prior for
            a compressed model.
    """
    if name == "prior":
        if model.spec.code_dim is not None:
            raise InputError(
                "The codes of a compressed model are principal coefficients, which have no prior; "
                "take another density, such as gaussian."
            )
        basis = model.bottleneck.basis()
        options["basis"] = None if basis is None else basis.numpy()
    elif not model.reconstructs and name in density.names():
        raise InputError(
            f"A {model.spec.method} has no codes of samples to fit the density {name} to; "
            "take the density prior."
        )
    return density.fit(name, codes, **options)


def sample(run: Run, name: str, n: int, seed: int = 0, **options: Any) -> Samples:
    """New samples: codes drawn from a density that is fitted to the training codes, decoded.

    Args:
        run: a finished run.
        name: of the density.
        n: how many, from 1.
        seed: of the draws.
        **options: of the density.

    Raises:
        InputError: an unknown density or option, or `n` below 1.
    """
    codes = fit_density(run, name, **options).sample(n, seed=seed)
    return Samples(codes, decode(run, codes))


@torch.no_grad()
def decode(run: Run, codes: NDArray[Any]) -> NDArray[Any]:
    """What codes stand for.

    Args:
        run: a finished run.
        codes: `(N, L)`.

    Returns:
        `(N, *shape)`, in the data's own units and dtype.
    """
    dataset, model = run.dataset(), run.model()
    parts = []
    for start in range(0, len(codes), _BATCH):
        batch = torch.from_numpy(np.asarray(codes[start : start + _BATCH], dtype=np.float32))
        parts.append(dataset.preprocessing.denormalise(model.decode(batch)))
    return np.concatenate(parts)
