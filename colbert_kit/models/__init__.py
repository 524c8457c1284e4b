"""Late-interaction models: a factory of plain ``MultiVectorEncoder`` objects, and streaming, packed encoding."""

from colbert_kit.machine import cache_folder
from colbert_kit.models.candidates import encode_candidates
from colbert_kit.models.colbert import ColBERT
from colbert_kit.models.demo import (
    DEMO_ENCODER_ID,
    DEMO_MODEL_ID,
    demo_encoder_folder,
    demo_folder,
    load_demo,
    load_demo_encoder,
)
from colbert_kit.models.encode import encode_documents, encode_queries, encode_window, pool_tokens
from colbert_kit.models.identity import ModelRecord, fingerprint, published_as, record_of
from colbert_kit.models.inference import DType, choose_dtype, dtype_of, inference_model
from colbert_kit.models.prompts import compose_prompt, prompt_of
from colbert_kit.models.pulling import pull_model
from colbert_kit.models.pushing import push_to_hub
from colbert_kit.models.pylate_export import export_pylate
from colbert_kit.models.quiet import without_library_bars
from colbert_kit.models.recipe import check_lengths
from colbert_kit.models.scorers import load_scorer
from colbert_kit.models.spans import document_spans, query_spans

__all__ = [
    "DEMO_ENCODER_ID",
    "DEMO_MODEL_ID",
    "ColBERT",
    "DType",
    "ModelRecord",
    "cache_folder",
    "check_lengths",
    "choose_dtype",
    "compose_prompt",
    "demo_encoder_folder",
    "demo_folder",
    "document_spans",
    "dtype_of",
    "encode_candidates",
    "encode_documents",
    "encode_queries",
    "encode_window",
    "export_pylate",
    "fingerprint",
    "inference_model",
    "load_demo",
    "load_demo_encoder",
    "load_scorer",
    "pool_tokens",
    "prompt_of",
    "published_as",
    "pull_model",
    "push_to_hub",
    "query_spans",
    "record_of",
    "without_library_bars",
]
