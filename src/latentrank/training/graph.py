"""Training steps captured in a CUDA graph, since with small networks a GPU waits for Python."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

#: Computes the terms of a batch, takes the optimiser's step, and returns the terms.
Step = Callable[[Tensor, Tensor], dict[str, Tensor]]

#: Records a function's work on tensors without doing it; each call of the result does that work, on
#: the same tensors.
Record = Callable[[Callable[[], None]], Callable[[], None]]

#: Steps with the same settings before one is captured. In the first, the optimiser allocates its
#: state and libraries their workspace.
_WARM_UP = 3

#: Packages whose modules compute with tensors only.
_PURE = ("torch", "latentrank")

#: Attributes in which a module keeps its hooks.
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


class StepGraph:
    """Takes steps one by one until their settings stay the same, then captures one and replays it.

    A replay repeats what a step did to tensors: it reads the batch from where the captured step
    read it, and updates weights and optimiser state in place. Whatever else a step reads is fixed
    when it is captured. `settings` therefore describes these values; when they change, such as at a
    milestone of the learning rate, another step is captured. Noise differs from step to step as it
    does without a graph, since a replay draws it from the current random state. If capturing fails,
    training continues without it, after a warning.

    Args:
        step: one step of training.
        settings: what a step reads apart from the contents of tensors, such as the learning rates
            and where weights are stored.
        optimizer: the optimiser that `step` uses.
        record: captures a function; by default in a CUDA graph.

    Example:
        >>> weight = torch.zeros(1, requires_grad=True)
        >>> optimizer = torch.optim.SGD([weight], lr=0.5)
        >>> def step(x, index):
        ...     loss = (weight - x).square().sum()
        ...     optimizer.zero_grad()
        ...     loss.backward()
        ...     optimizer.step()
        ...     return {"loss": loss}
        >>> def record(function):  # without a GPU: it is called again each time
        ...     return function
        >>> graph = StepGraph(step, lambda: optimizer.param_groups[0]["lr"], optimizer, record)
        >>> losses = [graph(torch.ones(1), torch.zeros(1))["loss"].item() for _ in range(5)]
        >>> losses, graph.captured
        ([1.0, 0.0, 0.0, 0.0, 0.0], True)
    """

    def __init__(
        self,
        step: Step,
        settings: Callable[[], Hashable],
        optimizer: Optimizer,
        record: Record | None = None,
    ) -> None:
        self._step = step
        self._settings = settings
        self._optimizer = optimizer
        self._record = record or in_cuda_graph
        self._captured_with: Hashable = None
        self._same = 0
        self._failed = False
        self._replay: Callable[[], None] | None = None

    @property
    def captured(self) -> bool:
        """Whether steps are replayed at present."""
        return self._replay is not None

    def __call__(self, x: Tensor, index: Tensor) -> dict[str, Tensor]:
        """Take one step; its terms are valid until the next.

        Args:
            x: `(B, *input_shape)`, of the same shape in every call.
            index: `(B,)` int64.
        """
        settings = self._settings()
        if settings != self._captured_with:
            self._captured_with, self._same, self._replay = settings, 0, None
        self._same += 1
        if self._replay is None and self._same > _WARM_UP and not self._failed:
            self._capture(x, index)
        if self._replay is None:
            return self._step(x, index)
        self._x.copy_(x)
        self._index.copy_(index)
        self._replay()
        return self._terms

    def _capture(self, x: Tensor, index: Tensor) -> None:
        self._x, self._index = x.clone(), index.clone()

        def step() -> None:
            found = self._step(self._x, self._index)
            self._terms = {name: value.detach() for name, value in found.items()}

        try:
            with _capturable(self._optimizer):
                self._replay = self._record(step)
        except RuntimeError as error:  # from CUDA
            self._failed = True
            _end_capture_of_noise(x.device)
            reason = str(error).strip().split("\n")[0].rstrip(".")
            warnings.warn(
                f"Training steps could not be captured in a CUDA graph ({reason}), and are taken "
                "one by one, which is slower for small networks.",
                stacklevel=2,
            )


def in_cuda_graph(function: Callable[[], None]) -> Callable[[], None]:
    """Capture a function in a CUDA graph without executing it; each call of the result executes it.

    Raises:
        RuntimeError: it does something that cannot be captured, such as reading a value.
    """
    graph = torch.cuda.CUDAGraph()
    # A capture that fails leaves its own stream as the current one.
    current = torch.cuda.stream(torch.cuda.current_stream())
    # Other threads, such as one that pins a loader's memory, may call CUDA in the meantime.
    with current, torch.cuda.graph(graph, capture_error_mode="thread_local"):
        function()
    return graph.replay


def _end_capture_of_noise(device: torch.device) -> None:
    """Let noise be drawn again: a failed capture leaves the generator waiting for its end."""
    if device.type == "cuda":
        generator = torch.cuda.default_generators[device.index or 0]
        fresh = torch.Generator(device)
        fresh.manual_seed(generator.initial_seed())
        generator.graphsafe_set_state(fresh.graphsafe_get_state())


@contextmanager
def _capturable(optimizer: Optimizer) -> Iterator[None]:
    """Declare that an optimiser's state is on the GPU, as it always is for fused ones."""
    for group in optimizer.param_groups:
        group["capturable"] = True
    try:
        yield
    finally:
        # A checkpoint must be usable on a CPU.
        for group in optimizer.param_groups:
            group["capturable"] = False


def can_be_captured(model: nn.Module, optimizer: Optimizer) -> bool:
    """Whether a training step on a GPU does the same to its tensors in every call.

    True for modules and loss terms of torch and latentrank, except bottlenecks that are not marked
    `capturable`. Others may keep state in Python or read values, so they need that mark on their
    own class, not on one that they inherit from. A module with hooks does not qualify.

    Args:
        model: the autoencoder.
        optimizer: only those of torch with fused kernels qualify.

    Example:
        >>> import latentrank
        >>> models = [latentrank.build(name, (4,), latent_dim=2) for name in ("lorae", "rrae")]
        >>> fused = torch.optim.Adam(torch.nn.Linear(1, 1).parameters(), fused=True)
        >>> [can_be_captured(model, fused) for model in models]
        [True, False]
    """
    fused = all(group.get("fused") and "capturable" in group for group in optimizer.param_groups)
    modules, objective = list(model.modules()), getattr(model, "objective", None)
    terms = [term.function for term in objective.terms if term.function] if objective else []
    hooked = any(getattr(module, hooks) for module in modules for hooks in _HOOKS)
    return fused and not hooked and all(_is_capturable(part) for part in (*modules, *terms))


def _is_capturable(part: Any) -> bool:
    """Whether a module or a function does the same to its tensors in every call."""
    owner = part.func if isinstance(part, partial) else part
    ours = str(owner.__module__).split(".")[0] in _PURE
    marked = "capturable" in {*vars(type(part)), *getattr(part, "__dict__", ())}
    return (ours or marked) and bool(getattr(part, "capturable", True))
