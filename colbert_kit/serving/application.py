"""The routes."""

from __future__ import annotations

import base64
import logging
import math
import secrets
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware

import colbert_kit
from colbert_kit import models
from colbert_kit.errors import ColbertKitError, InvalidData, InvalidInput
from colbert_kit.serving.bodies import (
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
from colbert_kit.serving.holder import Holder, NotReady
from colbert_kit.serving.limits import LimitBody

if TYPE_CHECKING:
    from colbert_kit import Hit, Searcher

__all__ = ["create_application"]

logger = logging.getLogger(__name__)

BEARER = HTTPBearer(auto_error=False)


def create_application(
    holder: Holder, *, token: str | None = None, max_body: int = 8 * 2**20, only_here: bool = True
) -> FastAPI:
    """The application around an index.

    Args:
        holder: The index.
        token: What requests must carry; none where None.
        max_body: Bytes of a request at most.
        only_here: Answer only to this machine's own names: no page of the web can then be made to ask in a visitor's
            browser (DNS rebinding).
    """
    app = FastAPI(
        title="colbert_kit",
        version=colbert_kit.__version__,
        description=f"Late-interaction search over {holder.name}.",
        dependencies=[Depends(_checker(token))],
    )
    app.add_middleware(LimitBody, max_body=max_body)
    if only_here:
        app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost", "[::1]"])
    _add_errors(app)
    _add_search(app, holder)
    _add_models(app, holder)
    return app


def _add_search(app: FastAPI, holder: Holder) -> None:
    @app.get("/health", response_model_exclude_none=True)
    def health() -> Health:
        """Whether the index is loaded, and what it is. Needs no token."""
        try:
            searcher = holder.searcher
        except NotReady:
            return Health(status="loading", index=holder.name)
        record = models.record_of(searcher.model)
        return Health(
            status="ready",
            index=holder.name,
            documents=len(searcher),
            dim=searcher.dim,
            nbits=searcher.nbits,
            bytes=searcher.num_bytes,
            model=record.id,
            model_revision=record.revision,
        )

    @app.post("/search", response_model_exclude_none=True)
    def search(request: SearchRequest) -> Found | FoundMany:
        """The documents that answer a query, or each of several."""
        options: dict[str, Any] = {"filters": request.filters, "subset": request.subset}
        with holder.computing() as searcher:
            if request.query is not None:
                seconds: dict[str, float] = {}
                hits = searcher.search(request.query, request.k, timings=seconds, **options)
                return Found(hits=_bodies(searcher, request.query, hits, request.explain), seconds=seconds)
            queries = request.queries or []
            found = searcher.search_many(queries, request.k, **options)
            bodies = [
                _bodies(searcher, query, hits, request.explain) for query, hits in zip(queries, found, strict=True)
            ]
        return FoundMany(results=[Found(hits=one) for one in bodies])


def _add_models(app: FastAPI, holder: Holder) -> None:
    @app.post("/rerank", response_model_exclude_none=True)
    def rerank(request: RerankRequest) -> Ranked:
        """Texts in the order in which they answer a query."""
        given = [(one, None) if isinstance(one, str) else (one.text, one.id) for one in request.documents]
        documents = [{"id": str(place), "text": text} for place, (text, _) in enumerate(given)]
        with holder.computing() as searcher:
            hits = searcher.rerank(request.query, documents, request.k)
        return Ranked(
            results=[
                RankedDocument(
                    index=int(hit.id), relevance_score=hit.score, id=given[int(hit.id)][1], document={"text": hit.text}
                )
                for hit in hits
            ]
        )

    @app.post("/v1/embeddings")
    def embeddings(request: EmbeddingsRequest) -> Embeddings:
        """The token embeddings of texts: several vectors for each."""
        texts = [request.input] if isinstance(request.input, str) else request.input
        encode = models.encode_queries if request.input_type == "query" else models.encode_documents
        with holder.computing() as searcher:
            found = [one for batch in encode(searcher.model, texts, dtype=searcher.dtype) for one in batch]
        return Embeddings(
            model=models.record_of(searcher.model).id,
            data=[
                Embedding(
                    index=place,
                    shape=one.shape,
                    embedding=(
                        base64.b64encode(one.astype("<f4").tobytes()).decode()
                        if request.encoding_format == "base64"
                        else one.tolist()
                    ),
                )
                for place, one in enumerate(found)
            ],
            usage={"total_tokens": sum(len(one) for one in found)},
        )


def _bodies(searcher: Searcher, query: str, hits: list[Hit], explain: bool) -> list[HitBody]:
    met = searcher.explain_many(query, hits) if explain else None
    return [
        HitBody(
            rank=hit.rank,
            id=hit.id,
            score=hit.score,
            text=hit.text,
            metadata={name: _speakable(value) for name, value in hit.metadata.items()},
            matches=None
            if met is None
            else [
                Match(query=one.query.token, document=one.document.token, similarity=one.similarity)
                for one in met[place]
            ],
        )
        for place, hit in enumerate(hits)
    ]


def _speakable(value: Any) -> Any:  # noqa: ANN401 - a column's value
    """JSON has no NaN and no infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _checker(token: str | None) -> Any:  # noqa: ANN401 - a dependency of FastAPI's
    def check(request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)]) -> None:
        if token is None or request.url.path == "/health":
            return
        if given is None or not secrets.compare_digest(given.credentials.encode(), token.encode()):
            raise HTTPException(401, "this index needs its token: 'Authorization: Bearer TOKEN'.")

    return check


def _add_errors(app: FastAPI) -> None:
    """Every error is ``{"error": {"message": ...}}``; a bug of ours leaves a traceback in the log."""

    @app.exception_handler(RequestValidationError)
    def malformed(_: Request, error: RequestValidationError) -> JSONResponse:
        said = "; ".join(f"{'.'.join(map(str, one['loc'][1:])) or 'body'}: {one['msg']}" for one in error.errors()[:3])
        return _error(422, said)

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> JSONResponse:
        return _error(
            error.status_code, str(error.detail), {"WWW-Authenticate": "Bearer"} if error.status_code == 401 else {}
        )

    @app.exception_handler(NotReady)
    def loading(_: Request, error: NotReady) -> JSONResponse:
        return _error(503, str(error), {"Retry-After": "1"})

    @app.exception_handler(ColbertKitError)
    def mistaken(_: Request, error: ColbertKitError) -> JSONResponse:
        return _error(400 if isinstance(error, InvalidInput | InvalidData) else 502, str(error))

    @app.exception_handler(Exception)
    def broken(_: Request, error: Exception) -> JSONResponse:
        logger.error("A request failed.", exc_info=error)
        return _error(500, "colbert_kit failed: see the server's log.")


def _error(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"message": message}}, status, headers)
