"""BM25 over the texts of an index. Robertson & Zaragoza, "The Probabilistic Relevance Framework", 2009."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colbert_kit import Searcher

__all__ = ["Lexical"]

WORD = re.compile(r"\w+")


class Lexical:
    """BM25 over the documents that a searcher had when this was made; English stop words and stems.

    Args:
        searcher: The searcher.
    """

    def __init__(self, searcher: Searcher) -> None:
        import bm25s

        self.content = searcher.content_digest
        self._ids: list[str] = []
        texts: list[str] = []
        for document in searcher.documents():
            self._ids.append(document["id"])
            texts.append(document["text"])
        self._rows = {one: row for row, one in enumerate(self._ids)}
        tokens = self._tokenize(texts)
        # k1 0.9 and b 0.4 are Anserini's defaults, with which SciFact gives 0.676 nDCG@10.
        self._bm25: Any = bm25s.BM25(k1=0.9, b=0.4) if any(tokens) else None
        if self._bm25 is not None:
            self._bm25.index(tokens, show_progress=False)

    def rank(self, query: str, k: int, allowed: Collection[str] | None = None) -> list[tuple[str, float]]:
        """Ids and scores, best first, ties by id; only documents that have a word of the query.

        Args:
            query: The query.
            k: Documents at most.
            allowed: Ids that may be found; all where None.
        """
        scores = self._scores(query)
        found = [(self._ids[row], float(scores[row])) for row in scores.nonzero()[0].tolist()]
        if allowed is not None:
            allowed = set(allowed)
            found = [one for one in found if one[0] in allowed]
        return sorted(found, key=lambda one: (-one[1], one[0]))[:k]

    def explain(self, query: str, document_ids: Collection[str]) -> dict[str, list[tuple[str, float]]]:
        """For each document what each word of the query adds to its score; words that add nothing are left out."""
        added: dict[str, list[tuple[str, float]]] = {one: [] for one in document_ids}
        for word in dict.fromkeys(WORD.findall(query)):
            scores = self._scores(word)
            for one, words in added.items():
                if (score := float(scores[self._rows[one]])) > 0:
                    words.append((word, score))
        return added

    def _scores(self, query: str) -> Any:  # noqa: ANN401 - a NumPy array, (num_documents,)
        import numpy as np

        [tokens] = self._tokenize([query])
        known = [token for token in tokens if self._bm25 is not None and token in self._bm25.vocab_dict]
        return self._bm25.get_scores(known) if known else np.zeros(len(self._ids), np.float32)

    def _tokenize(self, texts: list[str]) -> list[list[str]]:
        import bm25s
        import Stemmer

        # A stemmer keeps state, and threads share this object.
        stemmer = Stemmer.Stemmer("english")
        tokens: list[list[str]] = bm25s.tokenize(
            texts, stopwords="en", stemmer=stemmer, show_progress=False, return_ids=False
        )
        return tokens
