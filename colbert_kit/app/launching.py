"""Open the page: first the process that answers, then Gradio, which takes seconds to import."""

from __future__ import annotations

import os

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

    from colbert_kit.app.shell import build_app, serve

    serve(build_app(answers, is_demo=index is None), port)
