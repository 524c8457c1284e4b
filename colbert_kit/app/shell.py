"""The page around the panels."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from colbert_kit.app.answers import Answers
from colbert_kit.app.evaluate_panel import add_evaluate_panel
from colbert_kit.app.index_panel import add_index_panel
from colbert_kit.app.job_list import JobList
from colbert_kit.app.jobs_panel import add_jobs_panel
from colbert_kit.app.launching_training import TrainingDesk
from colbert_kit.app.rerank_panel import add_rerank_panel
from colbert_kit.app.scripts import LIST_JOBS
from colbert_kit.app.search_panel import add_search_panel
from colbert_kit.app.train_panel import add_train_panel

__all__ = ["build_app", "serve"]

TITLE = "colbert_kit"
CSS = Path(__file__).parent / "style.css"
SESSIONS_KEPT = 500
"""Visitors whose state is remembered, the last ones; beyond, a visitor who comes back finds the page as it begins.
Gradio keeps 0.4 MB for each, and takes every call of the API that names no session for a new one."""

FONTS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"]


def build_app(answers: Answers, *, is_demo: bool) -> gr.Blocks:
    """The page; it can be built before anything is loaded.

    Args:
        answers: What it asks, in this process or (``launching``) another.
        is_demo: Whether it searches the corpus that ships with the package.

    Returns:
        The page, not launched.
    """
    what = " Demo index: SciFact, 5,183 scientific abstracts." if is_demo else ""
    jobs = JobList()
    with gr.Blocks(title=TITLE, analytics_enabled=False) as page:
        gr.HTML(
            f'<header class="ck-head"><h1>{TITLE}</h1><p>Late interaction: every word of the query meets '
            f"every word of a document.{what}</p></header>",
            elem_id="head",
            padding=False,
        )
        with gr.Tabs():
            with gr.Tab("Search", id="search-tab"):
                add_search_panel(page, answers, is_demo=is_demo)
            with gr.Tab("Rerank", id="rerank-tab"):
                add_rerank_panel(answers)
            with gr.Tab("Index", id="index-tab"):
                add_index_panel(page)
            with gr.Tab("Train", id="train-tab"):
                add_train_panel(page, TrainingDesk(jobs))
            with gr.Tab("Evaluate", id="evaluate-tab"):
                add_evaluate_panel(page)
            with gr.Tab("Jobs", id="jobs-tab") as jobs_tab:
                add_jobs_panel(page, jobs)
        # A job launched in another tab since is in the list at once.
        jobs_tab.select(None, js=LIST_JOBS, show_progress="hidden", queue=False, api_visibility="private")
    page.queue(max_size=64, default_concurrency_limit=4)
    return page


def serve(page: gr.Blocks, port: int | None = None) -> None:
    """Serve the page until it is stopped.

    Args:
        page: What ``build_app`` made.
        port: The port; the first free one from 7860 where None.
    """
    page.launch(
        server_port=port,
        theme=_theme(),
        css_paths=[CSS],
        footer_links=["api"],
        max_file_size="500mb",
        state_session_capacity=SESSIONS_KEPT,
        ssr_mode=False,
        run_history=False,
        show_error=False,
        # Gradio would ask the page for itself and end the process where it takes longer than 3 s, as on a machine that
        # is busy starting.
        _frontend=False,
    )


def _theme() -> gr.themes.Base:
    """Gradio's plainest, with grey that can be read: its own has a contrast of 2.6 on white, WCAG asks for 4.5."""
    theme = gr.themes.Base(
        primary_hue="indigo", neutral_hue="slate", font=FONTS, font_mono=["ui-monospace", "monospace"]
    )
    return theme.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        input_placeholder_color="*neutral_600",
        input_placeholder_color_dark="*neutral_300",
        color_accent="*primary_600",
    )
