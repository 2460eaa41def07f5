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
from latentrank.bottlenecks import Bottleneck
from latentrank.distributed import gather_rows, local_rows
from latentrank.linalg import truncate_rank


class Shifted(Bottleneck):
    """A bottleneck of a user's own, which knows nothing of processes."""

    def __init__(self, latent_dim):
        super().__init__(latent_dim)
        self.register_buffer("mean", torch.zeros(latent_dim))

    def encode(self, h):
        return h + self.mean

    def finalize(self, h_batches):
        self.mean.copy_(torch.cat(list(h_batches)).mean(dim=0))


OWN = methods.Method("own", "x.", "x", bottleneck=lambda width, options, rank: Shifted(width))
NAMES = [name for name in methods.names() if methods.get(name).game is None] + [OWN.name]
STEPS, WIDTH, RANK = 3, 5, 2
#: Samples in a batch of all processes: more than the code is wide, fewer, and an odd number.
BATCHES = {"above the width": 12, "below the width": 4, "uneven": 9}


class Losses(nn.Module):
    """Lets data parallelism wrap a model whose forward is its loss."""

    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x, index):
        return self.model.losses(x, index)["loss"]


def train(name, batch, rank, size):
    """A few steps, then everything that is learned from the whole training set."""
    torch.manual_seed(0)
    # Others take a rank as something to find.
    options = {"rank": RANK} if "rrae" in name else {}
    model = latentrank.build(name, (1, 6, 6), WIDTH, **options).double()
    x = torch.rand(batch, 1, 6, 6, dtype=torch.float64)
    part = torch.arange(batch).tensor_split(size)[rank]
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


def gradient_of_truncation(batch, rank, size):
    """Gradient of `<G, truncate_rank(Y)>` with respect to all rows; each process holds some."""
    torch.manual_seed(0)
    y, weights = torch.randn(2, WIDTH, batch, dtype=torch.float64).mT
    part = torch.arange(batch).tensor_split(size)[rank]
    h = y[part].T.contiguous().T.requires_grad_()
    truncated = local_rows(truncate_rank(gather_rows(h), RANK), h)
    (truncated * weights[part]).sum().backward()
    return gather_rows(h.grad)


def main(folder):
    """Train every method and, in the first process, keep the results."""
    rank, size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1:
        dist.init_process_group("gloo", timeout=timedelta(minutes=5))
    results = {}
    for case, batch in BATCHES.items():
        results |= {(name, case): train(name, batch, rank, size) for name in NAMES}
        results[case] = gradient_of_truncation(batch, rank, size)
    if rank == 0:
        torch.save(results, Path(folder) / f"{size}.pt")


if __name__ == "__main__":
    torch.set_num_threads(1)
    methods.register(OWN)
    main(sys.argv[1])
    # Ending the interpreter races with gloo's threads; see `latentrank.distributed.finish`.
    os._exit(0)
