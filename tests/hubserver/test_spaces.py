"""Spaces: created, configured, paused. Nothing of them runs."""

import pytest
from huggingface_hub.errors import BadRequestError, HfHubHTTPError
from huggingface_hub.utils import get_session

SECRET = "a-secret-that-nobody-reads-back"


@pytest.fixture
def space(api, hub):
    api.create_repo(
        "alice/search",
        repo_type="space",
        space_sdk="gradio",
        private=True,
        space_hardware="t4-small",
        space_sleep_time=3600,
        space_secrets=[{"key": "HF_TOKEN", "value": SECRET, "description": "to read the index"}],
        space_variables=[{"key": "INDEX", "value": "alice/index"}],
    )
    return hub.repositories["spaces", "alice/search"]


def test_body_of_the_request_is_the_documented_one(hub, space):
    assert hub.traffic.only("POST", "/api/repos/create").json() == {
        "name": "search",
        "organization": "alice",
        "visibility": "private",
        "type": "space",
        "sdk": "gradio",
        "hardware": "t4-small",
        "sleepTimeSeconds": 3600,
        "secrets": [{"key": "HF_TOKEN", "value": SECRET, "description": "to read the index"}],
        "variables": [{"key": "INDEX", "value": "alice/index"}],
    }


def test_stage_follows_the_files_and_the_orders(api, space):
    runtime = api.get_space_runtime("alice/search")
    assert (runtime.stage, runtime.requested_hardware, runtime.sleep_time) == ("NO_APP_FILE", "t4-small", 3600)
    assert runtime.hardware is None

    api.upload_file(path_or_fileobj=b"print(1)", path_in_repo="app.py", repo_id="alice/search", repo_type="space")
    runtime = api.get_space_runtime("alice/search")
    assert (runtime.stage, runtime.hardware) == ("RUNNING", "t4-small")
    assert api.pause_space("alice/search").stage == "PAUSED"
    assert api.restart_space("alice/search").stage == "RUNNING"
    assert api.request_space_hardware("alice/search", "cpu-upgrade").requested_hardware == "cpu-upgrade"
    assert api.set_space_sleep_time("alice/search", 600).sleep_time == 600
    with pytest.raises(BadRequestError, match='"flavor" must be one of'):
        api.request_space_hardware("alice/search", "abacus")

    card = b"---\ntitle: Search\n---\n"
    api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="alice/search", repo_type="space")
    assert api.get_space_runtime("alice/search").stage == "CONFIG_ERROR"


def test_space_that_a_test_has_put_here_has_a_state_too(api, hub):
    hub.repositories.create("spaces", "alice/seeded", files={"README.md": b"---\nsdk: gradio\n---\n", "app.py": b""})
    assert api.get_space_runtime("alice/seeded").stage == "RUNNING"
    assert api.space_info("alice/seeded").sdk == "gradio"


def test_description_says_what_the_card_says(api, space):
    card = "---\ntitle: Search\nsdk: static\nmodels: [alice/encoder]\ndatasets: [alice/index]\n---\n"
    space.commit({"README.md": card.encode(), "index.html": b"<p>"})
    info = api.space_info("alice/search")
    assert (info.sdk, info.models, info.datasets) == ("static", ["alice/encoder"], ["alice/index"])
    assert (info.private, info.runtime.stage, info.subdomain) == (True, "RUNNING", "alice-search")


def test_values_of_secrets_are_never_told(api, hub, space):
    api.add_space_secret("alice/search", "OTHER", SECRET + "2")
    found = api.get_space_secrets("alice/search")
    assert {key: one.description for key, one in found.items()} == {"HF_TOKEN": "to read the index", "OTHER": None}
    api.delete_space_secret("alice/search", "OTHER")
    assert list(api.get_space_secrets("alice/search")) == ["HF_TOKEN"]
    api.space_info("alice/search")
    assert {place for _, place in hub.traffic.where(SECRET)} == {"body"}
    assert space.space.secrets["HF_TOKEN"]["value"] == SECRET


def test_variables_are_public(api, space):
    assert api.get_space_variables("alice/search")["INDEX"].value == "alice/index"
    assert api.add_space_variable("alice/search", "K", "10")["K"].value == "10"
    assert list(api.delete_space_variable("alice/search", "K")) == ["INDEX"]


def test_only_its_owners_may_order_it_about(api, space, tokens):
    space.visibility = "public"
    assert api.get_space_runtime("alice/search", token=tokens.stranger).stage == "NO_APP_FILE"
    for token in (tokens.stranger, tokens.read):
        with pytest.raises(HfHubHTTPError, match="403"):
            api.restart_space("alice/search", token=token)
        with pytest.raises(HfHubHTTPError, match="403"):
            api.get_space_secrets("alice/search", token=token)


def test_sdk_must_be_one_that_there_is(hub, hub_here, tokens):
    body = {"name": "x", "type": "space", "sdk": "flask"}
    headers = {"Authorization": f"Bearer {tokens.write}"}
    found = get_session().post(f"{hub.url}/api/repos/create", json=body, headers=headers)
    assert (found.status_code, found.json()["error"]) == (400, '"sdk" must be one of [gradio, docker, static]')


def test_hardware_has_prices(api):
    found = {one.name: one.unit_cost_usd for one in api.list_spaces_hardware()}
    assert found["t4-small"] == pytest.approx(0.4 / 60, abs=1e-6)
