"""Jobs on this machine: real processes, their folder, their end."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from colbert_kit.errors import InvalidConfig, InvalidInput, JobNotFound
from colbert_kit.runners import JobSpec, LocalRunner, follow

ROOT = Path(__file__).parents[2]
SECRET = "wandb-" + "s" * 30
TOKEN = "hf_" + "t" * 34


@pytest.fixture
def runner(tmp_path):
    runner = LocalRunner(tmp_path / "jobs", grace_seconds=2.0)
    yield runner
    for job in runner.list_jobs(states=["SCHEDULING", "RUNNING"]):
        runner.cancel(job.id)


def program(code, *arguments, **settings):
    command = (sys.executable, "-c", code)
    return JobSpec(**{"kind": "test", "command": command, "arguments": arguments, "timeout_seconds": 60, **settings})


def ended(runner, spec, **options):
    job = runner.launch(spec, **options)
    lines = list(runner.stream_logs(job.id))
    return runner.inspect(job.id), lines


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_job_runs_its_command_and_both_streams_are_its_log(runner):
    job, lines = ended(runner, program("import sys; print('out', *sys.argv[1:]); sys.exit('err')", "a", "b c"))
    assert sorted(lines) == ["err", "out a b c"]
    assert (job.state, job.message) == ("ERROR", "Job failed with exit code: 1. Reason: Error")
    assert job.created <= job.started <= job.finished
    assert (job.kind, job.flavor, job.url) == ("test", None, None)
    assert job.labels["app"] == "colbert-kit"

    assert ended(runner, program("print('ok', end='')"))[0].state == "COMPLETED"
    assert runner.logs(runner.list_jobs()[0].id) == ["ok"]


def test_a_command_that_does_not_exist_is_a_failure_that_says_so(runner):
    job, lines = ended(runner, JobSpec(kind="test", command=("no-such-program",), timeout_seconds=60))
    assert (job.state, job.message) == ("ERROR", "Job failed with exit code: 127. Reason: Error")
    assert lines == ["No such file or directory: no-such-program"]


def test_a_job_that_a_signal_killed_has_the_exit_code_of_a_container(runner):
    job, _ = ended(runner, program("import os; os.kill(os.getpid(), 9)"))
    assert job.message == "Job failed with exit code: 137. Reason: Error"


def test_a_timeout_ends_the_job_and_what_it_started(runner, tmp_path):
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    job, [pid] = ended(runner, program(code, timeout_seconds=1))
    assert (job.state, job.message) == ("ERROR", "Job timeout")
    assert not is_alive(int(pid))


def test_cancel_ends_the_whole_group_even_if_it_heeds_no_signal(runner):
    runner.grace_seconds = 0.3
    code = (
        "import signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(child.pid, flush=True); time.sleep(60)"
    )
    job = runner.launch(program(code))
    pid = int(next(runner.stream_logs(job.id)))

    canceled = runner.cancel(job.id)

    assert (canceled.state, canceled.message) == ("CANCELED", None)
    assert not is_alive(pid)
    assert runner.cancel(job.id) == canceled


def test_what_a_finished_job_left_running_is_ended(runner):
    code = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid)"
    job, [pid] = ended(runner, program(code))
    assert job.state == "COMPLETED"
    assert not is_alive(int(pid))


def test_a_job_that_closes_its_output_goes_on_to_its_end(runner, tmp_path):
    code = "import os, time; os.close(1); os.close(2); time.sleep(0.3); open('done', 'w')"
    job, lines = ended(runner, program(code))
    assert (job.state, lines) == ("COMPLETED", [])
    assert (runner.folder / job.id / "work" / "done").exists()


def test_jobs_are_found_by_labels_and_states_newest_first(runner):
    jobs = [ended(runner, program("", str(number), labels={"set": "a" if number else "b"}))[0] for number in range(3)]
    failed, _ = ended(runner, program("1/0"))
    assert [one.id for one in runner.list_jobs()] == [failed.id, *[one.id for one in reversed(jobs)]]
    assert [one.id for one in runner.list_jobs(labels={"set": "a"})] == [jobs[2].id, jobs[1].id]
    assert [one.id for one in runner.list_jobs(states=["ERROR"])] == [failed.id]
    assert runner.list_jobs(labels={"set": "a", "kind": "train"}) == []


def test_an_equal_job_is_not_launched_twice_while_it_runs(runner):
    spec = program("import time; print('up', flush=True); time.sleep(60)")
    first = runner.launch(spec)
    assert runner.launch(spec).id == first.id
    assert runner.launch(program(spec.command[2], labels={"run": "another"})).id != first.id
    runner.cancel(first.id)
    assert runner.launch(spec).id != first.id


def test_a_job_of_no_such_id_is_named(runner):
    for ask in (runner.inspect, runner.logs, runner.stream_logs, runner.cancel):
        with pytest.raises(JobNotFound, match="there is no job 'f00'"):
            ask("f00")
    with pytest.raises(JobNotFound, match="there is no job"):
        runner.inspect("../jobs")


def test_the_last_lines_can_be_had_alone(runner):
    job, lines = ended(runner, program("for i in range(100): print(i)"))
    assert lines == [str(number) for number in range(100)]
    assert runner.logs(job.id, tail=2) == ["98", "99"]


def test_secrets_reach_the_job_and_stay_nowhere(runner, monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_" + "o" * 34)
    monkeypatch.setenv("INHERITED", "yes")
    code = (
        "import hashlib, os; print(hashlib.sha256(os.environ['KEY'].encode()).hexdigest())\n"
        "print(os.environ['KEY'], os.environ.get('HF_TOKEN'), os.environ['INHERITED'], os.environ['GIVEN'])\n"
        "print('somebody else\\'s: hf_' + 'x' * 34)"
    )
    spec = program(code, secrets=("KEY",), environment={"GIVEN": "1"})
    job, lines = ended(runner, spec, secrets={"KEY": SECRET})

    assert lines == [hashlib.sha256(SECRET.encode()).hexdigest(), "*** None yes 1", "somebody else's: ***"]
    assert job.state == "COMPLETED"
    for path in runner.folder.rglob("*"):
        assert path.is_dir() or SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in repr(spec) + repr(job) + repr(runner)


def test_a_stored_login_is_not_the_jobs_unless_it_is_given(runner, tmp_path, monkeypatch):
    (tmp_path / "token").write_text(TOKEN)
    monkeypatch.setenv("HF_TOKEN_PATH", str(tmp_path / "token"))
    code = "from huggingface_hub.utils import build_hf_headers; print('authorization' in build_hf_headers())"
    assert ended(runner, program(code))[1] == ["False"]
    assert ended(runner, program(code, secrets=("HF_TOKEN",)), secrets={"HF_TOKEN": TOKEN})[1] == ["True"]


def test_a_folder_that_cannot_be_read_does_not_hide_the_other_jobs(runner, caplog):
    job, _ = ended(runner, program(""))
    (runner.folder / "old").mkdir()
    (runner.folder / "old" / "job.json").write_text('{"id": "old", "spec": {"format_version": 2}}')
    assert [one.id for one in runner.list_jobs()] == [job.id]
    assert "is not listed: this is a job of version 2" in caplog.text


def test_a_secret_needs_a_value_and_a_name(runner):
    with pytest.raises(InvalidInput, match=r"needs the secret KEY; give its value to launch \(secrets=\)"):
        runner.launch(program("", secrets=("KEY",)))
    with pytest.raises(InvalidInput, match="names no secret OTHER; it names KEY"):
        runner.launch(program("", secrets=("KEY",)), secrets={"KEY": "x", "OTHER": SECRET})
    assert runner.list_jobs() == []


def test_what_is_only_at_the_hub_is_refused(runner):
    with pytest.raises(InvalidConfig, match="mounted at the Hub only"):
        runner.launch(program("", volumes=("hf://buckets/me/work:/work",)))
    with pytest.raises(InvalidConfig, match=r"not with colbert-kit==1\.0"):
        runner.launch(JobSpec(kind="x", script="x.py", kit="colbert-kit==1.0", timeout_seconds=9))
    with pytest.raises(InvalidConfig, match=r"there is no script x\.py"):
        runner.launch(JobSpec(kind="x", script="x.py", timeout_seconds=9))


def test_a_script_runs_with_this_kit_in_a_folder_of_its_own(runner, tmp_path):
    script = tmp_path / "hello.py"
    script.write_text("import os, sys, colbert_kit; print(colbert_kit.__file__, os.getcwd(), *sys.argv[1:], sep='\\n')")
    job, lines = ended(runner, JobSpec(kind="x", script=str(script), arguments=("--a", "b"), timeout_seconds=60))
    assert lines == [str(ROOT / "colbert_kit" / "__init__.py"), str(runner.folder / job.id / "work"), "--a", "b"]


def test_two_readers_and_a_follower_see_the_same_lines_as_they_come(runner):
    code = "import time\nfor i in range(30): print('line', i, flush=True); time.sleep(0.02)"
    job = runner.launch(program(code))
    follower, seen = follow(runner, job.id, keep_lines=10), [[], []]
    threads = [threading.Thread(target=lambda one=one: one.extend(runner.stream_logs(job.id))) for one in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert seen[0] == seen[1] == [f"line {number}" for number in range(30)]
    assert follower.wait(30).state == "COMPLETED"
    assert follower.is_over
    assert follower.log.lines() == seen[0][-10:]
    assert follower.log.num_lines == 30


def test_a_million_lines_are_all_there_and_memory_holds_the_last(runner):
    job = runner.launch(program("import sys\nfor i in range(1_000_000): sys.stdout.write(f'line {i}\\n')"))
    follower = follow(runner, job.id, keep_lines=1000)
    assert follower.wait(120).state == "COMPLETED"
    assert follower.log.num_lines == 1_000_000
    assert follower.log.lines()[0] == "line 999000"
    assert runner.logs(job.id, tail=1) == ["line 999999"]


LAUNCHING = """
import json, sys, time
from colbert_kit.runners import JobSpec, LocalRunner
job = LocalRunner(sys.argv[1], grace_seconds=2.0).launch(JobSpec.from_json(sys.argv[2]), secrets={"KEY": sys.argv[3]})
print(job.id, flush=True)
time.sleep(60)
"""


def test_a_job_outlives_the_kill_of_whoever_launched_it_and_another_process_finds_it_again(runner, tmp_path):
    code = (
        "import os, pathlib, time\nprint('up', len(os.environ['KEY']), flush=True)\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.05)\nprint('down', flush=True)"
    )
    spec = program(code, secrets=("KEY",), labels={"run": "mine"})
    command = [sys.executable, "-c", LAUNCHING, str(runner.folder), spec.to_json(), SECRET]
    # In a group of its own, all of which is killed: a closed terminal does no more.
    launcher = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    job_id = launcher.stdout.readline().strip()
    until(lambda: runner.logs(job_id))
    os.killpg(launcher.pid, signal.SIGKILL)
    launcher.wait()
    launcher.stdout.close()

    [found] = LocalRunner(runner.folder).list_jobs(labels={"run": "mine"}, states=["RUNNING"])
    assert found.id == job_id
    follower = follow(runner, found.id)
    (runner.folder / job_id / "work" / "go").touch()

    assert follower.wait(30).state == "COMPLETED"
    assert follower.log.lines() == [f"up {len(SECRET)}", "down"]


def test_a_job_whose_supervisor_was_killed_is_ended_and_says_so(runner):
    job = runner.launch(program("import os, time; print(os.getpid(), os.getppid(), flush=True); time.sleep(60)"))
    pid, supervisor = map(int, next(runner.stream_logs(job.id)).split())
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not is_alive(supervisor))

    found = runner.inspect(job.id)

    assert (found.state, found.message.split(",")[0]) == ("ERROR", "The process that watched over the job was killed")
    until(lambda: not is_alive(pid))
    assert runner.cancel(job.id) == found


def test_a_launch_that_was_killed_half_way_leaves_no_job_that_runs_for_ever(runner):
    job, _ = ended(runner, program(""))
    (runner.folder / job.id / "state.json").unlink()
    assert runner.inspect(job.id).state == "ERROR"


def test_what_is_written_of_a_job_holds_its_spec(runner):
    spec = program("print(1)")
    job, _ = ended(runner, spec)
    about = json.loads((runner.folder / job.id / "job.json").read_text())
    assert JobSpec.from_json(json.dumps(about["spec"])) == spec
