"""The routes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI
from fastapi.responses import Response
from fastapi.security import HTTPBearer

import colbert_kit
from colbert_kit import models
from colbert_kit.serving.bodies import (
    Answer,
    Embedding,
    Embeddings,
    EmbeddingsRequest,
    Found,
    FoundMany,
    Health,
    HitBody,
    Match,
    Ranked,
    RankedDocument,
    RerankRequest,
    SearchRequest,
)
from colbert_kit.serving.guard import Guard
from colbert_kit.serving.holder import Holder, NotReady
from colbert_kit.serving.refusals import add_errors

if TYPE_CHECKING:
    from colbert_kit import Hit, Searcher

__all__ = ["create_application"]


def create_application(holder: Holder, *, token: str | None, max_body: int, only_here: bool) -> FastAPI:
    """The application around an index.

    Args:
        holder: The index.
        token: As ``Guard``.
        max_body: As ``Guard``.
        only_here: As ``Guard``.
    """
    app = FastAPI(
        title="colbert_kit",
        version=colbert_kit.__version__,
        description=f"Late-interaction search over {holder.name}.",
        # The guard has looked at the token already: this tells /docs of it.
        dependencies=[] if token is None else [Depends(HTTPBearer(auto_error=False))],
        redoc_url=None,
    )
    app.add_middleware(Guard, token=token, max_body=max_body, only_here=only_here)
    add_errors(app)
    _add_search(app, holder)
    _add_models(app, holder)
    return app


def _add_search(app: FastAPI, holder: Holder) -> None:
    # With ``async``: it must not wait for a thread, of which searches may hold all.
    @app.get("/health", response_model=Health)
    async def health() -> Response:
        """Whether the index is loaded, and what it is. Needs no token."""
        try:
            searcher = holder.searcher
        except NotReady:
            return _answer(Health(status="loading", index=holder.name))
        return _answer(
            Health(
                status="ready",
                index=holder.name,
                generation=searcher.generation,
                documents=len(searcher),
                dim=searcher.dim,
                nbits=searcher.nbits,
                bytes=searcher.num_bytes,
                model=holder.model,
                model_revision=holder.model_revision,
                problem=holder.problem,
            )
        )

    @app.post("/search", response_model=Found | FoundMany)
    def search(request: SearchRequest) -> Response:
        """The documents that answer a query, or each of several."""
        options: dict[str, Any] = {
            "filters": request.filters,
            "subset": request.subset,
            "group_by": request.group_by,
        }
        with holder.computing() as searcher:
            if request.query is not None:
                seconds: dict[str, float] = {}
                hits = searcher.search(request.query, request.k, timings=seconds, **options)
                bodies = _bodies(searcher, request.query, hits, request.explain)
                return _answer(Found(hits=bodies, seconds=seconds, generation=searcher.generation))
            queries = request.queries or []
            found = searcher.search_many(queries, request.k, **options)
            results = [
                Found(hits=_bodies(searcher, query, hits, request.explain))
                for query, hits in zip(queries, found, strict=True)
            ]
        return _answer(FoundMany(results=results, generation=searcher.generation))


def _add_models(app: FastAPI, holder: Holder) -> None:
    @app.post("/rerank", response_model=Ranked)
    def rerank(request: RerankRequest) -> Response:
        """Texts in the order in which they answer a query."""
        given = [(one, None) if isinstance(one, str) else (one.text, one.id) for one in request.documents]
        documents = [{"id": str(place), "text": text} for place, (text, _) in enumerate(given)]
        with holder.computing() as searcher:
            hits = searcher.rerank(request.query, documents, request.k)
        results = [
            RankedDocument(
                index=int(hit.id), relevance_score=hit.score, id=given[int(hit.id)][1], document={"text": hit.text}
            )
            for hit in hits
        ]
        return _answer(Ranked(results=results))

    @app.post("/v1/embeddings", response_model=Embeddings)
    def embeddings(request: EmbeddingsRequest) -> Response:
        """The token embeddings of texts: several vectors for each."""
        texts = [request.input] if isinstance(request.input, str) else request.input
        encode = models.encode_queries if request.input_type == "query" else models.encode_documents
        with holder.computing() as searcher:
            found = [one for batch in encode(searcher.model, texts, dtype=searcher.dtype) for one in batch]
        packed = request.encoding_format == "base64"
        data = [
            Embedding(
                index=place,
                shape=one.shape,
                embedding=base64.b64encode(one.astype("<f4").tobytes()).decode() if packed else one.tolist(),
            )
            for place, one in enumerate(found)
        ]
        return _answer(Embeddings(model=holder.model, data=data, usage={"total_tokens": sum(map(len, found))}))


def _bodies(searcher: Searcher, query: str, hits: list[Hit], explain: bool) -> list[HitBody]:
    met = searcher.explain_many(query, hits) if explain else [None] * len(hits)
    return [
        HitBody(
            rank=hit.rank,
            id=hit.id,
            score=hit.score,
            text=hit.text,
            metadata=hit.metadata,
            matches=None
            if matches is None
            else [
                Match(query=one.query.token, document=one.document.token, similarity=one.similarity) for one in matches
            ],
        )
        for hit, matches in zip(hits, met, strict=True)
    ]


def _answer(answer: Answer) -> Response:
    """Written here, in the request's thread: FastAPI would write it where all requests are read."""
    return Response(answer.model_dump_json(exclude_none=True), media_type="application/json")
