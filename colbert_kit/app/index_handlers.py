"""What the index panel's events call: boxes' values in, HTML and boxes' new values out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from colbert_kit import hub
from colbert_kit.app.actor import Actor
from colbert_kit.app.columns import Looked, detect_roles, look, preview
from colbert_kit.app.index_render import (
    card_html,
    columns_html,
    facts_html,
    index_job_html,
    prediction_html,
    preview_html,
)
from colbert_kit.app.indexing import KIND, CardFacts, Indexing
from colbert_kit.app.job_handling import look_at_job, owner_of_machine, start_job
from colbert_kit.app.prediction import predict
from colbert_kit.app.render import escape, message_html
from colbert_kit.app.shelf import IndexFacts
from colbert_kit.app.uploads import Roles, Source
from colbert_kit.errors import ColbertKitError, InvalidInput

__all__ = ["NONE", "IndexHandlers"]

NONE = ""
"""What a choice of a column gives where there is none."""

UNCHANGED: tuple[Any, ...] = (gr.skip(),) * 4
"""The list of indexes, and what is said of the chosen one."""


@dataclass(frozen=True)
class Seen:
    """What a visitor has brought."""

    source: Source
    looked: Looked


class IndexHandlers:
    """What the panel's events call."""

    def __init__(self, indexing: Indexing) -> None:
        self.indexing = indexing

    @property
    def introduction(self) -> str:
        """What to do, where there are no documents yet."""
        return (
            '<p class="ck-status">Choose files with a document a row, or texts with a document each. You see them as '
            "the model will before anything is built. Indexes are kept in "
            f"{escape(str(self.indexing.shelf.home))}.</p>"
        )

    def look_at_files(self, paths: list[str] | None) -> tuple[Any, ...]:
        """Read what was uploaded."""
        if not paths:
            return self._unseen(self.introduction)
        try:
            owner_of_machine("Indexing")
            return self._see(self.indexing.take_files(paths))
        except ColbertKitError as error:
            return self._unseen(message_html(str(error)))

    def look_at_dataset(self, repo_id: str | None, split: str | None) -> tuple[Any, ...]:
        """Read the first rows of a dataset."""
        try:
            owner_of_machine("Indexing")
            return self._see(self.indexing.take_dataset(repo_id or "", split or ""))
        except ColbertKitError as error:
            return self._unseen(message_html(str(error)))

    def show(self, seen: Seen | None, *choices: Any) -> tuple[str, str]:  # noqa: ANN401 - Gradio's values
        """The first documents, and what their index will weigh, by the choices as they stand."""
        if seen is None:
            return "", ""
        roles, (model, nbits, pool, words) = _roles(*choices[:4]), choices[4:]
        is_demo = not (model or "").strip()
        try:
            documents = preview(seen.source, roles, _words(words))
        except ColbertKitError as error:
            return message_html(str(error)), ""
        names = (roles.title, roles.text)
        predicted = predict(
            seen.looked.num_rows,
            seen.looked.words_a_document(names),
            seen.looked.characters_a_document(names),
            nbits=int(nbits),
            pool_factor=int(pool),
            passage_words=_words(words),
        )
        whole = seen.looked.is_whole
        return preview_html(documents, is_demo=is_demo), prediction_html(
            predicted, int(nbits), int(pool), is_whole=whole, is_demo=is_demo
        )

    def build(self, seen: Seen | None, name: str | None, *choices: Any) -> tuple[Any, ...]:  # noqa: ANN401
        """Start to build."""
        roles, (model, nbits, pool, words) = _roles(*choices[:4]), choices[4:]
        if seen is not None:
            columns = seen.looked.columns
            numbers = tuple(name for name in roles.metadata if name in columns and columns[name].kind == "number")
            roles = dataclasses.replace(roles, numbers=numbers)

        def start(actor: Actor) -> str:
            return self.indexing.build(
                name or "",
                _source(seen),
                roles,
                model=(model or "").strip() or None,
                nbits=int(nbits),
                pool_factor=int(pool),
                passage_words=_words(words),
                token=_reading_token(actor, seen, model),
            )

        return start_job("Indexing", start)

    def add(self, seen: Seen | None, index: str | None, *choices: Any) -> tuple[Any, ...]:  # noqa: ANN401
        """Start to add the documents above."""
        roles, words = _roles(*choices[:4]), choices[4]
        return start_job(
            "Adding documents",
            lambda actor: self.indexing.add(
                index, _source(seen), roles, _words(words), _reading_token(actor, seen, None)
            ),
        )

    def remove(self, index: str | None, ids: str | None) -> tuple[Any, ...]:
        """Start to remove."""
        return start_job("Removing documents", lambda actor: self.indexing.remove(index, (ids or "").splitlines()))

    def push(self, index: str | None, *facts: Any) -> tuple[Any, ...]:  # noqa: ANN401
        """Start to push."""
        return start_job(
            "Pushing", lambda actor: self.indexing.push(index, _card_facts(*facts), actor.require_token("Pushing"))
        )

    def card(self, index: str | None, *facts: Any) -> str:  # noqa: ANN401
        """The card that a push will write."""
        try:
            owner_of_machine("Pushing")
            return card_html(self.indexing.card(index, _card_facts(*facts)))
        except ColbertKitError as error:
            return message_html(str(error))

    def namespaces(self) -> tuple[Any, str]:
        """Where one may push to, asked of the Hub when it is wanted."""
        try:
            names = hub.find_namespaces(owner_of_machine("Pushing").require_token("Pushing"))
        except ColbertKitError as error:
            return gr.skip(), message_html(str(error))
        return gr.Dropdown(choices=list(names), value=names[0]), ""

    def choose(self, index: str | None) -> tuple[str, str]:
        """What the chosen index holds, and the name that it would be pushed by."""
        try:
            owner_of_machine("Indexing")
            return facts_html(IndexFacts.read(self.indexing.shelf.find(index))), index or ""
        except ColbertKitError as error:
            return message_html(str(error)), ""

    def tick(self, job_id: str | None) -> tuple[Any, ...]:
        """How the job stands; when it has ended, the list of indexes is new."""
        view, updates = look_at_job(self.indexing.jobs, job_id, index_job_html)
        if view is None or view.state != "COMPLETED" or "folder" not in view.result:
            return *updates, *UNCHANGED
        return *updates, *self._listed(Path(str(view.result["folder"])).name)

    def cancel(self, job_id: str | None) -> None:
        """End the job."""
        owner_of_machine("Indexing")
        if job_id is not None:
            self.indexing.jobs.cancel(job_id)

    def restore(self) -> tuple[Any, ...]:
        """After the page was closed: the job that still runs, and the indexes."""
        job_id = self.indexing.jobs.unfinished(KIND)
        return job_id, gr.Timer(active=job_id is not None), *self._listed("")

    def _listed(self, name: str) -> tuple[Any, ...]:
        """The list of indexes with one chosen; nothing to choose from is not shown."""
        names = self.indexing.shelf.names()
        if not names:
            return gr.Column(visible=False), gr.skip(), "", ""
        chosen = name if name in names else names[0]
        return gr.Column(visible=True), gr.Dropdown(choices=names, value=chosen), *self.choose(chosen)

    def _see(self, source: Source) -> tuple[Any, ...]:
        looked = look(source)
        roles, names = detect_roles(looked), list(looked.columns)
        return (
            Seen(source, looked),
            columns_html(looked),
            gr.Dropdown(choices=[("the number of the row", NONE), *names], value=roles.id or NONE),
            gr.Dropdown(choices=names, value=roles.text),
            gr.Dropdown(choices=[("none", NONE), *names], value=roles.title or NONE),
            gr.Dropdown(choices=names, value=list(roles.metadata)),
            self.indexing.shelf.unused(source.name),
            gr.Column(visible=True),
        )

    def _unseen(self, message: str) -> tuple[Any, ...]:
        return None, message, *[gr.skip()] * 5, gr.Column(visible=False)


def _roles(role_id: str | None, text: str | None, title: str | None, metadata: list[str] | None) -> Roles:
    return Roles(role_id or None, text or "", title or None, tuple(metadata or ()))


def _card_facts(
    owner: str | None, name: str | None, public: bool, licence: str | None, language: str | None,
    corpus: str | None, model_id: str | None,
) -> CardFacts:  # fmt: skip
    return CardFacts(
        f"{(owner or '').strip()}/{(name or '').strip()}".strip("/"),
        public=bool(public),
        license=(licence or "").strip() or None,
        language=tuple(one.strip() for one in (language or "").split(",") if one.strip()),
        corpus=(corpus or "").strip() or None,
        model_id=(model_id or "").strip() or None,
    )


def _source(seen: Seen | None) -> Source:
    if seen is None:
        raise InvalidInput("there are no documents yet; choose files, or name a dataset of the Hub, above.")
    return seen.source


def _words(value: float | None) -> int | None:
    return int(value) if value and value > 0 else None


def _reading_token(actor: Actor, seen: Seen | None, model: str | None) -> str | None:
    """The owner's token, only where something may have to be read from the Hub."""
    needs = (seen is not None and bool(seen.source.repo_id)) or bool((model or "").strip())
    return actor.token if needs else None
