"""The button with which a visitor of a Space signs in; elsewhere nobody needs one."""

from __future__ import annotations

import importlib.util
import os

import gradio as gr

from colbert_kit.app.actor import find_place
from colbert_kit.app.render import message_html

__all__ = ["add_sign_in"]


def add_sign_in() -> None:
    """Add the button where the page runs in a Space, or say what its owner must do so that there is one."""
    if find_place() != "space":
        return
    if _can_sign_in():
        gr.LoginButton("Sign in with Hugging Face", logout_value="Sign out ({})", size="sm", elem_classes="ck-sign-in")
    else:
        text = "nobody can sign in here: whoever owns this Space must put hf_oauth: true into its README."
        gr.HTML(message_html(text), padding=False)


def _can_sign_in() -> bool:
    """Whether Gradio would not refuse to start: outside of the Hub it plays the Hub's part itself."""
    needed = ["itsdangerous"]
    if os.environ.get("SYSTEM") == "spaces":
        if not os.environ.get("OAUTH_CLIENT_ID"):
            return False
        needed.append("authlib")
    return all(importlib.util.find_spec(name) is not None for name in needed)
