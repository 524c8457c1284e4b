"""The search page: panels over the public face. The only room that knows Gradio.

Names are imported when they are first used: the process that searches (``engine``) never loads Gradio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colbert_kit.app.shell import build_app, launch

__all__ = ["build_app", "launch"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the room names
    if name in __all__:
        from colbert_kit.app import shell

        return getattr(shell, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
