"""The kit's scripts as jobs of a Hub on this machine: launched, run for real, their results pushed and loaded."""

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard, ModelCard

from colbert_kit import Searcher, evaluation, models, training
from colbert_kit.runners import HfJobsRunner, JobLog, LocalRunner, follow, parse_event, script_path, script_spec
from tests.training.runs import ROWS

pytestmark = pytest.mark.slow

CONFIG = {
    "model": "alice/tiny",
    "train": [{"path": "alice/pairs"}],
    "device": "cpu",
    "batch_size": 8,
    "max_steps": 6,
    "eval_steps": 3,
    "logging_steps": 2,
    "eval_fraction": 0.1,
    "learning_rate": 0.01,
}


def rows_of(documents):
    return "".join(json.dumps(one) + "\n" for one in documents).encode()


@pytest.fixture
def stocked(api, hub, tiny_model_folder, tiny_documents, monkeypatch):
    """A Hub with a model, pairs and a corpus, all of them alice's and private; jobs find the compiled kernel."""
    api.create_repo("alice/tiny", private=True)
    api.upload_folder(repo_id="alice/tiny", folder_path=tiny_model_folder)
    for name, content in {"pairs": rows_of(ROWS), "corpus": rows_of(tiny_documents)}.items():
        api.create_repo(f"alice/{name}", repo_type="dataset", private=True)
        api.upload_file(
            repo_id=f"alice/{name}", repo_type="dataset", path_or_fileobj=content, path_in_repo="train.jsonl"
        )
    hub.jobs.settings.environment |= {"COLBERT_KIT_CACHE": os.environ["COLBERT_KIT_CACHE"], "CUDA_VISIBLE_DEVICES": ""}
    return hub


@pytest.fixture
def runner(stocked, tokens):
    return HfJobsRunner("alice", token=tokens.write, endpoint=stocked.url)


def finished(runner, name, *arguments):
    spec = script_spec(name, arguments)
    job = runner.launch(spec, confirm_usd=runner.cost_ceiling(spec))
    follower = follow(runner, job.id)
    ended = follower.wait(300)
    assert ended.state == "COMPLETED", "\n".join(follower.log.lines())
    assert not [line for line in follower.log.lines() if "it/s" in line]
    return follower.log


def test_a_model_is_trained_by_a_job_and_loads_from_where_it_was_pushed(
    runner, stocked, tokens, tmp_path, capfd, caplog
):
    log = finished(runner, "train", "--config", json.dumps(CONFIG), "--push-to", "alice/trained")

    steps = [one for one in log.metrics() if "loss" in one.values]
    assert [one.step for one in steps] == [2, 4, 6]
    assert {one.steps for one in steps} == {6}
    assert {name for one in log.metrics() for name in one.values} == {"loss", "learning_rate", "nDCG@10"}
    assert (log.progress.stage, log.progress.done, log.progress.total) == ("training", 6, 6)
    assert any("step 2 of 6: loss" in line for line in log.lines())

    result = log.result
    repository = stocked.repositories["models", "alice/trained"]
    assert (result["repo_id"], result["steps"], repository.visibility) == ("alice/trained", 6, "private")
    model = models.ColBERT("alice/trained", revision=result["revision"], device="cpu")
    assert models.fingerprint(model) != models.fingerprint(models.ColBERT("alice/tiny", device="cpu"))
    card = ModelCard(repository.read("README.md").decode())
    assert (card.data.base_model, card.data.datasets) == ("alice/tiny", ["alice/pairs"])
    assert result["best"] in [one.metric_value for one in card.data.eval_results]
    # The kit that trained came out of the wheel, whose sha256 was compared.
    assert [one for one in stocked.traffic.all("GET", "*/colbert_kit-0.1.0-py3-none-any.whl") if one.status < 400]

    spoken = [*log.lines(), *(line["data"] for job in stocked.jobs.all() for line in job.lines)]
    assert not [line for line in spoken if tokens.write in line]
    assert {place for _, place in stocked.traffic.where(tokens.write)} == {"body", "header authorization"}
    assert [one for one, place in stocked.traffic.where(tokens.write) if place == "body"] == [
        "200 POST /api/jobs/alice"
    ]
    for kind, name in [("models", "alice/trained"), ("datasets", "alice/colbert-kit-jobs")]:
        for path in stocked.repositories[kind, name].resolve().files:
            assert tokens.write.encode() not in stocked.repositories[kind, name].read(path)
    written = capfd.readouterr()
    assert tokens.write not in written.out + written.err + caplog.text


def test_negatives_are_mined_a_corpus_indexed_and_both_are_used_from_the_hub(runner, stocked, tiny_documents, tmp_path):
    mined = finished(
        runner,
        *("mine_hard_negatives", "--pairs", "alice/pairs", "--corpus", "alice/corpus", "--model", "alice/tiny"),
        *("--num-negatives", "2", "--push-to", "alice/rows"),
    )
    rows = training.load_rows(training.DataSource(path="alice/rows", revision=mined.result["revision"]))
    assert rows.column_names == ["query", "positive", "negative_1", "negative_2"]
    assert len(rows) == mined.result["rows"] > 0

    built = finished(
        runner, "build_index", "--corpus", "alice/corpus", "--model", "alice/tiny", "--push-to", "alice/index"
    )
    assert built.result["documents"] == len(tiny_documents)
    assert built.progress.stage
    searcher = Searcher.from_pretrained("alice/index", revision=built.result["revision"])
    assert models.record_of(searcher.model).revision == stocked.repositories["models", "alice/tiny"].branches["main"]
    here = Searcher.build(tmp_path / "here", models.ColBERT("alice/tiny", device="cpu"), tiny_documents)
    queries = [one["text"] for one in tiny_documents[:5]]
    found, expected = searcher.search_many(queries), here.search_many(queries)
    assert [[(hit.id, hit.text) for hit in hits] for hits in found] == [
        [(hit.id, hit.text) for hit in hits] for hits in expected
    ]
    card = DatasetCard(stocked.repositories["datasets", "alice/index"].read("README.md").decode())
    assert card.data.to_dict()["source_datasets"] == ["alice/corpus"]
    assert "encoder:alice/tiny" in card.data.tags


def test_a_model_is_measured_by_a_job_of_this_machine_and_the_report_is_pushed(
    stocked, tokens, tmp_path, tiny_documents, hub_environment
):
    folder = tmp_path / "songs"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_bytes(rows_of({"_id": one["id"], "text": one["text"]} for one in tiny_documents))
    asked = tiny_documents[:20]
    queries = ({"_id": f"q{one['id']}", "text": " ".join(one["text"].split()[:3])} for one in asked)
    (folder / "queries.jsonl").write_bytes(rows_of(queries))
    judged = "".join(f"q{one['id']}\t{one['id']}\t1\n" for one in asked)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    runner = LocalRunner(tmp_path / "jobs")
    spec = script_spec(
        "evaluate",
        ["--model", "alice/tiny", "--collections", f"{folder}:test", "--push-to", "alice/report", "--work", "out"],
        is_elsewhere=False,
    )
    settings = ("HF_ENDPOINT", "HF_HOME", "HF_HUB_DISABLE_XET", "NO_PROXY")
    environment = {name: hub_environment[name] for name in settings} | {"HF_HUB_OFFLINE": "0"}
    spec = dataclasses.replace(spec, environment={**spec.environment, **environment})

    job = runner.launch(spec, secrets={"HF_TOKEN": tokens.write})
    follower = follow(runner, job.id)

    assert follower.wait(300).state == "COMPLETED", "\n".join(follower.log.lines())
    result = follower.log.result
    pushed = stocked.repositories["datasets", "alice/report"]
    (tmp_path / "report.json").write_bytes(pushed.read("report.json"))
    report = evaluation.Report.read(tmp_path / "report.json")
    index = report.collections[0].system("index")
    assert result["means"] == {"songs:test": {name: index.mean(name) for name in report.measures}}
    assert {"README.md", "report.md", "model-index.yaml"} <= set(pushed.resolve().files)
    assert "(http" in pushed.read("README.md").decode().partition("[alice/tiny]")[2]
    for path in Path(runner.folder).rglob("*"):
        assert path.is_dir() or tokens.write.encode() not in path.read_bytes(), path


def run_script(name, *arguments, environment, kill_when=None):
    """A script as a process, as `uv run` starts it: exit code, and what it said."""
    process = subprocess.Popen(
        [sys.executable, script_path(name), *arguments],
        env={**environment, **script_spec(name, arguments, is_elsewhere=False).environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log = JobLog()
    with process.stdout as output:
        for line in output:
            log.add(line.rstrip("\n"))
            if kill_when is not None and kill_when(log):
                process.kill()
    return process.wait(), log


def test_training_that_was_killed_goes_on_and_what_could_not_be_pushed_is_pushed_by_the_next_start(
    stocked, hub_environment, tmp_path
):
    config = tmp_path / "config.yaml"
    config.write_text(json.dumps({**CONFIG, "max_steps": 40, "eval_steps": 4, "logging_steps": 1}))
    arguments = ("train", "--config", str(config), "--push-to", "alice/trained", "--work", str(tmp_path / "work"))

    def is_past_a_checkpoint(log):
        return any(one.step > 8 for one in log.metrics())

    killed, _ = run_script(*arguments, environment=hub_environment, kill_when=is_past_a_checkpoint)
    assert killed == -9

    stocked.faults.refuse("POST", "/api/models/alice/trained/commit/*", 403, message="no more")
    code, log = run_script(*arguments, environment=hub_environment)
    assert code == 1
    assert log.failure.startswith("the access token may not do this with 'alice/trained': no more")
    assert log.lines()[-1] == log.failure
    assert log.result is None
    assert min(one.step for one in log.metrics()) > 4
    assert any("going on from" in line for line in log.lines())

    code, log = run_script(*arguments, environment=hub_environment)
    assert (code, log.metrics()) == (0, [])
    assert log.result["steps"] == 40
    assert models.ColBERT("alice/trained", revision=log.result["revision"], device="cpu")


def test_an_index_is_built_from_a_pinned_address_by_the_hubs_own_client(
    stocked, api, tokens, hub_environment, tmp_path
):
    api.create_repo("alice/scripts", repo_type="dataset")
    commit = api.upload_file(
        repo_id="alice/scripts", repo_type="dataset", path_or_fileobj=script_path("build_index"), path_in_repo="job.py"
    )
    url = f"{stocked.url}/datasets/alice/scripts/resolve/{commit.oid}/job.py"
    arguments = ["--corpus", "alice/corpus", "--model", "alice/tiny", "--push-to", "alice/index"]
    info = api.run_uv_job(
        url, script_args=arguments, secrets={"HF_TOKEN": tokens.write}, timeout="10m", namespace="alice"
    )
    job = stocked.jobs[info.id]
    assert job.wait(300) == "COMPLETED"
    last = parse_event(job.lines[-1]["data"])
    assert last.values["repo_id"] == "alice/index"

    # Again: nothing is left to do, and the repository is as it was.
    code, log = run_script("build_index", *arguments, "--work", str(tmp_path / "work"), environment=hub_environment)
    again, second = run_script("build_index", *arguments, "--work", str(tmp_path / "work"), environment=hub_environment)
    assert (code, again) == (0, 0)
    assert second.progress is None
    assert second.result["revision"] == log.result["revision"]
    other = ["--corpus", "alice/pairs", *arguments[2:], "--work", str(tmp_path / "work")]
    code, log = run_script("build_index", *other, environment=hub_environment)
    assert (code, "holds work with other corpus" in log.failure) == (1, True)


def test_a_job_that_cannot_push_ends_before_its_work_and_says_why(runner, stocked, tokens):
    spec = script_spec("build_index", ["--corpus", "alice/corpus", "--model", "alice/tiny", "--push-to", "bob/index"])
    job = runner.launch(spec, confirm_usd=1.0)
    follower = follow(runner, job.id)
    assert follower.wait(300).message == "Job failed with exit code: 1. Reason: Error"
    assert follower.log.failure.startswith("the access token may not do this with 'bob/index': ")
    assert follower.log.progress is None


def test_the_python_of_the_guide_runs_as_written(stocked, capsys):
    guide = (Path(__file__).parents[2] / "docs" / "jobs.md").read_text()
    [block] = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    for name, ours in {"my-corpus": "corpus", "my-model": "tiny", "my-index": "index"}.items():
        block = block.replace(f"me/{name}", f"alice/{ours}")
    names = {}
    exec(block.replace('"me"', '"alice"'), names)
    *_, last, listed = capsys.readouterr().out.splitlines()
    assert last.startswith("COMPLETED {'repo_id': 'alice/index', 'revision': ")
    assert listed.split()[0] == names["job"].id
