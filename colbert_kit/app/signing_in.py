"""The button with which a visitor of a Space signs in; elsewhere nobody needs one."""

from __future__ import annotations

import importlib.util

import gradio as gr

from colbert_kit.app.actor import find_place

__all__ = ["add_sign_in"]


def add_sign_in() -> None:
    """Add the button where the page runs in a Space whose owner has let visitors sign in (``hf_oauth: true``)."""
    # What Gradio's sessions need; a Space has it.
    if find_place() == "space" and importlib.util.find_spec("itsdangerous") is not None:
        gr.LoginButton("Sign in with Hugging Face", logout_value="Sign out ({})", size="sm", elem_classes="ck-sign-in")
