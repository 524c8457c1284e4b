"""Indexes: token embeddings in, rankings of ids out. They know nothing of texts or models."""

from colbert_kit.indexes.exact import Exact
from colbert_kit.indexes.ids import check_ids
from colbert_kit.indexes.segments import EMPTY_SECTION, SegmentReader, stage_removal, stage_segment

__all__ = ["EMPTY_SECTION", "Exact", "SegmentReader", "check_ids", "stage_removal", "stage_segment"]
