"""Lists that a start model and a teacher have scored together."""

import json
import random
import statistics

import pyarrow.parquet as pq
import pytest

from colbert_kit import models, recipes
from colbert_kit.errors import InvalidConfig, InvalidData
from colbert_kit.recipes.lists import scored_lists
from colbert_kit.searcher import Searcher
from tests.checkpoints import write_bert
from tests.recipes.test_adapt import PAIRS, SETTINGS

DOCUMENTS = sorted({one["positive"] for one in PAIRS})
ANSWERS = {(one["query"], one["positive"]) for one in PAIRS}
TAUGHT = SETTINGS | {"temperature": 1.0, "batch_size": 8}


def knows(queries, documents):
    """A teacher that knows which word stands for which, and has no favourites beside."""
    return [10.0 * ((query, text) in ANSWERS) + len(text) / 100 for query, text in zip(queries, documents, strict=True)]


@pytest.fixture(scope="module")
def start(tiny_model_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("start") / "index"
    texts = ({"id": str(number), "text": text} for number, text in enumerate(DOCUMENTS))
    return Searcher.build(folder, models.ColBERT(tiny_model_folder, device="cpu"), texts)


@pytest.fixture(scope="module")
def other_model_folder(tmp_path_factory):
    bare, folder = tmp_path_factory.mktemp("bare"), tmp_path_factory.mktemp("other")
    write_bert(bare, seed=5)
    models.ColBERT(bare, embedding_size=8, query_length=16, document_length=24, device="cpu").save_pretrained(folder)
    return folder


def test_a_target_is_both_models_scores_at_one_spread_and_then_at_the_start_models(start, tmp_path):
    rows = scored_lists(start, PAIRS[:40], knows, tmp_path, num_negatives=5, seed=1)

    kept = {name: pq.read_table(tmp_path / name / "part-00000.parquet").to_pylist() for name in ("start", "teacher")}
    assert len(rows) == 40
    for row, own, taught in zip(rows, kept["start"], kept["teacher"], strict=True):
        assert row["documents"] == own["documents"] == taught["documents"]
        sides = []
        for scores in (own["scores"], taught["scores"]):
            mean, spread = statistics.fmean(scores), statistics.pstdev(scores)
            sides.append([(score - mean) / spread for score in scores])
        total = [one + other for one, other in zip(*sides, strict=True)]
        scale = statistics.pstdev(own["scores"]) / statistics.pstdev(total)
        assert row["scores"] == pytest.approx([scale * one for one in total], abs=1e-6)


def test_the_start_models_scores_are_its_maxsim(start, tmp_path):
    scored_lists(start, PAIRS[:40], knows, tmp_path, num_negatives=5, seed=1)

    for row in pq.read_table(tmp_path / "start" / "part-00000.parquet").to_pylist():
        query = start.model.encode_query(row["query"])
        for text, score in zip(row["documents"], row["scores"], strict=True):
            document = start.model.encode_document(text)
            # The machine may compute in bfloat16.
            assert score == pytest.approx(float((query @ document.T).amax(1).sum()), rel=0.02)


def test_a_list_has_the_positive_of_its_query_and_none_of_its_documents_twice(start, tmp_path):
    rows = scored_lists(start, PAIRS[:40], knows, tmp_path, num_negatives=5, seed=1)

    for pair, row in zip(PAIRS[:40], rows, strict=True):
        assert (row["query"], row["documents"][0]) == (pair["query"], pair["positive"])
        assert len(set(row["documents"])) == 6


def test_a_list_that_the_teacher_scores_alike_teaches_nothing_and_is_left_out(start, tmp_path, caplog):
    asked = {one["query"] for one in PAIRS[:7]}

    def often_undecided(queries, documents):
        known = zip(queries, knows(queries, documents), strict=True)
        return [score if query in asked else 0.0 for query, score in known]

    def undecided(queries, documents):
        return [0.5] * len(queries)

    rows = scored_lists(start, PAIRS[:40], often_undecided, tmp_path / "some", num_negatives=5, seed=1)

    assert rows["query"][:] == [one["query"] for one in PAIRS[:7]]
    assert "33 of 40 lists" in caplog.text
    with pytest.raises(InvalidData, match="scores all documents of each list alike"):
        scored_lists(start, PAIRS[:40], undecided, tmp_path / "none", num_negatives=5, seed=1)


def test_a_corpus_that_is_smaller_than_a_list_is_an_error(start, tmp_path):
    with pytest.raises(InvalidData, match="no query has 60 documents beside its positive; ask for fewer"):
        scored_lists(start, PAIRS[:2], knows, tmp_path, num_negatives=60, seed=1)


def test_what_was_learnt_from_a_teacher_is_measured_on_queries_that_were_not(tiny_model_folder, tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, random.Random(2).sample(PAIRS, len(PAIRS)))))

    result = recipes.adapt(str(tiny_model_folder), str(path), tmp_path / "out", teacher=knows, settings=TAUGHT)

    found = result.measured[0].comparison
    assert found.second > found.first
    rows = pq.read_table(tmp_path / "out" / "rows.parquet").to_pylist()
    assert {len(row["documents"]) for row in rows} == {len(row["scores"]) for row in rows} == {8}
    assert "as it does together with `function`" in (tmp_path / "out" / "report.md").read_text()


def test_the_command_takes_a_teacher_by_its_name_and_refuses_a_bare_encoder(
    call, refused, tiny_model_folder, other_model_folder, tmp_path
):
    path, settings, bare = tmp_path / "pairs.jsonl", tmp_path / "settings.yaml", tmp_path / "bare"
    path.write_text("\n".join(map(json.dumps, PAIRS)))
    settings.write_text("max_steps: 2\neval_steps: 1\nlora: null\ndevice: cpu\n")
    write_bert(bare)
    arguments = ("adapt", "--pairs", path, "--model", tiny_model_folder, "--output", tmp_path / "out")
    arguments += ("--settings", settings, "--num-negatives", "3")

    assert "scores no texts" in refused(*arguments, "--teacher", bare)
    assert not (tmp_path / "out").exists()
    code, said, _ = call(*arguments, "--teacher", other_model_folder)

    assert (code, f"together with `{other_model_folder}`" in said) == (0, True)


def test_work_with_one_teacher_is_not_gone_on_with_by_another(tiny_model_folder, other_model_folder, tmp_path):
    def stop(progress):
        if progress.stage == "training":
            raise KeyboardInterrupt

    path = tmp_path / "pairs.jsonl"
    path.write_text("\n".join(map(json.dumps, PAIRS)))
    arguments = (str(tiny_model_folder), str(path), tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        recipes.adapt(*arguments, teacher=str(other_model_folder), settings=TAUGHT, on_progress=stop)

    with pytest.raises(InvalidConfig, match="was begun with other teacher"):
        recipes.adapt(*arguments, teacher=str(tiny_model_folder), settings=TAUGHT)
