"""Token distillation, against three loops over tokens."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from colbert_kit import losses, models, utils
from colbert_kit.errors import InvalidConfig, InvalidFolder, InvalidInput
from colbert_kit.losses.kept import KeptEmbeddings
from tests.checkpoints import write_bert

ROWS = [
    {"query": "the song of rain", "positive": "a song by the river", "negative": "bread"},
    {"query": "coffee", "positive": "the old city and the train at night", "negative": None},
]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory):
    """Folders of two bare encoders of one tokenizer."""
    folders = []
    for seed in (1, 2):
        folder = tmp_path_factory.mktemp(f"encoder-{seed}")
        torch.manual_seed(seed)
        write_bert(folder)
        folders.append(folder)
    return folders


def load(folder, size):
    return models.ColBERT(
        folder, embedding_size=size, query_prefix="", document_prefix="", query_expansion=False, skiplist_words=(),
        query_length=16, document_length=24, device="cpu",
    )  # fmt: skip


@pytest.fixture
def student(encoders):
    torch.manual_seed(3)
    return load(encoders[0], 8)


@pytest.fixture(scope="module")
def teachers(encoders):
    return [load(folder, None) for folder in encoders]


def features_of(batch):
    """A collator's batch, column by column, as a trainer hands it to a loss."""
    columns = {}
    for name, value in batch.items():
        for column in ("query", "positive", "negative"):
            if name.startswith(f"{column}_"):
                columns.setdefault(column, {})[name.removeprefix(f"{column}_")] = value
    return list(columns.values())


def values_while_learning(loss):
    """The loss at each of 30 steps on the rows."""
    features = features_of(utils.ColBERTCollator(loss.model)(ROWS))
    optimizer = torch.optim.Adam(loss.parameters(), lr=5e-3)
    values = []
    for _ in range(30):
        optimizer.zero_grad()
        value = loss(features)
        value.backward()
        optimizer.step()
        values.append(value.item())
    return values


def cosines(model, queries, documents):
    """The similarity of each query token with each document token, token by token."""
    left = np.concatenate([np.asarray(model.encode_query(text), dtype=np.float64) for text in queries])
    right = np.concatenate([np.asarray(model.encode_document(text), dtype=np.float64) for text in documents])
    return np.array([[float(one @ other) for other in right] for one in left])


def test_the_loss_is_the_mean_squared_difference_of_token_similarities(student, teachers):
    loss = losses.TokenDistillation(student, teachers, weights=[3.0, 1.0])
    batch = utils.ColBERTCollator(student)(ROWS)

    found = loss(features_of(batch))

    queries = [row["query"] for row in ROWS]
    documents = [row["positive"] for row in ROWS] + ["bread"]
    target = 0.75 * cosines(teachers[0], queries, documents) + 0.25 * cosines(teachers[1], queries, documents)
    expected = 100 * ((cosines(student, queries, documents) - target) ** 2).mean()
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_with_context_each_token_of_the_teacher_has_a_share_of_its_texts_mean(student, teachers):
    loss = losses.TokenDistillation(student, teachers[:1], context=0.5)
    found = loss(features_of(utils.ColBERTCollator(student)(ROWS)))

    def mixed(encode, texts):
        tokens = []
        for text in texts:
            own = np.asarray(encode(text), dtype=np.float64)
            mean = own.mean(axis=0)
            tokens += [one + 0.5 * mean / np.linalg.norm(mean) for one in own]
        return np.array([one / np.linalg.norm(one) for one in tokens])

    queries = [row["query"] for row in ROWS]
    documents = [row["positive"] for row in ROWS] + ["bread"]
    target = mixed(teachers[0].encode_query, queries) @ mixed(teachers[0].encode_document, documents).T
    expected = 100 * ((cosines(student, queries, documents) - target) ** 2).mean()
    assert found.item() == pytest.approx(expected, rel=1e-4)
    with pytest.raises(InvalidConfig, match="context must be 0 or more"):
        losses.TokenDistillation(student, teachers, context=-1.0)


def test_only_the_student_learns(student, teachers):
    loss = losses.TokenDistillation(student, teachers)
    loss(features_of(utils.ColBERTCollator(student)(ROWS))).backward()

    assert all(one.grad is None for teacher in teachers for one in teacher.parameters())
    assert sum(one.grad is not None for one in student.parameters()) > 10
    assert {id(one) for one in loss.parameters()} == {id(one) for one in student.parameters()}


def test_a_student_that_is_its_teacher_has_nothing_to_learn(encoders, teachers):
    loss = losses.TokenDistillation(load(encoders[0], None), teachers[:1])

    assert loss(features_of(utils.ColBERTCollator(loss.model)(ROWS))).item() == pytest.approx(0, abs=1e-9)


def test_a_few_steps_bring_the_student_nearer(student, teachers):
    loss = losses.TokenDistillation(student, teachers)
    values = values_while_learning(loss)

    assert values[-1] < 0.5 * values[0]


def test_tokens_are_found_by_their_spelling_whatever_their_numbers(student, teachers, tmp_path):
    # The same encoder with its vocabulary turned round: other numbers for the same tokens.
    folder = tmp_path / "turned"
    write_bert(folder)
    turned = load(folder, None)
    turned.load_state_dict(teachers[0].state_dict())
    vocabulary = turned.tokenizer.get_vocab()
    order = {token: len(vocabulary) - 1 - number for token, number in vocabulary.items()}

    class Turned:
        pad_token_id = order[turned.tokenizer.pad_token]

        def __getattr__(self, name):
            return getattr(turned.tokenizer, name)

        def get_vocab(self):
            return order

    embeddings = turned[0].model.get_input_embeddings().weight
    with torch.no_grad():
        embeddings.copy_(embeddings.flip(0))
    features = features_of(utils.ColBERTCollator(student)(ROWS))
    expected = losses.TokenDistillation(student, teachers[:1])(features)

    from colbert_kit.losses import teacher

    loss = losses.TokenDistillation(student, [turned])
    loss._teachers[0]._ids = teacher._numbers(student.tokenizer, Turned(), "turned")

    assert loss(features_of(utils.ColBERTCollator(student)(ROWS))).item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_teacher_that_cuts_texts_otherwise_is_refused(teachers, tmp_path):
    from tests.encoders import write_roberta

    write_roberta(tmp_path)
    with pytest.raises(InvalidConfig, match=r"the teacher .* lacks \d+ of the student's tokens, .* same tokenizer"):
        losses.TokenDistillation(load(tmp_path, 8), teachers)


def test_a_student_with_markers_of_its_own_is_refused(encoders, tmp_path):
    student = models.ColBERT(encoders[0], embedding_size=8, document_length=24, query_length=16, device="cpu")
    with pytest.raises(InvalidConfig, match=r"lacks 2 of the student's tokens, .*query_prefix"):
        losses.TokenDistillation(student, [load(encoders[1], None)])


@pytest.mark.parametrize("weights", [[], [1.0], [1.0, 0.0], [1.0, -1.0], [1.0, float("nan")]])
def test_weights_that_cannot_be_are_refused(student, teachers, weights):
    with pytest.raises(InvalidConfig, match="each with a positive weight"):
        losses.TokenDistillation(student, teachers, weights)
    with pytest.raises(InvalidConfig, match="got 0 teachers"):
        losses.TokenDistillation(student, [])


def test_a_batch_without_roles_names_the_collator(student, teachers):
    features = [
        {name: value for name, value in one.items() if name != "task"}
        for one in features_of(utils.ColBERTCollator(student)(ROWS))
    ]
    with pytest.raises(InvalidInput, match="ColBERTCollator"):
        losses.TokenDistillation(student, teachers)(features)


def test_teachers_embeddings_are_kept_and_not_computed_again(student, teachers, tmp_path, monkeypatch):
    features = features_of(utils.ColBERTCollator(student)(ROWS))
    expected = losses.TokenDistillation(student, teachers)(features).item()
    loss = losses.TokenDistillation(student, teachers, keep=tmp_path)
    first = loss(features).item()

    again = losses.TokenDistillation(student, teachers, keep=tmp_path)
    monkeypatch.setattr("colbert_kit.losses.teacher.Teacher._encode", None)

    # What is kept is float16.
    assert first == pytest.approx(expected, rel=1e-3)
    assert again(features).item() == first
    # Other rows of the same texts, padded otherwise.
    assert again(features_of(utils.ColBERTCollator(student)(ROWS[:1] * 2))).item() > 0


def test_a_text_whose_record_was_cut_off_is_encoded_again(tmp_path):
    kept = KeptEmbeddings(tmp_path, "one", 4)
    values = {name: np.full((n + 1, 4), n, dtype=np.float32) for n, name in enumerate([b"a", b"b", b"c"])}
    kept.put(list(values), list(values.values()))
    del kept
    with (tmp_path / "texts.idx").open("r+b") as file:
        file.truncate(2 * 32 + 7)

    kept = KeptEmbeddings(tmp_path, "one", 4)
    assert kept.get(b"c") is None
    kept.put([b"c"], [values[b"c"]])
    del kept

    kept = KeptEmbeddings(tmp_path, "one", 4)
    for name, value in values.items():
        assert np.array_equal(kept.get(name), value)


def test_a_folder_of_another_teacher_is_refused(tmp_path):
    KeptEmbeddings(tmp_path, "one", 4)
    with pytest.raises(InvalidFolder, match="of another teacher"):
        KeptEmbeddings(tmp_path, "two", 4)


def test_a_folder_that_another_process_writes_to_is_refused(tmp_path):
    kept = KeptEmbeddings(tmp_path, "one", 4)
    code = (
        "import sys, pathlib\nfrom colbert_kit.losses.kept import KeptEmbeddings\n"
        "try:\n    KeptEmbeddings(pathlib.Path(sys.argv[1]), 'one', 4)\n"
        "except Exception as error:\n    print(type(error).__name__)"
    )
    found = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "FolderBusy"
    assert kept.get(b"a") is None
