import json

import numpy as np
import pytest
from datasets import Dataset
from sentence_transformers.multi_vector_encoder.evaluation import MultiVectorInformationRetrievalEvaluator

from colbert_kit import evaluation
from colbert_kit.errors import InvalidData, InvalidInput
from tests import oracles

ROWS = Dataset.from_list(
    [
        {"query": "the old song", "positive": "the song of the river", "negative": "rain"},
        {"query": "train", "positive": "music", "negative": "a night train"},
        {"query": "rain", "positive": "the rain on the mountain", "negative": "the old song"},
    ]
)


def test_triplets_come_as_columns_or_lists_and_count_as_the_oracle(tiny_model):
    def score(query, document):
        [query], [document] = tiny_model.encode_query([query]), tiny_model.encode_document([document])
        return oracles.maxsim(query.tolist(), document.tolist())

    wins = [score(row["query"], row["positive"]) > score(row["query"], row["negative"]) for row in ROWS]
    for rows in (ROWS, {name: list(ROWS[name]) for name in ROWS.column_names}):
        evaluator = evaluation.ColBERTTripletEvaluator(
            anchors=rows["query"], positives=rows["positive"], negatives=rows["negative"], write_csv=False
        )
        assert evaluator(tiny_model)["maxsim_accuracy"] == pytest.approx(np.mean(wins))


def test_distillation_is_zero_where_the_teacher_is_the_model(tiny_model):
    documents = [["song", "rain", "city"], ["train", "river", "music"]]
    queries = ["the old song", "a night train"]
    embedded = [tiny_model.encode_document(one) for one in documents]
    scores = [
        [oracles.maxsim(query.tolist(), one.tolist()) for one in group]
        for query, group in zip(tiny_model.encode_query(queries), embedded, strict=True)
    ]
    found = evaluation.ColBERTDistillationEvaluator(queries, documents, scores, write_csv=False)(tiny_model)
    assert min(abs(value) for name, value in found.items() if "kl" in name.lower()) == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("columns", [(["a"], ["b"], []), ([], [], [])])
def test_columns_of_other_lengths_are_refused(columns):
    with pytest.raises(InvalidInput, match="as many of each, and one at least"):
        evaluation.ColBERTTripletEvaluator(*columns)
    with pytest.raises(InvalidInput, match="as many of each, and one at least"):
        evaluation.ColBERTDistillationEvaluator(*columns)


def test_rows_of_differing_numbers_of_documents_are_refused_by_number():
    with pytest.raises(InvalidInput, match="row 1 has 1 and 1, the first one 2 documents"):
        evaluation.ColBERTDistillationEvaluator(["a", "b"], [["c", "d"], ["e"]], [[1.0, 2.0], [1.0]])


NANO = {
    "corpus": [{"_id": f"d{n}", "text": text} for n, text in enumerate(["the song", "rain", "a night train", "music"])],
    "queries": [{"_id": "q1", "text": "train"}, {"_id": "q2", "text": "the rain"}],
    "qrels": [{"query-id": "q1", "corpus-id": "d2"}, {"query-id": "q2", "corpus-id": "d1"}],
}


@pytest.fixture
def nano_folder(tmp_path):
    """Local files laid out as sentence-transformers/NanoBEIR-en is: a configuration a kind, a split a set."""
    configs = []
    for kind, rows in NANO.items():
        (tmp_path / kind).mkdir()
        Dataset.from_list(rows).to_parquet(tmp_path / kind / "NanoSciFact.parquet")
        configs.append(
            f"- config_name: {kind}\n  data_files:\n  - split: NanoSciFact\n    path: {kind}/NanoSciFact.parquet\n"
        )
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{''.join(configs)}---\n")
    return tmp_path


def test_nanobeir_runs_on_local_files_in_its_layout(tiny_model, nano_folder):
    evaluator = evaluation.NanoBEIREvaluator(["scifact"], dataset_id=str(nano_folder), write_csv=False)

    found = evaluator(tiny_model)

    assert 0 < found["NanoBEIR_mean_maxsim_ndcg@10"] <= 1
    assert found["NanoSciFact_maxsim_ndcg@10"] == found["NanoBEIR_mean_maxsim_ndcg@10"]


@pytest.mark.live
def test_nanobeir_without_arguments_measures_all_thirteen_sets(tiny_model):
    found = evaluation.NanoBEIREvaluator(write_csv=False)(tiny_model)

    assert sum(name.endswith("_maxsim_ndcg@10") for name in found) == 14


def collection(tiny_documents):
    corpus = {one["id"]: one["text"] for one in tiny_documents}
    queries = {f"q{n}": " ".join(one["text"].split()[:3]) for n, one in enumerate(tiny_documents[:12])}
    return queries, corpus, {f"q{n}": {one["id"]} for n, one in enumerate(tiny_documents[:12])}


def test_retrieval_scored_packed_equals_sentence_transformers_own(tiny_model, tiny_documents):
    ours = evaluation.InformationRetrievalEvaluator(*collection(tiny_documents), write_csv=False)(tiny_model)
    theirs = MultiVectorInformationRetrievalEvaluator(*collection(tiny_documents), write_csv=False)(tiny_model)

    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=1e-6)
    assert 0 < ours["maxsim_ndcg@10"] < 1


def test_a_beir_folder_is_evaluated_on_its_relevant_documents_only(tiny_model, tmp_path):
    (tmp_path / "songs" / "qrels").mkdir(parents=True)
    corpus = [{"_id": row["_id"], "title": "", "text": row["text"]} for row in NANO["corpus"]]
    (tmp_path / "songs" / "corpus.jsonl").write_text("\n".join(map(json.dumps, corpus)))
    (tmp_path / "songs" / "queries.jsonl").write_text("\n".join(map(json.dumps, NANO["queries"])))
    judged = "query-id\tcorpus-id\tscore\nq1\td2\t2\nq1\td0\t1\nq2\td3\t0\n"
    (tmp_path / "songs" / "qrels" / "dev.tsv").write_text(judged)

    evaluator = evaluation.InformationRetrievalEvaluator.from_beir(tmp_path / "songs", min_relevance=2)

    assert evaluator.queries_ids == ["q1"]
    assert evaluator.relevant_docs == {"q1": {"d2"}}
    assert "songs-dev_maxsim_ndcg@10" in evaluator(tiny_model, output_path=None)


def test_an_evaluation_in_which_nothing_is_relevant_is_refused():
    with pytest.raises(InvalidData, match="no query of the evaluation has a relevant document"):
        evaluation.InformationRetrievalEvaluator({"q": "a"}, {"d": "b"}, {"q": {"elsewhere"}})
