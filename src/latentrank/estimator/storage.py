"""Fitted estimators as files that run no code, and as what pickle can hold."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from latentrank.density.base import RandomState
from latentrank.errors import InputError
from latentrank.estimator.parameters import NestedOptions
from latentrank.export import Exported, export_onnx
from latentrank.filenames import ESTIMATOR, ESTIMATOR_ARRAYS
from latentrank.io import atomic_write, expanded, write_text
from latentrank.models.base import LatentModel
from latentrank.models.spec import Spec
from latentrank.serialization import load as load_model
from latentrank.serialization import save as save_model
from latentrank.serialization import skeleton
from latentrank.torch_state import own_defaults

Networks = tuple[nn.Module | None, nn.Module | None] | None

_FORMAT = 2


class PackedModel(NamedTuple):
    """A model as description and weights: spectral normalisation, for one, cannot be pickled."""

    spec: Spec
    weights: dict[str, Tensor]

    @classmethod
    def of(cls, model: LatentModel) -> PackedModel:
        """Of a model, whose weights are shared."""
        return cls(model.spec, model.state_dict())

    def unpack(self, networks: Networks = None) -> LatentModel:
        """The model again, in training mode, as it is when it is built.

        Args:
            networks: encoder and decoder of the user's own, where it was built with such; they
                become part of the model.
        """
        encoder, decoder = networks or (None, None)
        with own_defaults():
            model = skeleton(self.spec, encoder, decoder)
        model.load_state_dict(self.weights)
        return model


def write(folder: Path, description: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write what an estimator keeps beside its model.

    Raises:
        InputError: a value that JSON cannot hold, or the folder cannot be written.
    """
    try:
        text = json.dumps({"format": _FORMAT, **description}, indent=2, default=_plain)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"The estimator cannot be written ({error}); give its parameters as plain values."
        ) from None
    contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    with atomic_write(folder / ESTIMATOR_ARRAYS) as temporary:
        save_file(contiguous, temporary)
    write_text(folder / ESTIMATOR, text + "\n")


def read(folder: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """What `write` wrote.

    Raises:
        InputError: no estimator was saved there, or its files are damaged.
    """
    try:
        description = json.loads((folder / ESTIMATOR).read_text(encoding="utf-8"))
        arrays = load_file(folder / ESTIMATOR_ARRAYS)
    except FileNotFoundError as error:
        raise InputError(
            f"There is no estimator in {folder} ({Path(str(error.filename)).name} is missing); "
            "give a folder that its save wrote, or load a model with latentrank.load."
        ) from None
    except (OSError, ValueError, RecursionError, SafetensorError):
        raise InputError(f"The estimator in {folder} is damaged; save it again.") from None
    if not isinstance(description, dict) or description.pop("format", None) != _FORMAT:
        raise InputError(f"The estimator in {folder} is of another format; fit it again.")
    return description, arrays


def _plain(value: Any) -> Any:
    """NumPy's numbers, as grid searches set them, as Python's."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} of type {type(value).__name__} is no plain value")


#: What is fitted and goes into JSON as it is.
_PLAIN = ("n_iter_", "history_", "notes_", "rank_search_")


class Stored(NestedOptions):
    """An estimator that pickle can hold, and that is saved as files that run no code."""

    model_: LatentModel
    embedding_: NDArray[np.float32]
    random_state: RandomState
    _dimensions: Sequence[str] = ()  # of a sample, by name, if fitted to an xarray DataArray
    _trained: LatentModel
    _mean_sample: NDArray[np.float64]
    _networks: Networks

    def save(self, folder: str | Path) -> Path:
        """Write the fitted estimator to a folder; `load` reads it without running code from it.

        Besides, `latentrank.load(folder)` and `latentrank export` find its model there. What is
        kept for `partial_fit` of a compressed estimator, and a random state that is no integer,
        are left out.

        Args:
            folder: where; made if it does not exist.

        Raises:
            NotFittedError: before `fit`.
            ValueError: the folder cannot be written.
        """
        check_is_fitted(self)
        folder = save_model(self.model_, folder)
        params = self.get_params(deep=False)
        for name in ("encoder", "decoder"):
            del params[name]
        if not isinstance(self.random_state, int | np.integer):
            params["random_state"] = None
        kept = {name: getattr(self, name) for name in _PLAIN}
        kept["_dimensions"] = list(self._dimensions)
        kept["feature_names_in_"] = list(getattr(self, "feature_names_in_", ()))
        arrays = {"embedding": self.embedding_, "mean_sample": self._mean_sample}
        write(folder, {"parameters": params, "fitted": kept}, arrays)
        return folder

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        encoder: nn.Module | None = None,
        decoder: nn.Module | None = None,
    ) -> Self:
        """Read a fitted estimator that `save` wrote.

        Args:
            folder: where it is.
            encoder: a network of your own, where the estimator had one.
            decoder: your own network, if `encoder` is given.

        Raises:
            ValueError: no estimator was saved there, or its files are damaged.

        Example:
            >>> import tempfile
            >>> from latentrank import LowRankAutoencoder
            >>> X = np.random.default_rng(0).normal(size=(40, 5))
            >>> ae = LowRankAutoencoder("ae", latent_dim=2, epochs=1, random_state=0).fit(X)
            >>> again = LowRankAutoencoder.load(ae.save(tempfile.mkdtemp()))
            >>> bool((again.transform(X) == ae.transform(X)).all())
            True
        """
        folder = expanded(folder)
        description, arrays = read(folder)
        networks = copy.deepcopy((encoder, decoder))
        try:
            estimator = cls(**description["parameters"], encoder=encoder, decoder=decoder)
            kept = description["fitted"]
            estimator.__dict__.update({name: kept[name] for name in _PLAIN})
            estimator._dimensions = tuple(map(str, kept["_dimensions"]))
            columns = list(map(str, kept["feature_names_in_"]))
            estimator.embedding_ = arrays["embedding"]
            estimator._mean_sample = arrays["mean_sample"]
        except (AttributeError, KeyError, TypeError, ValueError):
            raise InputError(f"The estimator in {folder} is damaged; save it again.") from None
        own = dict(zip(("encoder", "decoder"), copy.deepcopy(networks), strict=True))
        model = load_model(folder, **own).requires_grad_(False)
        shape = model.preprocessing.own_shape(model.spec.input_shape)
        if len(shape) == 1:  # fitted to a table
            (estimator.n_features_in_,) = shape
        if columns:
            if shape != (len(columns),):
                raise InputError(
                    f"The estimator in {folder} names {len(columns)} columns, but its model takes "
                    f"samples of shape {shape}; save it again."
                )
            estimator.feature_names_in_ = np.array(columns, dtype=object)
        estimator.model_ = model
        estimator._networks = None if None in networks else networks
        if model.spec.code_dim is None:
            estimator._trained = model
        estimator._describe()
        return estimator

    def to_onnx(self, path: str | Path, part: str = "encoder", **settings: Any) -> Exported:
        """Write a part of the model as an ONNX file, see `latentrank.export.export_onnx`.

        Args:
            path: the file.
            part: `"encoder"`, `"decoder"` or `"autoencoder"`.
            **settings: of `export_onnx`, such as `precision="float16"`.

        Returns:
            The file, with the measured difference from the model.

        Raises:
            NotFittedError: before `fit`.
            ValueError: as `export_onnx`.
        """
        check_is_fitted(self)
        return export_onnx(self.model_, path, part, **settings)

    def __getstate__(self) -> dict[str, Any]:
        state: dict[str, Any] = dict(super().__getstate__())
        if "model_" in state:
            state["model_"] = PackedModel.of(self.model_)
        if "_trained" in state:
            same = self._trained is self.model_
            state["_trained"] = None if same else PackedModel.of(self._trained)
        return state

    def __setstate__(self, state: Mapping[str, Any]) -> None:
        super().__setstate__(dict(state))
        for name in ("model_", "_trained"):
            packed = state.get(name)
            if packed is not None:
                model = packed.unpack(copy.deepcopy(self._networks))
                setattr(self, name, model.eval().requires_grad_(False))
        if "_trained" in state and state["_trained"] is None:
            self._trained = self.model_

    def _describe(self) -> None:
        raise NotImplementedError
