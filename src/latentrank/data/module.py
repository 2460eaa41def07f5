"""Batches for training and evaluation, in an order determined by (seed, epoch) alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader, DistributedSampler
from torch.utils.data import Dataset as TorchDataset

from latentrank.data.base import Batch, Dataset, Split
from latentrank.data.views import Array, Rows, blocks, spread_evenly, will_need
from latentrank.errors import InputError, check_count
from latentrank.preprocessing import Preprocessing

# Splits up to this size as float32 are normalised once and kept in memory
_AT_ONCE = 2**28

# Part of a GPU's free memory that a split may take
_PART_OF_GPU = 0.25

_CPU = torch.device("cpu")


class SeededBatchSampler(DistributedSampler[Rows]):
    """Row indices batch by batch, in an order that depends on (seed, epoch) alone.

    With `W` processes of batch size `b`, step `t` takes the rows `[t b W, (t + 1) b W)` of the
    epoch's order, and each process a contiguous part of them: together they see the batches of one
    process with batch size `b W`. A partial last batch is kept; its parts may differ by a row,
    which `latentrank.distributed.batch_mean` accounts for. Fewer than `W` remaining rows are added
    to the previous batch.

    It is a `DistributedSampler` so that Lightning sets its epoch and does not wrap it in another.

    Args:
        n: number of rows.
        batch_size: batch size of this process.
        seed: random seed for the order.
        world_size: number of processes.
        rank: index of this process, from 0.
        shuffle: False keeps the rows in order.
        announce: called with the rows of each batch, one batch ahead.

    Raises:
        InputError: when a batch would be empty.

    Example:
        >>> sampler = SeededBatchSampler(5, batch_size=2, shuffle=False)
        >>> [batch.tolist() for batch in sampler]
        [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        n: int,
        batch_size: int,
        seed: int = 0,
        world_size: int = 1,
        rank: int = 0,
        shuffle: bool = True,
        announce: Callable[[Rows], None] = lambda rows: None,
    ) -> None:
        check_count(batch_size, "batch_size")
        if n < world_size:
            raise InputError(
                f"There are {n} samples for {world_size} processes; use fewer devices."
            )
        super().__init__(range(n), world_size, rank, shuffle, seed)  # type: ignore[arg-type]
        self.n = n
        self.batch_size = batch_size
        self.announce = announce

    def __iter__(self) -> Iterator[Rows]:
        return _announced(self._batches(), self.announce)

    def _batches(self) -> Iterator[Rows]:
        order = np.arange(self.n)
        if self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.n)
        bounds = [step * self.batch_size * self.num_replicas for step in range(len(self))]
        for start, stop in zip(bounds, [*bounds[1:], len(order)], strict=True):
            yield np.array_split(order[start:stop], self.num_replicas)[self.rank]

    def __len__(self) -> int:
        full, rest = divmod(self.n, self.batch_size * self.num_replicas)
        return full + (rest >= self.num_replicas)


def _announced(batches: Iterable[Rows], announce: Callable[[Rows], None]) -> Iterator[Rows]:
    """The batches, each announced one batch ahead."""
    earlier: list[Rows] = []
    for batch in batches:
        announce(batch)
        yield from earlier
        earlier = [batch]
    yield from earlier


class _Rows(TorchDataset[Batch]):
    """A split indexed by many rows at a time, so that a batch is one slice of each array.

    Args:
        split: the samples.
        preprocessing: their preprocessing.
        device: where batches are used. A GPU holds the whole split if there is room, and gathers
            batches itself.
    """

    def __init__(self, split: Split, preprocessing: Preprocessing, device: torch.device) -> None:
        self.split = split
        self.preprocessing = preprocessing
        self.held = _held(split.x, preprocessing, device)

    def __len__(self) -> int:
        return len(self.split)

    def announce(self, index: Rows) -> None:
        """Have these rows read in the background, if they are on disk."""
        if self.held is None:
            will_need(self.split.x, index)

    def __getitem__(self, index: Rows) -> Batch:
        labels, rows = self.split.labels, torch.from_numpy(index)
        if self.held is None:
            x = self.preprocessing.normalise(self.split.x[index])
        else:
            rows = _moved(rows, self.held.device)
            x = self.held[rows]
            if x.dtype == torch.uint8:
                x = self.preprocessing.normalise(x)
        return Batch(x, rows, None if labels is None else torch.from_numpy(labels[index]))


def _moved(part: Tensor, device: torch.device) -> Tensor:
    """A part of a batch on the device.

    With CUDA, a blocking copy would wait for all that the GPU has yet to do. Elsewhere, such as on
    Apple's GPUs, other copies may be read before they are complete.
    """
    return part.to(device, non_blocking=device.type == "cuda")


def _held(x: Array, preprocessing: Preprocessing, device: torch.device) -> Tensor | None:
    """A split's samples as one tensor on the device, or None if they are too large for it.

    They are normalised, except for many bytes on a GPU. On a CPU, bytes are normalised batch by
    batch, which is as fast.
    """
    gpu, is_bytes = device.type == "cuda", x.dtype == np.uint8
    size = 4 * math.prod(x.shape)
    if size <= _AT_ONCE:
        return None if is_bytes and not gpu else preprocessing.normalise(x[:]).to(device)
    if is_bytes:
        size //= 4
    if not gpu or size > _PART_OF_GPU * torch.cuda.mem_get_info(device)[0]:
        return None
    return _in_blocks(x, preprocessing, device)


def _in_blocks(x: Array, preprocessing: Preprocessing, device: torch.device) -> Tensor:
    """A split on the device, moved block by block: bytes as they are, other numbers normalised."""
    is_bytes = x.dtype == np.uint8
    held = torch.empty(x.shape, dtype=torch.uint8 if is_bytes else torch.float32, device=device)
    start = 0
    for block in blocks(x):
        array = np.ascontiguousarray(block)
        part = torch.from_numpy(array) if is_bytes else preprocessing.normalise(array)
        held[start : start + len(part)] = part
        start += len(part)
    return held


class DataModule(LightningDataModule):
    """A data set as batches for Lightning and for plain loops.

    Args:
        dataset: the data.
        batch_size: training batch size of each process.
        eval_batch_size: batch size for the test split and the in-order iterators.
        seed: random seed for the training order, which depends on (seed, epoch) alone.
        preprocessing: preprocessing of samples, usually the model's; by default the data set's.

    Raises:
        InputError: when a split is empty.

    Example:
        >>> x = np.zeros((5, 3), dtype=np.float32)
        >>> data = DataModule(Dataset("mine", Split(x), Split(x[:2])), batch_size=2)
        >>> [len(batch.x) for batch in data.train_dataloader()]
        [2, 2, 1]
        >>> [batch.index.tolist() for batch in data.test_batches()]
        [[0, 1]]
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 64,
        eval_batch_size: int = 512,
        seed: int = 0,
        preprocessing: Preprocessing | None = None,
    ) -> None:
        super().__init__()
        self.dataset = dataset
        self.preprocessing = preprocessing or dataset.preprocessing
        self._known: dict[tuple[int, torch.device], _Rows] = {}
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.seed = seed

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled training batches of this process."""
        return self._loader(self.dataset.train, self.batch_size, shuffle=True)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Test batches of this process, in order."""
        return self._loader(self.dataset.test, self.eval_batch_size, shuffle=False)

    def transfer_batch_to_device(
        self, batch: Batch, device: torch.device, dataloader_idx: int
    ) -> Batch:
        """A batch on the device; Lightning's way of finding tensors takes longer than a copy."""
        x, index, labels = batch
        labels = None if labels is None else _moved(labels, device)
        return Batch(_moved(x, device), _moved(index, device), labels)

    def train_batches(self, limit: int | None = None) -> Iterator[Batch]:
        """All training samples in order, or `limit` evenly spaced ones, in every process."""
        return self._in_order(self.dataset.train, limit)

    def test_batches(self) -> Iterator[Batch]:
        """All test samples in order, in every process."""
        return self._in_order(self.dataset.test)

    def _in_order(self, split: Split, limit: int | None = None) -> Iterator[Batch]:
        rows, chosen = self._rows(split), spread_evenly(len(split), limit)
        starts = range(0, len(chosen), self.eval_batch_size)
        batches = (chosen[start : start + self.eval_batch_size] for start in starts)
        return (rows[batch] for batch in _announced(batches, rows.announce))

    def _rows(self, split: Split, device: torch.device = _CPU) -> _Rows:
        # held once for all iterators
        key = (id(split), device)
        if key not in self._known:
            self._known[key] = _Rows(split, self.preprocessing, device)
        return self._known[key]

    def _loader(self, split: Split, batch_size: int, shuffle: bool) -> DataLoader[Batch]:
        world_size, rank, device = 1, 0, _CPU
        if self.trainer is not None:
            world_size, rank = self.trainer.world_size, self.trainer.global_rank
            device = self.trainer.strategy.root_device
        rows = self._rows(split, device)
        sampler = SeededBatchSampler(
            len(rows), batch_size, self.seed, world_size, rank, shuffle, rows.announce
        )
        return DataLoader(
            rows,
            batch_size=None,
            sampler=sampler,
            pin_memory=torch.cuda.is_available() and rows.held is None,
        )
