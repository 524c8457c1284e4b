"""What the evaluate panel asks: evaluations as jobs, reports listed, opened and compared. No Gradio, no torch."""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from colbert_kit import hub
from colbert_kit.app.evaluate_job import PAGE
from colbert_kit.app.local_jobs import LocalJobs
from colbert_kit.app.shelf import slug_of
from colbert_kit.errors import InvalidInput

__all__ = ["DEMO", "KIND", "Evaluating"]

KIND = "evaluate"
MODULE = "colbert_kit.app.evaluate_job"
DEMO = "demo"
FOLDER = "reports"
MAX_PLOT_BYTES = 2 * 10**6


class Evaluating:
    """Evaluations of this machine.

    Args:
        home: Where reports are kept; in the kit's cache folder where None.
        jobs: Where jobs run.
    """

    def __init__(self, home: Path | None = None, jobs: LocalJobs | None = None) -> None:
        if home is None:
            from colbert_kit.machine import cache_folder

            home = cache_folder() / FOLDER
        self.home, self.jobs = home.absolute(), jobs or LocalJobs()
        # A report is written once, so what compares two never changes.
        self._compared = functools.lru_cache(maxsize=32)(self._compare)

    def names(self) -> list[str]:
        """The reports, the newest first."""
        found = sorted(self.home.glob("*/report.md"), key=lambda path: path.stat().st_mtime, reverse=True)
        return [path.parent.name for path in found]

    def launch(
        self,
        name: str,
        source: str,
        collections: Sequence[str],
        *,
        nbits: int = 4,
        exact: bool = True,
        token: str | None = None,
    ) -> str:
        """Start an evaluation; the id of its job.

        Args:
            name: Of the report; made of source and collections where empty.
            source: ``"demo"``, the folder of a model or an index, or a model's repository.
            collections: As ``evaluation.load_collection``.
            nbits: Of a model's index.
            exact: Compute exact MaxSim too.
            token: To read what is private.

        Raises:
            InvalidInput: Something is missing, or there is a report of this name.
        """
        source, wanted = source.strip(), [one.strip() for one in collections if one.strip()]
        if not source or not wanted:
            missing = "collections: a BEIR folder, or a name like scifact" if source else "a model or an index"
            raise InvalidInput(f"choose {missing}.")
        folder = self.home / slug_of(name.strip() or " ".join(map(_short, (source, *wanted))))
        if folder.exists():
            raise InvalidInput(f"there is a report {folder.name!r} already; give this one another name.")
        plan = {
            "folder": str(folder),
            "source": _absolute(source),
            "collections": [_absolute(one) for one in wanted],
            "nbits": nbits,
            "exact": exact,
        }
        needs_hub = source != DEMO and not Path(source).exists() and hub.is_repo_id(source)
        return self.jobs.launch(KIND, "evaluate", MODULE, plan, token if needs_hub else None)

    def find(self, name: str | None) -> Path:
        """The folder of a report.

        Raises:
            InvalidInput: There is none of this name.
        """
        if not name or Path(name).name != name or not (self.home / name / "report.md").is_file():
            raise InvalidInput(f"there is no report {name or ''!r}; choose one of the list.")
        return self.home / name

    def read(self, name: str | None) -> dict[str, Any]:
        """What the page shows of a report.

        Raises:
            InvalidInput: There is none of this name, or it is damaged.
        """
        folder = self.find(name)
        if not (folder / PAGE).is_file():
            # Written by the command line.
            self.jobs.run_now(MODULE, "show", {"folder": str(folder)})
        try:
            found: dict[str, Any] = json.loads((folder / PAGE).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidInput(f"the report {folder.name!r} is damaged ({type(error).__name__}).") from error
        return found

    def plots(self, name: str | None) -> list[tuple[str, str]]:
        """The pictures of a report: what each shows, and its address with all of it inside.

        Raises:
            InvalidInput: There is no report of this name.
        """
        paths = sorted((self.find(name) / "plots").glob("*.svg"), key=lambda path: path.name != "quality.svg")
        return [
            (path.stem.replace("-", " "), f"data:image/svg+xml;base64,{base64.b64encode(path.read_bytes()).decode()}")
            for path in paths
            if path.stat().st_size <= MAX_PLOT_BYTES
        ]

    def compare(self, first: str | None, second: str | None) -> Mapping[str, Any]:
        """What differs between two reports; takes some seconds the first time.

        Raises:
            InvalidInput: There is no such report.
            ColbertKitError: They cannot be compared.
        """
        return self._compared(str(self.find(first)), str(self.find(second)))

    def _compare(self, first: str, second: str) -> Mapping[str, Any]:
        return self.jobs.run_now(MODULE, "compare", {"first": first, "second": second})


def _short(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2]


def _absolute(name: str) -> str:
    """A job works in a folder of its own; ``FOLDER:dev`` names a split."""
    folder, colon, split = name.partition(":")
    return f"{Path(folder).absolute()}{colon}{split}" if Path(folder).is_dir() else name
