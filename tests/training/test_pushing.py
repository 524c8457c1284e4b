"""Training rows on a Hub on this machine: pushed as Parquet, read back at a commit, and trained on."""

import logging

import numpy as np
import pytest
from datasets import Dataset, load_dataset
from huggingface_hub import DatasetCard

from colbert_kit import hub, training
from colbert_kit.errors import HubConflict, HubUnreachable, InvalidConfig, InvalidData, InvalidInput
from colbert_kit.training import DataSource, load_rows, push_rows
from colbert_kit.training.distillation import KDProcessing

REPO = "alice/rows"
ROWS = [
    {"query": f"song {number}", "positive": f"old song {number}", "negative_1": f"river {number}", "negative_2": None}
    for number in range(12)
]


def repository(hub_here):
    return hub_here.repositories["datasets", REPO]


def card_of(hub_here):
    return DatasetCard(repository(hub_here).read("README.md").decode())


def test_rows_come_back_at_the_commit_they_were_pushed_at(hub_here):
    first = push_rows(ROWS, REPO, name="mined")
    push_rows(ROWS[:3], REPO, name="mined")

    assert load_rows(DataSource(path=REPO, name="mined", revision=first.revision)).to_list() == ROWS
    assert len(load_rows(DataSource(path=REPO, name="mined"))) == 3
    assert repository(hub_here).is_private


def test_configurations_and_splits_stay_beside_each_other(hub_here):
    push_rows(ROWS, REPO, name="mined")
    push_rows(ROWS[:4], REPO, name="mined", split="validation")
    scored = [{"query": "q", "documents": ["a", "b"], "scores": [0.5, -1.25]}]
    push_rows(scored, REPO, name="scored", license="mit", language="en")

    assert load_rows(DataSource(path=REPO, name="mined")).to_list() == ROWS
    assert len(load_rows(DataSource(path=REPO, name="mined", split="validation"))) == 4
    assert load_rows(DataSource(path=REPO, name="scored")).to_list() == scored
    data = card_of(hub_here).data.to_dict()
    assert [one["config_name"] for one in data["configs"]] == ["mined", "scored"]
    assert (data["license"], data["language"]) == ("mit", ["en"])
    assert set(repository(hub_here).resolve().files) == {
        ".gitattributes",
        "README.md",
        "mined/train-00000-of-00001.parquet",
        "mined/validation-00000-of-00001.parquet",
        "scored/train-00000-of-00001.parquet",
    }


def test_words_of_the_author_in_the_card_stay(hub_here):
    push_rows(ROWS, REPO, name="mined", license="mit")
    text = repository(hub_here).read("README.md").decode()
    repository(hub_here).commit({"README.md": text.replace("# rows", "# My rows").encode()})

    push_rows(ROWS, REPO, name="more")

    assert "# My rows" in card_of(hub_here).text
    assert card_of(hub_here).data.license == "mit"


def test_card_says_how_to_train_on_them(hub_here):
    push_rows(ROWS, REPO, name="mined")
    assert f'training.DataSource(path="{REPO}", name="mined", revision="...")' in card_of(hub_here).text
    assert {"colbert", "late-interaction"} <= set(card_of(hub_here).data.tags)


def test_teachers_scores_and_mined_negatives_are_pushed_as_they_come(hub_here, tmp_path, tiny_model, tiny_documents):
    pairs = [{"query": one["text"].split()[0], "positive": one["text"]} for one in tiny_documents[:6]]
    mined = training.mine_hard_negatives(tiny_model, pairs, tiny_documents, max_relative_score=None, num_negatives=2)
    scored = training.score_with_teacher(lambda queries, texts: np.arange(len(texts)), mined, tmp_path / "scored")

    push_rows(mined, REPO, name="mined")
    pushed = push_rows(scored, REPO, name="scored")

    assert load_rows(DataSource(path=REPO, name="mined")).to_list() == mined.to_list()
    assert load_rows(DataSource(path=REPO, name="scored", revision=pushed.revision)).to_list() == scored.to_list()


def test_rows_of_ids_find_their_texts_in_other_configurations(hub_here):
    push_rows([{"query_id": 1, "document_ids": [2, 3], "scores": [0.5, 0.25]}], REPO, name="scores")
    push_rows([{"query_id": 1, "text": "a query"}], REPO, name="queries")
    push_rows([{"document_id": 2, "text": "two"}, {"document_id": 3, "text": "three"}], REPO, name="documents")

    rows = load_rows(
        DataSource(
            path=REPO,
            name="scores",
            queries=DataSource(path=REPO, name="queries"),
            documents=DataSource(path=REPO, name="documents"),
        )
    )
    assert rows[0]["query"] == "a query"
    assert rows[0]["document_1"] == "two"


def test_rows_that_look_their_texts_up_are_pushed_with_them(hub_here):
    texts = Dataset.from_list([{"document_id": "2", "text": "two"}, {"document_id": "3", "text": "three"}])
    queries = Dataset.from_list([{"query_id": "1", "text": "a query"}])
    rows = Dataset.from_list([{"query_id": "1", "document_ids": ["2", "3"], "scores": [0.5, 0.25]}])
    rows.set_transform(KDProcessing(queries, texts).transform)

    push_rows(rows, REPO, name="kd")

    [row] = load_dataset(REPO, "kd", split="train").to_list()
    assert (row["query"], row["document_1"], row["scores"]) == ("a query", "two", [0.5, 0.25])


def test_large_sets_are_several_files(hub_here, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("colbert_kit.training.pushing.FILE_BYTES", 200)
        push_rows(ROWS, REPO, name="mined")
    assert load_rows(DataSource(path=REPO, name="mined")).to_list() == ROWS
    names = [name for name in repository(hub_here).resolve().files if name.startswith("mined/")]
    assert len(names) > 1

    push_rows(ROWS[:2], REPO, name="mined")
    assert load_rows(DataSource(path=REPO, name="mined")).to_list() == ROWS[:2]


def test_training_starts_from_rows_on_the_hub(hub_here, tmp_path, tiny_model_folder):
    pushed = push_rows(ROWS, REPO, name="mined")
    config = training.TrainingConfig(
        model=str(tiny_model_folder),
        train=DataSource(path=REPO, name="mined", revision=pushed.revision, columns={"negative_1": "negative"}),
        batch_size=4,
        eval_fraction=0,
        output_dir=tmp_path / "run",
        device="cpu",
    )
    assert training.train(config).steps == 3


def test_second_push_of_the_same_sends_nothing(hub_here):
    first = push_rows(ROWS, REPO, name="mined")
    hub_here.traffic.clear()
    assert push_rows(ROWS, REPO, name="mined") == first
    assert hub_here.traffic.received_bytes("PUT") == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [([], "there are no rows"), ([{"query": "a"}, {"query": 5}], "cannot share columns")],
)
def test_rows_that_cannot_be_are_refused(hub_here, rows, message):
    with pytest.raises(InvalidData, match=message):
        push_rows(rows, REPO)
    assert hub_here.traffic.all() == []


@pytest.mark.parametrize("change", [{"name": "../x"}, {"name": ""}, {"split": "a/b"}])
def test_names_that_are_no_names_are_refused(hub_here, change):
    with pytest.raises(InvalidConfig, match="must be made of letters"):
        push_rows(ROWS, REPO, **change)


def test_public_repository_and_a_card_that_is_refused_are_told(hub_here):
    with pytest.raises(InvalidInput, match='"license" must be one of'):
        push_rows(ROWS, REPO, license="homemade")
    hub_here.repositories.create("datasets", "alice/public")
    with pytest.raises(InvalidInput, match="'alice/public' is public"):
        push_rows(ROWS, "alice/public")


def test_card_that_changed_meanwhile_is_not_overwritten(hub_here, monkeypatch):
    push_rows(ROWS, REPO, name="mined")
    push = hub.push_folder

    def after_another(*arguments, **named):
        repository(hub_here).commit({"README.md": b"# Of another"})
        return push(*arguments, **named)

    monkeypatch.setattr(hub, "push_folder", after_another)
    with pytest.raises(HubConflict, match="somebody has changed 'alice/rows' meanwhile"):
        push_rows(ROWS, REPO, name="more")
    assert repository(hub_here).read("README.md") == b"# Of another"


def test_push_that_was_cut_completes_when_it_is_called_again(hub_here, caplog, tokens):
    caplog.set_level(logging.DEBUG)
    hub_here.faults.cut_upload("POST", "*/commit/*", after_bytes=10)
    with pytest.raises(HubUnreachable, match="Try again"):
        push_rows(ROWS, REPO, name="mined")
    push_rows(ROWS, REPO, name="mined")
    assert load_rows(DataSource(path=REPO, name="mined")).to_list() == ROWS
    assert tokens.write not in caplog.text
