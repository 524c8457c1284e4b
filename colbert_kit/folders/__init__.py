"""Folders that never lie: a hashed manifest, atomic commits, one writer, readers that keep their generation.

A folder is a set of immutable files and one ``manifest.json`` that names them. A commit writes new files under new
names, makes them durable, and renames a new manifest into place; whatever the instruction at which a process dies,
the folder holds the last generation whole. Nothing here knows what the files mean, and nothing is ever unpickled.
"""

from colbert_kit.folders.commit import LOCK_NAME, Commit, locked, make_folder, sync_path, write_durably
from colbert_kit.folders.manifest import FORMAT_VERSION, FileEntry, Manifest
from colbert_kit.folders.merging import first_to_merge
from colbert_kit.folders.snapshot import Snapshot, exists, open_newest, release_pages
from colbert_kit.folders.vacuum import GRACE_SECONDS, vacuum

__all__ = [
    "FORMAT_VERSION",
    "GRACE_SECONDS",
    "LOCK_NAME",
    "Commit",
    "FileEntry",
    "Manifest",
    "Snapshot",
    "exists",
    "first_to_merge",
    "locked",
    "make_folder",
    "open_newest",
    "release_pages",
    "sync_path",
    "vacuum",
    "write_durably",
]
