"""An index over HTTP, without a page: search, rerank, embeddings."""

from colbert_kit.serving.running import serve_index

__all__ = ["serve_index"]
