"""An index that may only be read, as on a mounted volume: it answers as ever, and nothing is written."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from colbert_kit import Searcher, models

QUERIES = ["the old song", "rain on the mountain"]
ROOT = Path(__file__).resolve().parents[2]

SEARCH = """
import json, os, sys, tempfile
from pathlib import Path
from colbert_kit import Searcher, models
from colbert_kit.errors import InvalidInput
folder = Path(sys.argv[1])
model = models.ColBERT(folder / "model", device="cpu")
with tempfile.TemporaryDirectory() as other:  # imports all that the rest will need
    texts = [{"id": str(number), "text": f"song {number}"} for number in range(30)]
    searcher = Searcher.build(Path(other, "index"), model, texts, exact_below=0)
    searcher.search("a", filters=[("id", "=", "1")])
    searcher.remove(["1"])
    searcher.vacuum()
if os.geteuid() == 0 and os.access(folder / "index", os.W_OK):  # root may write anywhere but on such a mount
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
try:
    (folder / "index" / "x").touch()
    sys.exit("this process may write")
except OSError:
    pass
searcher = Searcher.open(folder / "index", model, dtype="float32", verify=True)
searcher.warm()
found = [[(hit.id, hit.score.hex(), hit.text, hit.metadata) for hit in searcher.search(q, 10)] for q in sys.argv[2:]]
messages = []
changes = [lambda: searcher.add([{"id": "x", "text": "x"}]), lambda: searcher.remove(["d00"]), searcher.vacuum]
for change in changes:
    try:
        change()
    except InvalidInput as error:
        messages.append(str(error))
print(json.dumps([found, messages]))
"""


@pytest.fixture
def shelf():
    """A folder that others may read, wherever pytest keeps its own."""
    folder = Path(tempfile.mkdtemp(prefix="colbert-kit-shelf-"))
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(folder)


MOUNTED = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
"""In a namespace of its own: nothing else sees the mount, and it goes with the process."""


def states(folder):
    return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in [folder, *folder.rglob("*")]}


def may_mount():
    return shutil.which("unshare") and not subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode


@pytest.mark.parametrize("exact_below", [0, 10**9])
@pytest.mark.parametrize("how", ["permissions", "mount"])
def test_index_that_may_only_be_read_answers_as_ever_and_is_never_written(
    shelf, tiny_model_folder, tiny_documents, exact_below, how
):
    if how == "mount" and not may_mount():
        pytest.skip("this system lets nobody mount in a namespace of their own (unshare -rm)")
    shutil.copytree(tiny_model_folder, shelf / "model")
    model = models.ColBERT(shelf / "model", device="cpu")
    searcher = Searcher.build(shelf / "index", model, tiny_documents, dtype="float32", exact_below=exact_below)
    searcher.remove(["d01"])
    (shelf / "index" / ".lock").unlink()
    expected = [
        [[hit.id, hit.score.hex(), hit.text, hit.metadata] for hit in searcher.search(query, 10)] for query in QUERIES
    ]
    if how == "permissions":
        for path in shelf.rglob("*"):
            path.chmod(0o555 if path.is_dir() else 0o444)
    before = states(shelf)

    command = [sys.executable, "-c", SEARCH, str(shelf), *QUERIES]
    if how == "mount":
        command = ["unshare", "-rm", "sh", "-c", MOUNTED, str(shelf), *command]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr

    found, messages = json.loads(done.stdout.splitlines()[-1])
    assert found == expected
    assert len(messages) == 3
    why = {"permissions": "Permission denied", "mount": "Read-only file system"}[how]
    assert all(f"is read-only ({why}). Copy it, and change the copy." in message for message in messages)
    assert states(shelf) == before
