"""Collections from folders and from a Hub on this machine, in the layouts that their makers publish."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from colbert_kit.errors import InvalidData, InvalidInput
from colbert_kit.evaluation import load_collection

DOCUMENTS = [
    ("d1", "The heart", "pumps blood."),
    ("d2", "", "Leaves make sugar."),
    ("q1", "", "The moon pulls the sea."),
]
QUERIES = {"q1": "what pumps blood?", "q2": "what makes sugar?", "q3": "nobody judged this"}


def lines(rows):
    return "\n".join(map(json.dumps, rows)).encode()


CORPUS = [{"_id": one, "title": title, "text": text} for one, title, text in DOCUMENTS]
ASKED = [{"_id": one, "text": text} for one, text in QUERIES.items()]
JUDGED = b"query-id\tcorpus-id\tscore\nq1\td1\t2\nq2\td2\t1\nq2\td1\t0\n"


@pytest.fixture
def beir(tmp_path):
    folder = tmp_path / "science"
    (folder / "qrels").mkdir(parents=True)
    (folder / "corpus.jsonl").write_bytes(lines(CORPUS))
    (folder / "queries.jsonl").write_bytes(lines(ASKED))
    for split in ("test", "dev"):
        (folder / "qrels" / f"{split}.tsv").write_bytes(JUDGED)
    return folder


def texts(collection):
    return {one["id"]: one["text"] for one in collection.documents()}


def assert_science(collection, name):
    assert collection.name == name
    assert collection.queries == {"q1": "what pumps blood?", "q2": "what makes sugar?"}
    assert collection.qrels == {"q1": {"d1": 2}, "q2": {"d2": 1, "d1": 0}}
    # A second reading begins anew.
    for _ in range(2):
        assert texts(collection) == {
            "d1": "The heart pumps blood.", "d2": "Leaves make sugar.", "q1": "The moon pulls the sea.",
        }  # fmt: skip


def test_a_beir_folder_is_a_collection_of_its_judged_queries(beir):
    assert_science(load_collection(str(beir)), "science:test")
    assert_science(load_collection(f"{beir}:dev"), "science:dev")


def test_a_folder_whose_only_split_is_another_needs_no_name(beir):
    (beir / "qrels" / "test.tsv").unlink()
    (beir / "qrels" / "dev.tsv").rename(beir / "qrels" / "mine.tsv")

    assert_science(load_collection(str(beir)), "science:mine")


def test_a_document_with_the_id_of_the_query_does_not_count_where_queries_are_documents(beir):
    collection = load_collection(str(beir.rename(beir.parent / "arguana")))

    assert collection.excluded == {"q1": {"q1"}, "q2": {"q2"}}
    run = {"q1": {"q1": 9.0, "d2": 2.0, "d1": 2.0}, "q2": {"d1": 1.0}}
    assert collection.without_excluded(run, 2) == {"q1": {"d1": 2.0, "d2": 2.0}, "q2": {"d1": 1.0}}


def test_lottes_folders_are_read(tmp_path):
    folder = tmp_path / "writing" / "dev"
    folder.mkdir(parents=True)
    (folder / "collection.tsv").write_text('0\tA "quoted text\n1\tLeaves\tmake sugar.\n')
    (folder / "questions.search.tsv").write_text("5\twhat makes sugar?\n")
    (folder / "qas.search.jsonl").write_bytes(lines([{"qid": 5, "query": "what makes sugar?", "answer_pids": [1]}]))
    (folder / "qas.forum.jsonl").write_bytes(lines([{"qid": 5, "query": "a forum's question", "answer_pids": [0, 1]}]))

    search, forum = load_collection(str(folder)), load_collection(f"{folder}:forum")

    assert texts(search) == {"0": 'A "quoted text', "1": "Leaves\tmake sugar."}
    assert (search.name, search.queries, search.qrels) == (
        "writing-dev:search",
        {"5": "what makes sugar?"},
        {"5": {"1": 1}},
    )
    assert (forum.queries, forum.qrels) == ({"5": "a forum's question"}, {"5": {"0": 1, "1": 1}})
    with pytest.raises(InvalidInput, match="its splits are search and forum, got 'test'"):
        load_collection(f"{folder}:test")


def parquet(rows):
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def publish(hub, name, configs):
    """A dataset repository with ``{(config, split): rows}``, its card saying where they are."""
    files, said = {}, {}
    for (config, split), rows in configs.items():
        files[f"{config}/{split}.parquet"] = parquet(rows)
        said.setdefault(config, []).append(f"  - split: {split}\n    path: {config}/{split}.parquet")
    card = "---\nconfigs:\n"
    for config, found in said.items():
        card += f"- config_name: {config}\n  data_files:\n" + "\n".join(found) + "\n"
    hub.repositories.create("datasets", name, "public").commit({"README.md": f"{card}---\n".encode(), **files})


QRELS = [
    {"query-id": "q1", "corpus-id": "d1", "score": 2}, {"query-id": "q2", "corpus-id": "d2", "score": 1},
    {"query-id": "q2", "corpus-id": "d1", "score": 0},
]  # fmt: skip


def test_beirs_sets_come_from_the_hub_by_name(hub, hub_here):
    publish(hub, "BeIR/scifact", {("corpus", "corpus"): CORPUS, ("queries", "queries"): ASKED})
    publish(hub, "BeIR/scifact-qrels", {("default", "test"): QRELS})

    assert_science(load_collection("scifact"), "scifact:test")


def test_a_dataset_in_mtebs_layout_comes_from_the_hub(hub, hub_here):
    configs = {("corpus", "corpus"): CORPUS, ("queries", "queries"): ASKED, ("default", "dev"): QRELS}
    publish(hub, "me/science", configs)

    assert_science(load_collection("me/science:dev"), "me/science:dev")


def test_nanobeir_comes_from_the_hub(hub, hub_here):
    judged = [{"query-id": "q1", "corpus-id": ["d1"]}, {"query-id": "q2", "corpus-id": ["d1", "d2"]}]
    configs = {("corpus", "NanoNQ"): CORPUS, ("queries", "NanoNQ"): ASKED, ("qrels", "NanoNQ"): judged}
    publish(hub, "sentence-transformers/NanoBEIR-en", configs)

    collection = load_collection("nanobeir/nq")

    assert collection.name == "nanobeir/nq"
    assert collection.qrels == {"q1": {"d1": 1}, "q2": {"d1": 1, "d2": 1}}
    assert texts(collection)["d1"] == "The heart pumps blood."


def test_bright_comes_from_the_hub_with_what_it_excludes(hub, hub_here):
    examples = [
        {"id": "0", "query": "why?", "gold_ids": ["a/1"], "excluded_ids": ["a/2"]},
        {"id": "1", "query": "how?", "gold_ids": ["a/2", "a/3"], "excluded_ids": ["N/A"]},
    ]
    documents = [{"id": f"a/{n}", "content": f"text {n}"} for n in range(4)]
    publish(
        hub,
        "xlangai/BRIGHT",
        {("examples", "biology"): examples, ("documents", "biology"): documents},
    )

    collection = load_collection("bright/biology")

    assert collection.qrels == {"0": {"a/1": 1}, "1": {"a/2": 1, "a/3": 1}}
    assert collection.excluded == {"0": {"a/2"}}
    assert texts(collection)["a/3"] == "text 3"


def test_judged_queries_without_a_text_are_an_error(beir):
    (beir / "queries.jsonl").write_bytes(lines([{"_id": "q1", "text": "one"}]))
    with pytest.raises(InvalidData, match="science:test: 1 judged queries have no text, 'q2' is one"):
        load_collection(str(beir))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "there is no folder or collection 'nothing'"),
        ("nanobeir/nothing", "there is no folder or collection 'nanobeir/nothing'"),
        ("bright/nothing", "there is no folder or collection"),
        ("/missing/folder", "there is no folder or collection"),
        ("missing.jsonl", "there is no folder or collection"),
        ("FOLDER:train", "has no split 'train'; there are: dev, test"),
        ("PARENT", "is no collection: expected corpus.jsonl"),
    ],
)
def test_what_is_no_collection_is_refused_with_what_there_is(beir, name, message):
    with pytest.raises(InvalidInput, match=message):
        load_collection(name.replace("FOLDER", str(beir)).replace("PARENT", str(beir.parent)))
