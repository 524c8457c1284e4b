"""The search page: panels over the public face. The only room that knows Gradio.

Names are imported when they are first used: the process that searches (``engine``) never loads Gradio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colbert_kit.app.launching import launch
    from colbert_kit.app.shell import build_app

__all__ = ["build_app", "launch"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the room names
    if name == "launch":
        from colbert_kit.app.launching import launch

        return launch
    if name == "build_app":
        from colbert_kit.app.shell import build_app

        return build_app
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
