"""Who acts: a table."""

from types import SimpleNamespace

import pytest

from colbert_kit.app.actor import Actor, find_place, resolve_actor
from colbert_kit.errors import InvalidInput

SIGNED_IN = SimpleNamespace(token="hf_oauth_visitor")
PROFILE = {
    "preferred_username": "ada",
    "name": "Ada",
    "orgs": [
        {"preferred_username": "engines", "name": "Engines", "roleInOrg": "write"},
        {"preferred_username": "readers", "name": "Readers", "roleInOrg": "read"},
    ],
}
SPACE = {"SPACE_ID": "me/search", "SYSTEM": "spaces", "HF_TOKEN": "hf_of_the_space"}


@pytest.mark.parametrize(
    ("environment", "host", "sign_in", "stored", "place", "token", "namespaces", "machine"),
    [
        pytest.param(SPACE, None, None, "hf_of_the_space", "space", None, (), False, id="a stranger in a Space"),
        pytest.param(
            SPACE,
            None,
            SIGNED_IN,
            "hf_of_the_space",
            "space",
            "hf_oauth_visitor",
            ("ada", "engines"),
            False,
            id="a signed-in visitor of a Space",
        ),
        pytest.param({}, None, None, "hf_mine", "local", "hf_mine", (), True, id="one person's machine"),
        pytest.param({}, None, None, None, "local", None, (), True, id="one person's machine without a token"),
        pytest.param({}, "0.0.0.0", None, "hf_mine", "server", None, (), False, id="a server for others"),
        pytest.param(
            {}, "0.0.0.0", SIGNED_IN, "hf_mine", "server", None, (), False, id="a sign-in that a server made up"
        ),
        pytest.param(
            {"GRADIO_SERVER_NAME": "0.0.0.0"}, None, None, "hf_mine", "server", None, (), False, id="bound by variable"
        ),
        pytest.param({"GRADIO_SHARE": "True"}, None, None, "hf_mine", "server", None, (), False, id="a public link"),
        pytest.param(
            {"SYSTEM": "spaces"}, "127.0.0.1", None, "hf_mine", "space", None, (), False, id="a Space without its id"
        ),
    ],
)
def test_who_acts(environment, host, sign_in, stored, place, token, namespaces, machine):
    actor = resolve_actor(sign_in, PROFILE, environment=environment, host=host, stored_token=stored)
    assert (actor.place, actor.token, actor.namespaces) == (place, token, namespaces)
    assert actor.may_use_machine is machine
    assert actor.may_use_hub is (token is not None)


def test_a_token_is_never_shown():
    assert "hf_mine" not in repr(resolve_actor(environment={}, stored_token="hf_mine"))


def test_what_is_refused_says_what_to_do():
    with pytest.raises(InvalidInput, match="sign in above"):
        Actor("space").require_token("Launching a job")
    with pytest.raises(InvalidInput, match="hf auth login"):
        Actor("local").require_token("Launching a job")
    with pytest.raises(InvalidInput, match="acts for nobody"):
        Actor("server").require_token("Launching a job")
    with pytest.raises(InvalidInput, match="your own machine"):
        Actor("space", "hf_oauth").require_machine("Opening a folder")
    Actor("local").require_machine("Opening a folder")
    assert Actor("local", "hf_mine").require_token("Pushing") == "hf_mine"


def test_the_machine_itself_is_the_place_where_nothing_says_otherwise(monkeypatch):
    for name in ("SPACE_ID", "SYSTEM", "GRADIO_SERVER_NAME", "GRADIO_SHARE"):
        monkeypatch.delenv(name, raising=False)
    assert find_place() == "local"
