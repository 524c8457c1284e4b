"""Reports on a Hub on this machine: what is there is read again as the same report."""

import pytest
from huggingface_hub import DatasetCard, hf_hub_download

from colbert_kit.errors import InvalidInput
from colbert_kit.evaluation import Report, push_report, write_report
from tests.reports import TITLE, small_report

REPO = "alice/report"


@pytest.fixture
def folder(tmp_path):
    write_report(small_report(), tmp_path / "out")
    return tmp_path / "out"


def test_pushed_report_is_read_again_and_its_card_shows_the_figures_and_no_text_or_path(hub_here, folder):
    (folder / "notes.txt").write_text("mine")

    pushed = push_report(folder, REPO)

    path = hf_hub_download(REPO, "report.json", repo_type="dataset", revision=pushed.revision)
    assert Report.read(path) == small_report()
    repository = hub_here.repositories["datasets", REPO]
    files = set(repository.resolve().files)
    assert {"README.md", "report.md", "model-index.yaml", "plots/quality.png", "plots/quality.svg"} <= files
    assert repository.is_private
    assert "notes.txt" not in files
    card = DatasetCard(repository.read("README.md").decode())
    assert (card.data.pretty_name, card.data.to_dict()["viewer"]) == ("report", False)
    assert "0.6250" in card.text
    assert REPO in card.text
    for secret in (TITLE, "secret query"):
        assert secret not in card.content


def test_report_that_is_pushed_again_changes_nothing_and_a_newer_one_replaces_it(hub_here, folder):
    first = push_report(folder, REPO)
    assert push_report(folder, REPO).revision == first.revision

    (folder / "plots" / "quality.svg").unlink()
    push_report(folder, REPO)
    assert "plots/quality.svg" not in hub_here.repositories["datasets", REPO].resolve().files


def test_folder_without_a_report_is_refused_before_anything_is_asked(hub_here, tmp_path):
    with pytest.raises(InvalidInput, match="there is no report"):
        push_report(tmp_path, REPO)
    assert hub_here.traffic.all() == []
