"""The definition of a metric."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from latentrank.errors import InputError, check_all_known, check_known, check_takes

Better = Literal["lower", "higher"]
Need = Literal["images", "labels", "parameters", "posterior", "codes", "history"]
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
    """Something that can be measured on a run.

    Another package adds one with an entry point in the group `latentrank.metrics`, whose name is
    the metric's; it is then measured by `evaluate`, shown by `compare` and in reports, and can be
    named in recipes and sweeps.

    Attributes:
        name: name as typed.
        compute: computes the number from a `Subject`, the argument, and, if `uses` includes
            features, their name.
        better: which direction is better; None if neither.
        needs: what the data or the model must have, checked before anything is computed.
        argument: placeholder of the argument, such as `"SHARE"`; empty if there is none.
            `"DENSITY"` stands for a density, `"LABELS"` for a number of labels, and `"A|B"` for one
            of several.
        check: called with the argument before anything is trained; raises `InputError`, or
            `ValueError` as `float` does, if it cannot be used.
        uses: settings that the value depends on, which become part of its identity.
        usual: default arguments for `evaluate`; if empty, the metric is measured only if it takes
            no argument.
        title: name in tables; by default `name`, with spaces in place of hyphens
            and underscores.
        help: description, in one sentence.
        stored: false if the run's metrics already hold the number.
        unit: what follows the number, such as `" %"`.
        of: another metric that it is computed from, with the same argument; `compute` is given its
            `Value`, stored or measured, as the last argument.

    Raises:
        InputError: an unknown need, use or direction, or a function that takes other arguments.

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
    of: str = ""
    check: Callable[[str], object] | None = None

    def __post_init__(self) -> None:
        self._check()
        if self.usual is None:
            object.__setattr__(self, "usual", () if self.argument else ("",))
        if not self.title:
            object.__setattr__(self, "title", re.sub("[-_]", " ", self.name))

    def _check(self) -> None:
        """Refuse values that would only fail once something is measured."""
        for what, given in (("needs", self.needs), ("uses", self.uses), ("usual", self.usual)):
            if isinstance(given, str):
                raise InputError(
                    f"{what} of the metric '{self.name}' is {given!r}, expected a tuple; write "
                    f"({given!r},)."
                )
        check_all_known("need of a metric called", self.needs, get_args(Need))
        check_all_known("use of a metric called", self.uses, get_args(Use))
        if self.better is not None:
            check_known("direction of a metric called", self.better, get_args(Better))
        arguments = ["subject", "argument"]
        arguments += ["features"] * ("features" in self.uses) + ["value"] * bool(self.of)
        check_takes(self.compute, arguments, f"The function of the metric '{self.name}'")
        if self.check is not None:
            check_takes(self.check, ("argument",), f"The check of the metric '{self.name}'")

    @property
    def form(self) -> str:
        """How it is written, such as `fd[FEATURES]:DENSITY`."""
        features = "[FEATURES]" if "features" in self.uses else ""
        return f"{self.name}{features}" + (f":{self.argument}" if self.argument else "")
