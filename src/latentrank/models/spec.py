"""What is needed, beside the weights, to build a model again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Spec:
    """What is needed, beside the weights, to build a model again.

    Attributes:
        method: name of the method.
        input_shape: shape of one sample.
        latent_dim: width `L` of the code as trained.
        net: family of the networks, or `"custom"` for a user's own.
        bounded: data lie in [0, 1].
        options: options of the method that differ from, or equal, its defaults.
        folded: the linear part has been absorbed into the encoder.
        code_dim: width of the code after `compress`; None before.
        mean: what was subtracted from the data before training, one number or one a column.
            The model takes and gives normalised values; `original = x * std + mean`.
        std: what they were divided by then.
    """

    method: str
    input_shape: tuple[int, ...]
    latent_dim: int
    net: str = "auto"
    bounded: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    folded: bool = False
    code_dim: int | None = None
    mean: float | tuple[float, ...] = 0.0
    std: float | tuple[float, ...] = 1.0

    @classmethod
    def read(cls, description: Mapping[str, Any]) -> Spec:
        """The spec that `dataclasses.asdict` described, back from JSON.

        Raises:
            TypeError: a name is missing, or is none of a spec's.

        Example:
            >>> Spec.read({"method": "ae", "input_shape": [2], "latent_dim": 1})
            Spec(method='ae', input_shape=(2,), latent_dim=1, ...)
        """
        tuples = {
            name: tuple(value)
            for name, value in description.items()
            if name in ("input_shape", "mean", "std") and isinstance(value, list)
        }
        return cls(**{**description, **tuples})

    def with_units(self, mean: Any, std: Any) -> Spec:
        """This spec, for data that was normalised by `mean` and `std`, numbers or arrays."""
        mean, std = (
            tuple(value.tolist()) if getattr(value, "ndim", 0) else float(value)
            for value in (mean, std)
        )
        return replace(self, mean=mean, std=std)
