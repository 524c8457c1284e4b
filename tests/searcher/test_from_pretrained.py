"""An index in the Hub's cache: links into blobs, read where they lie, never written to."""

import hashlib

import pytest
from huggingface_hub import constants

from colbert_kit import Searcher
from colbert_kit.errors import HubUnreachable, InvalidFolder, InvalidInput

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def downloaded(tmp_path, monkeypatch, tiny_model, tiny_documents):
    """A download as huggingface_hub leaves it: blobs, a snapshot folder of links to them, and a ref."""
    Searcher.build(tmp_path / "built", tiny_model, tiny_documents[:8])
    cache = tmp_path / "cache"
    repo = cache / "datasets--me--my-index"
    snapshot = repo / "snapshots" / COMMIT
    (repo / "blobs").mkdir(parents=True)
    for path in (tmp_path / "built").rglob("*"):
        if path.is_file() and path.name != ".lock":
            blob = repo / "blobs" / hashlib.sha256(path.read_bytes()).hexdigest()
            blob.write_bytes(path.read_bytes())
            blob.chmod(0o444)
            link = snapshot / path.relative_to(tmp_path / "built")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(blob)
    (repo / "refs").mkdir()
    (repo / "refs" / "main").write_text(COMMIT)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr("huggingface_hub._snapshot_download.constants.HF_HUB_CACHE", str(cache))
    return repo


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_index_in_the_hubs_cache_opens_and_searches(downloaded, tiny_model):
    searcher = Searcher.from_pretrained("me/my-index", tiny_model)
    assert len(searcher) == 8
    assert len(searcher.search("the library", 3)) == 3


def test_a_download_is_never_written_to(downloaded, tiny_model):
    before = contents(downloaded)
    searcher = Searcher.from_pretrained("me/my-index", tiny_model)
    for change in (lambda: searcher.add([{"id": "x", "text": "the city"}]), lambda: searcher.remove(["d00"])):
        with pytest.raises(InvalidInput, match="never written to"):
            change()
    assert contents(downloaded) == before


def test_a_damaged_download_is_refused(downloaded, tiny_model):
    [embeddings] = (downloaded / "snapshots" / COMMIT / "segments").glob("*/embeddings.npy")
    blob = embeddings.resolve()
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.chmod(0o644)
    blob.write_bytes(bytes(content))
    with pytest.raises(InvalidFolder, match="does not match its sha256"):
        Searcher.from_pretrained("me/my-index", tiny_model)


def test_a_folder_of_links_that_lead_elsewhere_is_refused_as_a_folder(downloaded, tiny_model):
    with pytest.raises(InvalidFolder, match="link to outside the folder"):
        Searcher.open(downloaded / "snapshots" / COMMIT, tiny_model)


def test_a_repository_that_is_not_in_the_cache_is_named_offline(downloaded, tiny_model):
    with pytest.raises(HubUnreachable, match="'me/other'"):
        Searcher.from_pretrained("me/other", tiny_model)
