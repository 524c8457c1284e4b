"""All that the kit asks of the Hub is in one table, with the fields that are documented; both versions of the client.

https://huggingface.co/docs/hub/api and https://huggingface.co/docs/huggingface_hub/guides/jobs. The bodies are
compared, word for word, in ``hub/test_requests.py``, ``runners/test_requests.py`` and ``runners/test_spaces.py``.
"""

import importlib.metadata
import re
import zipfile

import pytest
from packaging.requirements import Requirement

from colbert_kit import Searcher, evaluation, models, runners, training
from colbert_kit.runners import HfJobsRunner, JobSpec, script_spec, shipping, spaces
from tests.reports import small_report

KIND, ID, REVISION, JOB = "(models|datasets|spaces)", r"[\w.-]+/[\w.-]+", "(main|[0-9a-f]{40})", "[0-9a-f]{24}"
NAME = r"[\w.-]+"

ASKED = (
    r"/api/whoami-v2",
    rf"/api/{KIND}/{ID}(/revision/{REVISION})?(\?blobs=true|\?expand=\w+(&expand=\w+)*)?",
    rf"/api/{KIND}/{ID}/auth-check(/write)?",
    rf"/api/{KIND}/{ID}/tree/{REVISION}(/.*)?\?recursive=\w+&expand=\w+(&.*)?",
    rf"/((datasets|spaces)/)?{ID}/resolve/{REVISION}/.+",
    r"/api/jobs/hardware",
    rf"/api/jobs/{NAME}(\?(&?(stage|label)=[^&]+)+)?",
    rf"/api/jobs/{NAME}/{JOB}",
    rf"/api/jobs/{NAME}/{JOB}/(logs(\?tail=\d+)?|metrics)",
    # Where the Hub itself sends the client on to.
    rf"/api/resolve-cache/{KIND}/{ID}/.*",
)
"""What may be looked at."""

VOLUME = {"type", "source", "mountPath", "revision", "readOnly", "path"}
CHANGED = {
    r"/api/repos/create": {"name", "organization", "type", "visibility", "sdk"},
    r"/api/validate-yaml": {"content", "repoType"},
    rf"/api/{KIND}/{ID}/preupload/main": {"files", "path", "sample", "size"},
    rf"/((datasets|spaces)/)?{ID}\.git/info/lfs/objects/batch": {
        *("operation", "transfers", "objects", "oid", "size", "hash_algo", "ref", "name")
    },
    rf"/((datasets|spaces)/)?{ID}\.git/info/lfs/objects/verify": {"oid", "size"},
    rf"/api/{KIND}/{ID}/commit/main": {
        *(
            "key",
            "value",
            "summary",
            "description",
            "parentCommit",
            "path",
            "content",
            "encoding",
            "algo",
            "oid",
            "size",
        )
    },
    rf"/api/jobs/{NAME}": {
        *("command", "arguments", "environment", "secrets", "flavor", "timeoutSeconds", "labels", "volumes"),
        *("dockerImage", "spaceId"),
        *VOLUME,
    },
    rf"/api/jobs/{NAME}/{JOB}/cancel": set(),
    rf"/api/spaces/{ID}/hardware": {"flavor", "sleepTimeSeconds"},
}
"""What is POSTed, and the fields of its body at any depth; names that we choose ourselves are left out."""

OURS = ("environment", "secrets", "labels")


@pytest.fixture
def small_wheel(monkeypatch):
    """The kit's wheel takes no part here."""

    def build(folder):
        path = folder / "colbert_kit-0.1.0-py3-none-any.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("colbert_kit/__init__.py", "")
        return path

    monkeypatch.setattr(shipping, "build_wheel", build)
    monkeypatch.setattr(spaces, "build_wheel", build)


def push_all(folder, tiny_model_folder, tiny_documents):
    """A model, an index, rows and a report there; the index again with less, and back."""
    models.push_to_hub(models.ColBERT(tiny_model_folder, device="cpu"), "alice/tiny", private=False)
    model = models.ColBERT("alice/tiny", device="cpu")
    searcher = Searcher.build(folder / "songs", model, tiny_documents, dtype="float32", exact_below=0)
    searcher.push_to_hub("alice/songs", private=False)
    searcher.remove(["d01"])
    searcher.compact()
    searcher.push_to_hub("alice/songs", private=False)
    training.push_rows([{"query": "a", "positive": "b"}], "alice/rows", name="pairs")
    training.load_rows(training.DataSource(path="alice/rows", name="pairs"))
    evaluation.write_report(small_report(), folder / "report")
    evaluation.push_report(folder / "report", "alice/report")
    Searcher.from_pretrained("alice/songs", documents=False, device="cpu").search("the old song", 2)
    runners.deploy("alice/songs", "alice/songs-search", hardware="t4-small")


def run_jobs(hub, tokens):
    """A script and a command launched, looked at in every way, and canceled."""
    hub.jobs.settings.scheduling_seconds = 60
    runner = HfJobsRunner("alice", token=tokens.write, endpoint=hub.url)
    arguments = ["--corpus", "alice/corpus", "--model", "alice/tiny", "--push-to", "alice/index"]
    script = runner.launch(script_spec("build_index", arguments), confirm_usd=10.0)
    volumes = ("hf://datasets/alice/corpus@v1:/corpus:ro",)
    spec = JobSpec(kind="test", command=("true",), image="python:3.12", timeout_seconds=60, volumes=volumes)
    command = runner.launch(spec, confirm_usd=1.0)
    runner.list_jobs(labels={"kind": "test"}, states=["RUNNING", "SCHEDULING"])
    runner.spec_of(command.id, timeout_seconds=60)
    for job in (script, command):
        runner.cancel(job.id)
        runner.logs(job.id, tail=2)
        list(runner.stream_logs(job.id))


def fields_of(body):
    """The names in a JSON value, at any depth but inside of what we name ourselves."""
    if isinstance(body, list):
        return set().union(*map(fields_of, body))
    if not isinstance(body, dict):
        return set()
    return set(body) | set().union(*(fields_of(value) for name, value in body.items() if name not in OURS))


def test_nothing_is_asked_or_said_that_is_not_documented(
    hub_here, tokens, small_wheel, tmp_path, tiny_model_folder, tiny_documents
):
    push_all(tmp_path, tiny_model_folder, tiny_documents)
    run_jobs(hub_here, tokens)

    sent = [one for one in hub_here.traffic.all() if one.host == "hub"]
    looked = [f"{one.path}?{one.query}".rstrip("?") for one in sent if one.method in ("GET", "HEAD")]
    assert [one for one in looked if not any(re.fullmatch(pattern, one) for pattern in ASKED)] == []
    changed = [one for one in sent if one.method not in ("GET", "HEAD")]
    assert {one.method for one in changed} == {"POST"}
    met = set()
    for one in changed:
        [pattern] = [pattern for pattern in CHANGED if re.fullmatch(pattern, one.path)]
        met.add(pattern)
        said = one.lines() if "commit" in pattern else one.json() if one.body else {}
        assert fields_of(said) <= CHANGED[pattern], one
        assert one.query == ""
    assert met == set(CHANGED)


@pytest.mark.parametrize("version", ["1.33.0", "2.4.0"])
def test_every_library_beside_the_kit_takes_both_versions_of_the_client(version):
    asked = [
        (found.metadata["Name"], requirement)
        for found in importlib.metadata.distributions()
        for requirement in map(Requirement, found.requires or ())
        if requirement.name.lower().replace("_", "-") == "huggingface-hub"
        and (requirement.marker is None or requirement.marker.evaluate({"extra": ""}))
    ]
    assert {"colbert-kit", "transformers", "sentence-transformers", "datasets"} <= {
        name.lower().replace("_", "-") for name, _ in asked
    }
    assert [name for name, requirement in asked if version not in requirement.specifier] == []
