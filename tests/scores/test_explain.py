import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from colbert_kit.errors import InvalidInput
from colbert_kit.scores import TokenSpan, explain
from tests import oracles


def spans(number):
    return [TokenSpan(f"t{row}", row, row + 1) for row in range(number)]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float16]))
def test_similarities_sum_to_the_score(query_tokens, document_tokens, seed, dtype):
    generator = np.random.default_rng(seed)
    query = generator.standard_normal((query_tokens, 4)).astype(dtype)
    document = generator.standard_normal((document_tokens, 4)).astype(dtype)

    matches = explain(query, document, spans(query_tokens), spans(document_tokens))

    assert [match.query.token for match in matches] == [f"t{row}" for row in range(query_tokens)]
    assert sum(match.similarity for match in matches) == pytest.approx(oracles.maxsim(query, document), abs=1e-4)


def test_first_document_token_wins_a_tie():
    one = np.ones((1, 2), dtype=np.float32)

    [match] = explain(one, np.ones((3, 2), dtype=np.float32), spans(1), spans(3))

    assert match.document == TokenSpan("t0", 0, 1)


@pytest.mark.parametrize(
    ("tokens", "num_spans", "message"),
    [((0, 2), (0, 2), "the query needs one span"), ((2, 0), (2, 0), "the document needs one span"),
     ((2, 3), (2, 2), "the document needs .* got 2 spans for 3"), ((2, 3), (1, 3), "the query needs .* got 1 spans")],
)  # fmt: skip
def test_sides_without_tokens_or_with_other_spans_are_refused(tokens, num_spans, message):
    query, document = (np.ones((number, 2), dtype=np.float32) for number in tokens)

    with pytest.raises(InvalidInput, match=message):
        explain(query, document, spans(num_spans[0]), spans(num_spans[1]))
