"""The metrics by name, and the text form of a requested one."""

from __future__ import annotations

import re
from typing import NamedTuple, cast

from latentrank.errors import InputError, check_is, check_known
from latentrank.evaluation.features import check_features
from latentrank.metrics import generation, labels, latent
from latentrank.metrics.base import Metric
from latentrank.registry import Registry

#: What a name consists of; the other characters separate it from features and argument.
_NAME = r"[^:\[\]\s]+"

#: Aliases: the metric, and the features that the alias implies.
ALIASES = {
    "error": ("validation_error", ""),
    "fid": ("fd", "inception"),
    "kid": ("kd", "inception"),
}


def _check(what: str, value: object) -> None:
    """Refuse what is no metric, or has a name by which it could not be asked for."""
    check_is(value, Metric, what)
    name = cast(Metric, value).name
    if name in ALIASES or not re.fullmatch(_NAME, name):
        raise InputError(
            f"{what} is called {name!r}, but {', '.join(ALIASES)} and names with a colon, brackets "
            "or spaces mean something else; choose another name."
        )


#: Metrics by name. Another package adds one with an entry point in `latentrank.metrics`.
METRICS = Registry(
    "metric",
    "latentrank.metrics",
    {one.name: one for one in (*latent.METRICS, *generation.METRICS, *labels.METRICS)},
    check=_check,
)


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
    found = re.fullmatch(rf"({_NAME})(?:\[([^\]]*)\])?(?::(.+))?", text.strip())
    name, features, argument = found.groups("") if found else (text, "", "")
    name, implied = ALIASES.get(name, (name, ""))
    check_known("metric", name, names())
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
