import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbert_kit.data import split_passages
from colbert_kit.errors import InvalidConfig, InvalidInput

words = st.text(st.characters(exclude_categories=["Cs", "Z", "Cc"]), min_size=1, max_size=4).filter(
    lambda word: len(word.split()) == 1
)


def split(text, passage_words, overlap_words):
    return list(split_passages([{"id": "d", "text": text}], passage_words=passage_words, overlap_words=overlap_words))


@given(st.lists(words, min_size=1, max_size=40), st.integers(1, 12), st.data())
def test_passages_cover_every_word_and_overlap_as_asked(document, passage_words, data):
    overlap_words = data.draw(st.integers(0, passage_words - 1))

    passages = [one["text"].split() for one in split(" ".join(document), passage_words, overlap_words)]

    rebuilt = passages[0]
    for before, after in itertools.pairwise(passages):
        assert len(before) == passage_words
        assert before[len(before) - overlap_words :] == after[:overlap_words]
        assert len(after) > overlap_words
        rebuilt = rebuilt + after[overlap_words:]
    assert rebuilt == document
    assert len(passages[-1]) <= passage_words


@given(st.lists(words, min_size=1, max_size=12))
def test_short_document_is_one_passage_with_its_own_spaces(document):
    text = "\n ".join(document)

    assert [one["text"] for one in split(text, 12, 3)] == [text]


def test_passage_knows_its_document_and_keeps_the_metadata():
    document = {"id": "d", "text": "a b c d", "year": 2020}

    passages = list(split_passages([document], passage_words=2, overlap_words=0))

    assert passages == [
        {"id": "d#0", "text": "a b", "year": 2020, "document_id": "d", "passage": 0},
        {"id": "d#1", "text": "c d", "year": 2020, "document_id": "d", "passage": 1},
    ]
    assert document == {"id": "d", "text": "a b c d", "year": 2020}


@pytest.mark.parametrize(("passage_words", "overlap_words"), [(3, 3), (3, 4), (3, -1), (0, 0)])
def test_overlap_that_never_ends_is_refused(passage_words, overlap_words):
    with pytest.raises(InvalidConfig, match="overlap_words must be 0 or more and below passage_words"):
        split("a b", passage_words, overlap_words)


@pytest.mark.parametrize("document", [{"id": "a"}, {"text": "a"}, {"id": "a", "text": None}])
def test_document_without_id_or_text_is_refused(document):
    with pytest.raises(InvalidInput, match="document 0 needs 'id' and 'text'; it has"):
        list(split_passages([document]))
