"""What the train panel starts: ``python -m colbert_kit.app.training_job look|examine|train PLAN``.

Processes of their own, so that the page loads no torch, a model too large for the machine ends nothing else, and the
token of one visitor is never in reach of another's work. What came of it is said as ``runners.reporting`` does.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colbert_kit import runners
from colbert_kit.app.training_data import columns_of
from colbert_kit.errors import InvalidInput

if TYPE_CHECKING:
    from sentence_transformers import MultiVectorEncoder

    from colbert_kit.training import TrainingConfig

__all__ = ["main"]

PREVIEWED = 10
SAMPLED = 2000
"""Rows of a Hub dataset that are looked at before the launch; the job reads them all."""
CHARACTERS_SHOWN = 1200
MAX_TEXTS = 12

Plan = dict[str, Any]


def main() -> None:
    """Do what is asked, and say so."""
    what, text = sys.argv[1:]
    with runners.reporting() as report:
        {"look": _look, "examine": _examine, "train": _train}[what](json.loads(text), report)


def _look(plan: Plan, report: runners.Report) -> None:
    report.result(kinds=columns_of(_streamed(plan)))


def _examine(plan: Plan, report: runners.Report) -> None:
    """Rows as the model will see them, and what ``doctor`` finds; with it the config, and for the Hub the job."""
    from colbert_kit import models, training

    _end_first()
    values = dict(plan["values"])
    if values["model"] == "demo":
        if plan["push_to"]:
            raise InvalidInput("the demo model is on this machine only; for the Hub choose a model of the Hub.")
        values["model"] = str(models.demo_folder())
    columns = _renamed(plan)
    config = _config({**values, "train": [{**plan["train"], "columns": columns}]})
    with tempfile.TemporaryDirectory(prefix="colbert-kit-examine-") as folder:
        looked_at = _to_look_at(plan, values, columns, Path(folder))
        findings = training.examine_config(looked_at)
        model = models.ColBERT(config.model, device="cpu")
        rows = training.load_rows(looked_at.train[0])
        shown = [_seen(model, row) for row in itertools.islice(rows, PREVIEWED)]
        config.to_file(Path(folder) / "config.yaml")
        text = (Path(folder) / "config.yaml").read_text(encoding="utf-8")
        num_rows = len(rows)
    report.result(
        yaml=text,
        config=config.model_dump_json(exclude_defaults=True),
        findings=[{"level": one.level, "message": one.message} for one in findings],
        rows=shown,
        num_rows=num_rows,
        spec=_spec_at_hub(config, plan["push_to"]) if plan["push_to"] else None,
    )


def _train(plan: Plan, report: runners.Report) -> None:
    from colbert_kit import training

    config = _config(plan)
    if not training.is_finished(config):
        training.train(config, on_progress=report.progress)
    trained = json.loads((config.folder / "training_result.json").read_text(encoding="utf-8"))
    figures = {name: trained[name] for name in ("steps", "best_step", "metric", "start", "best")}
    report.result(folder=str(config.folder), **figures)


def _config(values: Mapping[str, Any]) -> TrainingConfig:
    from colbert_kit import training

    return training.TrainingConfig(**values)


def _to_look_at(plan: Plan, values: Plan, columns: dict[str, str], folder: Path) -> TrainingConfig:
    """The config over what is here: the file, or the first rows of a dataset."""
    if plan["file"]:
        # The upload, which at the Hub will be a repository's; here also where it is trained.
        output = {} if not plan["push_to"] else {"output_dir": str(folder / "model")}
        return _config({**values, **output, "train": [{"path": plan["file"], "columns": columns}]})
    sample = folder / "sample.jsonl"
    with sample.open("w", encoding="utf-8") as file:
        for row in itertools.islice(_streamed(plan), SAMPLED):
            file.write(json.dumps(row, default=str) + "\n")
    output_dir = str(folder / "model")
    return _config({**values, "output_dir": output_dir, "train": [{"path": str(sample), "columns": columns}]})


def _streamed(plan: Plan) -> Any:  # noqa: ANN401 - rows of any columns
    from colbert_kit import data, hub

    source = plan["train"]
    with hub.translated(source["path"]):
        yield from data.load_hub_dataset(
            source["path"], config=source.get("name"), split=source.get("split", "train"), revision=None, streaming=True
        )


def _renamed(plan: Plan) -> dict[str, str]:
    """New names of columns: what their roles are called, and of those left out what says nothing."""
    from colbert_kit import training

    roles, kinds = plan["roles"], dict(plan["kinds"])
    is_list = kinds.get(roles["positive"]) == "list"
    scored = plan["values"]["loss"] in ("distillation", "margin_mse")
    names = {roles["query"]: "query", roles["positive"]: "positive"}
    if is_list:
        # A teacher scores all documents of a query; without one, a row is made for each that answers it.
        names[roles["positive"]] = "documents" if scored else "positives"
    negatives = roles["negatives"]
    if len(negatives) == 1 and kinds.get(negatives[0]) == "list":
        names[negatives[0]] = "negatives"
    else:
        names |= {name: f"negative_{number}" for number, name in enumerate(negatives, start=1)}
    if roles["scores"]:
        names[roles["scores"]] = "scores" if kinds.get(roles["scores"]) == "list" else "score"
    others = [name for name in kinds if name not in names and training.is_role(name)]
    names |= {name: f"left_out_{number}" for number, name in enumerate(others, start=1)}
    return {old: new for old, new in names.items() if old != new}


def _seen(model: MultiVectorEncoder, row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The texts of a row, each with its marker and what is cut; scores as they are."""
    from colbert_kit import training

    columns = training.unfolded(row)
    texts = training.text_columns(columns)
    shown: list[dict[str, Any]] = []
    for place, name in enumerate(texts[:MAX_TEXTS]):
        if columns[name] is not None:
            shown.append({"column": name, **_as_seen(model, str(columns[name]), is_query=place == 0)})
    labels = [{"column": name, "value": str(value)[:200]} for name, value in columns.items() if name not in texts]
    return shown + labels


def _as_seen(model: MultiVectorEncoder, text: str, *, is_query: bool) -> dict[str, Any]:
    from colbert_kit import models

    spans = models.query_spans(model, text) if is_query else models.document_spans(model, text)
    stop = max((span.stop for span in spans), default=0)
    if not re.search(r"\w", text[stop:]):
        # Punctuation at the end is read, though it is not scored.
        stop = len(text)
    return {
        "marker": models.prompt_of(model, "query" if is_query else "document").strip(),
        "seen": text[:stop][:CHARACTERS_SHOWN],
        "cut": text[stop:][:CHARACTERS_SHOWN],
        "more": max(0, stop - CHARACTERS_SHOWN) + max(0, len(text) - stop - CHARACTERS_SHOWN),
    }


def _spec_at_hub(config: TrainingConfig, push_to: str) -> str:
    arguments = ["--config", config.model_dump_json(exclude_defaults=True, exclude={"output_dir"})]
    return runners.script_spec("train", [*arguments, "--push-to", push_to]).to_json()


def _end_first() -> None:
    """Where memory runs out, this is the process to end, not the page."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    main()
