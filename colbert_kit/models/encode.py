"""Streaming, packed encoding: any number of texts in, bounded memory, batches out in input order.

Three things make it faster than ``MultiVectorEncoder.encode_document`` (``benchmarks/encode.py``): batches hold a
budget of tokens that fits the processor's caches instead of a number of texts, texts are sorted by tokens instead
of characters, and the next window is tokenised in a thread meanwhile.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.multi_vector_encoder.modules import HierarchicalTokenPooling
from threadpoolctl import ThreadpoolController
from torch import Tensor

from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.models.inference import DType, inference_model
from colbert_kit.models.prompts import Role, prompt_of
from colbert_kit.models.tokenizing import tokenizing
from colbert_kit.scores import PackedEmbeddings

__all__ = ["TEXTS_PER_WINDOW", "encode_documents", "encode_queries", "encode_window", "pool_tokens", "windows"]

TEXTS_PER_WINDOW = 512
"""Texts sorted and yielded together: 512 x 256 tokens x 384 float32 is 200 MB."""

TOKENS_PER_BATCH = {"cpu": 2048, "cuda": 65536}
"""Padded tokens of a forward pass. On 2 CPU cores, documents/s at 512, 1,024, 2,048, 4,096 and 8,192: 17.2, 19.4,
20.1, 17.6, 17.0 (SciFact, MiniLM). The figure for CUDA is a guess that fits 16 GB; nobody has measured it here."""

Features = dict[str, Any]


def encode_documents(
    model: MultiVectorEncoder,
    texts: Iterable[str],
    *,
    dtype: DType = "auto",
    prompt: str | None = None,
    pool_factor: int = 1,
    num_workers: int = 1,
) -> Iterator[PackedEmbeddings]:
    """Encode documents as a stream.

    Args:
        model: The model.
        texts: The documents; an iterator is read as it goes, 512 at a time.
        dtype: What to compute in; ``"auto"`` takes the faster of float32 and bfloat16 on this machine.
        prompt: Put before each text in place of the model's document prompt (``compose_prompt`` keeps the marker).
        pool_factor: Merge similar tokens until about one in ``pool_factor`` is left.
        num_workers: Processes that encode side by side, one a GPU or a share of the CPU's cores. They start the way
            ``multiprocessing`` spawns, so a script needs ``if __name__ == "__main__":``.

    Yields:
        The embeddings of up to 512 texts at a time, in input order, float32 on the CPU: ``sum(lengths)`` rows.

    Raises:
        InvalidInput: A text is no string.
        InvalidConfig: ``dtype``, ``pool_factor`` or ``num_workers`` is out of range.

    Example:
        >>> for batch in encode_documents(model, open("texts.txt")):  # doctest: +SKIP
        ...     index.add(batch)
    """
    if pool_factor < 1 or num_workers < 1:
        raise InvalidConfig(f"pool_factor and num_workers must be 1 or more, got {pool_factor} and {num_workers}.")
    if num_workers > 1:
        from colbert_kit.models.workers import encode_in_workers

        return encode_in_workers(model, windows(texts), num_workers, dtype, prompt, pool_factor)
    return _encode(inference_model(model, dtype), texts, "document", prompt, pool_factor)


def encode_queries(
    model: MultiVectorEncoder, texts: Iterable[str], *, dtype: DType = "auto", prompt: str | None = None
) -> Iterator[PackedEmbeddings]:
    """Encode queries as a stream, with the model's query marker, length and expansion.

    Args:
        model: The model.
        texts: The queries.
        dtype: As ``encode_documents``.
        prompt: As ``encode_documents``, for the query prompt.

    Yields:
        The embeddings of up to 512 queries at a time, in input order, float32 on the CPU.

    Raises:
        InvalidInput: A text is no string.
        InvalidConfig: ``dtype`` is out of range.
    """
    return _encode(inference_model(model, dtype), texts, "query", prompt, 1)


def encode_window(
    model: MultiVectorEncoder, texts: list[str], role: Role, prompt: str | None = None, pool_factor: int = 1
) -> PackedEmbeddings:
    """Encode one window in this thread, in the model's own dtype.

    A query by itself takes one core: a second one saves 1.6 of its 8 ms, and then torch's threads, which wait for more
    work by spinning, take 3.5 ms from the search that follows (30,000 passages, two cores).
    """
    batches = prepare(model, texts, role, prompt)
    if role == "query" and len(texts) == 1 and model.device.type == "cpu":
        with _thread_pools().limit(limits=1, user_api="openmp"):
            return _forward(model, batches, 1, role, pool_factor)
    return _forward(model, batches, len(texts), role, pool_factor)


@functools.cache
def _thread_pools() -> ThreadpoolController:
    # Its limit holds for the calling thread alone; torch.set_num_threads' holds for threads that begin meanwhile too.
    return ThreadpoolController()


def pool_tokens(documents: PackedEmbeddings, pool_factor: int) -> PackedEmbeddings:
    """Merge similar token embeddings of documents that are encoded already, as ``encode_documents`` does.

    Args:
        documents: Token embeddings of documents, not pooled yet.
        pool_factor: Merge until about one in so many is left.

    Returns:
        The same documents in order, float32; equal to pooling at encoding up to what ``documents`` are rounded to.

    Example:
        >>> pool_tokens(PackedEmbeddings.pack([np.eye(4, dtype=np.float32)]), 2).lengths.tolist()
        [2]
    """
    texts = [torch.from_numpy(one.astype(np.float32)) for one in documents]
    return PackedEmbeddings.pack(HierarchicalTokenPooling(pool_factor).pool(texts, task="document"), dim=documents.dim)


def windows(texts: Iterable[str]) -> Iterator[list[str]]:
    """Cut texts into windows, checking each.

    Raises:
        InvalidInput: A text is no string.
    """
    if isinstance(texts, str):
        raise InvalidInput("texts must be a list or an iterator of strings, got one string; put it in a list.")
    window: list[str] = []
    for position, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidInput(f"texts must be strings, got {type(text).__name__} at position {position}.")
        window.append(text)
        if len(window) == TEXTS_PER_WINDOW:
            yield window
            window = []
    if window:
        yield window


def prepare(
    model: MultiVectorEncoder, texts: list[str], role: Role, prompt: str | None
) -> list[tuple[NDArray[np.int64], Features]]:
    """Tokenise a window and cut it into batches of similar length: the rows of each batch and its features."""
    prompt = prompt_of(model, role) if prompt is None else prompt

    def preprocess(some: list[str]) -> Features:
        with tokenizing(model):
            features: Features = model.preprocess(some, prompt=prompt, task=role)
        return features

    features = preprocess(texts)
    budget = TOKENS_PER_BATCH.get(model.device.type, TOKENS_PER_BATCH["cuda"])
    if "attention_mask" not in features or len(features["input_ids"]) != len(texts):
        # Flattened for FlashAttention, so it cannot be cut: group by characters and tokenise each group.
        characters = np.asarray([len(text) for text in texts])
        groups = _group(characters, budget)
        return [(rows, preprocess([texts[row] for row in rows])) for rows in groups]
    used = features["attention_mask"].bool()
    if (expansion := features.get("query_expansion_positions")) is not None:
        used = used | expansion.bool()
    groups = _group(used.sum(dim=1).numpy(), budget)
    return [(rows, _cut(features, used, rows)) for rows in groups]


def _encode(
    model: MultiVectorEncoder, texts: Iterable[str], role: Role, prompt: str | None, pool_factor: int
) -> Iterator[PackedEmbeddings]:
    model.eval()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenise") as ahead:
        pending = None
        for window in windows(texts):
            upcoming = (ahead.submit(prepare, model, window, role, prompt), len(window))
            if pending is not None:
                yield _forward(model, pending[0].result(), pending[1], role, pool_factor)
            pending = upcoming
        if pending is not None:
            yield _forward(model, pending[0].result(), pending[1], role, pool_factor)


def _group(lengths: NDArray[np.int64], budget: int) -> list[NDArray[np.int64]]:
    """Cut the rows, longest first, into groups whose padded size is at most ``budget`` (or one row)."""
    order = np.argsort(-lengths, kind="stable")
    groups, first = [], 0
    while first < len(order):
        size = max(1, budget // max(1, int(lengths[order[first]])))
        groups.append(order[first : first + size])
        first += size
    return groups


def _cut(features: Features, used: Tensor, rows: NDArray[np.int64]) -> Features:
    """The features of some rows, without the columns that only other rows use."""
    index = torch.from_numpy(rows)
    columns = used[index].any(dim=0).nonzero()
    low, high = (int(columns[0]), int(columns[-1]) + 1) if len(columns) else (0, 1)

    def cut(value: object) -> object:
        if not isinstance(value, Tensor) or value.ndim == 0 or len(value) != len(used):
            return value
        value = value[index]
        return value[:, low:high] if value.ndim > 1 and value.shape[1] == used.shape[1] else value

    return {name: cut(value) for name, value in features.items()}


def _forward(
    model: MultiVectorEncoder,
    batches: list[tuple[NDArray[np.int64], Features]],
    num_texts: int,
    role: Role,
    pool_factor: int,
) -> PackedEmbeddings:
    """Run the batches of a window and put the embeddings back in the order of its texts."""
    parts: list[tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]] = []
    for rows, features in batches:
        embeddings, lengths = _run(model, features, role, pool_factor)
        parts.append((rows, embeddings, lengths))
    lengths_in_order = np.zeros(num_texts, dtype=np.int64)
    for rows, _, lengths in parts:
        lengths_in_order[rows] = lengths
    starts = np.cumsum(lengths_in_order) - lengths_in_order
    packed = np.empty((int(lengths_in_order.sum()), parts[0][1].shape[1] if parts else 0), dtype=np.float32)
    for rows, embeddings, lengths in parts:
        offset = 0
        for row, length in zip(rows, lengths, strict=True):
            packed[starts[row] : starts[row] + length] = embeddings[offset : offset + length]
            offset += length
    return PackedEmbeddings(packed, lengths_in_order)


@torch.inference_mode()
def _run(
    model: MultiVectorEncoder, features: Features, role: Role, pool_factor: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    device = model.device
    on_device = {name: value.to(device) if isinstance(value, Tensor) else value for name, value in features.items()}
    output = model(on_device, task=role)
    mask = output["attention_mask"].bool()
    embeddings, lengths = output["token_embeddings"][mask], mask.sum(dim=1)
    if pool_factor > 1:
        texts = [text.float() for text in embeddings.split(lengths.tolist())]
        pooled = HierarchicalTokenPooling(pool_factor).pool(texts, task=role)
        embeddings, lengths = torch.cat(pooled), torch.tensor([len(text) for text in pooled])
    return embeddings.float().cpu().numpy(), lengths.cpu().numpy()
