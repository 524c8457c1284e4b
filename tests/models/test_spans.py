from __future__ import annotations

import unicodedata

import pytest
from sentence_transformers import MultiVectorEncoder

from colbert_kit import models
from colbert_kit.scores import TokenSpan, explain
from tests.checkpoints import DOCUMENTS, QUERIES

TEXTS = (*QUERIES, *DOCUMENTS, "", "   ", "the river runs to the city " * 40, " Late\ninteraction\t ")


@pytest.mark.parametrize("text", TEXTS)
def test_there_is_one_span_for_each_embedding(family_model: MultiVectorEncoder, text: str):
    queries, documents = models.query_spans(family_model, text), models.document_spans(family_model, text)
    assert len(queries) == len(family_model.encode_query(text))
    assert len(documents) == len(family_model.encode_document(text))
    for span in [*queries, *documents]:
        assert 0 <= span.start <= span.stop <= len(text)
        assert text[span.start : span.stop] == text[span.start : span.stop].strip()


def folded(text: str) -> str:
    """As a lower-casing BERT sees a text: without case and accents."""
    plain = unicodedata.normalize("NFD", text.lower())
    return "".join(sign for sign in plain if unicodedata.category(sign) != "Mn")


def is_special(family_model: MultiVectorEncoder, span: TokenSpan) -> bool:
    tokenizer = family_model.tokenizer
    return span.token in {*tokenizer.all_special_tokens, "[Q] ", "[D] "} - {tokenizer.unk_token}


@pytest.mark.parametrize("text", ["Late interaction: every Query token", "the NIGHT train, and the old song"])
def test_a_span_holds_the_text_of_its_token(family_model: MultiVectorEncoder, text: str):
    for spans in (models.query_spans(family_model, text), models.document_spans(family_model, text)):
        for span in spans:
            if is_special(family_model, span):
                assert (span.start, span.stop) == (0, 0), span
                continue
            sign = span.token.removeprefix("##").lstrip("\u0120\u2581")
            if (
                sign and sign != family_model.tokenizer.unk_token
            ):  # a lone word-start sign stands for a space, or before the first letter
                assert folded(text[span.start : span.stop]) == folded(sign), span


def test_spans_cover_every_word_of_a_short_text(family_model: MultiVectorEncoder):
    text = "Late interaction runs"
    for spans in (models.query_spans(family_model, text), models.document_spans(family_model, text)):
        covered = {position for span in spans for position in range(span.start, span.stop)}
        assert covered == {position for position, sign in enumerate(text) if sign != " "}


def test_expansion_tokens_have_empty_spans(family_model: MultiVectorEncoder):
    spans = models.query_spans(family_model, "rain")
    assert len(spans) == 32
    assert sum(span.stop > span.start for span in spans) <= 4
    assert (spans[-1].start, spans[-1].stop) == (0, 0)


def test_skiplisted_punctuation_has_no_span(tiny_model: MultiVectorEncoder):
    text = "(one, and the best!)"
    texts = [text[span.start : span.stop] for span in models.document_spans(tiny_model, text)]
    assert [one for one in texts if one] == ["one", "and", "the", "best"]
    kept = [text[span.start : span.stop] for span in models.query_spans(tiny_model, text)]
    assert [one for one in kept if one] == ["(", "one", ",", "and", "the", "best", "!", ")"]


def test_accents_and_case_stay_as_they_are_in_the_text(tiny_model: MultiVectorEncoder):
    text = "  Caf\u00e9 in T\u014dky\u014d"
    texts = [text[span.start : span.stop] for span in models.document_spans(tiny_model, text)]
    assert texts == ["", "", "Caf\u00e9", "in", "T\u014dk", "y", "\u014d", ""]


def test_spans_explain_a_score(tiny_model: MultiVectorEncoder):
    query, document = "old songs", "the songs of the old city"
    matches = explain(
        tiny_model.encode_query(query, convert_to_numpy=True),
        tiny_model.encode_document(document, convert_to_numpy=True),
        models.query_spans(tiny_model, query),
        models.document_spans(tiny_model, document),
    )
    assert sum(match.similarity for match in matches) == pytest.approx(
        float(tiny_model.similarity(tiny_model.encode_query([query]), tiny_model.encode_document([document]))), abs=1e-4
    )
