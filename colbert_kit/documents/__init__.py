"""The texts and metadata behind an index, in Parquet files that the Hub's viewer shows."""

from colbert_kit.documents.columns import ColumnSummary
from colbert_kit.documents.compaction import (
    stage_documents_compaction,
    stage_documents_copy,
    stage_documents_merge,
)
from colbert_kit.documents.filters import Filters, parse_filter
from colbert_kit.documents.schema import RESERVED_COLUMNS, check_document, type_in_words
from colbert_kit.documents.store import Documents, stage_documents
from colbert_kit.documents.texts import Fetch

__all__ = [
    "RESERVED_COLUMNS",
    "ColumnSummary",
    "Documents",
    "Fetch",
    "Filters",
    "check_document",
    "parse_filter",
    "stage_documents",
    "stage_documents_compaction",
    "stage_documents_copy",
    "stage_documents_merge",
    "type_in_words",
]
