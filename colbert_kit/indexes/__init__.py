"""Indexes: token embeddings in, rankings of ids out. They know nothing of texts or models."""

from colbert_kit.indexes.codec import TRAINING as CODEC_TRAINING
from colbert_kit.indexes.exact import Exact
from colbert_kit.indexes.ids import Rows, check_ids
from colbert_kit.indexes.plaid import PLAID
from colbert_kit.indexes.probing import SearchConfig
from colbert_kit.indexes.reader import IndexReader
from colbert_kit.indexes.section import EXACT_BELOW, IndexSection, stage_search
from colbert_kit.indexes.staging import (
    compress_if_due,
    stage_compaction,
    stage_documents_embeddings,
    stage_index_copy,
    stage_removal,
    too_many_removed,
)

__all__ = [
    "CODEC_TRAINING",
    "EXACT_BELOW",
    "PLAID",
    "Exact",
    "IndexReader",
    "IndexSection",
    "Rows",
    "SearchConfig",
    "check_ids",
    "compress_if_due",
    "stage_compaction",
    "stage_documents_embeddings",
    "stage_index_copy",
    "stage_removal",
    "stage_search",
    "too_many_removed",
]
