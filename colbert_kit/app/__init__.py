"""The search page: panels over the public face. The only room that knows Gradio."""

from colbert_kit.app.shell import build_app, launch

__all__ = ["build_app", "launch"]
