"""``push`` and ``pull`` against a Hub on this machine."""

import re
import subprocess
import sys

import pytest
from huggingface_hub import DatasetCard, ModelCard

from colbert_kit import Searcher, models
from tests.commands import only_line
from tests.reports import small_report

REPO, MODEL = "alice/songs", "alice/tiny"


@pytest.fixture
def model(hub_here, tiny_model_folder):
    return models.ColBERT(tiny_model_folder, device="cpu")


@pytest.fixture
def index(tmp_path, model, tiny_documents):
    return Searcher.build(tmp_path / "songs", model, tiny_documents, dtype="float32").folder


def test_model_and_index_go_to_the_hub_and_come_back(call, hub_here, tiny_model_folder, index, tmp_path):
    code, output, _ = call("push", tiny_model_folder, MODEL, "--license", "mit", "--dataset", "acme/rows")
    head = hub_here.repositories["models", MODEL].branches["main"]
    assert (code, f"{hub_here.url}/{MODEL} at {head}" in output) == (0, True)
    card = ModelCard(hub_here.repositories["models", MODEL].read("README.md").decode())
    assert (card.data.license, card.data.datasets) == ("mit", ["acme/rows"])

    code, output, _ = call("push", index, REPO, "--model-id", MODEL, "--corpus", "songs", "--language", "en")
    assert (code, f'colbert-kit search {REPO} "your query"' in output) == (0, True)
    assert hub_here.repositories["datasets", REPO].is_private
    assert DatasetCard(hub_here.repositories["datasets", REPO].read("README.md").decode()).data.language == ["en"]

    code, output, _ = call("pull", REPO, tmp_path / "mine")
    assert (code, f"colbert-kit search {tmp_path / 'mine'}" in output) == (0, True)
    code, output, _ = call("pull", MODEL, tmp_path / "model", "--revision", head)
    assert (code, f"at {head}" in output) == (0, True)
    mine = Searcher.open(tmp_path / "mine", models.ColBERT(tmp_path / "model", device="cpu"), dtype="float32")
    mine.remove(["d00"])
    assert len(mine) == 29

    code, output, _ = call("search", REPO, "the old song", "-k", "2", "--json")
    assert (code, output.count('"rank"')) == (0, 2)


def test_report_and_visibility_reach_the_repository(call, hub_here, tiny_model_folder, tmp_path, model):
    (tmp_path / "report.json").write_text(small_report(models.fingerprint(model)).to_json())
    code, _, _ = call("push", tiny_model_folder, MODEL, "--public", "--report", tmp_path, "--base-model", "acme/base")
    repository = hub_here.repositories["models", MODEL]
    assert (code, repository.is_private) == (0, False)
    assert b"nDCG@10" in repository.read("README.md")

    code, _, errors = call("push", tiny_model_folder, MODEL)
    assert code == 2
    assert "'alice/tiny' is public" in only_line(errors)


def test_what_is_no_folder_of_ours_is_named(refused, hub_here, tmp_path):
    assert "holds neither an index (manifest.json) nor a model (modules.json)" in refused("push", tmp_path, REPO)
    assert "the Hub has no such repository" in refused("pull", "alice/nothing", tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_options_that_belong_to_the_other_kind_are_refused(refused, index, tiny_model_folder):
    assert "--base-model cannot be said of an index" in refused("push", index, REPO, "--base-model", "a/b")
    assert "--corpus cannot be said of a model" in refused("push", tiny_model_folder, REPO, "--corpus", "x")


def test_index_whose_model_nobody_else_has_says_what_to_do(call, index):
    code, _, errors = call("push", index, REPO)
    assert code == 2
    assert re.search(r"lies in the folder 'tiny'.*--model-id", only_line(errors))


def test_folder_that_holds_something_is_not_pulled_into(call, refused, index, tiny_model_folder, hub_here):
    call("push", tiny_model_folder, MODEL)
    call("push", index, REPO, "--model-id", MODEL)
    assert "holds an index already" in refused("pull", REPO, index)
    assert "holds something already" in refused("pull", MODEL, index)


def test_model_with_weights_of_another_kind_is_not_pulled(refused, hub_here, tmp_path):
    hub_here.repositories.create("models", "alice/old").commit({"config.json": b"{}", "pytorch_model.bin": b"\x80\2"})
    message = refused("pull", "alice/old", tmp_path / "old")
    assert "alice/old has no weights in safetensors" in message
    assert not (tmp_path / "old").exists()


def test_another_process_that_is_not_logged_in_is_told_to_log_in(hub_environment, tiny_model_folder):
    del hub_environment["HF_TOKEN"]
    done = subprocess.run(
        [sys.executable, "-m", "colbert_kit.cli", "push", str(tiny_model_folder), MODEL],
        capture_output=True,
        text=True,
        env=hub_environment,
    )
    assert done.returncode == 2
    assert "hf auth login" in only_line(done.stderr)
