"""Optimisers and learning rate schedules by name: torch's own, and those of pytorch_optimizer."""

from __future__ import annotations

import difflib
import inspect
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, MultiStepLR

from latentrank.errors import InputError

#: Optimisers that need what a step here does not provide: a closure, sparse gradients, second
#: derivatives, the model, matrix parameters only, or weights that have been trained before.
_UNSUITED = {
    "optimizer", "lbfgs", "alig", "sparseadam", "sophiah", "adahessian", "lomo", "adalomo",
    "muon", "distributedmuon", "muonclip", "normuon", "spectralsphere", "sara",
}  # fmt: skip

_EXTRA = "pip install 'latentrank[optimizers]'"


def _of_torch() -> dict[str, type[Optimizer]]:
    kinds = [kind for kind in vars(torch.optim).values() if inspect.isclass(kind)]
    named = {kind.__name__.lower(): kind for kind in kinds if issubclass(kind, Optimizer)}
    return {name: kind for name, kind in named.items() if name not in _UNSUITED}


def create(
    name: str,
    groups: Iterable[Any],
    learning_rate: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] | None = None,
    fused: bool = True,
) -> Optimizer:
    """An optimiser by name.

    Names are those of `torch.optim`, in lower case, then those of pytorch_optimizer, such as
    `adabelief`. As in torch, `adam` adds the gradient of `weight_decay / 2 * |w|^2` to that of the
    loss, and `adamw` multiplies weights by `1 - learning_rate * weight_decay` instead, which is 1
    in float32 if the product is below 6e-8.

    Args:
        name: name of the optimiser, in lower case.
        groups: parameters, or groups of them as torch takes them.
        learning_rate: at the start.
        weight_decay: strength of the decay, at least 0.
        betas: decay rates of the moments, for optimisers that have them; None means their defaults.
        fused: see `can_be_fused`.

    Raises:
        InputError: there is no such optimiser, pytorch_optimizer is missing, or the optimiser
            has no weight decay though one is given, rejects these parameters, or has to be told
            when they are evaluated.

    Example:
        >>> layer = torch.nn.Linear(2, 1)
        >>> type(create("sgd", layer.parameters(), 0.1)).__name__
        'SGD'
    """
    options: dict[str, Any] = {"lr": learning_rate, "weight_decay": weight_decay}
    if betas is not None:
        options["betas"] = betas
    if name in ("adam", "adamw"):
        options["fused"] = fused
    kind = _of_torch().get(name) or _of_library(name)
    known = inspect.signature(kind).parameters
    if hasattr(kind, "eval"):
        raise InputError(
            f"optimizer is {name}, which averages weights and has to swap them for each "
            "evaluation, which is not supported; choose another, such as adam."
        )
    if weight_decay and "weight_decay" not in known:
        raise InputError(
            f"weight_decay is {weight_decay:g}, but the optimizer {name} has none; give "
            "weight_decay=0, or choose another optimizer, such as adam."
        )
    try:
        return kind(groups, **{key: value for key, value in options.items() if key in known})
    except Exception as error:  # optimisers raise various errors
        raise InputError(
            f"optimizer is {name}, which cannot train this model ({error}); choose another, "
            "such as adam."
        ) from error


def can_be_fused(parameters: Iterable[torch.Tensor]) -> bool:
    """Whether torch has fused kernels for these parameters: real ones, on a CPU or a GPU."""
    return all(one.device.type in ("cpu", "cuda") and not one.is_complex() for one in parameters)


def _of_library(name: str) -> type[Optimizer]:
    try:
        import pytorch_optimizer
    except ModuleNotFoundError:
        raise InputError(
            f"optimizer is {name}, which torch does not have; {_EXTRA} adds many others, or give "
            "adam."
        ) from None
    known = {"adam", *_of_torch(), *pytorch_optimizer.get_supported_optimizers()} - _UNSUITED
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else "adam, sgd and adabelief are some."
        raise InputError(f"optimizer is '{name}', which is not available; {hint}")
    kind: type[Optimizer] = pytorch_optimizer.load_optimizer(name)
    return kind


def schedule(name: str, optimizer: Optimizer, steps: int) -> LRScheduler | None:
    """The learning rate schedule of a run, stepped once per batch.

    Args:
        name: `"constant"`, `"cosine"` (to 0), or `"multistep"` (a tenth from a third of the run
            on, a hundredth from two thirds on).
        optimizer: optimiser whose learning rates are set.
        steps: number of steps in the run.

    Returns:
        None for a constant rate.

    Raises:
        InputError: the optimiser has no learning rate to change.

    Example:
        >>> optimizer = create("sgd", torch.nn.Linear(2, 1).parameters(), 1.0)
        >>> course = schedule("multistep", optimizer, steps=7)
        >>> rates = []
        >>> for _ in range(7):
        ...     rates += course.get_last_lr()
        ...     optimizer.step()
        ...     course.step()
        >>> [round(rate, 9) for rate in rates]
        [1.0, 1.0, 1.0, 0.1, 0.1, 0.01, 0.01]
    """
    if name != "constant" and any("lr" not in group for group in optimizer.param_groups):
        raise InputError(
            f"schedule is {name}, but the optimizer finds its own learning rate; leave schedule "
            "out, or choose another optimizer, such as adam."
        )
    if name == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    if name == "multistep":
        return MultiStepLR(optimizer, milestones(steps), gamma=0.1)
    return None


def fit_length(scheduler: LRScheduler, steps: int) -> None:
    """Let a schedule restored from a checkpoint end with a run that now has another length.

    Rates continue as if the run had had this length from the start; those of a run whose length
    is unchanged stay as they are.

    Args:
        scheduler: of `schedule`.
        steps: number of steps in the run.

    Example:
        >>> optimizer = create("sgd", torch.nn.Linear(2, 1).parameters(), 1.0)
        >>> course = schedule("cosine", optimizer, steps=4)
        >>> for _ in range(4):
        ...     optimizer.step()
        ...     course.step()
        >>> fit_length(course, steps=8)
        >>> [round(rate, 9) for rate in course.get_last_lr()]
        [0.5]
    """
    done = scheduler.last_epoch
    if isinstance(scheduler, CosineAnnealingLR) and scheduler.T_max != steps:
        scheduler.T_max = steps
        factor = (1 + math.cos(math.pi * min(done / steps, 1))) / 2
    elif isinstance(scheduler, MultiStepLR) and scheduler.milestones != Counter(milestones(steps)):
        scheduler.milestones = Counter(milestones(steps))
        factor = scheduler.gamma ** sum(step <= done for step in milestones(steps))
    else:
        return
    scheduler._last_lr = [factor * rate for rate in scheduler.base_lrs]
    for group, rate in zip(scheduler.optimizer.param_groups, scheduler._last_lr, strict=True):
        group["lr"] = rate


def milestones(steps: int) -> list[int]:
    """The steps before which `multistep` lowers the rate, a third and two thirds of the run.

    Example:
        >>> milestones(7)
        [3, 5]
    """
    return [math.ceil(steps / 3), math.ceil(2 * steps / 3)]


def gradient_step(loss: Tensor, optimizer: Optimizer) -> None:
    """Take one optimiser step on a loss.

    Args:
        loss: a scalar.
        optimizer: optimiser of the parameters that the loss depends on.
    """
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def advance(scheduler: MultiStepLR) -> bool:
    """Advance to the next rate of a `multistep` schedule immediately.

    Returns:
        False if the last rate has already been reached.
    """
    ahead = [step for step in sorted(scheduler.milestones) if step > scheduler.last_epoch]
    if not ahead:
        return False
    scheduler.last_epoch = ahead[0] - 1
    scheduler.step()
    return True
