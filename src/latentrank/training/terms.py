"""Loss terms of an epoch, accumulated on the device and read occasionally."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from latentrank import distributed
from latentrank.errors import InputError


class DivergenceError(InputError):
    """The loss or the weights are no longer finite."""


class TermLog:
    """Accumulates loss terms and detects the first that is not finite.

    On a CPU, terms are read at each step. On an asynchronous device, reading would block; there
    they are read every `INTERVAL` steps and at the end of an epoch.

    Example:
        >>> log = TermLog()
        >>> log.add({"loss": torch.tensor(1.0)}, samples=3, step=0)
        >>> log.add({"loss": torch.tensor(5.0)}, samples=1, step=1)
        >>> log.means()
        {'loss': 2.0}
        >>> log.add({"loss": torch.tensor(math.nan)}, samples=1, step=2)
        Traceback (most recent call last):
        latentrank.training.terms.DivergenceError: The loss became nan at step 3.
    """

    INTERVAL = 64

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self._names: list[str] = []
        self._unread: list[tuple[Tensor, int, int]] = []
        self._sums: list[float] = []
        self._samples = 0

    def add(self, terms: Mapping[str, Tensor], samples: int, step: int) -> None:
        """Add the terms of one step, the same ones in each step of an epoch.

        Args:
            terms: scalars by name.
            samples: number of samples in the batch, the weight of these values in the means.
            step: number of the step, at least 0.

        Raises:
            DivergenceError: a value read is not finite.
        """
        if not self._names:
            self._names, self._sums = list(terms), [0.0] * len(terms)
        values = list(terms.values())
        if values[0].device.type == "cpu":
            self._take([value.item() for value in values], samples, step)
            return
        self._unread.append((torch.stack([value.detach() for value in values]), samples, step))
        if len(self._unread) >= self.INTERVAL:
            self.read()

    def read(self) -> None:
        """Read the values that have not been read yet.

        Raises:
            DivergenceError: one of them is not finite.
        """
        unread, self._unread = self._unread, []
        if unread:
            rows = torch.stack([row for row, _, _ in unread]).tolist()
            for values, (_, samples, step) in zip(rows, unread, strict=True):
                self._take(values, samples, step)

    def _take(self, values: list[float], samples: int, step: int) -> None:
        if not math.isfinite(sum(values)):
            self._refuse(values, step)
        self._samples += samples
        for i, value in enumerate(values):
            self._sums[i] += samples * value

    def _refuse(self, values: list[float], step: int) -> None:
        bad = {n: v for n, v in zip(self._names, values, strict=True) if not math.isfinite(v)}
        name = next((name for name in bad if name != "loss"), "loss")
        what = "The loss" if name == "loss" else f"The loss term {name}"
        raise DivergenceError(f"{what} became {bad[name]} at step {step + 1}.")

    def means(self) -> dict[str, float]:
        """The means over all samples of all processes since the last call.

        Raises:
            DivergenceError: a value is not finite.
        """
        self.read()
        sums = torch.tensor([*self._sums, self._samples], dtype=torch.float64)
        distributed.reduce_(sums)
        means = (sums[:-1] / sums[-1].clamp_min(1)).tolist()
        named = dict(zip(self._names, means, strict=True))
        self._clear()
        return named


def finite(tensors: Iterable[Tensor]) -> bool:
    """Whether all numbers in some tensors are finite.

    Example:
        >>> finite([torch.zeros(3), torch.tensor(1.0)]), finite([torch.tensor(math.inf)])
        (True, False)
    """
    return all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
