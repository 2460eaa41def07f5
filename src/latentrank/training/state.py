"""What checkpoints keep of callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from typing import Any, ClassVar

from lightning.pytorch import Callback


class KeptCallback(Callback):
    """A callback with attributes that checkpoints keep.

    Attributes:
        kept: their names; the values are plain, or dataclasses of plain values.
    """

    kept: ClassVar[tuple[str, ...]] = ()

    def state_dict(self) -> dict[str, Any]:
        """The kept attributes, as plain values."""
        return {name: _plain(getattr(self, name)) for name in self.kept}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore from a checkpoint."""
        restore(self, state_dict)


def _plain(value: Any) -> Any:
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else value


def restore(holder: Any, state: Mapping[str, Any]) -> None:
    """Set attributes to plain values; of an attribute that is a dataclass, set the fields.

    Args:
        holder: an object.
        state: values by name, such as `dataclasses.asdict` gives.
    """
    for name, value in state.items():
        own = getattr(holder, name)
        if is_dataclass(own):
            restore(own, value)
        else:
            setattr(holder, name, value)
