"""Repositories as the real client sees them."""

import pytest
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError


@pytest.fixture
def index(hub):
    """A repository of alice's with files in folders, over three commits."""
    repository = hub.repositories.create("datasets", "alice/index")
    repository.commit({"manifest.json": b"{}", "segments/0001/codes.npy": b"\0" * 300}, "First segment")
    repository.commit({"segments/0002/codes.npy": b"\1" * 300, "segments/0002/ids": b"a"}, "Second segment")
    return repository


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_repository_is_created_once_and_deleted(api, kind):
    sdk = "static" if kind == "space" else None
    url = api.create_repo("alice/thing", repo_type=kind, space_sdk=sdk)

    assert (url.repo_id, url.repo_type) == ("alice/thing", kind)
    assert ".gitattributes" in api.list_repo_files("alice/thing", repo_type=kind)
    assert api.create_repo("alice/thing", repo_type=kind, space_sdk=sdk, exist_ok=True) == url
    with pytest.raises(HfHubHTTPError, match=f"409.*\n*.*You already created this {kind} repo"):
        api.create_repo("alice/thing", repo_type=kind, space_sdk=sdk)

    api.delete_repo("alice/thing", repo_type=kind)
    assert not api.repo_exists("alice/thing", repo_type=kind)
    with pytest.raises(RepositoryNotFoundError):
        api.delete_repo("alice/thing", repo_type=kind)


def test_name_without_namespace_is_the_callers(api):
    assert api.create_repo("mine").repo_id == "alice/mine"


def test_repository_of_an_organization_needs_a_writing_member(api, tokens):
    assert api.create_repo("acme/shared").repo_id == "acme/shared"
    with pytest.raises(HfHubHTTPError, match='the rights to create a model under the namespace "acme"'):
        api.create_repo("acme/other", token=tokens.stranger)
    with pytest.raises(HfHubHTTPError, match='the rights to create a model under the namespace "bob"'):
        api.create_repo("bob/other")


def test_description_has_what_the_client_parses(api, index):
    info = api.dataset_info("alice/index", files_metadata=True)

    assert (info.id, info.author, info.sha) == ("alice/index", "alice", index.branches["main"])
    assert info.private is False
    assert info.created_at <= info.last_modified
    by_name = {one.rfilename: one for one in info.siblings}
    assert by_name["manifest.json"].lfs is None
    assert by_name["manifest.json"].size == 2
    assert by_name["segments/0001/codes.npy"].lfs.size == 300
    assert by_name["segments/0001/codes.npy"].lfs.pointer_size == 128


def test_description_can_be_asked_for_in_part(api, index):
    info = api.dataset_info("alice/index", expand=["sha"])
    assert info.sha == index.branches["main"]
    assert info.siblings is None


def test_description_holds_the_card(api, hub):
    model = hub.repositories.create("models", "alice/encoder")
    card = "---\nlibrary_name: sentence-transformers\ntags: [colbert]\nlicense: mit\nlanguage: no\n---\n# Encoder"
    model.commit({"README.md": card.encode()})

    info = api.model_info("alice/encoder")

    assert info.library_name == "sentence-transformers"
    assert info.card_data.license == "mit"
    assert info.card_data.language == "no"
    assert {"colbert", "license:mit", "no"} <= set(info.tags)


def test_lists_are_of_what_one_may_see(api, hub, tokens):
    hub.repositories.create("datasets", "alice/open").commit({"README.md": b"---\ntags: [plaid]\n---\n"})
    hub.repositories.create("datasets", "alice/secret", "private")
    hub.repositories.create("datasets", "bob/open")

    def listed(**arguments):
        return [one.id for one in api.list_datasets(**arguments)]

    assert listed() == ["bob/open", "alice/secret", "alice/open"]
    assert listed(author="alice") == ["alice/secret", "alice/open"]
    assert listed(author="alice", token=tokens.stranger) == ["alice/open"]
    assert listed(filter="plaid") == ["alice/open"]
    assert listed(search="secret") == ["alice/secret"]
    assert listed(limit=1) == ["bob/open"]


def test_tree_comes_in_pages(api, hub, index):
    whole = [one.path for one in api.list_repo_tree("alice/index", recursive=True, repo_type="dataset")]
    hub.page_size = 3
    hub.traffic.clear()

    assert [one.path for one in api.list_repo_tree("alice/index", recursive=True, repo_type="dataset")] == whole
    assert whole == [
        *(".gitattributes", "manifest.json", "segments", "segments/0001", "segments/0001/codes.npy"),
        *("segments/0002", "segments/0002/codes.npy", "segments/0002/ids"),
    ]
    assert len(hub.traffic.all("GET", "*/tree/*")) == 3


def test_tree_of_a_folder_is_what_lies_in_it(api, index):
    found = list(api.list_repo_tree("alice/index", "segments/0002", repo_type="dataset", expand=True))
    assert [one.path for one in found] == ["segments/0002/codes.npy", "segments/0002/ids"]
    assert found[0].lfs.size == 300
    assert found[0].last_commit.title == "Second segment"
    with pytest.raises(HfHubHTTPError, match="segments/0003 does not exist"):
        list(api.list_repo_tree("alice/index", "segments/0003", repo_type="dataset"))


def test_hash_of_a_folder_changes_with_what_is_below_it(api, index):
    def hashes():
        return {one.path: one.tree_id for one in api.list_repo_tree("alice/index", "segments", repo_type="dataset")}

    before = hashes()
    index.commit({"segments/0002/more": b"more"})
    after = hashes()
    assert before["segments/0001"] == after["segments/0001"]
    assert before["segments/0002"] != after["segments/0002"]


def test_paths_that_are_not_there_are_left_out(api, index):
    asked = ["manifest.json", "segments", "nothing"]
    found = api.get_paths_info("alice/index", asked, repo_type="dataset")
    assert [one.path for one in found] == ["manifest.json", "segments"]


def test_branches_and_tags_name_commits(api, index):
    first, second = [one.commit_id for one in api.list_repo_commits("alice/index", repo_type="dataset")][1::-1]
    api.create_tag("alice/index", tag="v1", revision=first, repo_type="dataset")
    api.create_branch("alice/index", branch="next/try", repo_type="dataset")

    refs = api.list_repo_refs("alice/index", repo_type="dataset")
    assert {one.name: one.target_commit for one in refs.branches} == {"main": second, "next/try": second}
    assert [(one.name, one.ref, one.target_commit) for one in refs.tags] == [("v1", "refs/tags/v1", first)]
    assert api.dataset_info("alice/index", revision="v1").sha == first
    assert api.dataset_info("alice/index", revision="next/try").sha == second

    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_tag("alice/index", tag="v1", repo_type="dataset")
    api.create_tag("alice/index", tag="v1", repo_type="dataset", exist_ok=True)
    with pytest.raises(HfHubHTTPError, match="409"):
        api.create_branch("alice/index", branch="next/try", repo_type="dataset")
    api.delete_tag("alice/index", tag="v1", repo_type="dataset")
    api.delete_branch("alice/index", branch="next/try", repo_type="dataset")
    assert not api.revision_exists("alice/index", "v1", repo_type="dataset")


def test_unknown_revision_is_told_from_unknown_repository(api, index):
    with pytest.raises(RevisionNotFoundError, match="Invalid rev id: v9"):
        api.dataset_info("alice/index", revision="v9")
    with pytest.raises(RepositoryNotFoundError):
        api.dataset_info("alice/nothing")


def test_history_is_newest_first_and_in_pages(api, hub, index):
    hub.page_size = 2
    found = api.list_repo_commits("alice/index", repo_type="dataset")
    assert [one.title for one in found] == ["Second segment", "First segment", "initial commit"]
    assert found[0].authors == ["alice"]


def test_visibility_and_terms_are_settings(api, hub, index, tokens):
    api.update_repo_settings("alice/index", private=True, repo_type="dataset")
    assert api.dataset_info("alice/index").private is True
    assert not api.repo_exists("alice/index", repo_type="dataset", token=tokens.stranger)
    api.update_repo_settings("alice/index", private=False, gated="auto", repo_type="dataset")
    assert api.dataset_info("alice/index", token=tokens.stranger).gated == "auto"
