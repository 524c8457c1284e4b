"""Models on a Hub on this machine: what is there opens elsewhere as the same model, and the card says how."""

import json

import pytest
from huggingface_hub import ModelCard, ModelCardData
from sentence_transformers import MultiVectorEncoder

from colbert_kit import hub, models, training
from colbert_kit.errors import HubUnreachable, InvalidConfig, InvalidInput
from tests.checkpoints import DOCUMENTS, QUERIES, write_bert
from tests.reports import TITLE, small_report

REPO = "alice/tiny"


@pytest.fixture
def model(tiny_model_folder):
    return models.ColBERT(tiny_model_folder, device="cpu")


@pytest.fixture
def repository(hub_here, model):
    models.push_to_hub(model, REPO)
    return hub_here.repositories["models", REPO]


def card_of(repository):
    return ModelCard(repository.read("README.md").decode())


def test_pushed_model_is_the_same_here_and_in_sentence_transformers(hub_here, model):
    pushed = models.push_to_hub(model, REPO)

    assert all(REPO in one.path for one in hub_here.traffic.all("GET", "/api/*"))
    again = models.ColBERT(REPO, revision=pushed.revision, device="cpu")
    assert models.fingerprint(again) == models.fingerprint(model)
    assert models.record_of(again).revision == pushed.revision
    plain = MultiVectorEncoder(REPO, device="cpu")
    for text in DOCUMENTS:
        assert plain.encode_document(text).tolist() == model.encode_document(text).tolist()
    for text in QUERIES:
        assert plain.encode_query(text).tolist() == model.encode_query(text).tolist()


def test_repository_is_private_and_holds_what_pylate_reads(repository):
    assert repository.is_private
    assert json.loads(repository.read("config_sentence_transformers.json"))["model_type"] == "ColBERT"
    modules = json.loads(repository.read("modules.json"))
    assert [module["type"] for module in modules] == [
        "sentence_transformers.models.Transformer",
        "pylate.models.Dense.Dense",
    ]
    kinds = {path.rpartition(".")[2] for path in repository.resolve().files}
    assert kinds == {"gitattributes", "json", "md", "safetensors"}


def test_model_that_pylate_does_not_have_keeps_its_own_layout(hub_here, tmp_path):
    write_bert(tmp_path / "bert")
    model = models.ColBERT(tmp_path / "bert", embedding_size=None, query_length=16, document_length=24, device="cpu")

    models.push_to_hub(model, REPO)

    repository = hub_here.repositories["models", REPO]
    assert models.fingerprint(models.ColBERT(REPO, device="cpu")) == models.fingerprint(model)
    card = card_of(repository)
    assert "PyLate" not in card.data.tags
    assert "PyLate has no model of these modules" in card.text
    assert "from pylate" not in card.text


def test_card_is_what_both_communities_look_for(repository, model):
    data, text = card_of(repository).data, card_of(repository).text

    assert (data.library_name, data.pipeline_tag) == ("sentence-transformers", "feature-extraction")
    assert {"sentence-transformers", "multi-vector", "colbert", "ColBERT", "PyLate", "late-interaction"} <= set(
        data.tags
    )
    assert f'MultiVectorEncoder("{REPO}")' in text
    assert f'models.ColBERT("{REPO}")' in text
    assert "from pylate import models" in text
    assert "Queries: marker `[Q]`, 16 tokens, filled up with masks" in text
    assert models.fingerprint(model)[:12] in text
    assert data.base_model is None


def test_card_names_what_its_author_says(hub_here, model):
    models.push_to_hub(
        model, REPO, base_model="acme/base", datasets=["acme/rows"], license="mit", language="en", private=False
    )
    repository = hub_here.repositories["models", REPO]
    data = card_of(repository).data
    assert (data.base_model, data.datasets, data.license, data.language) == ("acme/base", ["acme/rows"], "mit", ["en"])
    assert not repository.is_private
    assert f"made of [acme/base]({hub_here.url}/acme/base)" in card_of(repository).text


def test_model_made_of_one_on_the_hub_names_it(repository, hub_here):
    changed = models.ColBERT(REPO, document_length=20, device="cpu")
    models.push_to_hub(changed, "alice/shorter")
    assert card_of(hub_here.repositories["models", "alice/shorter"]).data.base_model == REPO


def test_figures_of_a_report_come_into_the_card_without_the_path_of_the_model(hub_here, model):
    report = small_report(models.fingerprint(model))
    models.push_to_hub(model, REPO, report=report)

    repository = hub_here.repositories["models", REPO]
    text = repository.read("README.md").decode()
    data: ModelCardData = card_of(repository).data
    [result] = [one for one in data.eval_results if one.metric_name == "nDCG@10"]
    assert result.metric_value == pytest.approx(report.collections[0].system("index").mean("nDCG@10"), abs=1e-4)
    assert data.model_name == "tiny"
    assert "## What was measured" in text
    assert "| index | 0.6250 | 1.0000 |" in text
    assert "12.0" in text
    assert not any(secret in text for secret in (TITLE, "secret query"))


def test_report_of_another_model_is_refused_before_anything_is_sent(hub_here, model):
    with pytest.raises(InvalidInput, match="the report is of another model"):
        models.push_to_hub(model, REPO, report=small_report())
    assert hub_here.traffic.all() == []


def test_model_that_torch_does_not_run_is_refused(hub_here, model, monkeypatch):
    monkeypatch.setattr("colbert_kit.models.pushing.backend_of", lambda model: "onnx")
    with pytest.raises(InvalidConfig, match="backend='onnx' cannot be pushed"):
        models.push_to_hub(model, REPO)


def test_trained_model_keeps_what_sentence_transformers_says_of_the_training_but_no_texts(hub_here, tmp_path):
    write_bert(tmp_path / "bert")
    rows = [{"query": f"song {number}", "positive": f"secret river {number}"} for number in range(24)]
    (tmp_path / "pairs.jsonl").write_text("\n".join(map(json.dumps, rows)))
    config = training.TrainingConfig(
        model=str(tmp_path / "bert"),
        train=str(tmp_path / "pairs.jsonl"),
        batch_size=8,
        query_length=16,
        document_length=24,
        eval_fraction=0,
        output_dir=tmp_path / "run",
        device="cpu",
    )
    training.train(config)

    models.push_to_hub(models.ColBERT(tmp_path / "run", device="cpu"), REPO)

    repository = hub_here.repositories["models", REPO]
    text = repository.read("README.md").decode()
    assert {"generated_from_trainer", "loss:Contrastive"} <= set(card_of(repository).data.tags)
    assert "## How it was trained" in text
    assert "24 training samples" in text
    assert "`learning_rate`" in text
    assert not any(secret in text for secret in ("secret", str(tmp_path), "song 1"))
    assert not any("training_" in path for path in repository.resolve().files)


def test_figures_of_what_a_model_was_before_it_was_changed_are_not_claimed(hub_here, model, tmp_path):
    model.save_pretrained(str(tmp_path / "one"), create_model_card=False)
    entry = {"task": {"type": "retrieval"}, "metrics": [{"type": "ndcg", "value": 0.9}]}
    card = hub.make_card({"model-index": [{"name": "one", "results": [entry]}]}, "# One")
    (tmp_path / "one" / "README.md").write_text(card)
    loaded = models.ColBERT(tmp_path / "one", device="cpu")
    models.push_to_hub(loaded, "alice/one")
    assert b"value: 0.9" in hub_here.repositories["models", "alice/one"].read("README.md")

    loaded[1].linear.weight.data *= -1
    models.push_to_hub(loaded, "alice/two")
    assert b"value: 0.9" not in hub_here.repositories["models", "alice/two"].read("README.md")


def test_files_of_an_earlier_checkpoint_do_not_stay_beside_the_new_one(repository, model):
    repository.commit({"pytorch_model.bin": b"old", "2_MultiVectorMask/config.json": b"{}", "onnx/model.onnx": b"mine"})

    models.push_to_hub(model, REPO)

    files = set(repository.resolve().files)
    assert "onnx/model.onnx" in files
    assert not {"pytorch_model.bin", "2_MultiVectorMask/config.json"} & files


def test_second_push_sends_no_weights(repository, model, hub_here):
    hub_here.traffic.clear()
    models.push_to_hub(model, REPO, license="mit")
    assert hub_here.traffic.received_bytes("PUT") == 0


def test_process_knows_where_it_pushed_a_model_until_the_model_changes(hub_here, model):
    assert models.published_as(model) is None
    pushed = models.push_to_hub(model, REPO)
    assert models.published_as(model) == pushed
    model[1].linear.weight.data *= -1
    assert models.published_as(model) is None


def test_push_that_was_cut_completes_when_it_is_called_again(hub_here, model):
    hub_here.faults.cut_upload("POST", "*/commit/*", after_bytes=10)
    with pytest.raises(HubUnreachable, match="the connection to the Hub broke while 'alice/tiny'"):
        models.push_to_hub(model, REPO)
    assert list(hub_here.repositories["models", REPO].resolve().files) == [".gitattributes"]

    models.push_to_hub(model, REPO)
    assert models.fingerprint(models.ColBERT(REPO, device="cpu")) == models.fingerprint(model)
