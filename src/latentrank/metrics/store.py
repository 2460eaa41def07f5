"""The store of measured values of a run: its `metrics.json`, under `measured`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock
from pydantic import TypeAdapter, ValidationError

from latentrank.evaluation.images import weights_digest
from latentrank.filenames import CONFIG, METRICS, WEIGHTS
from latentrank.formatting import as_text
from latentrank.io import digest, make_folder, read_json, unwritable, write_json

KEY = "measured"


@dataclass(frozen=True)
class Value:
    """A measured number and everything that it depends on.

    Attributes:
        metric: as `latentrank.metrics.parse` reads it.
        name: name in tables.
        value: the number.
        spread: its standard deviation over draws or subsets, if any.
        better: `"lower"`, `"higher"` or None.
        identity: everything that determines the value besides the model: density, number of
            samples, seed, feature network with the hash of its weights, the data that trained a
            classifier.
        model: hash of the measured model; None if nothing is trained.
    """

    metric: str
    name: str
    value: float
    spread: float | None = None
    better: str | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    model: str | None = None

    @property
    def key(self) -> str:
        """Distinguishes values that are stored side by side."""
        return f"{self.metric} {digest(self.identity)[:8]}"

    @property
    def kind(self) -> str:
        """Distinguishes values that must not be compared: the identity except the seed."""
        return digest({k: v for k, v in self.identity.items() if k != "seed"})[:8]

    @property
    def label(self) -> str:
        r"""The name with its qualifiers, as shown in comparisons.

        Example:
            >>> Value("x", "FID", 1.0, identity={"density": "gmm", "samples": 1000}).label
            'gmm, 1\u202f000 samples: FID'
        """
        known, parts = self.identity, []
        for name, unit in (("samples", " samples"), ("labels", " labels")):
            if name in known:
                first = known.get("density", known.get("probe"))
                parts += [str(first), f"{as_text(known[name])}{unit}"]
        if not parts and ":" in self.metric:
            parts = [self.metric.partition(":")[2]]
        return f"{', '.join(parts)}: {self.name}" if parts else self.name

    def answers(self, metric: str, request: Mapping[str, Any]) -> bool:
        """Whether it matches a request: everything that the request specifies is equal."""
        return self.metric == metric and _contains(self.identity, request)


_VALUE = TypeAdapter(Value)


def _contains(known: Any, asked: Any) -> bool:
    if isinstance(asked, Mapping):
        return isinstance(known, Mapping) and all(
            name in known and _contains(known[name], value) for name, value in asked.items()
        )
    return bool(known == asked)


def _values(content: Mapping[str, Any]) -> dict[str, Value]:
    """The stored values by key; damaged ones are left out, and measured again when needed."""
    rows, found = content.get(KEY), {}
    for key, row in rows.items() if isinstance(rows, dict) else ():
        with suppress(ValidationError):
            found[key] = _VALUE.validate_python(row)
    return found


def model_digest(folder: Path) -> str | None:
    """Identifies the trained model in a folder; None if none is trained."""
    path = folder / WEIGHTS
    return weights_digest(path) if path.is_file() else None


def read(folder: str | Path, measured_on: str | None = None) -> list[Value]:
    """The stored values for the model that is now in a run folder.

    Values of an earlier model, before the run was trained for longer, are left out.

    Args:
        folder: the run folder.
        measured_on: fingerprint of the data given to a saved model; None for a run's own data.

    Returns:
        The values, in the order of measurement; empty if there are none.
    """
    values = _values(read_json(Path(folder) / METRICS) or {})
    if not values:
        return []
    model = model_digest(Path(folder))
    return [
        value
        for value in values.values()
        if value.model == model and value.identity.get("data") == measured_on
    ]


def add(folder: str | Path, values: Sequence[Value]) -> None:
    """Store values alongside existing ones; processes may write concurrently.

    If the run has been trained further since the measurement, nothing is written.

    Args:
        folder: the run folder.
        values: values of its present model.

    Raises:
        UnwritableError: the folder cannot be written.
    """
    folder = Path(folder)
    make_folder(folder)
    try:
        held = FileLock(folder / ".metrics.lock").acquire()
    except OSError as error:
        raise unwritable(folder / METRICS, error) from None
    with held:
        content, model = read_json(folder / METRICS) or {}, model_digest(folder)
        if not content and (folder / CONFIG).is_file():
            return  # it is being trained; writing the file would mark it as finished
        known = {**_values(content), **{value.key: value for value in values}}
        content[KEY] = {key: asdict(value) for key, value in known.items() if value.model == model}
        write_json(folder / METRICS, content)
