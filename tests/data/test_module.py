from itertools import chain
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from lightning.pytorch import LightningModule, Trainer

from latentrank.data import Batch, DataModule, Dataset, Split, module, views
from latentrank.data.module import SeededBatchSampler
from latentrank.errors import InputError
from latentrank.preprocessing import Preprocessing


def dataset(n=11, tests=5, labels=True):
    x = np.arange(n, dtype=np.float32)[:, None] * [1, 10, 100]
    split = Split(x.astype(np.float32), np.arange(n) if labels else None)
    return Dataset("mine", split, split.take(slice(tests)), bounded=False)


def epoch(sampler, number):
    sampler.set_epoch(number)
    return [batch.tolist() for batch in sampler]


def test_every_row_once_and_the_last_partial_batch_kept():
    sampler = SeededBatchSampler(11, 4)
    batches = epoch(sampler, 0)
    assert [len(batch) for batch in batches] == [4, 4, 3]
    assert sorted(chain(*batches)) == list(range(11))
    assert len(sampler) == 3


def test_order_depends_on_seed_and_epoch_alone():
    first = SeededBatchSampler(50, 7, seed=3)
    later = SeededBatchSampler(50, 7, seed=3)
    for number in range(4):
        epoch(first, number)
    assert epoch(later, 5) == epoch(first, 5)
    assert epoch(first, 5) != epoch(first, 4)
    assert epoch(SeededBatchSampler(50, 7, seed=4), 5) != epoch(first, 5)


@pytest.mark.parametrize("shuffle", [True, False])
def test_each_batch_is_announced_while_the_one_before_is_used(shuffle):
    events = []
    sampler = SeededBatchSampler(
        9, 4, shuffle=shuffle, announce=lambda rows: events.append(("announced", rows.tolist()))
    )
    first, second, third = epoch(sampler, 0)
    events.clear()
    events.extend(("used", batch.tolist()) for batch in sampler)
    assert events == [
        ("announced", first), ("announced", second), ("used", first),
        ("announced", third), ("used", second), ("used", third),
    ]  # fmt: skip


@pytest.mark.parametrize(("device", "without_waiting"), [("cuda", True), ("mps", False)])
def test_only_cuda_copies_without_waiting(device, without_waiting):
    """On Apple's GPUs such a copy may be read too early, so Lightning waits there, too."""
    copies = []

    class Copied:
        def to(self, device, non_blocking=False):
            copies.append((device.type, non_blocking))

    batch = Batch(Copied(), Copied(), None)
    DataModule(dataset()).transfer_batch_to_device(batch, torch.device(device), 0)
    assert copies == [(device, without_waiting)] * 2


@pytest.mark.parametrize("n", [2, 3, 9, 11, 13, 16, 17, 18, 100])
@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize("shuffle", [True, False])
def test_processes_together_see_what_one_sees(n, world_size, shuffle):
    if n < world_size:
        pytest.skip("fewer samples than processes")
    parts = [SeededBatchSampler(n, 4, 1, world_size, rank, shuffle) for rank in range(world_size)]
    alone = SeededBatchSampler(n, 4 * world_size, 1, shuffle=shuffle)
    steps = list(zip(*(epoch(part, 2) for part in parts), strict=True))
    joined = [list(chain(*step)) for step in steps]
    assert len(steps) == len(parts[0])
    seen, whole = list(chain(*joined)), list(chain(*epoch(alone, 2)))
    for step in steps:
        sizes = [len(share) for share in step]
        assert min(sizes) >= max(max(sizes) - 1, 1)
    assert seen == whole
    rest = n % (4 * world_size)
    if rest == 0 or rest >= world_size:
        assert joined == epoch(alone, 2)


def test_a_batch_of_one_and_a_batch_larger_than_the_data():
    assert epoch(SeededBatchSampler(3, 1, shuffle=False), 0) == [[0], [1], [2]]
    assert epoch(SeededBatchSampler(3, 10, shuffle=False), 0) == [[0, 1, 2]]


def test_sizes_that_cannot_work_are_refused():
    with pytest.raises(InputError, match="batch_size is 0, expected an integer of at least 1"):
        SeededBatchSampler(5, 0)
    with pytest.raises(InputError, match="3 samples for 4 processes; use fewer devices"):
        SeededBatchSampler(3, 1, world_size=4)


def test_batches_hold_the_rows_their_index_names():
    for batch in DataModule(dataset(), batch_size=4).train_dataloader():
        assert batch.x.dtype == torch.float32
        assert batch.index.dtype == batch.labels.dtype == torch.int64
        assert torch.equal(batch.x[:, 0].long(), batch.index)
        assert torch.equal(batch.labels, batch.index)


def test_no_labels_stay_none():
    assert next(DataModule(dataset(labels=False)).test_batches()).labels is None


def test_images_become_fractions_of_255():
    x = np.full((3, 1, 2, 2), 51, dtype=np.uint8)
    batch = next(DataModule(Dataset("mine", Split(x), Split(x))).train_batches())
    np.testing.assert_allclose(batch.x, 0.2)


def test_plain_iterators_and_validation_go_in_order():
    data = DataModule(dataset(), eval_batch_size=3)
    for batches, n in (
        (data.train_batches(), 11),
        (data.test_batches(), 5),
        (data.val_dataloader(), 5),
    ):
        assert torch.cat([batch.index for batch in batches]).tolist() == list(range(n))


def test_memory_maps_are_served_without_warnings(tmp_path, recwarn):
    np.save(tmp_path / "x.npy", np.arange(12, dtype=np.float32).reshape(4, 3))
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    data = DataModule(Dataset("mine", Split(mapped), Split(mapped), bounded=False), batch_size=3)
    assert sum(len(batch.x) for batch in data.train_dataloader()) == 4
    assert not [w for w in recwarn.list if "writ" in str(w.message)]


class Recorder(LightningModule):
    """Remembers which rows it saw, epoch by epoch."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(3, 1)
        self.seen = []

    def on_train_epoch_start(self):
        self.seen.append([])

    def training_step(self, batch, batch_idx):
        self.seen[-1].append(batch.index.tolist())
        return self.layer(batch.x).mean()

    def validation_step(self, batch, batch_idx):
        pass

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-6)


@pytest.mark.filterwarnings("ignore")
def test_lightning_shuffles_every_epoch_and_a_resumed_run_continues_the_order(tmp_path):
    def trainer(epochs):
        return Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    def data():
        return DataModule(dataset(labels=False), batch_size=4, seed=2)

    whole, half, rest = Recorder(), Recorder(), Recorder()
    trainer(4).fit(whole, datamodule=data())
    interrupted = trainer(2)
    interrupted.fit(half, datamodule=data())
    interrupted.save_checkpoint(tmp_path / "half.ckpt")
    trainer(4).fit(rest, datamodule=data(), ckpt_path=tmp_path / "half.ckpt")

    sampler = SeededBatchSampler(11, 4, seed=2)
    assert whole.seen == [epoch(sampler, number) for number in range(4)]
    assert half.seen + rest.seen == whole.seen


def test_a_limit_takes_samples_spread_evenly_over_the_whole_split():
    data = DataModule(dataset(), eval_batch_size=2)
    n = len(data.dataset.train)
    rows = torch.cat([batch.index for batch in data.train_batches(3)]).tolist()
    assert rows == [0, round((n - 1) / 2), n - 1]
    assert sum(len(batch.x) for batch in data.train_batches(10 * n)) == n


@pytest.mark.parametrize("at_once", [2**28, 0])
def test_batches_are_normalised_by_the_given_preprocessing(monkeypatch, at_once):
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    x = np.random.default_rng(0).normal(1e9, 3, size=(11, 2, 5))
    own = DataModule(Dataset("mine", Split(x), Split(x[:4])), batch_size=4)
    batch = next(iter(own.train_dataloader()))
    expected = own.dataset.preprocessing.normalise(x)
    assert batch.x.dtype == torch.float32
    assert torch.equal(batch.x, expected[batch.index])
    given = DataModule(own.dataset, preprocessing=Preprocessing(1e9, 0.5))
    seen = torch.cat([batch.x for batch in given.test_batches()])
    # x itself is rounded to 1.2e-7 at 1e9
    np.testing.assert_allclose(seen, (x[:4] - 1e9) / 0.5, rtol=2**-22)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
@pytest.mark.parametrize("at_once", [1, 60, 10**6])
def test_a_split_moved_block_by_block_has_its_rows_in_order(monkeypatch, dtype, at_once):
    """As a GPU holds a large one; bytes stay bytes, and take a quarter of the memory."""
    monkeypatch.setattr(views, "BLOCK_VALUES", at_once)
    x = np.random.default_rng(0).integers(0, 255, size=(11, 1, 4, 5)).astype(dtype)
    data = Dataset("mine", Split(x), Split(x[:2]))
    held = module._in_blocks(x, data.preprocessing, torch.device("cpu"))
    assert held.dtype == (torch.uint8 if dtype is np.uint8 else torch.float32)
    expected = torch.from_numpy(x) if dtype is np.uint8 else data.preprocessing.normalise(x)
    assert torch.equal(held, expected)


@pytest.mark.parametrize(
    ("dtype", "values", "device", "free", "kept"),
    [
        (np.float32, 100, "cpu", 0, "at once"), (np.float32, 101, "cpu", 10**9, None),
        (np.uint8, 100, "cpu", 0, None), (np.uint8, 101, "cpu", 10**9, None),
        (np.float32, 100, "cuda", 0, "at once"), (np.uint8, 100, "cuda", 0, "at once"),
        (np.float32, 101, "cuda", 404, "in blocks"), (np.float32, 101, "cuda", 403, None),
        (np.uint8, 101, "cuda", 101, "in blocks"), (np.uint8, 101, "cuda", 100, None),
    ],
)  # fmt: skip
def test_a_device_keeps_what_is_small_or_leaves_room(
    monkeypatch, dtype, values, device, free, kept
):
    """Small: 400 bytes as float32; bytes are kept on a GPU only, and as they are if not small."""
    available = int(free / module._PART_OF_GPU)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (available, 10**9))
    monkeypatch.setattr(module, "_AT_ONCE", 400)
    monkeypatch.setattr(module, "_in_blocks", lambda x, preprocessing, device: "in blocks")
    moved = SimpleNamespace(to=lambda device: "at once")
    preprocessing = SimpleNamespace(normalise=lambda x: moved)
    x = np.zeros((values, 1), dtype)
    assert module._held(x, preprocessing, torch.device(device)) == kept


@pytest.mark.parametrize("held", [True, False])
def test_only_what_is_not_held_is_announced_and_pinned(monkeypatch, held):
    """Small bytes are normalised batch by batch on a CPU, other numbers once."""
    announced = []
    monkeypatch.setattr(module, "will_need", lambda x, rows: announced.append(rows.tolist()))
    x = np.zeros((4, 1, 2, 2), np.float32 if held else np.uint8)
    data = DataModule(Dataset("mine", Split(x), Split(x)), batch_size=2, eval_batch_size=3)
    assert len(list(data.test_batches())) == 2
    assert announced == ([] if held else [[0, 1, 2], [3]])
    for available in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda available=available: available)
        assert data.train_dataloader().pin_memory == (available and not held)
