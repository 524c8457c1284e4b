"""Parts of a training run's config: where rows and teachers come from, adapters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from colbert_kit.errors import InvalidConfig

__all__ = ["DataSource", "LoRA", "Settings", "TeacherSource", "as_source", "as_sources"]


class Settings(BaseModel):
    """Frozen, without unknown keys, with one-line errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    if not TYPE_CHECKING:

        def __init__(self, **values: Any) -> None:  # noqa: ANN401 - checked by pydantic
            try:
                super().__init__(**values)
            except ValidationError as error:
                raise InvalidConfig(_in_words(error, type(self))) from None


class DataSource(Settings):
    """Where rows come from. A string stands for ``DataSource(path=...)``.

    Example:
        >>> DataSource(path="lightonai/ms-marco-en-bge", name="train", limit=1000).limit
        1000
    """

    path: str
    """A file (.jsonl, .csv, .tsv, .parquet, the first three also .gz), a folder of .parquet files, a Hub dataset, or,
    for evaluation, a BEIR folder."""
    name: str | None = None
    """The configuration of a Hub dataset."""
    split: str | None = None
    """The split of a Hub dataset, ``train`` where None; of a BEIR folder, ``dev`` where None."""
    revision: str | None = None
    """The branch, tag or commit of a Hub dataset; a commit makes the run repeatable."""
    columns: dict[str, str] = {}
    """New names of columns, ``{"title": "query"}``; those not named keep theirs."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Rows at most, the first ones; None takes all."""
    queries: Annotated[DataSource | None, BeforeValidator(lambda value: as_source(value))] = None
    """``query_id`` and ``text``, where the rows hold ids and a teacher's scores."""
    documents: Annotated[DataSource | None, BeforeValidator(lambda value: as_source(value))] = None
    """``document_id`` and ``text``; alike."""

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.queries is None) != (self.documents is None):
            raise ValueError("queries and documents belong together: rows of ids need both, rows of texts neither")
        return self


def as_source(value: Any) -> Any:  # noqa: ANN401 - what stands in a file
    """A path alone stands for a source of that path."""
    return {"path": str(value)} if isinstance(value, str | Path) else value


class TeacherSource(Settings):
    """A model to learn embeddings from. A string stands for ``TeacherSource(path=...)``."""

    path: str
    """A folder or Hub repository: a late-interaction checkpoint, or an encoder with its own token embeddings; as
    ``pooled_teacher`` a dense model."""
    revision: str | None = None
    """The branch, tag or commit of ``path``."""
    weight: float = Field(default=1.0, gt=0)
    """Of its similarities, where there are several teachers."""


def as_sources(value: Any) -> Any:  # noqa: ANN401 - what stands in a file
    """One source alone stands for a list of it."""
    return tuple(as_source(one) for one in (value if isinstance(value, list | tuple) else [value]))


class LoRA(Settings):
    """Low-rank adapters (Hu et al., 2021): few weights are trained, and merged into the model at the end."""

    rank: int = Field(default=32, ge=1)
    """Width of an adapter. 16 to 64 is usual; weights trained grow with it."""
    alpha: int = Field(default=64, ge=1)
    """Adapters are scaled by ``alpha / rank``."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Of an adapter's input."""
    targets: tuple[str, ...] | None = None
    """Names of linear layers; all of the encoder where None."""


def _in_words(error: ValidationError, settings: type[BaseModel]) -> str:
    """All that is wrong, in one line."""
    found = []
    for one in error.errors():
        name = ".".join(map(str, one["loc"]))
        if one["type"] == "extra_forbidden":
            found.append(f"{name} is no setting of {settings.__name__}")
        elif one["type"] == "missing":
            found.append(f"{name} is needed")
        elif one["type"] == "value_error" or not name:
            said = str(one["msg"]).removeprefix("Value error, ").rstrip(".")
            found.append(f"{name}: {said}" if name else said)
        else:
            found.append(f"{name}: {one['msg'].lower()}, got {one['input']!r}")
    allowed = ""
    if any(one["type"] == "extra_forbidden" for one in error.errors()):
        allowed = f" There are: {', '.join(settings.model_fields)}."
    return "; ".join(dict.fromkeys(found)) + "." + allowed
