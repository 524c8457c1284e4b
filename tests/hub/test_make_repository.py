"""A repository that is made, or looked at, before the work whose result it is for."""

import pytest

from colbert_kit import hub
from colbert_kit.errors import HubUnreachable, InvalidInput, NotAllowed


def make(**arguments):
    hub.make_repository("alice/index", repo_type="dataset", **arguments)


def test_repository_that_is_not_there_is_made_private_and_one_that_is_stays_as_it_is(hub_here):
    make()
    repository = hub_here.repositories["datasets", "alice/index"]
    assert repository.is_private
    head = repository.branches["main"]
    make(private=False)
    assert (repository.is_private, repository.branches["main"]) == (True, head)


def test_public_repository_must_be_named_so(hub_here):
    make(private=False)
    assert not hub_here.repositories["datasets", "alice/index"].is_private
    with pytest.raises(InvalidInput, match=r"'alice/index' is public.*\(--public\)"):
        make()


@pytest.mark.parametrize("is_there", [True, False])
@pytest.mark.parametrize("kind", ["read", "jobs_only", "expired"])
def test_token_that_could_not_push_is_refused_whether_or_not_the_repository_is_there(hub_here, tokens, is_there, kind):
    if is_there:
        make()
    with pytest.raises(NotAllowed, match="the access token"):
        make(token=getattr(tokens, kind))
    assert (("datasets", "alice/index") in hub_here.repositories) == is_there


def test_repository_of_others_that_may_be_read_is_no_place_to_push_to(hub_here):
    hub_here.repositories.create("datasets", "bob/index")
    with pytest.raises(NotAllowed, match="may not do this with 'bob/index'"):
        hub.make_repository("bob/index", repo_type="dataset", private=False)


def test_name_that_cannot_be_and_a_hub_that_is_gone_are_told(hub_here):
    with pytest.raises(InvalidInput, match="named by its owner and its name"):
        hub.make_repository("index")
    hub_here.stop()
    with pytest.raises(HubUnreachable, match="the Hub cannot be reached"):
        make()
