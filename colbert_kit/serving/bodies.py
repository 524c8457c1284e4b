"""What requests and answers look like; the reference at ``/docs`` is made of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, model_validator

__all__ = [
    "Embedding",
    "Embeddings",
    "EmbeddingsRequest",
    "Found",
    "FoundMany",
    "Health",
    "HitBody",
    "Match",
    "Ranked",
    "RankedDocument",
    "RerankRequest",
    "SearchRequest",
]

MAX_TEXTS = 256
MAX_CANDIDATES = 1000
MAX_K = 1000

Text = Annotated[str, Field(min_length=1)]
Condition = tuple[str, str, Any]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class SearchRequest(_Request):
    """One query, or several."""

    query: Text | None = Field(default=None, examples=["what makes the tides?"])
    queries: Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)] | None = None
    k: int = Field(default=10, ge=1, le=MAX_K, description="Hits at most.")
    filters: list[Condition] | list[list[Condition]] | None = Field(
        default=None,
        description="[column, operator, value], all of which must hold; or a list of such lists, one of which must.",
        examples=[[["year", ">=", 2010]]],
    )
    subset: list[str] | None = Field(default=None, description="Ids among which to search.")
    explain: bool = Field(default=False, description="Say which token of the query met which of each hit.")

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.query is None) == (self.queries is None):
            raise ValueError("give either query or queries")
        return self


class Match(BaseModel):
    """The document token that a query token met."""

    query: str
    document: str
    similarity: float


class HitBody(BaseModel):
    """A document that was found."""

    rank: int
    id: str
    score: float
    text: str
    metadata: dict[str, Any]
    matches: list[Match] | None = None


class Found(BaseModel):
    """The hits of a query, best first."""

    hits: list[HitBody]
    seconds: dict[str, float] | None = Field(default=None, description="Of each stage; of a single query alone.")


class FoundMany(BaseModel):
    """The hits of several queries, in their order."""

    results: list[Found]


class Candidate(_Request):
    """A text to be ranked."""

    text: Text
    id: str | None = None


class RerankRequest(_Request):
    """A query and what to rank for it."""

    query: Text
    documents: list[Text | Candidate] = Field(min_length=1, max_length=MAX_CANDIDATES)
    k: int | None = Field(
        default=None,
        ge=1,
        description="Results at most; top_n means the same.",
        validation_alias=AliasChoices("k", "top_n"),
    )
    model: str | None = Field(default=None, description="Taken and ignored: there is one model.")


class RankedDocument(BaseModel):
    """A candidate in its place."""

    index: int = Field(description="Its place among the documents, from 0.")
    relevance_score: float = Field(description="MaxSim; not between 0 and 1.")
    id: str | None = None
    document: dict[str, str]


class Ranked(BaseModel):
    """The candidates, best first."""

    results: list[RankedDocument]


class EmbeddingsRequest(_Request):
    """Texts to encode."""

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]
    input_type: Literal["query", "document"] = "query"
    encoding_format: Literal["float", "base64"] = "float"
    model: str | None = Field(default=None, description="Taken and ignored: there is one model.")


class Embedding(BaseModel):
    """The token embeddings of a text."""

    object: Literal["embedding"] = "embedding"
    index: int
    shape: tuple[int, int] = Field(description="Tokens and dimensions.")
    embedding: list[list[float]] | str = Field(description="A row a token; base64: float32, little-endian, row by row.")


class Embeddings(BaseModel):
    """As OpenAI's, but with several vectors a text."""

    object: Literal["list"] = "list"
    model: str
    data: list[Embedding]
    usage: dict[str, int] = Field(description="Token embeddings that were made.")


class Health(BaseModel):
    """Whether there is something to ask, and what."""

    status: Literal["loading", "ready"]
    index: str
    documents: int | None = None
    dim: int | None = None
    nbits: int | None = None
    bytes: int | None = None
    model: str | None = None
    model_revision: str | None = None
