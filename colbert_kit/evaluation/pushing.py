"""A report's files as a dataset repository."""

from __future__ import annotations

from pathlib import Path

from colbert_kit import hub
from colbert_kit.evaluation.report import Report

__all__ = ["push_report"]

TAGS = ("late-interaction", "colbert", "retrieval", "evaluation", "colbert-kit")
OWNED = ("report.json", "report.md", "model-index.yaml", "plots/*")
"""What ``write_report`` writes."""


def push_report(
    report_folder: str | Path, repo_id: str, *, private: bool = True, token: str | None = None
) -> hub.Pushed:
    """Push what ``write_report`` wrote to the Hub as a dataset repository with a card, in one commit.

    The files go as they are: with the texts of queries, of documents that are examples, and the model's name, which of
    a folder is its path. The card has none of these.

    Args:
        report_folder: The folder of the report.
        repo_id: ``"me/my-report"``; made where there is none.
        private: Make it private. A repository that is there keeps what it is, and a public one is only pushed to with
            False.
        token: An access token; the stored one where None.

    Returns:
        The commit.

    Raises:
        InvalidInput: The folder holds no report, or the repository is public.
        InvalidData: The report cannot be read.
        NotAllowed: The token is missing, or may not write there.
        HubConflict: Somebody else has changed the repository meanwhile.
        HubUnreachable: The Hub cannot be reached, or the connection was cut; call again.

    Example:
        >>> write_report(report, "evaluation")  # doctest: +SKIP
        >>> push_report("evaluation", "me/my-report").url  # doctest: +SKIP
        'https://huggingface.co/datasets/me/my-report'
    """
    folder = Path(report_folder)
    report = Report.read(folder)
    found = [path for pattern in OWNED for path in sorted(folder.glob(pattern)) if path.is_file()]
    files: dict[str, Path | bytes] = {path.relative_to(folder).as_posix(): path for path in found}
    files["README.md"] = _card(report, repo_id).encode()
    message = f"Report on {len(report.collections)} collections"
    return hub.push_folder(
        repo_id, files, message=message, repo_type="dataset", private=private, token=token, owned=OWNED
    )


def _card(report: Report, repo_id: str) -> str:
    name, model = repo_id.partition("/")[2], str(report.model.get("id", ""))
    # One that lay in a folder, or comes with the kit, is in no repository.
    is_repository = "/" in model and hub.is_repo_id(model) and not model.startswith("colbert_kit/")
    known = f"[{model}]({hub.page_of(model)})" if is_repository else "a late-interaction (ColBERT) model"
    lines = [
        f"# {name}",
        "",
        f"What {known} finds on test collections. `report.md` says it to people; in Python:",
        "",
        "```python",
        "from colbert_kit import evaluation",
        "from huggingface_hub import hf_hub_download",
        "",
        f'path = hf_hub_download("{repo_id}", "report.json", repo_type="dataset")',
        "report = evaluation.Report.read(path)",
        "```",
        "",
        "## What was measured",
        "",
        *report.card_lines(),
    ]
    # No rows that the Hub's viewer could show.
    return hub.make_card({"pretty_name": name, "viewer": False, "tags": list(TAGS)}, "\n".join(lines))
