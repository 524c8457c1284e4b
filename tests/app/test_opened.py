"""Which indexes are open, and who may open what."""

import pytest

from colbert_kit import Searcher
from colbert_kit.app import opened as opened_module
from colbert_kit.app.actor import Actor
from colbert_kit.app.opened import Opened
from colbert_kit.app.shelf import Shelf
from colbert_kit.errors import ColbertKitError, InvalidInput


@pytest.fixture
def opened(nasty_index):
    return Opened(str(nasty_index), lambda: Actor("local"))


def test_an_empty_name_is_the_pages_own_index(opened, nasty_index):
    assert opened.get("") is opened.get("  ") is opened.get(str(nasty_index)) is opened.own


def test_an_index_is_opened_once_with_the_model_that_is_there(opened, second_index):
    opened.own.searcher()
    service = opened.get(str(second_index))
    assert len(service.searcher()) == 30
    assert service.searcher().model is opened.own.searcher().model
    assert opened.get(f"{second_index}/") is service


def test_an_index_of_the_machines_owner_is_opened_by_its_name_and_by_nobody_else(
    nasty_index, second_index, tmp_path, monkeypatch
):
    monkeypatch.setattr(opened_module, "Shelf", lambda: Shelf(tmp_path))
    Searcher.open(second_index).copy_to(tmp_path / "songs")
    found = Opened(str(nasty_index), lambda: Actor("local")).get("songs")
    assert found.index == str(tmp_path / "songs")
    assert Opened(str(nasty_index), lambda: Actor("server")).get("songs").index == "songs"


def test_the_index_used_longest_ago_goes_first(opened, second_index, tmp_path, monkeypatch):
    monkeypatch.setattr(opened_module, "MOST_OPEN", 2)
    folders = [str(second_index), *(str(tmp_path / name) for name in "ab")]
    for folder in folders[1:]:
        opened.get(str(second_index)).searcher().copy_to(folder)
    first, second = opened.get(folders[0]), opened.get(folders[1])
    assert opened.get(folders[0]) is first
    assert opened.get(folders[2]) is not second
    assert opened.get(folders[0]) is first
    assert opened.get(folders[1]) is not second


def test_what_was_added_is_found_when_the_index_is_opened_again(opened, tiny_model, tmp_path):
    searcher = Searcher.build(tmp_path / "index", tiny_model, [{"id": "1", "text": "the river"}])
    service = opened.get(str(tmp_path / "index"))
    assert len(service.searcher()) == 1
    service.wait()
    searcher.add([{"id": "2", "text": "the sea"}])
    assert opened.refresh(str(tmp_path / "index")) is service
    assert [hit.id for hit in service.search("sea", 5, how="bm25").hits] == ["2"]


def test_a_folder_that_was_no_index_is_tried_again(opened, tiny_model, tmp_path):
    with pytest.raises(ColbertKitError, match="is not an index folder"):
        opened.get(str(tmp_path)).searcher()
    Searcher.build(tmp_path / "index", tiny_model, [{"id": "1", "text": "the river"}])
    opened.get(str(tmp_path)).wait()
    (tmp_path / "index").rename(tmp_path.parent / "moved")
    tmp_path.rmdir()
    (tmp_path.parent / "moved").rename(tmp_path)
    assert len(opened.get(str(tmp_path)).searcher()) == 1


@pytest.mark.parametrize("place", ["space", "server"])
def test_a_visitor_opens_no_folder_of_the_machine(nasty_index, second_index, place, monkeypatch):
    opened = Opened(str(nasty_index), lambda: Actor(place))
    monkeypatch.chdir(second_index.parent.parent)
    for name in (str(second_index), "/", "../x", "~", f"{second_index.parent.name}/index"):
        with pytest.raises(InvalidInput, match="needs your own machine"):
            opened.get(name)


def test_a_visitor_opens_public_repositories_and_none_that_only_the_owner_may_read(
    nasty_index, second_index, tiny_model, hub_here
):
    from colbert_kit import models

    visitor = Opened(str(nasty_index), lambda: Actor("space"))
    visitor.own.searcher()
    searcher = Searcher.open(second_index, tiny_model)
    models.push_to_hub(tiny_model, "alice/tiny", license="mit", private=False)
    for name, private in (("alice/open", False), ("alice/secret", True)):
        searcher.push_to_hub(name, private=private, model_id="alice/tiny", license="mit")
    assert len(Searcher.from_pretrained("alice/secret", tiny_model)) == 30  # is in the cache from now on
    assert len(visitor.get("alice/open").searcher()) == 30
    with pytest.raises(ColbertKitError):
        visitor.get("alice/secret").searcher()
    owner = Opened(str(nasty_index), lambda: Actor("local"))
    owner.own.searcher()
    assert len(owner.get("alice/secret").searcher()) == 30
