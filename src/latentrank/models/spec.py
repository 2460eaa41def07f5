"""The specification of a model: what is needed besides the weights to rebuild it."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from latentrank.preprocessing import LAYOUTS, Preprocessing

# Beyond these a description is damaged, and building it would exhaust the memory.
_MOST_VALUES = 2**31
#: The same, for the numbers of a code.
WIDEST = 2**20

#: Settings by which columns or arrays of data are chosen.
READING = ("labels", "parameters", "columns")
#: Characters of what one of them names: those of a million columns fit.
LONGEST_NAMES = 2**24

Setting = Annotated[str, Field(pattern=f"^({'|'.join(READING)})$")]
Convention = Annotated[str, Field(pattern="^(dimensions|rising|falling|units)$")]
Names = Annotated[str, Field(max_length=LONGEST_NAMES)]
Size = Annotated[int, Field(ge=1, le=_MOST_VALUES, strict=True)]
Width = Annotated[int, Field(ge=1, le=WIDEST, strict=True)]


class Spec(BaseModel):
    """What is needed, besides the weights, to rebuild a model; JSON-serialisable.

    Attributes:
        method: name of the method.
        input_shape: shape of one sample in network layout.
        latent_dim: width `L` of the code during training.
        net: family of the networks, or `"custom"` for custom ones.
        bounded: networks see data in [0, 1].
        options: every option of the method with its value.
        folded: the linear part has been absorbed into the encoder.
        code_dim: width of the code after `compress`; None before.
        preprocessing: preprocessing of the data it was trained on; None before training, when data
            are not preprocessed.
        data_fingerprint: content hash of the data it was trained on; None before training.
        reading: the settings in `READING` by which those data were read, where given, and the
            names of a table's columns or a file's variables; other data are read in the same way.
        conventions: those of the axes of the data, see `latentrank.data.axes.Axes`; other data are
            checked against them.

    Raises:
        ValidationError: a value has the wrong type, or is out of range.

    Example:
        >>> spec = Spec(method="ae", input_shape=(2,), latent_dim=1)
        >>> Spec(**spec.model_dump(mode="json")) == spec
        True
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str = Field(max_length=200)
    input_shape: tuple[Size, ...] = Field(min_length=1, max_length=4)
    latent_dim: Width
    net: str = Field("auto", max_length=200)
    bounded: bool = True
    options: dict[str, Any] = Field(default_factory=dict)
    folded: bool = False
    code_dim: Width | None = None
    preprocessing: Preprocessing | None = None
    data_fingerprint: str | None = Field(default=None, max_length=200)
    reading: dict[Setting, Names] = Field(default_factory=dict)
    conventions: dict[Convention, Names] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _fits_in_memory(self) -> Spec:
        if math.prod(self.input_shape) > _MOST_VALUES:
            raise ValueError(f"a sample of shape {self.input_shape} has too many values")
        return self

    @model_validator(mode="after")
    def _has_matching_preprocessing(self) -> Spec:
        made = self.preprocessing
        if made is None:
            return self
        for numbers in (made.offset, made.scale):
            if isinstance(numbers, tuple) and len(numbers) != self.input_shape[0]:
                raise ValueError(
                    f"preprocessing has {len(numbers)} numbers for samples of shape "
                    f"{self.input_shape}"
                )
        if made.layout is not None and len(LAYOUTS[made.layout]) != 1 + len(self.input_shape):
            raise ValueError(
                f"layout {made.layout} is not one of samples of shape {self.input_shape}"
            )
        return self
