"""An index on a Hub on this machine: what arrives, what others open, what is refused, what a second push costs."""

import hashlib
import json
import random

import numpy as np
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset
from huggingface_hub import DatasetCard

from colbert_kit import Searcher, hub, models
from colbert_kit.errors import (
    HubConflict,
    HubError,
    HubUnreachable,
    InvalidFolder,
    InvalidInput,
    NotAllowed,
    RepoNotFound,
)
from colbert_kit.folders import MANIFEST_NAME, Commit
from colbert_kit.searcher import pull_index
from tests.checkpoints import write_bert
from tests.reports import TITLE, small_report

REPO, MODEL = "alice/songs", "alice/tiny"
QUERIES = ["the old song", "rain on the mountain", "who reads in the library?"]
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789 "


@pytest.fixture
def model(hub_here, tiny_model_folder):
    """A model that lies in a folder and on the Hub."""
    model = models.ColBERT(tiny_model_folder, device="cpu")
    models.push_to_hub(model, MODEL)
    return model


@pytest.fixture
def documents(tiny_documents):
    """Texts of the tiny model's words, with more behind them than it reads, which zstd cannot shrink."""
    return [
        {**one, "text": f"{one['text']} {''.join(random.Random(number).choices(LETTERS, k=16_000))}"}
        for number, one in enumerate(tiny_documents)
    ]


@pytest.fixture(params=["compressed", "small"])
def kind(request):
    return request.param


@pytest.fixture
def searcher(tmp_path, model, documents, kind):
    return Searcher.build(
        tmp_path / "songs", model, documents, dtype="float32", exact_below=0 if kind == "compressed" else 10**9
    )


@pytest.fixture
def pushed(searcher):
    return searcher.push_to_hub(REPO)


@pytest.fixture
def repository(hub_here, pushed):
    return hub_here.repositories["datasets", REPO]


def pulled(**arguments):
    return Searcher.from_pretrained(REPO, dtype="float32", device="cpu", **arguments)


def card_of(repository):
    return DatasetCard(repository.read("README.md").decode())


def rankings(searcher):
    return searcher.search_many(QUERIES, 10)


# What arrives


def test_repository_holds_the_manifest_what_it_names_and_a_card(repository, searcher):
    manifest = json.loads(repository.read(MANIFEST_NAME))

    assert set(repository.resolve().files) == {*manifest["files"], MANIFEST_NAME, "README.md", ".gitattributes"}
    assert repository.is_private
    for name, entry in manifest["files"].items():
        assert hashlib.sha256(repository.read(name)).hexdigest() == entry["sha256"]
    assert len(list(repository.log())) == 2


def test_others_get_the_very_same_rankings_with_the_model_at_its_commit(repository, searcher, hub_here):
    found = pulled()

    assert rankings(found) == rankings(searcher)
    assert found.folder.name == repository.branches["main"]
    record = models.record_of(found.model)
    assert record.id == MODEL
    assert record.revision == hub_here.repositories["models", MODEL].branches["main"]


def test_the_folder_here_still_names_the_model_that_is_here(pushed, searcher, tiny_model_folder):
    manifest = json.loads((searcher.folder / MANIFEST_NAME).read_text())
    assert manifest["model"]["id"] == str(tiny_model_folder)


def test_no_path_of_this_machine_is_pushed(repository, tmp_path, tiny_model_folder):
    for name in (MANIFEST_NAME, "README.md"):
        text = repository.read(name).decode()
        assert str(tmp_path) not in text
        assert str(tiny_model_folder) not in text


def test_unnamed_files_and_what_was_retired_stay_here(searcher, hub_here):
    (searcher.folder / "notes.txt").write_text("mine")
    searcher.remove(["d00"])
    searcher.push_to_hub(REPO)

    repository = hub_here.repositories["datasets", REPO]
    assert "notes.txt" not in repository.resolve().files
    assert ".lock" not in repository.resolve().files
    assert json.loads(repository.read(MANIFEST_NAME))["retired"] == {}


def test_card_shows_the_documents_and_tells_what_is_in_the_index(repository, searcher, kind):
    card = card_of(repository)
    data = card.data.to_dict()

    assert data["configs"][0]["data_files"] == [{"split": "train", "path": "documents/*.parquet"}]
    assert data["task_categories"] == ["text-retrieval"]
    assert data["size_categories"] == ["n<1K"]
    assert {"late-interaction", "search-index", f"encoder:{MODEL}"} <= set(data["tags"])
    assert f'Searcher.from_pretrained("{REPO}")' in card.text
    assert "- Documents: 30\n" in card.text
    assert "- Metadata: `year`, `topic`\n" in card.text
    assert ("compressed to 4 bits" if kind == "compressed" else "float16, not compressed") in card.text
    assert models.fingerprint(searcher.model)[:12] in card.text
    assert "not stated" in card.text


def test_card_says_what_its_author_says(searcher, hub_here):
    report = small_report(models.fingerprint(searcher.model))
    searcher.push_to_hub(REPO, license="cc-by-4.0", language=["en", "no"], corpus="acme/songs", report=report)

    card = card_of(hub_here.repositories["datasets", REPO])
    data = card.data.to_dict()
    assert (data["license"], data["language"], data["source_datasets"]) == ("cc-by-4.0", ["en", "no"], ["acme/songs"])
    assert f"[acme/songs]({hub_here.url}/datasets/acme/songs)" in card.text
    assert "| index | 0.6250 | 1.0000 |" in card.text
    assert "12.0" in card.text
    assert not any(secret in card.text for secret in (TITLE, "secret query"))


def test_corpus_may_be_words_and_cannot_leave_its_line(searcher, hub_here):
    searcher.push_to_hub(REPO, corpus="my songs`\n# Not a heading")
    card = card_of(hub_here.repositories["datasets", REPO])
    assert "of `my songs' # Not a heading`" in card.text
    assert "source_datasets" not in card.data.to_dict()


def test_what_the_viewer_shows_loads_as_a_data_set(repository, documents):
    rows = load_dataset(REPO, "documents", split="train")
    assert rows.to_list() == documents


# A model that others can get


def test_index_of_a_model_in_a_folder_is_refused_until_the_model_is_pushed(hub_here, tmp_path, tiny_model_folder):
    model = models.ColBERT(tiny_model_folder, device="cpu")
    searcher = Searcher.build(tmp_path / "x", model, [{"id": "1", "text": "song"}])
    with pytest.raises(
        InvalidInput, match=r"lies in the folder 'tiny'.*models\.push_to_hub\(searcher\.model"
    ) as caught:
        searcher.push_to_hub(REPO)
    assert str(tiny_model_folder) not in str(caught.value)
    assert ("datasets", REPO) not in hub_here.repositories

    models.push_to_hub(searcher.model, MODEL)
    searcher.push_to_hub(REPO)
    assert len(pulled()) == 1


def test_model_id_names_where_the_model_is(model, tmp_path, tiny_model_folder, hub_here):
    Searcher.build(tmp_path / "x", model, [{"id": "1", "text": "song"}])
    elsewhere = Searcher.open(tmp_path / "x", models.ColBERT(tiny_model_folder, device="cpu"))

    elsewhere.push_to_hub(REPO, model_id=MODEL)

    written = json.loads(hub_here.repositories["datasets", REPO].read(MANIFEST_NAME))["model"]
    assert written["id"] == MODEL
    assert written["revision"] == hub_here.repositories["models", MODEL].branches["main"]


def test_another_model_under_that_name_is_refused(model, tmp_path, hub_here):
    write_bert(tmp_path / "bert")
    other = models.ColBERT(tmp_path / "bert", query_length=16, document_length=24, device="cpu")
    searcher = Searcher.build(tmp_path / "x", other, [{"id": "1", "text": "song"}])
    with pytest.raises(InvalidInput, match=r"'alice/tiny', as others would get it, is another model \(fingerprint"):
        searcher.push_to_hub(REPO, model_id=MODEL)
    with pytest.raises(RepoNotFound, match="'alice/nothing'"):
        searcher.push_to_hub(REPO, model_id="alice/nothing")
    assert ("datasets", REPO) not in hub_here.repositories


def test_index_of_a_changed_hub_model_is_refused(model, tmp_path):
    changed = models.ColBERT(MODEL, document_length=12, device="cpu")
    searcher = Searcher.build(tmp_path / "x", changed, [{"id": "1", "text": "song"}])
    with pytest.raises(InvalidInput, match="'alice/tiny', as others would get it, is another model"):
        searcher.push_to_hub(REPO)


def test_model_that_was_pushed_anew_does_not_change_the_index(repository, searcher, hub_here):
    other = models.ColBERT(MODEL, device="cpu")
    other[1].linear.weight.data *= -1
    models.push_to_hub(other, MODEL)

    assert rankings(pulled()) == rankings(searcher)


def test_model_that_is_another_at_its_commit_is_refused(repository, hub_here):
    model = hub_here.repositories["models", MODEL]
    weights = bytearray(model.read("1_Dense/model.safetensors"))
    weights[-1] ^= 1
    model.tamper("1_Dense/model.safetensors", bytes(weights))
    with pytest.raises(InvalidFolder, match="was built with the model 'alice/tiny' of fingerprint"):
        pulled()


def test_private_model_is_fetched_with_the_token_that_is_given(repository, tokens, monkeypatch):
    monkeypatch.delenv("HF_TOKEN")
    with pytest.raises(HubError):
        pulled()
    found = pulled(token=tokens.read)
    assert len(found) == 30
    assert tokens.read not in repr(vars(found))


def test_report_of_another_model_is_refused(searcher, hub_here):
    with pytest.raises(InvalidInput, match="the report is of another model than this index's"):
        searcher.push_to_hub(REPO, report=small_report())
    assert ("datasets", REPO) not in hub_here.repositories


# Updates


def test_second_push_after_a_small_add_sends_under_a_tenth(pushed, repository, searcher, hub_here):
    whole = searcher.num_bytes
    searcher.add([{"id": "new", "text": "the newest song of all", "year": 2050, "topic": None}])
    hub_here.traffic.clear()

    second = searcher.push_to_hub(REPO)

    assert 0 < hub_here.traffic.received_bytes() < 0.1 * whole
    assert len(pulled()) == 31
    assert len(pulled(revision=pushed.revision)) == 30
    assert second.revision == repository.branches["main"]


def test_update_of_a_pull_fetches_what_is_new_only(repository, searcher, hub_here):
    pulled()
    searcher.add([{"id": "new", "text": "the newest song of all", "year": 2050, "topic": None}])
    searcher.push_to_hub(REPO)
    hub_here.traffic.clear()
    assert rankings(pulled()) == rankings(searcher)
    assert hub_here.traffic.sent_bytes(path="/objects/*") < 0.1 * searcher.num_bytes


def test_what_a_later_generation_dropped_leaves_the_repository_and_others_files_stay(repository, searcher):
    repository.commit({"LICENSE": b"mine"})
    before = set(repository.resolve().files)
    searcher.remove(["d00"])
    searcher.compact()
    searcher.push_to_hub(REPO)

    after = set(repository.resolve().files)
    named = json.loads(repository.read(MANIFEST_NAME))["files"]
    assert after == {*named, MANIFEST_NAME, "README.md", ".gitattributes", "LICENSE"}
    assert not before & after & {name for name in before if name.startswith("documents/")}


def test_removed_documents_are_told_of_and_leave_with_compact(searcher, hub_here, caplog):
    secret = next(one["text"] for one in searcher.documents() if one["id"] == "d00")
    searcher.remove(["d00"])
    searcher.push_to_hub(REPO)
    assert "1 removed documents are still in the files that are pushed; compact() leaves them out." in caplog.text
    repository = hub_here.repositories["datasets", REPO]
    assert "- Documents: 29 (and 1 removed ones)" in card_of(repository).text

    searcher.compact()
    searcher.push_to_hub(REPO)
    texts = load_dataset(REPO, split="train", revision=repository.branches["main"])["text"]
    assert secret not in texts[:]
    assert len(texts) == 29


def test_newest_generation_is_pushed_whoever_wrote_it(searcher, hub_here, model):
    Searcher.open(searcher.folder, model, dtype="float32").add([{"id": "new", "text": "a song"}])
    searcher.push_to_hub(REPO)
    assert len(pulled()) == 31


def test_damaged_index_is_not_pushed(searcher, hub_here):
    [path] = (searcher.folder / "documents").glob("*.parquet")
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(InvalidFolder, match="does not match its sha256"):
        searcher.push_to_hub(REPO)
    assert list(hub_here.repositories["datasets", REPO].resolve().files) == [".gitattributes"]


@pytest.mark.parametrize(
    ("fault", "kind_of_error"),
    [
        (lambda faults: faults.refuse("POST", "*/commit/*", 402), HubError),
        (lambda faults: faults.refuse("POST", "*/commit/*", 403), NotAllowed),
        (lambda faults: faults.refuse("POST", "*/commit/*", 404), RepoNotFound),
        (lambda faults: faults.refuse("POST", "*/commit/*", 409), HubConflict),
        (lambda faults: faults.refuse("POST", "*/commit/*", 412), HubConflict),
        (lambda faults: faults.refuse("GET", "/api/datasets/*", 429, retry_after=7), HubError),
        (lambda faults: faults.refuse("POST", "*/commit/*", 503), HubError),
        (lambda faults: faults.cut_upload("POST", "*/commit/*", after_bytes=100), HubUnreachable),
        (lambda faults: faults.cut_response("POST", "*/commit/*", after_bytes=0), HubUnreachable),
    ],
)
def test_push_that_fails_leaves_the_old_index_whole_and_the_next_one_completes(
    pushed, repository, searcher, hub_here, fault, kind_of_error, kind
):
    if kind == "small":
        pytest.skip("the same for both kinds")
    before = rankings(searcher)
    searcher.add([{"id": "new", "text": "the newest song of all", "year": 2050, "topic": None}])
    fault(hub_here.faults)

    with pytest.raises(kind_of_error, match="'alice/songs'") as caught:
        searcher.push_to_hub(REPO)
    assert "\n" not in str(caught.value)
    assert rankings(pulled(revision=pushed.revision)) == before
    # A lost answer is the one failure after which it is there.
    assert len(pulled()) in (30, 31)

    searcher.push_to_hub(REPO)
    assert rankings(pulled()) == rankings(searcher)


# Pulled


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_pull_fetches_nothing_that_the_manifest_does_not_name(repository, hub_here):
    repository.commit({"segments/0001/evil.pkl": b"cos\nsystem\n(S'true'\ntR.", "huge.npy": b"\0" * 10**6})
    hub_here.traffic.clear()
    folder = pulled().folder
    names = {path.name for path in folder.rglob("*") if path.is_file()}
    assert not {"evil.pkl", "huge.npy", "README.md"} & names
    assert hub_here.traffic.sent_bytes() < 10**6


def test_second_opening_fetches_nothing(repository, hub_here):
    pulled()
    hub_here.traffic.clear()
    pulled()
    assert hub_here.traffic.sent_bytes(path="/objects/*") == 0


def test_what_is_in_the_cache_opens_without_the_hub(repository, searcher, hub_here):
    expected = rankings(pulled())
    hub_here.stop()
    assert rankings(Searcher.from_pretrained(REPO, searcher.model, dtype="float32")) == expected


def test_download_is_never_written_to_and_its_copy_is_ones_own(repository, searcher, tmp_path):
    found = pulled()
    before = contents(hub.blobs_of(found.folder))
    with pytest.raises(InvalidInput, match=r"never written to\. Copy it.*searcher\.copy_to\(folder\)"):
        found.add([{"id": "new", "text": "a song"}])

    mine = found.copy_to(tmp_path / "mine")
    assert rankings(mine) == rankings(searcher)
    mine.add([{"id": "new", "text": "a song"}])
    mine.remove(["d00"])

    assert contents(hub.blobs_of(found.folder)) == before
    again = Searcher.open(tmp_path / "mine", dtype="float32", verify=True)
    assert len(again) == 30
    assert models.record_of(again.model).id == MODEL
    assert not any(path.is_symlink() for path in (tmp_path / "mine").rglob("*"))
    with pytest.raises(InvalidInput, match="holds an index already"):
        found.copy_to(tmp_path / "mine")


def test_copy_that_is_pushed_again_sends_what_is_new_only(repository, tmp_path, hub_here):
    mine = pulled().copy_to(tmp_path / "mine")
    mine.add([{"id": "new", "text": "a song"}])
    hub_here.traffic.clear()
    mine.push_to_hub(REPO)
    assert hub_here.traffic.received_bytes() < 0.1 * mine.num_bytes
    assert len(pulled()) == 31


def test_copy_that_was_killed_completes(searcher, tmp_path):
    left = tmp_path / "mine" / "metadata" / "0001.parquet"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half")
    assert rankings(searcher.copy_to(tmp_path / "mine")) == rankings(searcher)


def test_download_can_be_pushed_elsewhere(repository, searcher):
    pulled().push_to_hub("alice/copy")
    found = Searcher.from_pretrained("alice/copy", dtype="float32", device="cpu")
    assert rankings(found) == rankings(searcher)


def test_index_comes_into_a_folder_of_ones_own_without_its_model(repository, searcher, tmp_path, hub_here, pushed):
    hub_here.traffic.clear()
    assert pull_index(REPO, tmp_path / "mine") == pushed.revision
    assert hub_here.traffic.all(path=f"*{MODEL}*") == []
    mine = Searcher.open(tmp_path / "mine", searcher.model, dtype="float32", verify=True)
    mine.remove(["d00"])
    assert len(mine) == 29


def test_repository_that_is_no_index_is_named(repository, hub_here):
    hub_here.repositories.create("datasets", "alice/rows")
    with pytest.raises(InvalidFolder, match=r"the data set 'alice/rows' is no index: it has no manifest\.json"):
        Searcher.from_pretrained("alice/rows")


# Tampered with


def rewritten(repository, change):
    """Commit a manifest that says something else, with its own sha256 in order."""
    from colbert_kit.folders.manifest import _digest

    content = json.loads(repository.read(MANIFEST_NAME))
    content.pop("sha256")
    change(content)
    content["sha256"] = _digest(content)
    repository.commit({MANIFEST_NAME: json.dumps(content).encode()})


def first(content, suffix):
    return next(name for name in content["files"] if name.endswith(suffix))


@pytest.mark.parametrize("suffix", [".npy", ".parquet", "blocks/0001.safetensors", MANIFEST_NAME])
def test_one_flipped_byte_is_refused_and_the_right_file_is_fetched_next_time(repository, searcher, suffix):
    name = next(path for path in repository.resolve().files if path.endswith(suffix))
    content = repository.read(name)
    place = len(content) // 2
    repository.tamper(name, content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(InvalidFolder, match=r"does not match its (own )?sha256|cannot be read as JSON|is damaged"):
        pulled()

    repository.tamper(name, content)
    assert rankings(pulled()) == rankings(searcher)


def test_missing_file_is_named(repository):
    name = first(json.loads(repository.read(MANIFEST_NAME)), ".npy")
    repository.commit({name: None})
    with pytest.raises(InvalidFolder, match=f"has no file '{name}', which it should"):
        pulled()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../../../../outside.npy", "allowed are relative names inside the folder"),
        ("/etc/passwd.npy", "allowed are relative names inside the folder"),
        ("segments/0001/evil.pkl", "allowed are relative names inside the folder"),
        ("segments/0001/evil.bin", "allowed are relative names inside the folder"),
        ("segments/../../x.npy", "allowed are relative names inside the folder"),
    ],
)
def test_file_that_must_not_be_is_refused_before_anything_is_fetched(repository, hub_here, name, message):
    def change(content):
        content["files"][name] = {"size": 10, "sha256": "0" * 64, "dtype": "uint8", "shape": [10]}

    rewritten(repository, change)
    hub_here.traffic.clear()
    with pytest.raises(InvalidFolder, match=message):
        pulled()
    assert hub_here.traffic.sent_bytes(path="/objects/*") == 0


@pytest.mark.parametrize("shape", [[2**62], [2**31, 2**31], [10**15, 16]])
def test_huge_shape_is_refused_before_anything_is_mapped(repository, shape, monkeypatch):
    rewritten(repository, lambda content: content["files"][first(content, ".npy")].update(shape=shape))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("something was mapped"))
    with pytest.raises(InvalidFolder, match=r"must be .* of shape"):
        pulled()


def test_wrong_size_is_refused(repository):
    rewritten(repository, lambda content: content["files"][first(content, ".npy")].update(size=2**50))
    with pytest.raises(InvalidFolder, match=f"must have {2**50} bytes"):
        pulled()


def test_pickle_in_an_array_file_is_refused_before_anything_runs(repository, tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    content = json.loads(repository.read(MANIFEST_NAME))
    name = first(content, ".npy")
    np.save(tmp_path / "evil.npy", np.array([Evil()], dtype=object), allow_pickle=True)
    evil = (tmp_path / "evil.npy").read_bytes()
    repository.commit({name: evil})
    change = {"size": len(evil), "sha256": hashlib.sha256(evil).hexdigest(), "dtype": "object", "shape": [1]}
    rewritten(repository, lambda content: content["files"][name].update(change))
    with pytest.raises(InvalidFolder, match="is not a plain array file"):
        pulled()
    assert not (tmp_path / "ran").exists()


def test_newer_format_is_refused_with_what_to_install(repository):
    rewritten(repository, lambda content: content.update(format_version=99))
    with pytest.raises(InvalidFolder, match=r"format version 99.*pip install -U colbert_kit"):
        pulled()


# Texts that stay on the Hub


def test_search_without_texts_here_gives_the_same_hits(repository, searcher):
    found = pulled(documents=False)

    assert rankings(found) == rankings(searcher)
    filters = [("year", ">=", 2015), ("topic", "=", "city")]
    assert found.search(QUERIES[0], 5, filters=filters) == searcher.search(QUERIES[0], 5, filters=filters)
    assert found.search(QUERIES[0], 3, group_by="topic") == searcher.search(QUERIES[0], 3, group_by="topic")
    assert found.get_documents(["d03", "d20"]) == searcher.get_documents(["d03", "d20"])
    assert list(found.documents()) == list(searcher.documents())
    hit = found.search(QUERIES[1], 1)[0]
    matches = [[(one.document, one.similarity) for one in its.explain(QUERIES[1], hit)] for its in (found, searcher)]
    assert matches[0] == matches[1]


def test_pull_without_texts_fetches_under_a_twentieth_of_the_documents_bytes(model, tmp_path, hub_here):
    generator = random.Random(1)
    documents = [
        {
            "id": f"document-{number}",
            "text": f"song {number} " + "".join(generator.choices(LETTERS, k=1500)),
            "year": 1900 + number % 120,
            "topic": generator.choice(["city", "mountain", "music"]),
        }
        for number in range(400)
    ]
    searcher = Searcher.build(tmp_path / "many", model, documents, dtype="float32")
    searcher.push_to_hub(REPO)
    files = hub_here.repositories["datasets", REPO].resolve().files
    whole = sum(entry.size for name, entry in files.items() if name.startswith("documents/"))
    hub_here.traffic.clear()

    found = pulled(documents=False)

    by_sha256 = {entry.sha256: name for name, entry in files.items()}
    fetched = {
        by_sha256.get(one.path.rpartition("/")[2]): one.response_bytes
        for one in hub_here.traffic.all("GET", "/objects/*")
    }
    rooms = ("documents/", "metadata/", "blocks/")
    assert sum(size for name, size in fetched.items() if name and name.startswith(rooms)) < 0.05 * whole
    assert not any(name and name.startswith("documents/") for name in fetched)

    for query in ("song 7", "music of the city", "x", "what is where"):
        hub_here.traffic.clear()
        hits = found.search(query, 10, filters=[("year", ">=", 1910)])
        ranges = hub_here.traffic.all("GET", "/objects/*")
        assert len(ranges) <= 4
        assert all(one.status == 206 and one.response_bytes <= 128 * 1024 for one in ranges)
        assert hits == searcher.search(query, 10, filters=[("year", ">=", 1910)])

    hub_here.traffic.clear()
    found.search("song 7", 10, filters=[("year", ">=", 1910)])
    assert hub_here.traffic.all() == []


def test_block_of_texts_with_one_flipped_byte_is_refused(repository, searcher):
    found = pulled(documents=False)
    name = next(path for path in repository.resolve().files if path.startswith("documents/"))
    content = repository.read(name)
    repository.tamper(name, content[:5000] + bytes([content[5000] ^ 1]) + content[5001:])
    with pytest.raises(InvalidFolder, match="a block of texts does not match its sha256"):
        found.search(QUERIES[0], 30)

    repository.tamper(name, content)
    assert rankings(found) == rankings(searcher)


def test_what_needs_all_texts_says_so(repository, tmp_path):
    found = pulled(documents=False)
    for use in (
        lambda: found.copy_to(tmp_path / "mine"),
        lambda: found.compress_to(tmp_path / "small"),
        lambda: found.push_to_hub("alice/copy"),
    ):
        with pytest.raises(InvalidInput, match=r"has its texts on the Hub.*documents=True"):
            use()


def test_index_of_old_says_how_its_texts_could_stay_there(searcher, hub_here):
    with Commit(searcher.folder) as commit:
        commit.drop_folder("blocks")
    searcher.push_to_hub(REPO)
    with pytest.raises(InvalidFolder, match=r"from before texts could be left on the Hub.*documents=True"):
        pulled(documents=False)
    assert len(pulled()) == 30


def test_hub_that_goes_away_is_named_when_texts_are_needed(repository, searcher, hub_here):
    found = pulled(documents=False)
    hub_here.stop()
    with pytest.raises(HubUnreachable, match="'alice/songs'"):
        found.search(QUERIES[0], 3)


def test_files_of_the_pushed_index_are_what_parquet_readers_know(repository, tmp_path):
    (tmp_path / "one.parquet").write_bytes(repository.read("documents/0001.parquet"))
    table = pq.read_table(tmp_path / "one.parquet")
    assert table.column_names == ["id", "text", "year", "topic"]
