"""Datasets of the Hub, with our errors."""

from __future__ import annotations

from typing import Any

from colbert_kit import hub
from colbert_kit.errors import InvalidInput

__all__ = ["load_hub_dataset"]


def load_hub_dataset(
    repo_id: str, *, config: str | None, split: str, revision: str | None, streaming: bool = False
) -> Any:  # noqa: ANN401 - a Dataset, or where it streams an IterableDataset
    """One split of a Hub dataset.

    Args:
        repo_id: ``"sentence-transformers/msmarco-bm25"``.
        config: Its configuration; the only one where None.
        split: ``"train"``.
        revision: A branch, tag or commit.
        streaming: Read rows as they are asked for, in place of downloading them all first.

    Raises:
        InvalidInput: There is no such dataset, configuration or split.
        HubUnreachable: The Hub cannot be reached and the dataset is not in its cache.
        NotAllowed: It is private or gated.
    """
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    with hub.translated(repo_id, revision):
        try:
            return load_dataset(repo_id, config, split=split, revision=revision, streaming=streaming)
        except DatasetNotFoundError as error:
            if isinstance(error.__cause__ or error.__context__, ConnectionError):
                raise ConnectionError(str(error)) from error
            raise InvalidInput(f"there is no file, folder or Hub dataset {repo_id!r}.") from error
        except ValueError as error:
            raise InvalidInput(f"the dataset {repo_id!r} cannot be read: {error}") from error
