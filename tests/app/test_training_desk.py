"""From rows to a job, without a browser: looked at first, launched once, with the visitor's own token alone."""

import dataclasses
import json
from pathlib import Path

import pytest

from colbert_kit import models
from colbert_kit.app.actor import Actor
from colbert_kit.app.job_list import JobList
from colbert_kit.app.jobs_html import job_view_html
from colbert_kit.app.launching_training import LOSSES, Form, TrainingDesk
from colbert_kit.app.train_html import findings_html, flavor_choices, preview_html
from colbert_kit.app.training_data import Roles, Rows, detect_roles, slug, take_dataset, take_file
from colbert_kit.errors import ColbertKitError, InvalidInput
from colbert_kit.runners import OFFLINE_FLAVORS, HfJobsRunner, LocalRunner
from colbert_kit.training import LOSSES as TRAINED
from colbert_kit.training import TrainingConfig
from tests.app.test_job_list import until
from tests.training.runs import ROWS

OWNER = Actor("local")
NASTY = "<script>document.title='broken'</script> ${1+1} `x` {{y}} the city"


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "pairs.jsonl"
    found = [{"question": row["query"], "answer": row["positive"], "neg": row["negatives"], "n": 1} for row in ROWS]
    found[0]["answer"] = f"{NASTY} {'the song ' * 40}"
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return take_file(path)


@pytest.fixture
def desk(tmp_path):
    return TrainingDesk(JobList(lambda: LocalRunner(tmp_path / "jobs")), tmp_path / "home")


def form_of(rows, folder, **settings):
    return Form(rows, detect_roles(rows), **{"model": str(folder), "batch_size": 8, **settings})


@pytest.mark.parametrize(
    ("kinds", "roles"),
    [
        ({"id": "text", "positive": "text", "query": "text"}, Roles("query", "positive")),
        ({"anchor": "text", "pos": "text", "hard_negative_1": "text"}, Roles("anchor", "pos", ("hard_negative_1",))),
        ({"french": "text", "english": "text"}, Roles("french", "english")),
        ({"query": "text", "documents": "list", "scores": "list"}, Roles("query", "documents", (), "scores")),
        ({"Query": "text", "Answer": "text", "label": "number"}, Roles("Query", "Answer", (), "label")),
    ],
)
def test_columns_are_known_by_their_names_and_else_by_their_places(kinds, roles):
    assert detect_roles(Rows("rows", kinds=tuple(kinds.items()))) == roles


def test_the_form_begins_with_what_a_config_begins_with():
    config = TrainingConfig(model="m", train="rows.jsonl")
    form = Form(Rows("rows"), Roles())
    for name in ("loss", "epochs", "batch_size", "learning_rate", "mini_batch_size"):
        assert getattr(form, name) == getattr(config, name)
    assert set(LOSSES) == set(TRAINED) - {"token_distillation", "in_batch_distillation"}


def test_rows_are_shown_as_the_model_will_see_them_and_then_trained_on_once(desk, rows, tiny_model_folder):
    checked = desk.examine(OWNER, form_of(rows, tiny_model_folder))
    assert (checked.num_rows, len(checked.rows), checked.findings) == (90, 10, ())
    query, positive, negative = checked.rows[0]
    assert (query["marker"], query["seen"], negative["column"]) == ("[Q]", "the song rain", "negative_1")
    assert positive["cut"].endswith("the song ")
    shown = preview_html(checked)
    assert "<script" not in shown
    assert "&lt;script&gt;" in shown
    first = desk.launch(OWNER, checked, timeout_seconds=600)
    # The second of two clicks.
    assert desk.launch(OWNER, checked, timeout_seconds=600) == first
    view = until(lambda: desk.jobs.look(OWNER, first), lambda view: view.is_over, 180)
    assert view.job.state == "COMPLETED", view.lines
    assert {name for one in view.metrics for name in one.values} == {"loss", "learning_rate", "nDCG@10"}
    assert Path(view.result["folder"]) == desk.home / "my-models" / "my-model"
    assert models.ColBERT(view.result["folder"], device="cpu")
    assert "models.ColBERT(" in job_view_html(view)
    with pytest.raises(ColbertKitError, match="output_dir"):
        desk.examine(OWNER, form_of(rows, tiny_model_folder, epochs=2.0))


def test_what_would_waste_the_training_is_not_launched(desk, rows, tiny_model_folder):
    checked = desk.examine(OWNER, form_of(rows, tiny_model_folder, loss="margin_mse"))
    assert checked.has_error
    assert "needs a teacher&#x27;s scores" in findings_html(checked)
    with pytest.raises(InvalidInput, match="mend it and check again"):
        desk.launch(OWNER, checked, timeout_seconds=600)


@pytest.mark.parametrize("place", ["space", "server"])
def test_a_visitor_trains_nothing_here_and_reads_no_folder(desk, rows, tiny_model_folder, place):
    visitor = Actor(place, "hf_visitor")
    with pytest.raises(InvalidInput, match="Training on this machine needs your own machine"):
        desk.examine(visitor, form_of(rows, tiny_model_folder))
    with pytest.raises(InvalidInput, match="A model in a folder needs your own machine"):
        desk.examine(visitor, form_of(rows, tiny_model_folder, namespace="alice"))


def test_names_cannot_leave_their_folder_and_odd_datasets_are_refused(tmp_path):
    assert slug("../../etc/passwd") == "etc-passwd"
    for name in ("../x", "a/b/c", "https://x.y/z", "a/b:../c", ""):
        with pytest.raises(InvalidInput):
            take_dataset(name)
    (tmp_path / "model.pkl").write_bytes(b"x")
    with pytest.raises(InvalidInput, match="rows are read from"):
        take_file(tmp_path / "model.pkl")


def test_machines_with_several_gpus_are_not_offered_and_prices_are_in_sight():
    labels = [label for label, _ in flavor_choices(OFFLINE_FLAVORS)]
    assert "l4x1 · 1x L4, 24 GB · $0.80 an hour" in labels
    assert not any("x4" in label for label in labels)


@pytest.mark.slow
def test_an_upload_is_trained_on_at_the_hub_with_the_visitors_token_for_what_was_agreed_to(
    api, hub_here, tokens, desk, rows, tiny_model_folder, monkeypatch, tmp_path
):
    api.create_repo("alice/tiny", private=True)
    api.upload_folder(repo_id="alice/tiny", folder_path=tiny_model_folder)
    for name, value in {"HF_ENDPOINT": hub_here.url, "HF_HUB_DISABLE_XET": "1", "HF_HUB_OFFLINE": "0"}.items():
        monkeypatch.setenv(name, value)
    # The machine's own token, which a visitor's work must never see.
    monkeypatch.setenv("HF_TOKEN", tokens.stranger)
    desk.jobs = JobList(make_hub=lambda namespace, token: HfJobsRunner(namespace, token=token, endpoint=hub_here.url))
    visitor = Actor("space", tokens.write)
    form = form_of(rows, "alice/tiny", namespace="alice", name="My Model")
    checked = desk.examine(visitor, form)
    usd = desk.ceiling(visitor, "alice", "cpu-basic", 1800)
    with pytest.raises(InvalidInput, match=r"this may cost \$0.01"):
        desk.launch(visitor, checked, flavor="cpu-basic", timeout_seconds=1800, confirm_usd=0.0)
    key = desk.launch(visitor, checked, flavor="cpu-basic", timeout_seconds=1800, confirm_usd=usd)
    assert desk.launch(visitor, checked, flavor="cpu-basic", timeout_seconds=1800, confirm_usd=usd) == key
    assert tokens.write not in json.dumps(hub_here.jobs[key.job_id].json())
    view = until(lambda: desk.jobs.look(visitor, key), lambda view: view.is_over, 240)
    assert view.job.state == "COMPLETED", view.lines
    assert view.result["repo_id"] == "alice/my-model"
    assert {name for one in view.metrics for name in one.values} >= {"loss"}
    assert hub_here.repositories["datasets", "alice/my-model-rows"].is_private
    with pytest.raises(InvalidInput, match="sign in above"):
        desk.launch(Actor("space"), checked, flavor="cpu-basic", timeout_seconds=1800, confirm_usd=usd)
    assert dataclasses.replace(checked, form=form) == checked
