"""One of several processes that train side by side: ``python -m tests.losses.gathering RANK SIZE STORE LOSS``.

Writes its loss, and the gradient averaged over the processes as data-parallel training does, as JSON.
"""

import json
import sys

import numpy as np
import torch
import torch.distributed as dist

from colbert_kit import losses
from tests.losses.table import Table, columns, texts_of, value_and_gradient

PER_PROCESS = 3


def batch_of(rank, size):
    """The rows of one process; all processes' rows are those of ``range(size)`` in order."""
    generator = np.random.default_rng(5)
    queries = texts_of(generator, PER_PROCESS * size, 5)
    documents = [texts_of(generator, PER_PROCESS * size, 9) for _ in range(3)]
    mine = slice(PER_PROCESS * rank, PER_PROCESS * (rank + 1)) if rank is not None else slice(None)
    return columns(queries[mine], *[column[mine] for column in documents])


def loss_of(name, model, gather):
    options = {"mini_batch_size": 2} if name == "CachedContrastive" else {}
    return getattr(losses, name)(model, temperature=0.1, gather_across_devices=gather, **options)


def main():
    rank, size, store, name = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=size)
    model = Table()
    value, gradient = value_and_gradient(loss_of(name, model, True), model, batch_of(rank, size))
    dist.all_reduce(gradient)
    sys.stdout.write(json.dumps({"loss": value, "gradient": (gradient / size).tolist()}))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
