"""A job's description: what it refuses, and what crosses to another process."""

import json

import pytest

from colbert_kit.errors import InvalidConfig
from colbert_kit.runners import JobSpec, redacted
from colbert_kit.runners.spec import parse_volume

COMMIT, SHA256 = "a1" * 20, "b2" * 32
TOKEN = "hf_" + "t" * 34
HELLO = {"kind": "hello", "command": ("echo", "hello"), "timeout_seconds": 60}
SCRIPT = {"kind": "train", "timeout_seconds": 60, "script": f"https://huggingface.co/me/x/resolve/{COMMIT}/train.py"}


def test_a_spec_comes_back_from_json_as_it_was():
    spec = JobSpec(
        **HELLO,
        arguments=("--x", "1"),
        environment={"A": "b"},
        secrets=("HF_TOKEN",),
        labels={"team": "search"},
        volumes=("hf://buckets/me/work:/work",),
    )
    assert JobSpec.from_json(spec.to_json()) == spec
    assert json.loads(spec.to_json())["format_version"] == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{broken", "this is no job"),
        ("[]", "this is no job"),
        ('{"format_version": 2}', "a job of version 2; this colbert_kit reads 1"),
        ('{"format_version": 1, "kind": "x", "timeout": 3}', "unexpected keyword argument 'timeout'"),
        ('{"format_version": 1, "kind": "x", "command": ["x"], "timeout_seconds": 0}', "must be 1 or more, got 0"),
    ],
)
def test_what_is_no_spec_is_refused(text, message):
    with pytest.raises(InvalidConfig, match=message):
        JobSpec.from_json(text)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({**HELLO, "command": ()}, "either a script or a command"),
        ({**HELLO, "script": "train.py"}, "either a script or a command"),
        ({**HELLO, "timeout_seconds": None}, "whole number, got None"),
        ({**HELLO, "timeout_seconds": True}, "whole number, got True"),
        ({**HELLO, "kind": "a b"}, "a label is 1 to 100 letters"),
        ({**HELLO, "labels": {"app": "mine"}}, "set by the kit; leave out app"),
        ({**HELLO, "labels": {"run": "x/y"}}, "'run': 'x/y'"),
        ({**HELLO, "environment": {"A=B": "x"}}, "a variable's name"),
        ({**HELLO, "environment": {"N": 1}}, "environment holds texts; N"),
        ({**HELLO, "environment": {"K": "x"}, "secrets": ("K",)}, "K is both"),
        ({**HELLO, "volumes": ("/here:/there",)}, "a volume is hf://buckets"),
        (SCRIPT, "script_sha256 must be 64 hex digits where script is an address, got None"),
        ({**SCRIPT, "script": "https://huggingface.co/me/x/resolve/main/train.py"}, "names a commit of 40 hex digits"),
        ({**SCRIPT, "script": f"http://example.com/{COMMIT}/train.py"}, "must be an https address"),
        ({**SCRIPT, "script": "train.py", "script_sha256": SHA256}, "is for a script at an address"),
        ({**SCRIPT, "script_sha256": SHA256, "kit": "colbert-kit"}, "colbert-kit==VERSION"),
        ({**SCRIPT, "script_sha256": SHA256, "kit": "other==1.0"}, "colbert-kit==VERSION"),
    ],
)
def test_a_setting_that_cannot_work_is_named(settings, message):
    with pytest.raises(InvalidConfig, match=message):
        JobSpec(**settings)


@pytest.mark.parametrize(
    "place",
    [
        {"command": ("echo", TOKEN)},
        {"arguments": (f"--token={TOKEN}",)},
        {"environment": {"HF_TOKEN": TOKEN}},
        {"environment": {"X": "hf_oauth_" + "eyJ0.eyJz-dWI_" * 3}},
    ],
)
def test_a_token_may_stand_nowhere_in_a_spec_and_the_refusal_does_not_repeat_it(place):
    with pytest.raises(InvalidConfig, match="name a variable in secrets") as error:
        JobSpec(**{**HELLO, **place})
    assert TOKEN not in str(error.value)


def test_equal_specs_have_equal_digests_and_labels_say_what_the_job_is():
    one, same, other = JobSpec(**HELLO), JobSpec(**HELLO), JobSpec(**HELLO, arguments=("again",))
    assert one.digest == same.digest != other.digest
    assert one.all_labels == {"app": "colbert-kit", "kind": "hello", "run": one.digest}
    assert JobSpec(**HELLO, labels={"run": "mine"}).all_labels["run"] == "mine"


def test_volumes_are_written_as_the_hubs_client_writes_them():
    assert parse_volume("hf://buckets/me/work:/work") == {
        "type": "bucket", "source": "me/work", "revision": None, "mount_path": "/work", "read_only": None
    }  # fmt: skip
    assert parse_volume("hf://datasets/me/corpus@v1.0:/corpus:ro")["revision"] == "v1.0"
    assert parse_volume("hf://me/model:/model:ro") == {
        "type": "model", "source": "me/model", "revision": None, "mount_path": "/model", "read_only": True
    }  # fmt: skip


def test_tokens_are_taken_out_of_texts_and_other_words_stay():
    assert redacted(f"Bearer {TOKEN}, {TOKEN}!") == "Bearer hf_***, hf_***!"
    assert redacted("hf_jwt_" + "eyJhbGciOiJ.eyJzdWIiOiJ") == "hf_***"
    assert redacted("from hf_hub_download import hf_transfer") == "from hf_hub_download import hf_transfer"
