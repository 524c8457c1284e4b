"""Which indexes the page opens, for whom."""

import pytest

from colbert_kit import Searcher
from colbert_kit.app.answers import Answers
from colbert_kit.app.opened import MOST, Opened
from colbert_kit.errors import InvalidInput


@pytest.fixture
def folders(tiny_model, tmp_path):
    for number in range(MOST + 2):
        documents = [{"id": f"of-{number}", "text": "the river of the city"}]
        Searcher.build(tmp_path / f"index-{number}", tiny_model, documents)
    return [str(tmp_path / f"index-{number}") for number in range(MOST + 2)]


def ids(rows):
    return [row["id"] for row in rows]


def test_another_folder_is_searched_beside_the_pages_own(folders):
    answers = Answers(folders[0])
    assert ids(answers.search("river", 5, "")) == ["of-0"]
    assert ids(answers.search("river", 5, "", folders[1])) == ["of-1"]
    assert ids(answers.search("river", 5, "", f" {folders[0]} ")) == ["of-0"]
    assert answers.get_status(folders[1]).stage == "ready"


def test_few_are_open_at_a_time_and_the_one_not_asked_for_longest_is_closed(folders):
    opened = Opened(folders[0])
    first, *others = (opened.get(folder) for folder in folders[1:])
    assert opened.get(folders[0]) is opened.get("") is opened.own
    assert opened.get(folders[2]) is others[0]
    assert opened.get(folders[1]) is not first


def test_a_failure_is_told_and_tried_again_when_asked_again(folders, tmp_path, tiny_model):
    answers = Answers(folders[0])
    (tmp_path / "later").mkdir()
    assert "manifest.json" in answers.search_html("river", 5, "", str(tmp_path / "later"))
    (tmp_path / "later").rmdir()
    Searcher.build(tmp_path / "later", tiny_model, [{"id": "late", "text": "river"}])
    assert ids(answers.search("river", 5, "", str(tmp_path / "later"))) == ["late"]


def test_what_is_neither_folder_nor_repository_is_refused(folders):
    answers = Answers(folders[0])
    with pytest.raises(InvalidInput, match="there is no folder"):
        answers.search("river", 5, "", "no/such/folder")
    assert answers.get_status("../up").stage == "failed"


@pytest.mark.parametrize("elsewhere", [{"SPACE_ID": "alice/search"}, {"GRADIO_SERVER_NAME": "0.0.0.0"}])
def test_elsewhere_no_folder_is_opened(folders, monkeypatch, elsewhere):
    for name, value in elsewhere.items():
        monkeypatch.setenv(name, value)
    opened = Opened(folders[0])
    assert opened.get(folders[0]) is opened.own
    for index in (folders[1], "/etc", "../up", "songs"):
        with pytest.raises(InvalidInput, match="needs your own machine"):
            opened.get(index)


def test_in_a_space_a_stranger_does_not_read_with_the_token_of_its_owner(
    hub_here, tiny_model_folder, tiny_documents, tmp_path, folders, monkeypatch
):
    from colbert_kit import models

    models.push_to_hub(models.ColBERT(tiny_model_folder, device="cpu"), "alice/tiny", private=False)
    searcher = Searcher.build(tmp_path / "songs", models.ColBERT("alice/tiny", device="cpu"), tiny_documents)
    searcher.push_to_hub("alice/secret")
    searcher.push_to_hub("alice/open", private=False)
    assert ids(Answers(folders[0]).search("river", 1, "", "alice/secret"))
    monkeypatch.setenv("SPACE_ID", "alice/search")
    answers = Answers(folders[0])
    assert ids(answers.search("river", 1, "", "alice/open"))
    assert "no such repository" in answers.search_html("river", 1, "", "alice/secret")
