"""Who may do what, and how the real client words it when they may not."""

import pytest
from huggingface_hub import HfApi
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError

from tests.hubserver.accounts import Token


@pytest.fixture
def private(hub):
    repository = hub.repositories.create("models", "alice/private", "private")
    repository.commit({"config.json": b"{}"})
    return repository


def test_whoami_tells_user_organizations_and_role(api, tokens):
    found = api.whoami()
    assert (found["name"], found["type"]) == ("alice", "user")
    assert [(one["name"], one["roleInOrg"]) for one in found["orgs"]] == [("acme", "write")]
    assert found["auth"]["accessToken"]["role"] == "write"
    assert api.whoami(token=tokens.read)["auth"]["accessToken"]["role"] == "read"
    fine = api.whoami(token=tokens.without_jobs)["auth"]["accessToken"]
    assert fine["fineGrained"]["scoped"][0]["permissions"] == ["repo.content.read", "repo.write"]


def test_token_that_is_no_good_is_refused_even_for_what_is_public(api, hub, tokens):
    hub.repositories.create("models", "alice/public")
    # The client says that there is no such repository; what the Hub said is in the message.
    with pytest.raises(RepositoryNotFoundError, match='User Access Token "tests" is expired'):
        api.model_info("alice/public", token=tokens.expired)
    with pytest.raises(HfHubHTTPError, match="Invalid credentials in Authorization header"):
        api.model_info("alice/public", token=tokens.unknown)
    hub.accounts.revoke(tokens.read)
    with pytest.raises(HfHubHTTPError, match="Invalid credentials in Authorization header"):
        api.model_info("alice/public", token=tokens.read)
    assert api.model_info("alice/public", token=False).id == "alice/public"


def test_whoami_of_an_expired_token_is_a_401(api, tokens):
    with pytest.raises(HfHubHTTPError) as caught:
        api.whoami(token=tokens.expired)
    assert caught.value.response.status_code == 401
    assert caught.value.response.headers["X-Error-Message"] == 'User Access Token "tests" is expired'


def test_private_repository_is_not_there_for_others(api, private, tokens):
    assert api.model_info("alice/private").private
    assert api.model_info("alice/private", token=tokens.read).private
    for token, status in [(tokens.stranger, 404), (False, 401), (tokens.jobs_only, 404)]:
        with pytest.raises(RepositoryNotFoundError) as caught:
            api.model_info("alice/private", token=token)
        assert caught.value.response.status_code == status
        with pytest.raises(RepositoryNotFoundError):
            api.hf_hub_download("alice/private", "config.json", token=token)
    assert api.file_exists("alice/private", "config.json")


def test_member_reads_what_the_organization_keeps_private(api, hub, tokens):
    hub.repositories.create("models", "acme/private", "private")
    assert api.model_info("acme/private", token=tokens.stranger).private
    api.auth_check("acme/private", token=tokens.stranger)
    with pytest.raises(HfHubHTTPError, match="403"):
        api.auth_check("acme/private", token=tokens.stranger, write=True)


def test_read_token_cannot_write(api, hub, tokens, tmp_path):
    hub.repositories.create("models", "alice/model")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.json").write_text("{}")
    with pytest.raises(HfHubHTTPError, match="403 Forbidden: you must use a write token to upload to a repository"):
        api.upload_folder(repo_id="alice/model", folder_path=tmp_path / "folder", token=tokens.read)
    with pytest.raises(HfHubHTTPError, match='the rights to create a model under the namespace "alice"'):
        api.create_repo("alice/other", token=tokens.read)
    # As on the real Hub: that it is there already hides that one could not have created it.
    assert api.create_repo("alice/model", token=tokens.read, exist_ok=True).repo_id == "alice/model"
    with pytest.raises(HfHubHTTPError, match="you must use a write token"):
        api.delete_repo("alice/model", token=tokens.read)


def test_stranger_cannot_write(api, hub, tokens):
    hub.repositories.create("models", "alice/model")
    with pytest.raises(HfHubHTTPError, match="403 Forbidden: pass `create_pr=1`"):
        api.upload_file(path_or_fileobj=b"x", path_in_repo="x", repo_id="alice/model", token=tokens.stranger)


def test_gated_repository_describes_itself_and_keeps_its_files(api, private, hub, tokens):
    private.visibility, private.gated = "public", "manual"
    assert api.model_info("alice/private", token=tokens.stranger).gated == "manual"
    assert api.file_exists("alice/private", "config.json")
    with pytest.raises(GatedRepoError, match="you are not in the authorized list"):
        api.file_exists("alice/private", "config.json", token=tokens.stranger)
    with pytest.raises(GatedRepoError, match="Please log in"):
        api.auth_check("alice/private", token=False)


def test_account_without_a_token_that_the_client_finds_is_anonymous(hub_here, monkeypatch, private):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(RepositoryNotFoundError):
        HfApi().model_info("alice/private")


def test_value_of_a_token_is_not_in_its_repr():
    assert "hf_" not in repr(Token("hf_secret", "alice"))
