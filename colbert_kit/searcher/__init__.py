"""``Searcher``: one folder with index, documents and the name of the model; text in, hits out."""

from colbert_kit.searcher.downloads import pull_index
from colbert_kit.searcher.hits import Hit
from colbert_kit.searcher.pushing import preview_card
from colbert_kit.searcher.reranking import rerank_texts
from colbert_kit.searcher.searcher import Searcher

__all__ = ["Hit", "Searcher", "preview_card", "pull_index", "rerank_texts"]
