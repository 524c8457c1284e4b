"""The launched command as uv itself runs it; all that it would install is there already."""

import hashlib
import shutil
import sys

import pytest

from colbert_kit.runners import HfJobsRunner, JobSpec, follow
from colbert_kit.runners.scripts import read_header, script_path

UV = shutil.which("uv")

pytestmark = [pytest.mark.slow, pytest.mark.skipif(UV is None, reason="uv is not installed: pip install uv")]


def test_uv_starts_a_script_in_an_environment_with_its_dependencies(hub_here, tokens):
    hub_here.jobs.settings.uv = UV
    content = b"import sys, torch, sentence_transformers; print('ran', *sys.argv[1:])"
    commit = hub_here.repositories.create("datasets", "alice/files", "private").commit({"job.py": content})
    spec = JobSpec(
        kind="test",
        script=f"{hub_here.url}/datasets/alice/files/resolve/{commit.oid}/job.py",
        script_sha256=hashlib.sha256(content).hexdigest(),
        arguments=("--x", "a b"),
        dependencies=read_header(script_path("build_index")).dependencies,
        # This environment's: it has the dependencies, so that uv need not fetch them.
        python=sys.executable,
        environment={"UV_OFFLINE": "1"},
        secrets=("HF_TOKEN",),
        timeout_seconds=120,
    )
    runner = HfJobsRunner("alice", token=tokens.write, endpoint=hub_here.url)
    job = runner.launch(spec, confirm_usd=0.01)
    follower = follow(runner, job.id)
    assert follower.wait(120).state == "COMPLETED", follower.log.lines()
    assert follower.log.lines()[-1] == "ran --x a b"
