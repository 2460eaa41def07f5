"""What a run's metrics.json has to hold, checked where it is read."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from latentrank.errors import InputError

_Count = Annotated[int, Field(ge=0, lt=2**63)]


class _Stored(BaseModel):
    """The metrics that every run has, and the types of some that it may have; others are free."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    method: str
    data: str
    rank: _Count
    latent_dim: Annotated[int, Field(ge=1, lt=2**31)]
    singular_values: Annotated[list[float], Field(min_length=1)]
    validation_error: float | None
    seconds: Annotated[float, Field(ge=0)]
    epochs: _Count
    true_dimension: _Count | None = None
    rank_training_codes: _Count | None = None
    gap_rank: _Count | None = None
    effective_rank: float | None = None
    participation_ratio: float | None = None
    error_of_the_mean: float | None = None
    warning: str | None = None
    rank_search: dict[str, Any] = {}
    restarts: dict[str, Any] = {}

    @field_validator("singular_values")
    @classmethod
    def _one_per_direction(cls, values: list[float], info: ValidationInfo) -> list[float]:
        if len(values) != info.data.get("latent_dim", len(values)):
            raise ValueError
        return values


def check_stored(values: Mapping[str, Any], path: Path) -> None:
    """Refuse stored metrics that no training wrote, such as a file edited by hand.

    Raises:
        InputError: names the first value that is missing or wrong.

    Example:
        >>> check_stored({"method": "ae", "data": "x.npy", "rank": "high"}, Path("metrics.json"))
        Traceback (most recent call last):
        latentrank.errors.InputError: metrics.json is not as written (rank is 'high'); ...
    """
    try:
        _Stored.model_validate(values)
    except ValidationError as error:
        (name, *_) = error.errors()[0]["loc"]
        said = f"is {reprlib.repr(values[str(name)])}" if name in values else "is missing"
        raise InputError(
            f"{path} is not as written ({name} {said}); restore it, or remove it and resume the "
            "run, which measures the model again."
        ) from None
