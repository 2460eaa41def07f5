"""Using a trained run: encode, decode, fit densities, sample, predict fields."""

from __future__ import annotations

import contextlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from latentrank import data, density, methods
from latentrank.data import Split
from latentrank.data.arrays import concatenated
from latentrank.density import Density, RandomState
from latentrank.errors import InputError, check_known
from latentrank.filenames import PARAMETER_MAP
from latentrank.models.base import BATCH, LatentModel
from latentrank.parametric import ExtrapolationWarning, ParameterMap
from latentrank.runs import Run
from latentrank.torch_state import own_defaults

SPLITS = ("train", "test", "all")


@dataclass(frozen=True)
class Samples:
    """Generated samples and the codes that they were decoded from.

    Attributes:
        codes: `(n, L)` float32.
        x: `(n, ...)`, in the units, the dtype and the layout of the data that the model was
            trained on.
    """

    codes: NDArray[np.float32]
    x: NDArray[Any]


def embed(
    run: Run,
    split: str = "test",
    source: str | Path | None = None,
    *,
    coefficients: bool = False,
    errors: bool = False,
) -> dict[str, NDArray[Any]]:
    """The codes of the run's data, or of other data of the same shape.

    Args:
        run: a finished run.
        split: `"train"`, `"test"`, or `"all"` for both, in file order if they come from one file.
        source: name or path of other data, which are normalised like the run's. The codes of the
            run's own data are stored with the run, so those data need not be present.
        coefficients: return the coefficients in the bottleneck's own basis, `(N, k)`.
        errors: return `errors`, too, which are large for unusual samples; this reads the data.

    Returns:
        `codes`, `(N, L)` or `(N, k)` float32; `errors`, `(N,)`, the mean squared error of each
        reconstruction, see `squared_errors`; and, if known, `labels`, `parameters`, `names`,
        such as those of files, and `rows`, the row of each sample in its file, counted from 0; and
        `class_names`, `(K,)`, the names of the labels.

    Raises:
        InputError: there is no such split, the data have a different shape, or the method has no
            basis or no reconstructions.
    """
    check_known("split", split, SPLITS)
    if errors:
        need_reconstructions(run.settings.method, "error; leave out errors=True")
    class_names: tuple[str, ...] | None
    if source is None:
        names = ("train", "test") if split == "all" else (split,)
        found, class_names = [run.encoded(name) for name in names], run.kept.class_names
        samples = [run.split(name).x for name in names] if errors else []
    else:
        codes, part, class_names = _embedded(run, source, split)
        found, samples = [{"codes": codes, **part.metadata}], [part.x] if errors else []
    if errors:
        known = zip(found, samples, strict=True)
        found = [{**one, "errors": squared_errors(run.model(), x)} for one, x in known]
    joined = concatenated(found)
    if coefficients:
        joined["codes"] = joined["codes"] @ _basis(run)
    if split == "all" and source is None and "rows" in joined:
        order = np.argsort(joined["rows"], kind="stable")
        joined = {name: values[order] for name, values in joined.items()}
    return joined if class_names is None else {**joined, "class_names": np.array(class_names)}


@own_defaults()
@torch.no_grad()
def squared_errors(model: LatentModel, x: NDArray[Any]) -> NDArray[np.float64]:
    """The mean squared error of each sample, `(N,)`, in the units of the networks.

    Args:
        model: a model that reconstructs.
        x: `(N, *input_shape)` in the units of the training data.
    """
    with model.threads(min(BATCH, len(x))):
        errors = [
            (model(part) - part).double().square().flatten(1).mean(1) for part in model.batches(x)
        ]
    return np.asarray(torch.cat(errors).numpy())


def need_reconstructions(method: str, purpose: str) -> None:
    """Refuse a method without reconstructions, such as a GAN.

    Args:
        method: one of `latentrank.methods.names()`.
        purpose: what does not exist without reconstructions, and what to do instead.

    Raises:
        InputError: the method reconstructs nothing.
    """
    if methods.get(method).game is not None:
        raise InputError(f"{method} reconstructs nothing, so there is no {purpose}.")


def _embedded(
    run: Run, source: str | Path, split: str
) -> tuple[NDArray[np.float32], Split, tuple[str, ...] | None]:
    """Codes, samples and class names of other data; of `"all"`, a single sample suffices."""
    model = run.model()
    like = model.preprocessing, model.spec.input_shape
    if split == "all":
        part, names = data.load_samples(source, *like, **_how(run))
    else:
        dataset = data.load_like(source, *like, **_how(run))
        part, names = getattr(dataset, split), dataset.class_names
    return model.encode_array(part.x), part, names


def _how(run: Run) -> dict[str, Any]:
    """How the run's data were read, to read other data in the same way."""
    settings = run.settings.data
    known = {"root": settings.data_root, "image_size": settings.image_size}
    spec = run.model().spec
    return {**known, **spec.reading, "conventions": spec.conventions}


def _basis(run: Run) -> NDArray[np.float32]:
    basis = run.model().bottleneck.basis()
    if basis is None:
        raise InputError(
            f"The method {run.settings.method} has no basis for its codes, so there are no "
            "coefficients; leave out coefficients=True."
        )
    return np.asarray(basis.numpy())


def fit_density(run: Run, spec: str, **options: Any) -> Density:
    """A density fitted to the training codes of a run, as by `density_of_model`.

    It is fitted to the codes stored with the run, so no data are needed. A Gaussian needs no codes,
    either: their mean and covariance are stored with the model.

    Args:
        run: a finished run.
        spec: a density as text, such as `"gmm:components=10"`.
        **options: options of the density; these override those of `spec`.

    Raises:
        InputError: as `density_of_model`.
    """
    codes = None if density.parse(spec).name in ("prior", "gaussian") else run.codes("train")
    return density_of_model(run.model(), spec, codes, **options)


def density_of_model(
    model: LatentModel, spec: str, codes: NDArray[Any] | None = None, **options: Any
) -> Density:
    """A density to draw codes of a model from.

    Args:
        model: a trained model.
        spec: a density as text, such as `"gmm:components=10"`. `"prior"` is the standard normal,
            over the coefficients if the method has a basis.
        codes: `(N, L)`, codes of the training data; the prior and, of a finalized model, the
            Gaussian need none.
        **options: options of the density; these override those of `spec`.

    Raises:
        InputError: there is no such density or option, a density other than the prior is requested
            for a GAN, or the prior for a compressed model.
    """
    name = density.parse(spec).name
    if name == "prior":
        basis = model.prior_basis()
        return density.standard_normal(model.latent_dim, None if basis is None else basis.cpu())
    if not model.reconstructs:
        raise InputError(
            f"The density is {name}, but {model.spec.method} has no codes to fit it to; use the "
            f"density prior."
        )
    if codes is None and name == "gaussian" and model.statistics.known:
        return density.Normal(density.Subspace.of_statistics(model.statistics))
    if codes is None:
        raise InputError(f"The density {name} is fitted to codes, but none are given; give some.")
    return density.fit(spec, codes, **options)


def sample(run: Run, spec: str, n: int, seed: RandomState = 0, **options: Any) -> Samples:
    """New samples: codes drawn from a density fitted to the training codes, then decoded.

    Args:
        run: a finished run; its data are not needed.
        spec: a density as text, such as `"gmm:components=10"`.
        n: number of samples, at least 1.
        seed: random seed for sampling; an integer, a NumPy random state or generator, or None.
        **options: options of the density; these override those of `spec`.

    Raises:
        InputError: there is no such density or option, or `n` or the seed is out of range.
    """
    codes = fit_density(run, spec, **options).sample(n, seed=seed)
    return Samples(codes, decode(run, codes))


def decode(run: Run, codes: NDArray[Any]) -> NDArray[Any]:
    """Decode codes.

    Args:
        run: a finished run; its data are not needed.
        codes: `(N, L)`.

    Returns:
        `(N, ...)`, in the units, the dtype and the layout of the data that the model was trained
        on.
    """
    model = run.model()
    return model.preprocessing.to_own_layout(model.decode_array(codes))


def predict(run: Run, parameters: ArrayLike, kind: str = "auto") -> NDArray[Any]:
    """Samples at new parameters: codes interpolated over the parameters, then decoded.

    Args:
        run: a finished run on data with parameters; the data are not needed.
        parameters: `(N, P)`, the columns as in training; those of a data frame are taken by name.
        kind: one of `latentrank.parametric.KINDS`, or `"auto"` for multilinear on a full grid and
            radial otherwise.

    Returns:
        `(N, ...)`, in the units, the dtype and the layout of the data that the model was trained
        on. An `ExtrapolationWarning` names rows outside the convex hull of the training
        parameters.

    Raises:
        InputError: the data of the run have no parameters, the new ones are not finite numbers or
            differ in number, or the kind does not apply to them.
    """
    fitted = parameter_map(run, kind)
    codes = fitted(parameters)
    if told := fitted.extrapolated(parameters):
        warnings.warn(told, ExtrapolationWarning, stacklevel=2)
    return decode(run, codes)


def parameter_map(run: Run, kind: str = "auto") -> ParameterMap:
    """The map from parameters to codes that `predict` uses; fitted once, and kept with the run.

    Args:
        run: a finished run on data with parameters; the data are not needed.
        kind: see `predict`.

    Raises:
        InputError: see `predict`.
    """
    path = run.folder / PARAMETER_MAP.format(kind=kind)
    if path.is_file() and not run.lacks:
        return ParameterMap.load(path)
    if not run.model().reconstructs:
        raise InputError(
            f"The method {run.settings.method} does not encode samples, so "
            "there is nothing to interpolate; give a run of an autoencoder."
        )
    known = run.encoded("train")
    if "parameters" not in known:
        run.need_samples()
        raise InputError(
            f"The data {run.settings.data.source} for {run.folder} have no parameters to "
            "predict from; give data that have some, as docs/reduction.md explains."
        )
    basis = run.model().bottleneck.basis()
    fitted = ParameterMap.fit(
        known["parameters"],
        known["codes"],
        kind,
        None if basis is None else basis.cpu(),
        run.kept.parameter_names,
    )
    if not run.lacks:  # the next data of a saved model may be others
        with contextlib.suppress(InputError):  # also a run that cannot be written to predicts
            fitted.save(path)
    return fitted
