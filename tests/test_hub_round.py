"""The whole way against a Hub on this machine, nothing replaced: train, push, index, push, and search elsewhere."""

import json
import random
import subprocess
import sys

from colbert_kit import Searcher, models, training
from tests.checkpoints import write_bert
from tests.hubserver.fixtures import environment_of

MODEL, REPO, ROWS = "alice/songs-model", "alice/songs", "alice/songs-rows"
QUERIES = ["the old song", "rain on the mountain at night", "who reads in the library?"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 "

ELSEWHERE = """
import json, sys
from colbert_kit import Searcher
searcher = Searcher.from_pretrained(sys.argv[1], revision=sys.argv[2], dtype="float32", device="cpu")
found = [[(hit.id, hit.score.hex(), hit.text) for hit in searcher.search(query, 10)] for query in sys.argv[3:]]
print(json.dumps([len(searcher), found]))
"""


def found_elsewhere(environment, revision):
    """What another process finds, whose cache is empty at first."""
    command = [sys.executable, "-c", ELSEWHERE, REPO, revision, *QUERIES]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    size, found = json.loads(done.stdout.splitlines()[-1])
    return size, [[tuple(hit) for hit in hits] for hits in found]


def found_here(searcher):
    return [[(hit.id, hit.score.hex(), hit.text) for hit in searcher.search(query, 10)] for query in QUERIES]


def test_trained_model_and_its_index_answer_elsewhere_to_the_bit(hub_here, tokens, tmp_path, tiny_documents, caplog):
    write_bert(tmp_path / "bert")
    rows = [{"query": one["text"].split()[0], "positive": one["text"]} for one in tiny_documents]
    pushed_rows = training.push_rows(rows, ROWS, name="pairs")
    config = training.TrainingConfig(
        model=str(tmp_path / "bert"),
        train={"path": ROWS, "name": "pairs", "revision": pushed_rows.revision},
        batch_size=8,
        learning_rate=1e-3,
        query_length=16,
        document_length=24,
        eval_fraction=0.1,
        output_dir=tmp_path / "run",
        device="cpu",
    )
    assert training.train(config).steps > 1
    model = models.ColBERT(config.folder, device="cpu")
    models.push_to_hub(model, MODEL)
    documents = [
        {**one, "text": f"{one['text']} {''.join(random.Random(number).choices(LETTERS, k=16_000))}"}
        for number, one in enumerate(tiny_documents)
    ]
    searcher = Searcher.build(tmp_path / "songs", model, documents, dtype="float32", exact_below=0)
    first = searcher.push_to_hub(REPO, license="mit", corpus="songs")

    elsewhere = environment_of(hub_here, tokens.read, tmp_path / "elsewhere")
    before = found_here(searcher)
    assert found_elsewhere(elsewhere, first.revision) == (30, before)

    searcher.add([{"id": "new", "text": "the newest song", "year": 2050, "topic": "music"}])
    hub_here.traffic.clear()
    second = searcher.push_to_hub(REPO, license="mit", corpus="songs")
    assert hub_here.traffic.received_bytes() < 0.1 * searcher.num_bytes
    assert found_elsewhere(elsewhere, second.revision) == (31, found_here(searcher))
    assert found_here(Searcher.from_pretrained(REPO, model, revision=first.revision, dtype="float32")) == before

    for token in (tokens.write, tokens.read):
        assert {place for _, place in hub_here.traffic.where(token)} <= {"header authorization"}
        assert token not in caplog.text
        for kind, name in [("models", MODEL), ("datasets", REPO), ("datasets", ROWS)]:
            repository = hub_here.repositories[kind, name]
            assert not any(token.encode() in repository.read(path) for path in repository.resolve().files)
