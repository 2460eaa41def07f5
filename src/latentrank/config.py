"""Everything that decides a run, checked before anything runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from latentrank.errors import InputError, unknown

Logger = Literal["tensorboard", "wandb", "mlflow"]


class TrainConfig(BaseModel):
    """How a model is trained; every field is also an option of `latentrank train`."""

    model_config = ConfigDict(extra="forbid")

    epochs: int = Field(10, ge=1, description="passes over the training set")
    steps: int | None = Field(None, ge=1, description="stop after so many batches instead")
    batch_size: int = Field(64, ge=1, description="samples in a batch, of each process")
    learning_rate: float | None = Field(
        None, gt=0, description="at the start; by default the method's, mostly 5e-4"
    )
    optimizer: str = Field(
        "adam", description="adam, one of torch's, or one of pytorch_optimizer's (adabelief, ...)"
    )
    schedule: Literal["constant", "cosine", "multistep"] = Field(
        "constant", description="course of the rate: cosine to 0, or a tenth at 1/3 and at 2/3"
    )
    weight_decay: float | None = Field(
        None, ge=0, description="of the optimiser; by default the method's, which is mostly none"
    )
    patience: int | None = Field(
        None,
        ge=1,
        description="stop after so many validations without a lower error; with the schedule "
        "multistep, go on to the next rate first",
    )
    keep: Literal["best", "last"] | None = Field(
        None,
        description="weights kept: of the lowest validation error (usual with patience), or the "
        "last ones",
    )
    validate_every: int = Field(1, ge=1, description="epochs between validations")
    seed: int = Field(0, ge=0, description="of initialisation, order and noise")
    precision: str = Field(
        "32-true",
        description="as Lightning's Trainer takes it (bf16-mixed, ...), or auto: bf16-mixed where "
        "the hardware has units for it",
    )
    threads: int | None = Field(
        None, ge=1, description="of a training on processors; by default as many as help"
    )
    device: str = Field("auto", description="where: auto, cpu, gpu, mps, ... as Lightning takes it")
    devices: int | str = Field(1, description="how many devices, or auto")
    strategy: str = Field("auto", description="as Lightning's Trainer takes it, such as ddp")
    loggers: list[Logger] = Field(
        default_factory=list, description="tensorboard, wandb or mlflow, beside history.csv"
    )

    @property
    def length(self) -> tuple[str, int]:
        """What the training is counted in, `"steps"` or `"epochs"`, and how many.

        Example:
            >>> TrainConfig(epochs=3).length, TrainConfig(epochs=3, steps=10).length
            (('epochs', 3), ('steps', 10))
        """
        return ("epochs", self.epochs) if self.steps is None else ("steps", self.steps)


class RunConfig(TrainConfig):
    """A whole run: the method, the data, and how it is trained."""

    method: str = Field(description="name of the method")
    data: str = Field(description="name of a data set, or a path")
    options: dict[str, Any] = Field(default_factory=dict, description="options of the method")
    latent_dim: int | None = Field(None, ge=1, description="width of the code; default: the data's")
    net: str | None = Field(None, description="family of networks; default: the data's")
    image_size: int | None = Field(None, ge=1, description="images are cut square and resized")
    train_size: int | None = Field(None, ge=2, description="use only so many training samples")
    test_size: int | None = Field(None, ge=2, description="use only so many test samples")
    data_root: str | None = Field(None, description="where data files lie")
    download: bool = Field(False, description="data files may be downloaded")


def check(values: dict[str, Any], source: str) -> RunConfig:
    """A configuration from plain values.

    Args:
        values: fields of `RunConfig` by name.
        source: where they are from, for the error.

    Raises:
        InputError: a field that does not exist, is missing, or is out of range.

    Example:
        >>> check({"method": "ae", "data": "shapes", "epochs": 0}, "the command line")
        Traceback (most recent call last):
        latentrank.errors.InputError: epochs is 0 in the command line: input should be greater than or equal to 1.
    """  # noqa: E501 - the message is one line
    for name in values:
        if name not in RunConfig.model_fields:
            raise unknown(f"setting in {source} called", name, RunConfig.model_fields)
    try:
        return RunConfig(**values)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "missing":
            raise InputError(f"{name} is missing in {source}; give it.") from None
        message = first["msg"][0].lower() + first["msg"][1:]
        raise InputError(f"{name} is {first['input']!r} in {source}: {message}.") from None
