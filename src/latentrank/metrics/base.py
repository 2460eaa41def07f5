"""The definition of a metric, the table of all metrics, and their text form."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from latentrank.errors import InputError, unknown
from latentrank.evaluation.features import check_features
from latentrank.registry import Registry

Better = Literal["lower", "higher"]
Need = Literal["images", "labels", "parameters", "posterior", "codes"]
Use = Literal["samples", "seed", "features"]


class Measured(NamedTuple):
    """A number with its spread and details.

    Attributes:
        value: the number.
        spread: its standard deviation over draws or subsets, if any.
        details: further facts, such as the number of labels; part of its identity.
    """

    value: float
    spread: float | None = None
    details: dict[str, str | int] = {}  # noqa: RUF012  (never changed)


@dataclass(frozen=True)
class Metric:
    """Something that can be measured of a run.

    Another package adds one with an entry point in the group `latentrank.metrics`, whose name is
    the metric's; it is then measured by `evaluate`, shown by `compare` and in reports, and can be
    named in recipes and sweeps.

    Attributes:
        name: name as typed.
        compute: computes the number from a `Subject`, the argument, and, if `uses` includes
            features, their name.
        better: which direction is better; None if neither.
        needs: what the data or the model must have, checked before anything is computed.
        argument: placeholder of the argument, such as `"DENSITY"`; empty if there is none.
        uses: settings that the value depends on, which become part of its identity.
        usual: default arguments for `evaluate`; if empty, the metric is measured only if it takes
            no argument.
        title: name in tables; by default `name`.
        help: description, in one sentence.
        stored: false if the run's metrics already hold the number.
        unit: what follows the number, such as `" %"`.

    Example:
        >>> Metric("width", lambda subject, argument: float(subject.codes("test").std())).usual
        ('',)
    """

    name: str
    compute: Callable[..., float | Measured]
    better: Better | None = None
    needs: tuple[Need, ...] = ()
    argument: str = ""
    uses: tuple[Use, ...] = ()
    usual: tuple[str, ...] | None = None
    title: str = ""
    help: str = ""
    stored: bool = True
    unit: str = ""

    def __post_init__(self) -> None:
        if self.usual is None:
            object.__setattr__(self, "usual", () if self.argument else ("",))
        if not self.title:
            object.__setattr__(self, "title", self.name)

    @property
    def form(self) -> str:
        """How it is written, such as `fd[FEATURES]:DENSITY`."""
        features = "[FEATURES]" if "features" in self.uses else ""
        return f"{self.name}{features}" + (f":{self.argument}" if self.argument else "")


METRICS: Registry[Metric] = Registry("metric", "latentrank.metrics")

#: Aliases: the metric, and the features that the alias implies.
ALIASES = {
    "error": ("validation_error", ""),
    "fid": ("fd", "inception"),
    "kid": ("kd", "inception"),
}


class Spec(NamedTuple):
    """A requested metric.

    Attributes:
        metric: the metric.
        features: feature network; empty if it uses none.
        argument: such as a density or a number of labels; empty if it takes none.
    """

    metric: Metric
    features: str
    argument: str

    @property
    def text(self) -> str:
        """Its text form, as `parse` reads it, with aliases resolved."""
        features = f"[{self.features}]" if self.features else ""
        argument = f":{self.argument}" if self.argument else ""
        return f"{self.metric.name}{features}{argument}"


def parse(text: str) -> Spec:
    """A metric written as `NAME`, `NAME:ARGUMENT` or `NAME[FEATURES]:ARGUMENT`.

    Args:
        text: such as `"rank"`, `"accuracy:100"`, `"fd:gmm:components=10"` or
            `"fd[timm:tf_efficientnet_lite0]:gaussian"`; features default to the classifier.

    Raises:
        InputError: there is no such metric or feature network, or its argument is missing or
            unexpected.

    Example:
        >>> parse("fid:gmm:components=10").text
        'fd[inception]:gmm:components=10'
        >>> parse("rnak")
        Traceback (most recent call last):
        latentrank.errors.InputError: There is no metric 'rnak'; did you mean 'rank'? Known: ...
    """
    found = re.fullmatch(r"([^:\[\]]+)(?:\[([^\]]*)\])?(?::(.+))?", text.strip())
    name, features, argument = found.groups("") if found else (text, "", "")
    name, implied = ALIASES.get(name, (name, ""))
    if name not in METRICS:
        raise unknown("metric", name, names())
    metric = METRICS.get(name)
    if bool(argument) != bool(metric.argument):
        raise InputError(f"The metric is '{text}', expected {metric.form}.")
    if (features or implied) and "features" not in metric.uses:
        raise InputError(f"The metric {name} uses no features; leave out [{features}].")
    if "features" not in metric.uses:
        return Spec(metric, "", argument)
    chosen = features or implied or "classifier"
    check_features(chosen)
    return Spec(metric, chosen, argument)


def names() -> list[str]:
    """The names of all metrics, including those of installed packages, and aliases.

    Example:
        >>> names()[:3]
        ['rank', 'validation_error', 'seconds']
    """
    return [*METRICS.names(), *ALIASES]
