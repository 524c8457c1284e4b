"""mteb's own code runs our models: a task of its own kind, without a network."""

import sys

import pytest
from datasets import Dataset

from colbert_kit import evaluation, models, scores
from colbert_kit.errors import HubUnreachable, InvalidInput, MissingExtra
from tests.checkpoints import write_pylate_v3

QUERIES = {"q1": "the old song", "q2": "a night train to the city", "q3": "rain on the mountain", "q4": "coffee"}
QRELS = {"q1": {"d00": 1, "d07": 2}, "q2": {"d03": 1}, "q3": {"d11": 3, "d04": 1, "d02": 1}, "q4": {"d09": 1}}


@pytest.fixture
def task(tiny_documents):
    """A retrieval task as mteb documents them; it also keeps each query's measures, which mteb rounds the means of."""
    from mteb import TaskMetadata
    from mteb.abstasks import AbsTaskRetrieval

    class LocalRetrieval(AbsTaskRetrieval):
        metadata = TaskMetadata(
            name="LocalRetrieval",
            description="Thirty texts.",
            dataset={"path": "local/thirty", "revision": "1"},
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
        )

        def load_data(self, num_proc=None, **_):
            queries = [{"id": one, "text": text} for one, text in QUERIES.items()]
            documents = [{"id": one["id"], "text": one["text"]} for one in tiny_documents]
            split = {
                "queries": Dataset.from_list(queries),
                "corpus": Dataset.from_list(documents),
                "relevant_docs": QRELS,
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": split}}
            self.data_loaded = True

        def task_specific_scores(self, scores, qrels, results, hf_split, hf_subset):
            return {f"{query} {measure}": value for query, found in scores.items() for measure, value in found.items()}

    return LocalRetrieval()


def exact_run(model, documents):
    """Our own ranking of all documents, in the float32 that mteb computes in."""
    names = [one["id"] for one in documents]
    [queries] = models.encode_queries(model, list(QUERIES.values()), dtype="float32")
    [embedded] = models.encode_documents(model, [one["text"] for one in documents], dtype="float32")
    found = scores.maxsim(queries, embedded)
    return {query: dict(zip(names, row.tolist(), strict=True)) for query, row in zip(QUERIES, found, strict=True)}


@pytest.mark.parametrize(
    ("ours", "theirs"), [("nDCG@10", "ndcg_cut_10"), ("R@5", "recall_5"), ("AP@100", "map_cut_100"), ("P@3", "P_3")]
)
def test_mteb_measures_what_we_measure_on_the_exact_ranking(tiny_model, tiny_documents, task, ours, theirs):
    [result] = evaluation.run_mteb(tiny_model, task).task_results
    [found] = result.scores["test"]

    expected = evaluation.measure_queries(exact_run(tiny_model, tiny_documents), QRELS, ours)
    assert 0 < sum(expected.values()) < len(QUERIES)
    assert {query: found[f"{query} {theirs}"] for query in QUERIES} == pytest.approx(expected, abs=1e-6)
    if ours == "nDCG@10":
        assert result.get_score() == pytest.approx(sum(expected.values()) / len(QUERIES), abs=5.1e-6)


def test_results_are_kept_for_the_model_that_they_are_of(tiny_model, task, tmp_path, monkeypatch):
    write_pylate_v3(tmp_path / "tiny", seed=5)
    other = models.ColBERT(str(tmp_path / "tiny"), device="cpu")
    first = evaluation.run_mteb(tiny_model, task, output_folder=tmp_path / "results")
    second = evaluation.run_mteb(other, [task], output_folder=tmp_path / "results")
    monkeypatch.setattr(tiny_model, "encode_query", None)
    again = evaluation.run_mteb(tiny_model, task, output_folder=tmp_path / "results")

    assert first.model_name == second.model_name == "local/tiny"
    assert first.model_revision == models.fingerprint(tiny_model) != second.model_revision
    [kept, others, found] = [one.task_results[0].get_score() for one in (first, second, again)]
    assert kept == pytest.approx(found, abs=1e-5) != others
    files = sorted(path.name for path in (tmp_path / "results").rglob("*.json"))
    assert files.count("LocalRetrieval.json") == 2
    assert not any(str(tmp_path) in path.read_text() for path in (tmp_path / "results").rglob("*.json"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("SciFct", "no such task of MTEB: 'SciFct' not found. Did you mean: 'SciFact'"),
        ("Banking77Classification", "'Banking77Classification' is Classification"),
    ],
)
def test_tasks_that_cannot_be_run_are_refused_by_name(tiny_model, name, message):
    with pytest.raises(InvalidInput, match=message):
        evaluation.run_mteb(tiny_model, name)


def test_data_that_are_not_here_are_said_to_be_on_the_hub(tiny_model):
    with pytest.raises(HubUnreachable, match="Couldn't reach 'mteb/NanoSciFactRetrieval'"):
        evaluation.run_mteb(tiny_model, "NanoSciFactRetrieval")


def test_without_mteb_the_extra_is_named(tiny_model, monkeypatch):
    monkeypatch.setitem(sys.modules, "mteb", None)
    with pytest.raises(MissingExtra, match=r"colbert_kit\[eval\]"):
        evaluation.run_mteb(tiny_model, "SciFact")
