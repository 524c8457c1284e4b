"""Which cards are accepted, refused, and warned of, over HTTP as the client asks."""

import pytest
from huggingface_hub import DatasetCard, DatasetCardData, EvalResult, ModelCard, ModelCardData
from huggingface_hub.utils import get_session


@pytest.fixture
def verdict(hub_here):
    def ask(content, kind="model"):
        body = {"content": content, "repoType": kind}
        found = get_session().post(f"{hub_here.url}/api/validate-yaml", json=body)
        errors, warnings = ([one["message"] for one in found.json()[name]] for name in ("errors", "warnings"))
        assert found.status_code == (400 if errors else 200)
        return errors, warnings

    return ask


VALID = {
    "model": """
library_name: sentence-transformers
pipeline_tag: feature-extraction
license: apache-2.0
language: [en, no]
tags: [sentence-transformers, colbert, late-interaction, "loss:Contrastive", "dataset_size:500"]
base_model: sentence-transformers/all-MiniLM-L6-v2
datasets: [alice/train, glue]
metrics: [ndcg]
widget: [anything]
unknown_field: {a: 1}
model-index:
- name: x
  results:
  - task: {type: retrieval, name: Retrieval}
    dataset: {type: unknown, name: SciFact}
    metrics: [{type: ndcg, value: 0.7, name: nDCG@10}]
""",
    "dataset": """
pretty_name: An index
license: [mit, other]
viewer: false
task_categories: [text-retrieval]
size_categories: 1K<n<10K
source_datasets: [alice/corpus]
configs:
- config_name: documents
  data_files: [{split: train, path: [documents/*.parquet]}]
- config_name: other
  data_files: other.parquet
  default: true
dataset_info: {features: [{name: text, dtype: string}]}
created: 2026-11-25
""",
    "space": """
title: Search
emoji: 📚
colorFrom: blue
colorTo: gray
sdk: gradio
sdk_version: 6.31.0
python_version: "3.12"
app_file: app.py
pinned: false
short_description: Late interaction
models: [alice/encoder]
datasets: [alice/index]
hf_oauth: true
hf_oauth_scopes: [jobs, contribute-repos]
hf_oauth_expiration_minutes: 480
suggested_hardware: cpu-basic
""",
}


@pytest.mark.parametrize("kind", VALID)
def test_card_that_is_right_is_accepted(verdict, kind):
    assert verdict(f"---{VALID[kind]}---\n# Title\n", kind) == ([], [])


@pytest.mark.parametrize(
    ("kind", "line", "error"),
    [
        ("model", "license: homemade", '"license" must be one of [apache-2.0, mit, '),
        ("model", "license: [mit, homemade]", '"license[1]" must be one of [apache-2.0, mit, '),
        ("model", "tags: colbert", '"tags" must be an array'),
        ("model", "tags: [colbert, 7]", '"tags[1]" must be a string'),
        ("model", "language: English", '"language" with value "English" is not valid. It must be an ISO 639-1'),
        ("model", "base_model: /home/x/model", '"base_model" with value "/home/x/model" is not valid. Use a model id'),
        ("model", "datasets: [a b]", '"datasets[0]" with value "a b" is not valid. Use a dataset id'),
        ("model", "library_name: [a]", '"library_name" must be a string'),
        ("model", "model-index: {name: x}", '"model-index" must be an array'),
        ("model", "model-index: [{name: x}]", '"model-index[0].results" is required'),
        (
            "model",
            "model-index: [{name: x, results: [{task: {type: t}, metrics: [{type: ndcg}]}]}]",
            '"model-index[0].results[0].metrics[0].value" is required',
        ),
        ("dataset", "viewer: nope", '"viewer" must be a boolean'),
        ("dataset", "viewer: no", '"viewer" must be a boolean'),
        ("dataset", "configs: [{data_files: a}]", '"configs[0].config_name" is required'),
        (
            "dataset",
            "configs: [{config_name: c, data_files: [{split: train}]}]",
            '"configs[0].data_files[0].path" is required',
        ),
        (
            "space",
            "colorFrom: teal",
            '"colorFrom" must be one of [red, yellow, green, blue, indigo, purple, pink, gray]',
        ),
        ("space", "sdk: flask", '"sdk" must be one of [gradio, docker, static, streamlit]'),
        ("space", "app_port: '7860'", '"app_port" must be a number'),
        ("space", "hf_oauth: 1", '"hf_oauth" must be a boolean'),
        ("space", f"short_description: {'x' * 61}", '"short_description" length must be less than or equal to 60'),
        ("model", "license: [", "Invalid YAML in README.md: "),
        ("model", "license: mit\nlicense: mit", "Invalid YAML in README.md: duplicated mapping key"),
        ("model", "just words", "The YAML metadata of your README.md is invalid."),
        ("model", "- a\n- b", '"value" must be of type object'),
    ],
)
def test_card_that_is_wrong_is_refused_by_field(verdict, kind, line, error):
    errors, _ = verdict(f"---\n{line}\n---\n", kind)
    assert len(errors) == 1
    assert errors[0].startswith(error)


@pytest.mark.parametrize("content", ["# Title", "---\nlicense: mit\n---oops", "---\n---\n"])
def test_card_without_metadata_is_warned_of(verdict, content):
    assert verdict(content) == ([], ["empty or missing yaml metadata in repo card"])


def test_task_that_is_not_on_the_list_is_warned_of(verdict):
    _, warnings = verdict("---\npipeline_tag: late-interaction\n---\n")
    assert warnings[0].startswith('The pipeline tag "late-interaction" is not in the official list: ')
    _, warnings = verdict("---\ntask_categories: [retrieval]\n---\n", "dataset")
    assert warnings[0].startswith('The task_categories "retrieval" is not in the official list: ')


def test_cards_that_the_client_writes_are_accepted(api, hub):
    result = EvalResult(
        task_type="retrieval",
        dataset_type="scifact",
        dataset_name="SciFact",
        metric_type="ndcg",
        metric_value=0.7,
        source_url="https://huggingface.co/alice/encoder",
    )
    model = ModelCardData(language="en", license="mit", tags=["colbert"], model_name="encoder", eval_results=[result])
    dataset = DatasetCardData(language=["en"], license="mit", task_categories=["text-retrieval"], pretty_name="Index")
    for card, kind in [
        (ModelCard(f"---\n{model.to_yaml()}\n---\n# Encoder\n"), "model"),
        (DatasetCard(f"---\n{dataset.to_yaml()}\n---\n# Index\n"), "dataset"),
    ]:
        api.create_repo("alice/thing", repo_type=kind)
        readme = {"path_or_fileobj": str(card).encode(), "path_in_repo": "README.md"}
        api.upload_file(**readme, repo_id="alice/thing", repo_type=kind)
        assert hub.repositories[f"{kind}s", "alice/thing"].read("README.md").decode() == str(card)
    found = api.model_info("alice/thing").card_data
    assert found.eval_results[0].metric_value == 0.7
