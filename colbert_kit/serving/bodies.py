"""What requests and answers look like; the reference at ``/docs`` is made of it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

__all__ = [
    "Answer",
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
MAX_EXPLAINED = 1000
"""Hits of a request that are explained: each is tokenised again."""
MAX_CHARACTERS = 100_000
"""Of a text. Models cut texts at some hundred tokens; what is longer only costs time to tokenise."""


def _filters_or_told(value: object, handler: ValidatorFunctionWrapHandler) -> object:
    try:
        return handler(value)
    except ValidationError as error:
        if any(one["type"] == "string_unicode" for one in error.errors()):
            raise ValueError("half of a surrogate pair is no character; send Unicode text") from error
        raise ValueError(
            'give conditions that all must hold, [["year", ">=", 2010]], or a list of such lists, one of which must'
        ) from error


# Of a string without a limit pydantic does not look at the characters.
String = Annotated[str, Field(max_length=MAX_CHARACTERS)]
Text = Annotated[String, Field(min_length=1)]
Value = bool | int | float | String
Condition = tuple[String, String, Value | list[Value]]
Filters = Annotated[list[Condition] | list[list[Condition]], WrapValidator(_filters_or_told)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Answer(BaseModel):
    """JSON has no NaN and no infinity: they are null."""

    model_config = ConfigDict(ser_json_inf_nan="null", ser_json_bytes="base64")


class SearchRequest(_Request):
    """One query, or several."""

    query: Text | None = Field(default=None, examples=["what makes the tides?"])
    queries: Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)] | None = None
    # Strict, for true would be 1.
    k: int = Field(default=10, strict=True, ge=1, le=MAX_K, description="Hits at most.")
    filters: Filters | None = Field(
        default=None,
        description="[column, operator, value], all of which must hold; or a list of such lists, one of which must.",
        examples=[[["year", ">=", 2010]]],
    )
    subset: list[String] | None = Field(default=None, description="Ids among which to search.")
    group_by: String | None = Field(default=None, description="A column of which each value is found once.")
    explain: bool = Field(default=False, strict=True, description="Say which token of the query met which of each hit.")

    @model_validator(mode="after")
    def _one_of_the_two(self) -> Self:
        if (self.query is None) == (self.queries is None):
            raise ValueError("give either query or queries")
        if self.explain and self.k * len(self.queries or [self.query]) > MAX_EXPLAINED:
            raise ValueError(
                f"at most {MAX_EXPLAINED:,} hits are explained at once; ask for fewer queries or a lower k"
            )
        return self


class Match(Answer):
    """The document token that a query token met."""

    query: str
    document: str
    similarity: float


class HitBody(Answer):
    """A document that was found."""

    rank: int
    id: str
    score: float
    text: str
    metadata: dict[str, Any]
    matches: list[Match] | None = None


class Found(Answer):
    """The hits of a query, best first."""

    hits: list[HitBody]
    seconds: dict[str, float] | None = Field(default=None, description="Of each stage; of a single query alone.")
    generation: int | None = Field(default=None, description="As /health; of a single query alone.")


class FoundMany(Answer):
    """The hits of several queries, in their order."""

    results: list[Found]
    generation: int = Field(description="As /health; all of an answer is of one.")


class Candidate(_Request):
    """A text to be ranked."""

    text: Text
    id: String | None = None


class RerankRequest(_Request):
    """A query and what to rank for it."""

    query: Text
    documents: list[Text | Candidate] = Field(min_length=1, max_length=MAX_CANDIDATES)
    k: int | None = Field(
        default=None,
        strict=True,
        ge=1,
        description="Results at most; top_n means the same.",
        validation_alias=AliasChoices("k", "top_n"),
    )
    model: String | None = Field(default=None, description="Taken and ignored: there is one model.")


class RankedDocument(Answer):
    """A candidate in its place."""

    index: int = Field(description="Its place among the documents, from 0.")
    relevance_score: float = Field(description="MaxSim; not between 0 and 1.")
    id: str | None = None
    document: dict[str, str]


class Ranked(Answer):
    """The candidates, best first."""

    results: list[RankedDocument]


class EmbeddingsRequest(_Request):
    """Texts to encode."""

    input: Text | Annotated[list[Text], Field(min_length=1, max_length=MAX_TEXTS)]
    input_type: Literal["query", "document"] = Field(
        description="Needed: the model encodes the two differently, and the wrong one is not seen by looking at it."
    )
    encoding_format: Literal["float", "base64"] = "float"
    model: String | None = Field(default=None, description="Taken and ignored: there is one model.")


class Embedding(Answer):
    """The token embeddings of a text."""

    object: Literal["embedding"] = "embedding"
    index: int
    shape: tuple[int, int] = Field(description="Tokens and dimensions.")
    embedding: list[list[float]] | str = Field(description="A row a token; base64: float32, little-endian, row by row.")


class Embeddings(Answer):
    """As OpenAI's, but with several vectors a text."""

    object: Literal["list"] = "list"
    model: str
    data: list[Embedding]
    usage: dict[str, int] = Field(description="Token embeddings that were made.")


class Health(Answer):
    """Whether there is something to ask, and what."""

    status: Literal["loading", "ready"]
    index: str
    generation: int | None = Field(default=None, description="Grows with each commit to the index.")
    documents: int | None = None
    dim: int | None = None
    nbits: int | None = None
    bytes: int | None = None
    model: str | None = None
    model_revision: str | None = None
    problem: str | None = Field(default=None, description="Why what is answered is not the newest.")
