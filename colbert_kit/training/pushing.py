"""Training rows as Parquet on the Hub: mined negatives, a teacher's scores, texts by id."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from colbert_kit import hub, models
from colbert_kit.errors import InvalidConfig, InvalidData, RepoNotFound

__all__ = ["push_rows"]

TAGS = ("late-interaction", "colbert", "retrieval", "colbert-kit")
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,95}")
FILE_BYTES = 500_000_000
"""What ``datasets`` takes for the size of a file."""


def push_rows(
    rows: Dataset | Iterable[Mapping[str, Any]],
    repo_id: str,
    *,
    name: str = "default",
    split: str = "train",
    private: bool = True,
    token: str | None = None,
    license: str | None = None,
    language: str | Sequence[str] | None = None,
) -> hub.Pushed:
    """Push rows as one split of one configuration of a Hub data set, in one commit; the others stay.

    What ``mine_hard_negatives``, ``score_with_teacher`` and ``load_rows`` give is read back by a ``DataSource``. Rows
    of ids and scores go with two more configurations of the repository, for the texts of queries and documents.

    Args:
        rows: The rows.
        repo_id: ``"me/rows"``; made where there is none.
        name: The configuration, ``"mined"`` for instance.
        split: The split; one of this name is replaced.
        private: Make the repository private. One that is there keeps what it is, and a public one is only pushed to
            with False.
        token: An access token; the stored one where None.
        license: By the Hub's names; what the card says already where None.
        language: ``"en"``; what the card says already where None.

    Returns:
        The commit, for ``DataSource(path=repo_id, name=name, revision=...)``.

    Raises:
        InvalidData: There are no rows, or their values have no common type.
        InvalidConfig: ``name`` or ``split`` cannot be.
        InvalidInput: The repository is public, or the Hub refuses the card.
        NotAllowed: The token is missing, or may not write there.
        HubConflict: Somebody else has changed the repository meanwhile.
        HubUnreachable: The Hub cannot be reached, or the connection was cut; call again.

    Example:
        >>> mined = mine_hard_negatives(model, pairs, corpus)  # doctest: +SKIP
        >>> pushed = push_rows(mined, "me/rows", name="mined")  # doctest: +SKIP
        >>> source = DataSource(path="me/rows", name="mined", revision=pushed.revision)  # doctest: +SKIP
    """
    for argument, value in (("name", name), ("split", split)):
        if not NAME.fullmatch(value):
            raise InvalidConfig(f"{argument} must be made of letters, digits, '_', '-' and '.', got {value!r}.")
    with tempfile.TemporaryDirectory(prefix="colbert-kit-push-") as temporary, models.without_library_bars():
        dataset = _dataset(rows)
        files = _write(dataset, Path(temporary), f"{name}/{split}")
        head, known = _head(repo_id, token)
        config = {"config_name": name, "data_files": [{"split": split, "path": f"{name}/{split}-*.parquet"}]}
        return hub.push_folder(
            repo_id,
            {**files, "README.md": _card(known, repo_id, config, license, language).encode()},
            message=f"{len(dataset)} rows of {name}",
            repo_type="dataset",
            private=private,
            token=token,
            owned=[f"{name}/{split}-*.parquet"],
            parent=head,
        )


def _dataset(rows: Dataset | Iterable[Mapping[str, Any]]) -> Dataset:
    # One that looks its texts up when a row is read is written with what it holds then.
    if not isinstance(rows, Dataset) or rows.format["type"] == "custom":
        try:
            rows = Dataset.from_list([dict(row) for row in rows])
        except (TypeError, ValueError) as error:  # pyarrow's errors are these too
            raise InvalidData(f"the rows cannot share columns: {error}.") from error
    if not len(rows):
        raise InvalidData("there are no rows to push.")
    return rows


def _write(dataset: Dataset, folder: Path, stem: str) -> dict[str, Path | bytes]:
    size = dataset.data.nbytes * len(dataset) // max(len(dataset.data), 1)
    count = max(1, -(-size // FILE_BYTES))
    files: dict[str, Path | bytes] = {}
    for number in range(count):
        path = folder / f"{number}.parquet"
        dataset.shard(count, number, contiguous=True).to_parquet(path)
        files[f"{stem}-{number:05d}-of-{count:05d}.parquet"] = path
    return files


def _card(
    known: str, repo_id: str, config: dict[str, Any], license: str | None, language: str | Sequence[str] | None
) -> str:
    """The card that is there with this configuration in it, or a new one."""
    metadata, body = hub.read_card(known)
    configs = {str(one.get("config_name")): one for one in metadata.get("configs") or [] if isinstance(one, dict)}
    name, [file] = config["config_name"], config["data_files"]
    others = configs.get(name, {}).get("data_files") or []
    splits = [one for one in others if isinstance(one, dict) and one.get("split") != file["split"]]
    configs[name] = {**configs.get(name, {}), "config_name": name, "data_files": [*splits, file]}
    languages = [language] if isinstance(language, str) else list(language or ())
    # What other tools have counted there is not counted anew.
    metadata.pop("dataset_info", None)
    metadata |= {
        "configs": list(configs.values()),
        "license": license or metadata.get("license"),
        "language": languages or metadata.get("language"),
        "task_categories": metadata.get("task_categories") or ["text-retrieval"],
        "tags": list(dict.fromkeys([*(metadata.get("tags") or []), *TAGS])),
    }
    return hub.make_card(metadata, body or _body(repo_id, name))


def _body(repo_id: str, name: str) -> str:
    return f"""# {repo_id.partition("/")[2]}

Rows to train late-interaction (ColBERT) models on. Each configuration is a training set, or texts that another one
names by their ids.

```python
from colbert_kit import training

source = training.DataSource(path="{repo_id}", name="{name}", revision="...")  # a commit, so that runs can be repeated
config = training.TrainingConfig(model="bert-base-uncased", train=source)
```

`datasets.load_dataset("{repo_id}", "{name}")` loads them too.
"""


def _head(repo_id: str, token: str | None) -> tuple[str | None, str]:
    """The repository's newest commit and its card; neither where there is none."""
    try:
        head = hub.resolve_revision(repo_id, repo_type="dataset", token=token)
    except RepoNotFound:
        return None, ""
    path = hub.find_file(repo_id, "README.md", repo_type="dataset", revision=head, token=token)
    return head, path.read_text(encoding="utf-8") if path is not None else ""
