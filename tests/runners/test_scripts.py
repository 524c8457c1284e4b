"""The kit's scripts: what their headers say, and how their arguments reach another process."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.runners import script_names, script_path, script_spec
from colbert_kit.runners.scripts import parse_timeout, read_header

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = {"train": ["train"], "evaluate": ["eval"], "build_index": [], "mine_hard_negatives": []}
NAMES = sorted(EXTRAS)

INDEX = ["--corpus", "me/corpus", "--model", "me/model", "--push-to", "me/index"]


def test_these_are_the_scripts():
    assert script_names() == NAMES
    with pytest.raises(InvalidInput, match=r"the kit's scripts are build_index, evaluate, .*; got '\.\./setup'"):
        script_path("../setup")


@pytest.mark.parametrize("name", NAMES)
def test_a_header_installs_what_the_kit_and_its_extra_need(name):
    wanted = [
        *PROJECT["dependencies"],
        *(one for extra in EXTRAS[name] for one in PROJECT["optional-dependencies"][extra]),
    ]
    header = read_header(script_path(name))
    assert sorted(header.dependencies, key=str.lower) == sorted(set(wanted), key=str.lower)
    assert header.jobs["secrets"] == ["HF_TOKEN"]
    # Whoever takes the kit's name on PyPI must not be run by them.
    assert not [one for one in header.dependencies if "colbert" in one]


@pytest.mark.parametrize("name", NAMES)
def test_the_hubs_own_client_reads_the_header(name):
    found = pytest.importorskip("huggingface_hub.cli._uv_script_header").parse_uv_script_header(
        script_path(name).read_text()
    )
    assert (found.flavor, found.timeout, found.secrets) == (
        *(read_header(script_path(name)).jobs[key] for key in ("flavor", "timeout")),
        ["HF_TOKEN"],
    )


@pytest.mark.parametrize("name", NAMES)
def test_help_comes_at_once_and_names_where_the_result_goes(name):
    asked = subprocess.run(
        [sys.executable, "-X", "importtime", script_path(name), "--help"], capture_output=True, text=True
    )
    assert asked.returncode == 0
    assert "--push-to" in asked.stdout
    assert "::colbert-kit::" not in asked.stdout
    assert not re.search(r"\| +(torch|transformers|datasets|numpy)\n", asked.stderr)


@pytest.mark.parametrize("name", NAMES)
def test_a_script_uses_the_public_face_alone(name):
    imports = re.findall(r"^\s*(?:from|import) (colbert_kit[\w.]*)", script_path(name).read_text(), re.MULTILINE)
    assert set(imports) <= {"colbert_kit", "colbert_kit.errors"}


def test_a_script_that_fails_says_so_in_one_line_and_its_exit_code():
    failed = subprocess.run(
        [sys.executable, script_path("build_index"), "--corpus", "x"], capture_output=True, text=True
    )
    assert failed.returncode == 1
    [line] = failed.stdout.splitlines()
    assert json.loads(line.removeprefix("::colbert-kit:: ")) == {
        "event": "failure", "message": "the following arguments are required: --model, --push-to."
    }  # fmt: skip
    assert failed.stderr == ""


def test_a_spec_takes_from_the_header_what_is_left_out():
    spec = script_spec("build_index", INDEX)
    assert (spec.flavor, spec.timeout_seconds, spec.secrets, spec.kind) == (
        "t4-small",
        3600,
        ("HF_TOKEN",),
        "build_index",
    )
    assert spec.arguments == ("--corpus", "me/corpus", "--model", "me/model", "--push-to", "me/index")
    other = script_spec("build_index", INDEX, flavor="l4x1", timeout="90m", labels={"run": "x"}, secrets=[], volumes=[])
    assert (other.flavor, other.timeout_seconds, other.secrets, other.labels) == ("l4x1", 5400, (), {"run": "x"})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (INDEX[:4], "the following arguments are required: --push-to"),
        ([*INDEX, "--nbitz", "2"], "unrecognized arguments: --nbitz 2"),
        ([*INDEX, "--nbits", "3"], r"argument --nbits: invalid choice: 3"),
        ([*INDEX[:5], "index"], r"argument --push-to: a repository is OWNER/NAME, got 'index'"),
        ([*INDEX, "--passage-words", "x"], "argument --passage-words: invalid int value: 'x'"),
    ],
)
def test_a_wrong_argument_is_told_before_anything_costs(arguments, message):
    with pytest.raises(InvalidInput, match=message):
        script_spec("build_index", arguments)


def test_files_of_this_machine_are_named_in_full_here_and_refused_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("corpus.jsonl").touch()
    arguments = ["--corpus", "corpus.jsonl", "--model", "me/model", "--push-to", "me/index", "--nbits", "2", "--public"]
    spec = script_spec("build_index", arguments, is_elsewhere=False)
    assert spec.arguments == (
        "--corpus", str(tmp_path / "corpus.jsonl"), "--model", "me/model", "--nbits", "2", "--push-to", "me/index",
        "--public",
    )  # fmt: skip
    with pytest.raises(InvalidInput, match=r"corpus\.jsonl is on this machine, and the job is not; push it to the Hub"):
        script_spec("build_index", arguments)


def test_an_index_is_not_built_with_a_model_that_others_cannot_get(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my-model").mkdir()
    arguments = ["--corpus", "me/corpus", "--model", "my-model", "--push-to", "me/index"]
    with pytest.raises(InvalidInput, match=r"my-model is on this machine\. Push it first, colbert-kit push my-model"):
        script_spec("build_index", arguments, is_elsewhere=False)


def test_collections_keep_their_splits(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my-set").mkdir()
    arguments = ["--model", "me/model", "--collections", "scifact", "my-set:dev", "--push-to", "me/report"]
    spec = script_spec("evaluate", arguments, is_elsewhere=False)
    assert spec.arguments[2:5] == ("--collections", "scifact", f"{tmp_path}/my-set:dev")
    with pytest.raises(InvalidInput, match="my-set is on this machine"):
        script_spec("evaluate", arguments)


def test_a_config_is_sent_as_text_and_names_no_file_of_this_machine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("pairs.jsonl", "queries.jsonl", "documents.jsonl"):
        Path(name).touch()
    config = {
        "model": "me/model",
        "train": [
            "pairs.jsonl",
            {"path": "me/scored", "queries": "queries.jsonl", "documents": {"path": "documents.jsonl", "limit": 9}},
        ],
        "eval": "me/dev",
        "output_dir": "somewhere",
        "keep_teachers": "kept",
        "loss": "token_distillation",
        "teachers": [{"path": "me/teacher", "weight": 2.0}],
    }
    Path("config.yaml").write_text(json.dumps(config))
    arguments = ["--config", "config.yaml", "--push-to", "me/trained"]

    option, text, *rest = script_spec("train", arguments, is_elsewhere=False).arguments
    sent = json.loads(text)
    assert (option, rest) == ("--config", ["--push-to", "me/trained"])
    assert [source["path"] for source in sent["train"]] == [str(tmp_path / "pairs.jsonl"), "me/scored"]
    assert sent["train"][1]["queries"]["path"] == str(tmp_path / "queries.jsonl")
    assert sent["train"][1]["documents"] == {"path": str(tmp_path / "documents.jsonl"), "limit": 9}
    assert (sent["model"], sent["eval"]["path"], sent["teachers"][0]["path"]) == ("me/model", "me/dev", "me/teacher")
    assert sent["keep_teachers"] == str(tmp_path / "kept")
    assert "output_dir" not in sent

    with pytest.raises(InvalidInput, match=r"pairs\.jsonl is on this machine, and the job is not"):
        script_spec("train", arguments)
    config["train"] = ["me/pairs"]
    sent = json.loads(script_spec("train", ["--config", json.dumps(config), *arguments[2:]]).arguments[1])
    assert "keep_teachers" not in sent
    with pytest.raises(InvalidConfig, match="learning_rat is no setting of TrainingConfig"):
        script_spec("train", ["--config", json.dumps({**config, "learning_rat": 1}), *arguments[2:]])
    with pytest.raises(InvalidConfig, match="--config is neither a file nor JSON"):
        script_spec("train", ["--config", "{broken", *arguments[2:]])


def test_a_timeout_is_a_number_with_a_unit():
    assert [parse_timeout(one) for one in (60, "60", "90m", "1.5h", "2d")] == [60, 60, 5400, 5400, 172800]
    for wrong in ("soon", "-1h", "0", "1w"):
        with pytest.raises(InvalidConfig, match="a timeout is seconds, or a number and one of s, m, h, d"):
            parse_timeout(wrong)


def test_a_header_with_an_unknown_key_is_refused(tmp_path):
    path = tmp_path / "job.py"
    path.write_text("print(1)\n")
    assert read_header(path).dependencies == ()
    path.write_text('# /// script\n# [tool.hf-jobs]\n# flavour = "x"\n# ///\n')
    with pytest.raises(InvalidConfig, match=r"job\.py: \[tool\.hf-jobs\] has image, flavor, .*; got flavour = 'x'"):
        read_header(path)
    path.write_text("# /// script\n# dependencies = [\n# ///\n")
    with pytest.raises(InvalidConfig, match=r"job\.py: its header is no TOML"):
        read_header(path)
