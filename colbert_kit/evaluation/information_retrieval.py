"""Retrieval quality on queries, a corpus and judgements, while a model trains."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import torch
from sentence_transformers.multi_vector_encoder.evaluation import MultiVectorInformationRetrievalEvaluator
from sentence_transformers.util import maxsim as padded_maxsim
from torch import Tensor

from colbert_kit import data
from colbert_kit.errors import InvalidData
from colbert_kit.scores import PackedEmbeddings, maxsim

__all__ = ["InformationRetrievalEvaluator"]

QUERIES_AT_ONCE = 64


class InformationRetrievalEvaluator(MultiVectorInformationRetrievalEvaluator):
    """nDCG@10 and more by exact MaxSim over a corpus: sentence-transformers' evaluator with our scoring on a CPU.

    Its own pads chunks of the corpus; packed, nothing is computed for padding.

    Args:
        queries: Texts by query id.
        corpus: Texts by document id.
        relevant_docs: Ids of relevant documents by query id.
        options: As ``MultiVectorInformationRetrievalEvaluator``: ``name``, ``batch_size``, ``write_csv`` ...

    Raises:
        InvalidData: No query has a relevant document in the corpus.

    Example:
        >>> evaluator = InformationRetrievalEvaluator.from_beir("scifact", "test")  # doctest: +SKIP
        >>> evaluator(model)["scifact-test_maxsim_ndcg@10"]  # doctest: +SKIP
    """

    def __init__(
        self,
        queries: Mapping[str, str],
        corpus: Mapping[str, str],
        relevant_docs: Mapping[str, set[str]],
        **options: Any,  # noqa: ANN401 - theirs
    ) -> None:
        found = {query: {one for one in relevant if one in corpus} for query, relevant in relevant_docs.items()}
        found = {query: relevant for query, relevant in found.items() if relevant and query in queries}
        if not found:
            raise InvalidData("no query of the evaluation has a relevant document in its corpus.")
        options.setdefault("score_functions", {"maxsim": score})
        super().__init__(dict(queries), dict(corpus), found, **options)

    @classmethod
    def from_beir(cls, folder: str | Path, split: str = "dev", *, min_relevance: int = 1, **options: Any) -> Self:  # noqa: ANN401
        """Make one from a BEIR folder.

        Args:
            folder: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/SPLIT.tsv``.
            split: Whose judgements.
            min_relevance: A document of a lower grade is not relevant.
            options: As the class.

        Raises:
            InvalidInput: The folder lacks a file.
            InvalidData: A row cannot be read, or nothing is relevant.
        """
        qrels = data.read_qrels(folder, split)
        relevant = {
            query: {document for document, grade in grades.items() if grade >= min_relevance}
            for query, grades in qrels.items()
        }
        queries = {one: text for one, text in data.read_queries(folder).items() if relevant.get(one)}
        corpus = {document["id"]: document["text"] for document in data.read_corpus(folder)}
        return cls(queries, corpus, relevant, **{"name": f"{Path(folder).name}-{split}", **options})


def score(queries: list[Tensor], documents: list[Tensor]) -> Tensor:
    """MaxSim of ragged lists of ``(tokens, dim)``: ``(queries, documents)``, float32; packed on a CPU."""
    if documents[0].device.type != "cpu":
        return padded_maxsim(queries, documents)
    packed = _packed(documents)
    parts = [queries[start : start + QUERIES_AT_ONCE] for start in range(0, len(queries), QUERIES_AT_ONCE)]
    return torch.cat([torch.from_numpy(maxsim(_packed(part), packed)) for part in parts])


def _packed(embeddings: list[Tensor]) -> PackedEmbeddings:
    return PackedEmbeddings.pack([one.float().numpy() for one in embeddings])
