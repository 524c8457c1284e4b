"""The button with which a visitor of a Space signs in; elsewhere nobody needs one."""

from __future__ import annotations

import importlib.util
import os

import gradio as gr

from colbert_kit.app.actor import find_place

__all__ = ["add_sign_in"]


def add_sign_in() -> None:
    """Add the button where the page runs in a Space whose owner has let visitors sign in (``hf_oauth: true``)."""
    # The Hub sets the variable, and a Space has what Gradio's sessions need.
    signs_in = find_place() == "space" and "OAUTH_CLIENT_ID" in os.environ
    if signs_in and all(importlib.util.find_spec(name) is not None for name in ("authlib", "itsdangerous")):
        gr.LoginButton("Sign in with Hugging Face", logout_value="Sign out ({})", size="sm", elem_classes="ck-sign-in")
