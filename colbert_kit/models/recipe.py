"""The ColBERT recipe on a bare encoder: markers, projection, mask, normalisation."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Normalize
from tokenizers import AddedToken

from colbert_kit.errors import InvalidConfig

__all__ = ["add_markers", "assemble", "check_lengths", "ensure_pad_token"]

logger = logging.getLogger(__name__)

PROJECTION_SEED = 42
"""The random projection is the same in every process, so that two people who skip training see the same numbers."""


def check_lengths(transformer: Transformer, **lengths: int | None) -> None:
    """Refuse lengths that the encoder has no positions for, and would only fail on once a text is that long.

    Raises:
        InvalidConfig: One is; the message names it.
    """
    longest = getattr(transformer.config, "max_position_embeddings", None)
    if not isinstance(longest, int) or longest < 1:
        return
    # RoBERTa and its kin count positions from the padding id on: of 514 rows 512 can be used.
    for name, module in getattr(transformer.model, "named_modules", list)():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            longest = min(longest, module.num_embeddings - module.padding_idx - 1)
    for argument, length in lengths.items():
        if length is not None and length > longest:
            raise InvalidConfig(f"{argument} is at most {longest} for this encoder, got {length}.")


def add_markers(transformer: Transformer, markers: Sequence[str]) -> None:
    """Make each marker one token of its own, with a new row in the embedding table.

    PyLate does the same; as plain text ``"[Q] "`` would become four tokens of which the skiplist drops two. The
    trailing space belongs to the token, so that what follows is tokenised as at the start of a text.

    Args:
        transformer: The encoder.
        markers: ``"[Q] "`` and ``"[D] "`` for instance; an empty one is no marker.
    """
    tokenizer: Any = transformer.tokenizer
    tokens = [AddedToken(marker, normalized=False, special=True) for marker in markers if marker]
    if tokenizer.add_tokens(tokens, special_tokens=True) == 0:
        return
    # A vocabulary padded for speed has room already, and must never shrink.
    table: Any = transformer.model.get_input_embeddings()
    if len(tokenizer) > table.num_embeddings:
        transformer.model.resize_token_embeddings(len(tokenizer))


def ensure_pad_token(transformer: Transformer) -> None:
    """Give a tokenizer without padding one: the end-of-text token.

    Raises:
        InvalidConfig: It has neither.
    """
    tokenizer: Any = transformer.tokenizer
    if tokenizer.pad_token is None:
        if tokenizer.eos_token is None:
            raise InvalidConfig("the tokenizer has neither a padding nor an end-of-text token; a batch needs one.")
        tokenizer.pad_token = tokenizer.eos_token


def assemble(
    transformer: Transformer,
    *,
    embedding_size: int | None,
    query_prefix: str,
    document_prefix: str,
    skiplist_words: Sequence[str],
    device: str | None,
) -> MultiVectorEncoder:
    """Build a model from an encoder whose lengths and expansion are set.

    Args:
        transformer: The encoder.
        embedding_size: Width of a token embedding; the encoder's own, without a projection, where None.
        query_prefix: The query marker.
        document_prefix: The document marker.
        skiplist_words: Tokens of documents that are not scored.
        device: Where the model goes.

    Returns:
        The model, reproducible: new weights come from a seed and leave the process's random state alone.
    """
    hidden_size = transformer.get_embedding_dimension()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(PROJECTION_SEED)
        add_markers(transformer, [query_prefix, document_prefix])
        modules: list[torch.nn.Module] = [transformer]
        if embedding_size is not None:
            modules.append(
                Dense(
                    hidden_size,
                    embedding_size,
                    bias=False,
                    activation_function=torch.nn.Identity(),
                    module_input_name="token_embeddings",
                )
            )
            logger.warning(
                "The projection from %d to %d dimensions is random: train the model before you trust its rankings.",
                hidden_size,
                embedding_size,
            )
    modules += [
        MultiVectorMask(skiplist_words=list(skiplist_words)),
        Normalize(module_input_name="token_embeddings"),
    ]
    prompts = {"query": query_prefix, "document": document_prefix}
    return MultiVectorEncoder(modules=modules, prompts=prompts, device=device)
