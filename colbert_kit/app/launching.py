"""Open the page: first the process that answers, then Gradio, which takes seconds to import."""

from __future__ import annotations

import inspect
import os
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from colbert_kit.app.engine import start_engine

__all__ = ["launch"]


def launch(index: str | None = None, port: int | None = None) -> None:
    """Open the page and serve it until it is stopped.

    Args:
        index: A folder or a Hub dataset repository; ``$COLBERT_KIT_INDEX``, else the demo, where None.
        port: The port; the first free one from 7860 where None.
    """
    index = index or os.environ.get("COLBERT_KIT_INDEX") or None
    answers = start_engine(index)

    with _without_stubs():
        import gradio  # noqa: F401 - what is imported from it below is then there
    from colbert_kit.app.shell import build_app, serve

    serve(build_app(answers, is_demo=index is None), port)


@contextmanager
def _without_stubs() -> Iterator[None]:
    """Leave out what takes Gradio 6 half of its import, 1.3 of 2.7 s on two cores: type stubs beside its own sources.

    For each component it parses the file that the class stands in; a class without a file it passes over.
    """
    find = inspect.getfile

    def getfile(of: object) -> str:
        if isinstance(of, type) and of.__module__.startswith("gradio."):
            raise OSError("no stubs are wanted")
        return find(of)  # type: ignore[arg-type]

    with mock.patch.object(inspect, "getfile", getfile):
        yield
