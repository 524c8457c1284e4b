"""Hard negatives and teachers' scores."""

import json
from collections import Counter

import numpy as np
import pytest
from sentence_transformers.util import maxsim_pairwise

from colbert_kit import Searcher
from colbert_kit.errors import InvalidConfig, InvalidData, InvalidInput
from colbert_kit.training import DataSource, load_rows, mine_hard_negatives, pair_scores, score_with_teacher

CORPUS = [
    {"id": f"d{n}", "text": text}
    for n, text in enumerate(
        ["the old song of the river", "The old  SONG of the river", "rain on the mountain", "a night train to the city",
         "bread by the river", "music in the city", "coffee and bread", "the rain falls", "the song of the city"]
    )
]  # fmt: skip
PAIRS = [
    {"query": "song of the river", "positive": "the old song of the river"},
    {"query": "rain", "positive": "rain on the mountain"},
    {"query": "rain", "positive": "the rain falls"},
]


def negatives(row):
    return [row[name] for name in row if name.startswith("negative") and row[name] is not None]


@pytest.fixture(scope="module")
def mined(tiny_model):
    return mine_hard_negatives(tiny_model, PAIRS, CORPUS, num_negatives=5, max_relative_score=None)


def test_negatives_come_in_the_order_of_their_scores(mined, tiny_model):
    for row in mined:
        texts = negatives(row)
        query = tiny_model.encode_query([row["query"]] * len(texts))
        scores = maxsim_pairwise(query, tiny_model.encode_document(texts)).numpy()
        assert len(texts) == 5
        assert (np.diff(scores) <= 1e-2).all()


def test_no_positive_of_a_query_is_among_its_negatives_whatever_its_spelling(mined):
    for row in mined:
        positives = {one["positive"].lower() for one in PAIRS if one["query"] == row["query"]}
        assert not positives & {" ".join(text.lower().split()) for text in negatives(row)}


def test_no_text_comes_twice(mined):
    for row in mined:
        spelled = [" ".join(text.lower().split()) for text in negatives(row)]
        assert len(spelled) == len(set(spelled))


def test_a_searcher_gives_the_same(mined, tiny_model, tmp_path):
    searcher = Searcher.build(tmp_path / "index", tiny_model, CORPUS)

    assert mine_hard_negatives(searcher, PAIRS, num_negatives=5, max_relative_score=None)[:] == mined[:]


def test_what_scores_near_the_positive_is_left_out(tiny_model):
    strict = mine_hard_negatives(tiny_model, PAIRS, CORPUS, num_negatives=8, max_relative_score=0.9)
    for row in strict:
        texts = [row["positive"], *negatives(row)]
        query = tiny_model.encode_query([row["query"]] * len(texts))
        positive, *scores = maxsim_pairwise(query, tiny_model.encode_document(texts)).tolist()
        assert all(score <= 0.9 * positive + 1e-2 for score in scores)


def test_ranks_and_chance_choose_from_what_is_left(tiny_model):
    options = {"max_relative_score": None, "num_negatives": 2}
    first, second = (
        [negatives(row) for row in mine_hard_negatives(tiny_model, PAIRS, CORPUS, **options, first_rank=rank)]
        for rank in (1, 4)
    )
    drawn = [
        [negatives(row) for row in mine_hard_negatives(tiny_model, PAIRS, CORPUS, **options, sampling="random", seed=s)]
        for s in (1, 1, 2)
    ]

    assert all(set(one) != set(other) for one, other in zip(first, second, strict=True))
    assert drawn[0] == drawn[1] != drawn[2]


def test_a_teacher_takes_out_what_it_holds_for_as_good(tiny_model):
    def teacher(queries, documents):
        return [1.0 if "city" in text or "rain" in text else 0.5 for text in documents]

    rows = mine_hard_negatives(
        tiny_model, PAIRS[1:2], CORPUS, num_negatives=8, max_relative_score=None, teacher=teacher
    )

    assert negatives(rows[0])
    assert not any("city" in text or "rain" in text for text in negatives(rows[0]))


def test_queries_that_keep_none_are_left_out_and_all_of_them_are_an_error(tiny_model, caplog):
    corpus = [{"id": "a", "text": "rain on the mountain"}, {"id": "b", "text": "bread by the river"}]
    pairs = [PAIRS[1], {"query": "bread and rain", "positives": ["bread by the river", "rain on the mountain"]}]

    rows = mine_hard_negatives(tiny_model, pairs, corpus, max_relative_score=None)

    assert rows["query"][:] == ["rain"]
    assert "2 of 3 pairs have no negative left" in caplog.text
    with pytest.raises(InvalidData, match="no query has a negative left"):
        mine_hard_negatives(tiny_model, pairs[1:], corpus, max_relative_score=None)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"num_negatives": 0}, InvalidConfig, "num_negatives must be 1 or more"),
        ({"first_rank": 9, "last_rank": 3}, InvalidConfig, "first_rank <= last_rank"),
        ({"corpus": None}, InvalidInput, "a model needs a corpus"),
        ({"pairs": []}, InvalidData, "no pairs"),
    ],
)
def test_what_cannot_work_is_refused(tiny_model, options, error, message):
    with pytest.raises(error, match=message):
        mine_hard_negatives(tiny_model, **({"pairs": PAIRS, "corpus": CORPUS} | options))


SCORED = [{"query": f"query {n}", "positive": f"text {n}", "negative": f"text {n + 1}"} for n in range(25)]


def by_length(queries, documents):
    return [float(len(query) - len(text)) for query, text in zip(queries, documents, strict=True)]


def test_scores_stand_beside_their_documents_and_load_as_training_rows(tmp_path):
    rows = score_with_teacher(by_length, SCORED, tmp_path / "scored", rows_per_part=10)

    assert len(rows) == 25
    assert rows[9] == {"query": "query 9", "documents": ["text 9", "text 10"], "scores": [1.0, 0.0]}
    assert load_rows(DataSource(path=str(tmp_path / "scored")))[:] == rows[:]


def test_scoring_that_was_stopped_goes_on_after_the_last_part(tmp_path):
    asked = Counter()

    def failing(queries, documents):
        asked.update(queries)
        if "query 15" in queries and asked["query 15"] <= 2:
            raise KeyboardInterrupt
        return by_length(queries, documents)

    with pytest.raises(KeyboardInterrupt):
        score_with_teacher(failing, SCORED, tmp_path / "scored", rows_per_part=10)
    rows = score_with_teacher(failing, SCORED, tmp_path / "scored", rows_per_part=10)

    assert asked["query 3"] == 2
    assert asked["query 15"] == 4
    assert rows[:] == score_with_teacher(by_length, SCORED, tmp_path / "other")[:]


def test_another_teacher_does_not_go_on_where_one_was_stopped(tmp_path):
    def stopped(queries, documents):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_with_teacher(stopped, SCORED, tmp_path / "scored")
    with pytest.raises(InvalidConfig, match="scores of another teacher"):
        score_with_teacher(by_length, SCORED, tmp_path / "scored")


def test_a_folder_that_is_scored_in_part_is_no_training_set(tmp_path):
    def failing(queries, documents):
        if "query 15" in queries:
            raise KeyboardInterrupt
        return by_length(queries, documents)

    with pytest.raises(KeyboardInterrupt):
        score_with_teacher(failing, SCORED, tmp_path / "scored", rows_per_part=10)
    with pytest.raises(InvalidData, match="a part of its rows; run score_with_teacher again"):
        load_rows(DataSource(path=str(tmp_path / "scored")))


@pytest.mark.parametrize("scores", [[1.0], [float("nan"), 1.0]])
def test_a_teacher_that_gives_no_number_for_a_pair_is_refused(scores):
    with pytest.raises(InvalidData, match="a finite number for each of 2 pairs"):
        pair_scores(lambda *_: scores, ["a", "b"], ["c", "d"])


def test_scores_of_other_rows_are_not_written_over(tmp_path):
    score_with_teacher(by_length, SCORED, tmp_path / "scored")
    with pytest.raises(InvalidConfig, match="scores of another set of rows"):
        score_with_teacher(by_length, SCORED[:3], tmp_path / "scored")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    with pytest.raises(InvalidConfig, match="holds something else"):
        score_with_teacher(by_length, SCORED, tmp_path / "mine")


def test_a_late_interaction_teacher_scores_by_maxsim(tiny_model):
    queries, documents = ["rain", "rain", "bread"], ["the rain falls", "coffee", "coffee"]
    expected = maxsim_pairwise(tiny_model.encode_query(queries), tiny_model.encode_document(documents))

    np.testing.assert_allclose(pair_scores(tiny_model, queries, documents), expected.numpy(), atol=1e-5)


def test_rows_are_read_in_every_shape(tmp_path):
    shapes = {
        "pairs.jsonl": [{"anchor": "q", "answer": "a", "url": "x"}],
        "several.jsonl": [{"query": "q", "positives": ["a", "b"], "negatives": ["c"], "bm25_negatives": [0.3]}],
        "unnamed.jsonl": [{"french": "q", "english": "a"}],
    }
    for name, rows in shapes.items():
        (tmp_path / name).write_text("\n".join(map(json.dumps, rows)))

    assert load_rows(DataSource(path=str(tmp_path / "pairs.jsonl")))[:] == {"anchor": ["q"], "answer": ["a"]}
    several = load_rows(DataSource(path=str(tmp_path / "several.jsonl")))[:]
    assert several == {"query": ["q", "q"], "positive": ["a", "b"], "negatives": [["c"], ["c"]]}
    renamed = DataSource(path=str(tmp_path / "unnamed.jsonl"), columns={"english": "query", "french": "positive"})
    assert load_rows(renamed)[:] == {"query": ["a"], "positive": ["q"]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("rows.txt", "x", "rows are read from"),
        ("rows.jsonl", "{not json", "rows.jsonl cannot be read"),
        ("rows.jsonl", '{"a": "b"}', "no columns"),
    ],
)
def test_rows_that_cannot_be_read_are_refused_with_their_file(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises((InvalidData, InvalidInput), match=message):
        load_rows(DataSource(path=str(tmp_path / name), columns={"question": "query"}))
