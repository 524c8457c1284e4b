"""A run that is killed goes on as if nothing had happened."""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from colbert_kit.training import TrainingConfig
from colbert_kit.training.checkpoints import MARKER, drop_unfinished, last_finished
from tests.checkpoints import write_bert
from tests.training.runs import ROWS, weights_of

ROOT = Path(__file__).resolve().parents[2]


def begin(config_path, kill_at=None):
    command = [sys.executable, "-m", "tests.training.runs", str(config_path)]
    command += [] if kill_at is None else [str(kill_at)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(config_path):
    process = begin(config_path)
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    return json.loads(output.splitlines()[-1]), errors


@pytest.fixture
def write_config(tmp_path):
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    write_bert(encoder)
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(map(json.dumps, ROWS)))

    def write(name, **options):
        options = {
            "model": str(encoder), "train": str(rows), "device": "cpu", "embedding_size": 16, "query_length": 8,
            "document_length": 24, "batch_size": 8, "max_steps": 16, "eval_steps": 3, "learning_rate": 5e-3,
            "eval_fraction": 0.1, "temperature": 0.1, "output_dir": tmp_path / name,
        } | options  # fmt: skip
        TrainingConfig(**options).to_file(tmp_path / f"{name}.yaml")
        return tmp_path / f"{name}.yaml"

    return write


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="full", marks=pytest.mark.slow),
        pytest.param({"lora": {"rank": 2, "dropout": 0.1}}, id="adapters", marks=pytest.mark.long),
    ],
)
def test_a_run_killed_between_steps_ends_with_the_weights_of_one_that_was_not(write_config, options):
    whole, _ = finish(write_config("whole", **options))
    killed = write_config("killed", **options)
    process = begin(killed, kill_at=11)
    process.communicate()
    assert process.returncode == -signal.SIGKILL

    again, errors = finish(killed)

    assert "going on from" in errors
    assert "checkpoint-9" in errors
    assert again == whole


@pytest.mark.slow
def test_two_processes_train_one_model_and_one_of_them_writes(write_config):
    config = write_config("together", gather_across_devices=True, max_steps=6, device=None)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += ["-m", "colbert_kit.cli", "train", str(config)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert done.stdout.count("step 6 of 6") + done.stdout.count("step 3 of 6") == 1
    folder = config.with_suffix("")
    result = json.loads((folder / "training_result.json").read_text())
    assert result["steps"] == 6
    assert not (folder / "training_args.bin").exists()
    assert not list(folder.glob("checkpoint-*"))


@pytest.mark.long
def test_runs_killed_at_any_moment_end_with_the_same_weights(write_config):
    options = {"max_steps": 14, "eval_steps": 1}
    whole, _ = finish(write_config("whole", **options))
    config = write_config("killed", **options)
    generator = random.Random(11)
    kills = 0
    while not (config.with_suffix("") / "training_result.json").exists():
        process = begin(config)
        deadline = time.monotonic() + 300
        folder = config.with_suffix("")
        start = last_finished(folder) if folder.exists() else None
        # A while after its first checkpoint, which is somewhere in writing or evaluating the next.
        while process.poll() is None and time.monotonic() < deadline:
            if folder.exists() and last_finished(folder) != start:
                time.sleep(generator.uniform(0, 0.7))
                process.kill()
                kills += 1
                break
            time.sleep(0.005)
        process.communicate()
        assert process.returncode in (0, -signal.SIGKILL)
    assert kills >= 3
    assert weights_of(config.with_suffix("")) == whole["weights"]


@pytest.fixture
def checkpoints(tmp_path):
    for step in (5, 10):
        folder = tmp_path / f"checkpoint-{step}"
        (folder / "1_Dense").mkdir(parents=True)
        for name in ("model.safetensors", "optimizer.pt", "1_Dense/model.safetensors"):
            (folder / name).write_bytes(b"x" * step)
        sizes = dict.fromkeys(("model.safetensors", "optimizer.pt", "1_Dense/model.safetensors"), step)
        (folder / MARKER).write_text(json.dumps(sizes))
    return tmp_path


def test_the_newest_whole_checkpoint_is_the_one_to_go_on_from(checkpoints):
    assert last_finished(checkpoints).name == "checkpoint-10"


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.pt", "1_Dense/model.safetensors", MARKER])
@pytest.mark.parametrize("fault", ["missing", "cut short"])
def test_a_checkpoint_that_lacks_anything_is_not_resumed_from(checkpoints, name, fault):
    path = checkpoints / "checkpoint-10" / name
    if fault == "missing":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:4])

    assert last_finished(checkpoints).name == "checkpoint-5"
    drop_unfinished(checkpoints)
    assert [one.name for one in checkpoints.iterdir()] == ["checkpoint-5"]


def test_what_is_no_checkpoint_is_left_alone(checkpoints):
    shutil.copytree(checkpoints / "checkpoint-5", checkpoints / "checkpoint-best")
    (checkpoints / "checkpoint-best" / MARKER).unlink()
    drop_unfinished(checkpoints)

    assert (checkpoints / "checkpoint-best").is_dir()
