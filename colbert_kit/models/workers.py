"""Encoding in several processes.

sentence-transformers' own pool hands every document's tensor over by a file descriptor and hangs when they run out
(seen at about 1,000 documents under the usual limit). Here one array a window crosses a pipe, and a worker that
dies raises in the caller.
"""

from __future__ import annotations

import copy
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor

import torch
from sentence_transformers import MultiVectorEncoder

from colbert_kit.errors import InvalidConfig
from colbert_kit.models.backends import backend_of
from colbert_kit.models.encode import encode_window
from colbert_kit.models.inference import DType, inference_model
from colbert_kit.scores import PackedEmbeddings

__all__ = ["encode_in_workers"]

# The worker process's own model.
_model: MultiVectorEncoder | None = None


def encode_in_workers(
    model: MultiVectorEncoder,
    windows: Iterable[list[str]],
    num_workers: int,
    dtype: DType,
    prompt: str | None,
    pool_factor: int,
) -> Iterator[PackedEmbeddings]:
    """Encode windows of documents in ``num_workers`` processes, in input order; two windows a worker are under way."""
    if (backend := backend_of(model)) != "torch":
        raise InvalidConfig(f"num_workers must be 1 for a model of backend={backend!r}, got {num_workers}.")
    context = multiprocessing.get_context("spawn")
    devices = context.Queue()
    for rank in range(num_workers):
        devices.put(_device_of(rank, model.device))
    threads = max(1, torch.get_num_threads() // num_workers)
    narrow = inference_model(model, dtype)
    # Never the caller's own: weights handed over lie in shared memory from then on, with an open file each.
    shared = (copy.deepcopy(model) if narrow is model else narrow).to("cpu")
    pool = ProcessPoolExecutor(num_workers, context, _start, (shared, devices, threads))
    try:
        under_way: deque[Future[PackedEmbeddings]] = deque()
        for window in windows:
            under_way.append(pool.submit(_encode, window, prompt, pool_factor))
            if len(under_way) >= 2 * num_workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _device_of(rank: int, device: torch.device) -> str:
    return f"cuda:{rank % torch.cuda.device_count()}" if device.type == "cuda" else "cpu"


def _start(model: MultiVectorEncoder, devices: multiprocessing.Queue[str], threads: int) -> None:
    global _model
    torch.set_num_threads(threads)
    _model = model.to(devices.get()).eval()


def _encode(texts: list[str], prompt: str | None, pool_factor: int) -> PackedEmbeddings:
    if _model is None:
        raise RuntimeError("the worker has no model")
    return encode_window(_model, texts, "document", prompt, pool_factor)
