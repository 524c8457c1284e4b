"""``ColBERT``: any encoder or late-interaction checkpoint as a plain ``MultiVectorEncoder``.

Recipe and defaults are PyLate's (Chaffin and Sourty, CIKM 2025, doi 10.1145/3746252.3761608), which follow ColBERT
(Khattab and Zaharia, SIGIR 2020, sections 3.2 and 3.3).
"""

from __future__ import annotations

import contextlib
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Transformer

from colbert_kit import hub
from colbert_kit.errors import InvalidConfig
from colbert_kit.models.backends import Backend, check_backend, refuse_to_build
from colbert_kit.models.checkpoint import apply_overrides, look_at, readable, refuse_contradictions, repaired
from colbert_kit.models.context import append_context_layer
from colbert_kit.models.identity import place_of, remember
from colbert_kit.models.recipe import assemble, check_lengths, ensure_pad_token

__all__ = ["ColBERT"]

EMBEDDING_SIZE = 128
QUERY_LENGTH = 32
DOCUMENT_LENGTH = 180


def ColBERT(  # noqa: PLR0913 - the name late-interaction users know; its arguments are the recipe
    model_name_or_path: str | Path,
    *,
    embedding_size: int | Literal["auto"] | None = "auto",
    query_prefix: str | None = None,
    document_prefix: str | None = None,
    query_length: int | None = None,
    document_length: int | None = None,
    query_expansion: bool | None = None,
    attend_to_expansion_tokens: bool | None = None,
    skiplist_words: Sequence[str] | None = None,
    context_share: float | None = None,
    device: str | None = None,
    revision: str | None = None,
    token: str | None = None,
    backend: Backend = "torch",
    trust_remote_code: bool = False,
) -> MultiVectorEncoder:
    """Load a late-interaction checkpoint as it is, or build a ColBERT model from a bare encoder.

    Weights are float32 whatever the checkpoint holds: ``encode_documents``, ``encode_queries`` and ``Searcher`` take
    a ``dtype`` and compute in bfloat16 on a copy where that is faster. What a checkpoint was trained with
    (``embedding_size``, prefixes) cannot be changed; lengths, expansion and skiplist can, and the log says so.

    Args:
        model_name_or_path: A folder or a Hub repository: sentence-transformers, PyLate or Stanford checkpoints, or
            any encoder of transformers.
        embedding_size: Width of a token embedding. ``"auto"``: the checkpoint's own, 128 for a bare encoder. None:
            the encoder's own width without a projection.
        query_prefix: The query marker, one token. None: the checkpoint's own, ``"[Q] "`` for a bare encoder.
        document_prefix: The document marker. None: the checkpoint's own, ``"[D] "`` for a bare encoder.
        query_length: Query tokens. None: the checkpoint's own, 32 for a bare encoder.
        document_length: Document tokens at most. None: the checkpoint's own, 180 for a bare encoder.
        query_expansion: Pad queries to ``query_length`` with mask tokens, which are scored. None: the checkpoint's
            own, True for a bare encoder.
        attend_to_expansion_tokens: Let the encoder attend to them. None: the checkpoint's own, False for a bare
            encoder.
        skiplist_words: Document tokens that are not scored. None: the checkpoint's own, punctuation for a bare
            encoder.
        context_share: Give the encoder a layer more, which adds so much of its text's mean to each token embedding,
            before a projection. For those of BERT's kind that were trained to be pooled. With 1.0 nDCG@10
            of all-MiniLM-L6-v2 without a projection went from 0.566 to 0.606 on CoSQA's test queries, from 0.579 to
            0.627 on LiveQA-Med's, and from 0.707 to 0.697 on SciFact's (``docs/training.md``). None: none.
        device: ``"cpu"``, ``"cuda"`` and so on; the best there is where None.
        revision: A branch, tag or commit of the repository.
        token: An access token; the stored one where None.
        backend: What runs the encoder. ``"onnx"`` and ``"openvino"`` take a checkpoint, need libraries that do not go
            with the newest transformers (``docs/backends.md``), and compute in float32 in one process.
        trust_remote_code: Run code that the repository holds. Only for repositories you have read.

    Returns:
        A plain ``sentence_transformers.MultiVectorEncoder`` in evaluation mode.

    Raises:
        InvalidConfig: An argument contradicts the checkpoint or cannot work.
        InvalidFolder: The folder holds no model.
        RepoNotFound: There is neither a folder nor a repository of this name.
        HubUnreachable: The Hub cannot be reached and the model is not in its cache.
        NotAllowed: The repository is private or gated.

    Example:
        >>> model = ColBERT("lightonai/GTE-ModernColBERT-v1")  # doctest: +SKIP
        >>> query_embeddings = model.encode_query("does vitamin D prevent flu?")  # doctest: +SKIP
    """
    name = str(model_name_or_path)
    _check_counts(embedding_size=embedding_size, query_length=query_length, document_length=document_length)
    check_backend(backend)
    contents = look_at(name, revision, token)
    revision = contents.commit or revision
    hub_arguments: dict[str, Any] = {"revision": revision, "token": token, "trust_remote_code": trust_remote_code}
    model_kwargs: dict[str, Any] = {"dtype": torch.float32} if backend == "torch" else {}
    if contents.is_late_interaction:
        with readable(name), hub.translated(name, revision), contextlib.ExitStack() as stack:
            if contents.is_pylate_v1:
                name_to_load = str(stack.enter_context(repaired(name, revision, token)))
                hub_arguments |= {"revision": None}
            else:
                name_to_load = name
            model = MultiVectorEncoder(
                name_to_load, device=device, backend=backend, model_kwargs=model_kwargs, **hub_arguments
            )
        refuse_contradictions(
            model,
            name,
            embedding_size=None if embedding_size == "auto" else embedding_size,
            query_prefix=query_prefix,
            document_prefix=document_prefix,
        )
        append_context_layer(model[0], context_share)
        apply_overrides(
            model,
            query_length=query_length,
            document_length=document_length,
            query_expansion=query_expansion,
            attend_to_expansion_tokens=attend_to_expansion_tokens,
            skiplist_words=skiplist_words,
        )
    else:
        refuse_to_build(backend, name)
        with readable(name), hub.translated(name, revision):
            encoder = Transformer.load(
                name, subfolder=contents.encoder_path, model_kwargs=model_kwargs, **hub_arguments
            )
        ensure_pad_token(encoder)
        append_context_layer(encoder, context_share)
        _set_lengths(
            encoder,
            query_length or QUERY_LENGTH,
            document_length or DOCUMENT_LENGTH,
            expand=query_expansion is not False,
            attend=bool(attend_to_expansion_tokens),
        )
        model = assemble(
            encoder,
            embedding_size=EMBEDDING_SIZE if embedding_size == "auto" else embedding_size,
            query_prefix="[Q] " if query_prefix is None else query_prefix,
            document_prefix="[D] " if document_prefix is None else document_prefix,
            skiplist_words=list(string.punctuation) if skiplist_words is None else skiplist_words,
            device=device,
        )
    remember(model, place_of(name), contents.commit)
    model.eval()
    return model


def _check_counts(**counts: int | str | None) -> None:
    for argument, count in counts.items():
        if count in (None, "auto"):
            continue
        if not isinstance(count, int) or isinstance(count, bool) or count < 1:
            raise InvalidConfig(f"{argument} must be a whole number of 1 or more, got {count!r}.")


def _set_lengths(encoder: Transformer, query_length: int, document_length: int, *, expand: bool, attend: bool) -> None:
    check_lengths(encoder, query_length=query_length, document_length=document_length)
    encoder.document_length = document_length
    if expand:
        encoder.query_expansion = {"strategy": "fixed", "attend": attend, "length": query_length}
    elif attend:
        raise InvalidConfig("attend_to_expansion_tokens=True needs query expansion, got query_expansion=False.")
    else:
        encoder.query_length = query_length
