"""The configuration of a run, in sections, checked before anything runs.

A setting is written in its section, or simply by its name: `RunConfig(method="ae", data="x.npy",
epochs=3)` is `RunConfig(method="ae", data={"source": "x.npy"}, training={"epochs": 3})`.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import InitVar
from functools import cache, partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo

from latentrank import methods
from latentrank.errors import InputError, check_known, unknown
from latentrank.methods import MethodOptions
from latentrank.methods.option_types import refusal

Logger = Literal["tensorboard", "wandb", "mlflow"]

#: Version of the settings and of their defaults. A new setting whose default preserves the
#: behaviour needs no new version; a changed default does.
SCHEMA = 1
#: Samples drawn from a density to measure it by, unless a number is given.
SAMPLES = 10_000


def _setting(default: Any, description: str, **bounds: Any) -> Any:
    return Field(default, description=description, **bounds)


def _resumable(default: Any, description: str, place: bool = False, **bounds: Any) -> Any:
    """A setting that may differ when a run is resumed."""
    marks: dict[str, Any] = {"resumable": True, "place": place}
    return Field(default, description=description, json_schema_extra=marks, **bounds)


#: A setting that says only where training runs, and does not change its result.
_place = partial(_resumable, place=True)
_WHOLE = (Mapping, BaseModel)  # what can be given for a section


class _Section(BaseModel):
    """A group of settings; those of nested sections may be given by name alone."""

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    if not TYPE_CHECKING:  # this signature would hide the fields from editors

        def __init__(self, **values: Any) -> None:
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise _input_error(error, type(self)) from None

    @model_validator(mode="before")
    @classmethod
    def _sort_into_sections(cls, values: Any) -> Any:
        if not isinstance(values, Mapping):
            return values
        paths = _paths(cls)
        for name in values:
            if name not in paths and name not in cls.model_fields:
                raise _unknown_setting(str(name), cls, paths)
        # whole sections first, whatever the order, so that none replaces settings given by name
        sorted_: dict[str, Any] = {
            name: value
            for name, value in values.items()
            if name in cls.model_fields and (name != "data" or isinstance(value, _WHOLE))
        }
        for name in [name for name in values if name not in sorted_]:
            inner = sorted_.get(section := paths[name][0]) or {}
            inner = inner.model_dump() if isinstance(inner, BaseModel) else dict(inner)
            sorted_[section] = {**inner, paths[name][-1] if name == "data" else name: values[name]}
        return sorted_


class MachineConfig(_Section):
    """Where training runs; nothing here is meant to change the result."""

    device: str = _place("auto", "device, as in Lightning: auto, cpu, gpu, mps, ...")
    devices: int | str = _place(1, "number of devices, or auto")
    strategy: str = _place("auto", "Lightning strategy, such as ddp")
    threads: int | None = _place(
        None, "CPU threads per run; by default as many as speed up training", ge=1
    )
    loggers: list[Logger] = _place([], "logger besides history.csv: tensorboard, wandb or mlflow")


class TrainConfig(_Section):
    """How a model is trained."""

    epochs: int = _resumable(10, "passes over the training set", ge=1)
    steps: int | None = _resumable(None, "number of batches, instead of epochs", ge=1)
    batch_size: int = _setting(64, "samples per batch and process", ge=1)
    learning_rate: float | None = _setting(
        None,
        "initial learning rate; by default the method's, mostly 5e-4, or 3e-4 after a "
        "geodesic start",
        gt=0,
    )
    optimizer: str = _setting(
        "adam",
        "optimiser of torch (adam, adamw, sgd, ...) or of pytorch_optimizer (adabelief, ...)",
    )
    schedule: Literal["constant", "cosine", "multistep"] = _setting(
        "constant",
        "learning rate schedule; cosine falls to 0, multistep divides the rate by 10 after 1/3 "
        "and 2/3 of training",
    )
    init: Literal["random", "geodesic"] = _setting(
        "random",
        "initial weights: random, or geodesic (from Isomap coordinates of the data, for "
        "methods whose code has a basis)",
    )
    init_steps: int = _setting(3000, "number of batches of the geodesic start", ge=1)
    weight_decay: float | None = _setting(
        None, "weight decay of the optimiser; by default the method's, mostly none", ge=0
    )
    patience: int | None = _resumable(
        None,
        "stop after this many validations without a lower error; with the schedule multistep, "
        "first go on at its next learning rate",
        ge=1,
    )
    keep: Literal["best", "last"] | None = _setting(
        None,
        "which weights to keep: those with the lowest validation error (the default "
        "with patience), or the last ones",
    )
    validate_every: int = _resumable(1, "epochs between validations", ge=1)
    seed: int = _setting(0, "random seed for initial weights, sample order and noise", ge=0)
    n_init: int = _setting(
        1,
        "number of trainings from different initial weights; the one with the lowest "
        "validation error is kept",
        ge=1,
    )
    precision: str = _resumable(
        "32-true",
        "precision, as in Lightning (bf16-mixed, ...), or auto: bf16-mixed if the hardware "
        "supports it",
    )
    machine: MachineConfig = Field(default_factory=MachineConfig, description="where training runs")

    if TYPE_CHECKING:  # settings of the machine by name alone
        device: InitVar[str] = "auto"
        devices: InitVar[int | str] = 1
        strategy: InitVar[str] = "auto"
        threads: InitVar[int | None] = None
        loggers: InitVar[list[Logger]] = []

    @property
    def length(self) -> tuple[str, int]:
        """The unit of the training length, `"steps"` or `"epochs"`, and the number.

        Example:
            >>> TrainConfig(epochs=3).length, TrainConfig(epochs=3, steps=10).length
            (('epochs', 3), ('steps', 10))
        """
        return ("epochs", self.epochs) if self.steps is None else ("steps", self.steps)

    @property
    def restarts(self) -> list[TrainConfig]:
        """These settings for each of `n_init` trainings; the first keeps the seed.

        Example:
            >>> [one.seed for one in TrainConfig(seed=5, n_init=3).restarts]
            [5, 1337671202, 548563996]
        """
        others = random.Random(self.seed)
        seeds = [self.seed, *(others.getrandbits(31) for _ in range(1, self.n_init))]
        return [self.model_copy(update={"seed": seed, "n_init": 1}) for seed in seeds]

    def resolved(self, method: str) -> TrainConfig:
        """These settings, with the method's learning rate and weight decay as defaults.

        Example:
            >>> TrainConfig().resolved("lorae").learning_rate
            0.0005
        """
        row = methods.get(method)
        # At more the training loses what a geodesic start has unfolded.
        usual = row.learning_rate if self.init == "random" else 3e-4
        decay = row.weight_decay if self.weight_decay is None else self.weight_decay
        rates = {"learning_rate": self.learning_rate or usual, "weight_decay": decay}
        return self.model_copy(update=rates)


class DataConfig(_Section):
    """Which data to use, and how to read them."""

    source: str = _resumable(..., "name of a data set, or a path")
    data_root: str | None = _place(None, "folder of data files")
    download: bool = _place(False, "allow downloading data files")
    image_size: int | None = _setting(
        None, "height and width to which images are cropped and resized", ge=1
    )
    kind: Literal["table", "curves", "images", "volumes"] | None = _setting(
        None, "what a sample is, if the shape of an array is ambiguous"
    )
    layout: str | None = _setting(
        None, "order of the axes, such as NHWC, if the shape is ambiguous"
    )
    labels: str | None = _setting(None, "column or array of class labels")
    parameters: str | None = _setting(None, "columns or arrays of parameters, separated by commas")
    columns: str | None = _setting(
        None, "columns that form a sample, separated by commas; by default the rest"
    )
    validation: Literal["train", "test", "none"] = _setting(
        "train", "what to use a validation part of the data for"
    )
    train_size: int | None = _setting(None, "number of training samples to use", ge=2)
    test_size: int | None = _setting(None, "number of test samples to use", ge=2)

    @field_validator("source", mode="before")
    @classmethod
    def _can_be_a_path(cls, source: Any) -> str:
        if not isinstance(source, str | Path):
            raise InputError(
                f"data is of type {type(source).__name__}, expected the name of a data set or a "
                "path; give samples in memory to latentrank.train(..., dataset=...)."
            )
        try:
            Path(source).exists()
        except OSError as error:
            raise InputError(
                f"The data '{str(source)[:60]}' cannot be looked up ({error.strerror}); give the "
                "name of a data set or a path."
            ) from None
        # As text, a single word would be the name of a data set.
        word = isinstance(source, Path) and source.parts == (source.name,)
        return f"./{source}" if word else str(source)

    @field_validator("data_root", mode="before")
    @classmethod
    def _may_be_a_path(cls, root: Any) -> Any:
        return str(root) if isinstance(root, Path) else root


class RunConfig(_Section):
    """A complete run: the method, the data, and the training settings."""

    method: str = Field(description="name of the method")
    options: SerializeAsAny[MethodOptions] = Field(
        default_factory=MethodOptions, description="options of the method"
    )
    latent_dim: int | None = _setting(
        None, "width of the code; by default the data set's, or up to 32 for other data", ge=1
    )
    net: str | None = _setting(
        None, "family of networks, see `latentrank networks`; by default the data set's, or auto"
    )
    data: DataConfig = Field(description="which data to use, and how to read them")
    training: TrainConfig = Field(default_factory=TrainConfig, description="training settings")

    if TYPE_CHECKING:  # a setting of a section, by name alone, is checked when it runs

        def __init__(self, *, method: str, data: Any, **settings: Any) -> None: ...

    @model_validator(mode="before")
    @classmethod
    def _typed_options(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and isinstance(values.get("method"), str):
            given = values.get("options") or {}
            if not isinstance(given, Mapping | MethodOptions):
                raise InputError(
                    f"options is {given!r}; give names and values, such as 'penalty: 1e-3'."
                )
            method = values["method"]
            options = methods.options(method, given)
            if taken := [name for name in type(options).model_fields if name in settings()]:
                raise InputError(f"{taken[0]} is an option of {method} and a setting; rename it.")
            return {**values, "options": options}
        return values

    @model_validator(mode="after")
    def _method_decides(self) -> RunConfig:
        # object.__setattr__ would skip validation; the copy is complete and valid as it is
        self.__dict__["training"] = self.training.resolved(self.method)
        return self

    @property
    def machine(self) -> MachineConfig:
        """Where training runs."""
        return self.training.machine

    def updated(self, settings: Mapping[str, Any]) -> RunConfig:
        """A copy with some settings changed, given by name.

        Raises:
            InputError: an unknown name or an invalid value.
        """
        return RunConfig(**{**self.flat(), "options": self.options, **settings})

    def flat(self) -> dict[str, Any]:
        """Every setting by name, as plain values, with the method's options under `options`."""
        values = {name: self.get(name) for name in settings()}
        return {**values, "options": self.options.model_dump(mode="json")}

    def get(self, name: str) -> Any:
        """The value of a setting, by name."""
        return reduce(getattr, path_of(name), self)


def _paths(section: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """The paths of the settings of a section and its nested sections, by name."""
    found: dict[str, tuple[str, ...]] = {}
    if "data" in section.model_fields:
        # The main setting of a section is named after the section.
        found["data"] = ("data", "source")
    for name, field in section.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, _Section):
            found |= {deeper: (name, *path) for deeper, path in _paths(inner).items()}
        elif name != "options":
            found[name] = (name,)
    if "data" in found:
        del found["source"]
    return found


@cache
def settings(marked: Literal["resumable", "place"] | None = None) -> dict[str, FieldInfo]:
    """Every setting of a run by name, without the options of methods, with its description.

    Args:
        marked: only those that may differ when a run is resumed, or those that say only where
            training runs and do not change its result.

    Example:
        >>> settings()["epochs"].description, settings()["data"].description
        ('passes over the training set', 'name of a data set, or a path')
        >>> "latent_dim" in settings("resumable"), "device" in settings("place")
        (False, True)
    """
    found = {n: section_of(n).model_fields[path[-1]] for n, path in _paths(RunConfig).items()}
    marks = {name: cast(Any, field.json_schema_extra) or {} for name, field in found.items()}
    return {n: field for n, field in found.items() if marked is None or marks[n].get(marked)}


def path_of(name: str) -> tuple[str, ...]:
    """The path of a setting: its sections and its name there.

    Raises:
        InputError: there is no such setting.

    Example:
        >>> path_of("device"), path_of("data")
        (('training', 'machine', 'device'), ('data', 'source'))
    """
    paths = _paths(RunConfig)
    check_known("setting", name, paths)
    return paths[name]


def section_of(name: str) -> type[BaseModel]:
    """The class that defines a setting.

    Example:
        >>> section_of("device").__name__
        'MachineConfig'
    """
    section: Any = RunConfig
    for part in path_of(name)[:-1]:
        section = section.model_fields[part].annotation
    return cast(type[BaseModel], section)


def _input_error(error: ValidationError, section: type[BaseModel]) -> InputError:
    """The first validation error, in one sentence."""
    first = error.errors()[0]
    if first["type"] == "missing":
        name = str(first["loc"][0])
        return InputError(f"No {'data' if name == 'source' else name} is given; name it.")
    return refusal(error, section, "The configuration")


#: Names that other libraries use for a setting, for suggestions that spelling alone would miss.
_NAMES_ELSEWHERE = {"lr": "learning_rate", "batch": "batch_size", "random_state": "seed"}


def _unknown_setting(name: str, section: type[BaseModel], known: Iterable[str]) -> InputError:
    kind = "setting" if section is RunConfig else f"setting of {section.__name__}"
    if name in _NAMES_ELSEWHERE:
        return InputError(f"There is no {kind} '{name}'; did you mean '{_NAMES_ELSEWHERE[name]}'?")
    return unknown(kind, name, known)
