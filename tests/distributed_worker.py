"""One of several processes that train every method on parts of one batch; see the test."""

import os
import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

import latentrank
from latentrank import methods

NAMES = [name for name in methods.names() if methods.get(name).game is None]
STEPS, BATCH = 3, 12


class Losses(nn.Module):
    """Lets data parallelism wrap a model whose forward is its loss."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, index):
        return self.model.losses(x, index)["loss"]


def train(name, rank, size):
    """A few steps, then everything that is learned from the whole training set."""
    torch.manual_seed(0)
    options: dict = {}
    model = latentrank.build(name, (1, 6, 6), 5, **options).double()
    x = torch.rand(BATCH, 1, 6, 6, dtype=torch.float64)
    part = torch.arange(BATCH).chunk(size)[rank]
    losses = Losses(model)
    if size > 1:
        losses = nn.parallel.DistributedDataParallel(losses, find_unused_parameters=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    for step in range(STEPS):
        torch.manual_seed(step)
        optimizer.zero_grad()
        losses(x[part], part).backward()
        optimizer.step()
    model.finalize(lambda: x[part].split(3))
    return dict(model.state_dict())


def main(folder):
    """Train every method and, in the first process, keep the results."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1:
        dist.init_process_group("gloo", timeout=timedelta(minutes=5))
    results = {name: train(name, rank, size) for name in NAMES}
    if rank == 0:
        torch.save(results, Path(folder) / f"{size}.pt")
    if size > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
