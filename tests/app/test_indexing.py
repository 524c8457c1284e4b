"""Indexes built, changed, canceled and pushed, each by a process of its own."""

import json
import time

import datasets  # noqa: F401 - hub_here sets what is loaded
import pytest

from colbert_kit.app.columns import detect_roles, look
from colbert_kit.app.index_job import BUILDING
from colbert_kit.app.indexing import CardFacts, Indexing
from colbert_kit.app.local_jobs import LocalJobs
from colbert_kit.app.shelf import IndexFacts, Shelf
from colbert_kit.errors import InvalidInput
from colbert_kit.runners import LocalRunner

SECONDS = 240


@pytest.fixture
def indexing(tmp_path):
    jobs = LocalJobs(LocalRunner(tmp_path / "jobs", grace_seconds=5.0))
    return Indexing(Shelf(tmp_path / "indexes"), jobs, tmp_path / "uploads")


@pytest.fixture
def upload(tmp_path, tiny_documents):
    def write(documents, name="songs.jsonl"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(one) + "\n" for one in documents))
        return str(path)

    return write


def ended(indexing, job_id):
    for _ in range(SECONDS * 5):
        if (view := indexing.jobs.look(job_id)).is_final:
            return view
        time.sleep(0.2)
    pytest.fail("the job did not end")


def build(indexing, path, name, model, **options):
    source = indexing.take_files([path])
    return ended(indexing, indexing.build(name, source, detect_roles(look(source)), model=model, **options))


def test_documents_become_an_index_that_grows_and_shrinks(indexing, upload, tiny_documents, tiny_model_folder):
    from colbert_kit import Searcher

    model = str(tiny_model_folder)
    view = build(indexing, upload(tiny_documents[:20]), "My Songs", model, nbits=2, pool_factor=2)
    assert (view.state, view.message, view.result["documents"]) == ("COMPLETED", "", 20)
    folder = indexing.shelf.find("my-songs")
    assert view.result["folder"] == str(folder)

    source = indexing.take_files([upload(tiny_documents[20:])])
    roles = detect_roles(look(source))
    with pytest.raises(InvalidInput, match="there is an index 'my-songs' already"):
        indexing.build("my songs", source, roles, model=model)
    assert ended(indexing, indexing.add("my-songs", source, roles)).result["documents"] == 30
    again = ended(indexing, indexing.add("my-songs", source, roles))
    assert (again.state, "d20" in again.message) == ("ERROR", True)

    assert ended(indexing, indexing.remove("my-songs", ["d00", " d01 ", ""])).result["documents"] == 28
    assert IndexFacts.read(folder).num_documents == 28
    searcher = Searcher.open(folder)
    assert (len(searcher), searcher.pool_factor, searcher.metadata_columns) == (28, 2, ["id", "year", "topic"])


def test_a_csv_file_adds_numbers_to_a_column_of_numbers(indexing, upload, tmp_path, tiny_model_folder):
    from colbert_kit import Searcher

    build(indexing, upload([{"id": "a", "text": "the sea", "year": 2020}]), "songs", str(tiny_model_folder))
    path = tmp_path / "more.csv"
    path.write_text("id,text,year\nb,a river,1999\n")
    source = indexing.take_files([str(path)])
    added = ended(indexing, indexing.add("songs", source, detect_roles(look(source))))
    assert (added.state, added.message) == ("COMPLETED", "")
    searcher = Searcher.open(indexing.shelf.find("songs"))
    assert [hit.id for hit in searcher.search("water", filters=[("year", "<", 2000)])] == ["b"]
    assert indexing.shelf.unused("Songs") == "songs-2"
    assert indexing.shelf.unused("Others") == "Others"
    assert [job.labels["of"] for job in indexing.jobs.runner.list_jobs()] == ["songs", "songs"]


def test_a_bad_line_ends_the_job_before_the_model_is_loaded(indexing, upload, tiny_documents, tiny_model_folder):
    bad = [*tiny_documents, tiny_documents[0]]
    view = build(indexing, upload(bad), "songs", str(tiny_model_folder))
    assert view.message == "songs.jsonl, line 31: the id 'd00' comes twice; every document needs its own."
    assert not any("loading the model" in line for line in indexing.jobs.runner.logs(view.id))
    assert indexing.shelf.names() == []


def test_a_canceled_build_leaves_nothing(indexing, upload, tiny_documents):
    many = [{**one, "id": f"{n}-{one['id']}"} for n in range(300) for one in tiny_documents]
    source = indexing.take_files([upload(many)])
    job_id = indexing.build("songs", source, detect_roles(look(source)))
    assert indexing.build("songs", source, detect_roles(look(source))) == job_id, "a second click starts nothing"
    while not list(indexing.shelf.home.glob(f"{BUILDING}*/*")):
        assert not indexing.jobs.look(job_id).is_final, indexing.jobs.look(job_id)
        time.sleep(0.1)
    assert indexing.jobs.unfinished("index") == job_id
    assert indexing.shelf.names() == []
    indexing.jobs.cancel(job_id)
    assert indexing.jobs.look(job_id).state == "CANCELED"
    assert list(indexing.shelf.home.iterdir()) == []


def test_what_a_killed_build_left_is_swept_up_by_the_next_one(indexing, upload, tiny_documents):
    left = indexing.shelf.home / f"{BUILDING}0123456789abcdef01234567"
    left.mkdir(parents=True)
    source = indexing.take_files([upload(tiny_documents)])
    job_id = indexing.build("songs", source, detect_roles(look(source)))
    assert not left.exists()
    indexing.jobs.cancel(job_id)


def test_an_index_is_pushed_as_its_preview_said(indexing, upload, tiny_documents, tiny_model_folder, hub_here, tokens):
    from colbert_kit import hub, models

    environment = {"HF_ENDPOINT": hub_here.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        assert hub.find_namespaces(tokens.write) == ("alice", "acme")
        assert hub.find_namespaces(tokens.stranger) == ("bob",)
        models.push_to_hub(models.ColBERT(str(tiny_model_folder), device="cpu"), "alice/tiny")
        build(indexing, upload(tiny_documents), "songs", str(tiny_model_folder))
        facts = CardFacts("acme/songs", license="cc-by-4.0", language=("en",), corpus="songs", model_id="alice/tiny")
        card = indexing.card("songs", facts)
        view = ended(indexing, indexing.push("songs", facts, tokens.write))
        assert (view.state, view.message) == ("COMPLETED", "")
        repository = hub_here.repositories["datasets", "acme/songs"]
        pushed = repository.read("README.md").decode()
        assert repository.is_private
        # The revision of the model is only known when it is pushed.
        assert [line for line in card.splitlines() if not line.startswith("- Model:")] == [
            line for line in pushed.splitlines() if not line.startswith("- Model:")
        ]
        refused = ended(indexing, indexing.push("songs", CardFacts("bob/songs", model_id="alice/tiny"), tokens.write))
        assert (refused.state, "bob/songs" in refused.message) == ("ERROR", True)
        assert tokens.write not in "".join(path.read_text() for path in indexing.jobs.runner.folder.rglob("*.*"))


def test_names_that_cannot_be_are_refused_at_once(indexing):
    for name in ("/etc/passwd", "../x", "http://127.0.0.1/x", "", "a/b/c"):
        with pytest.raises(InvalidInput, match="is called OWNER/NAME"):
            indexing.take_dataset(name)
    with pytest.raises(InvalidInput, match="there is no index 'gone'"):
        indexing.push("gone", CardFacts("me/songs"), "")
    with pytest.raises(InvalidInput, match="choose owner and name"):
        indexing.push("gone", CardFacts("songs"), "")
    with pytest.raises(InvalidInput, match="no id to remove"):
        indexing.remove("gone", [" "])


def test_the_first_rows_of_a_dataset_are_looked_at_and_all_of_them_are_indexed(
    indexing, upload, tiny_documents, tiny_model_folder, hub_here, api, tokens, monkeypatch
):
    many = [{**one, "id": f"{n}-{one['id']}"} for n in range(8) for one in tiny_documents]
    api.create_repo("alice/corpus", repo_type="dataset", private=True)
    api.upload_file(
        path_or_fileobj=upload(many), path_in_repo="train.jsonl", repo_id="alice/corpus", repo_type="dataset"
    )
    source = indexing.take_dataset(" alice/corpus ")
    found = look(source)
    assert (found.num_rows, found.is_whole) == (200, False)
    roles = detect_roles(found)
    for name, value in {"HF_ENDPOINT": hub_here.url, "HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_XET": "1"}.items():
        monkeypatch.setenv(name, value)
    model = str(tiny_model_folder)
    assert ended(indexing, indexing.build("secret", source, roles, model=model)).state == "ERROR", "without a token"
    view = ended(indexing, indexing.build("songs", source, roles, model=model, token=tokens.write))
    assert (view.message, view.result["documents"]) == ("", 240)
