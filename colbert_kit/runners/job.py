"""``Job``: one run of a command, wherever it runs, in the Hub's words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

__all__ = ["FINAL_STATES", "STATES", "Job"]

STATES = ("SCHEDULING", "RUNNING", "COMPLETED", "CANCELED", "ERROR", "DELETED")
"""As the Hub names them (``huggingface_hub.JobStage``)."""
FINAL_STATES = STATES[2:]
"""What a job does not leave any more."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A job as it was when it was looked at.

    Args:
        id: 24 hex digits.
        state: One of ``STATES``.
        message: Why it ended as it did: ``"Job timeout"``, ``"Job failed with exit code: 1. Reason: Error"``.
        labels: What it is found again by: ``app``, ``kind``, ``run`` and the caller's own.
        created: When it was asked for; None where the Hub does not say.
        started: When its command began; None before.
        finished: When it ended; None before.
        flavor: The machine; None where it runs here.
        url: Its page; None where it runs here.
    """

    id: str
    state: str
    message: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None
    started: datetime | None = None
    finished: datetime | None = None
    flavor: str | None = None
    url: str | None = None

    @property
    def is_final(self) -> bool:
        """Whether it has ended."""
        return self.state in FINAL_STATES

    @property
    def kind(self) -> str | None:
        """What it does: ``"train"``, ``"build_index"`` ...; None for a job of somebody else's."""
        return self.labels.get("kind")
