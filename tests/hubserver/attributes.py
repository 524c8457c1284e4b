"""Which files are large: what a repository's ``.gitattributes`` says."""

from __future__ import annotations

from fnmatch import fnmatchcase

__all__ = ["DEFAULT", "is_large"]

# What the Hub writes into every new repository.
PATTERNS = """
*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.lz4 *.mlmodel *.model *.msgpack *.npy *.npz *.onnx
*.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors saved_model/**/* *.tar.* *.tar *.tflite *.tgz *.wasm
*.xz *.zip *.zst *tfevents*
"""
DEFAULT = "".join(f"{pattern} filter=lfs diff=lfs merge=lfs -text\n" for pattern in PATTERNS.split())

LARGEST_REGULAR_BYTES = 10 * 1024 * 1024


def is_large(attributes: str, path: str, size: int, sample: bytes) -> bool:
    """Whether a file goes to the storage: by its name, by its size, or because it is binary."""
    if size == 0:
        return False
    if size > LARGEST_REGULAR_BYTES or b"\0" in sample:
        return True
    name = path.rsplit("/", 1)[-1]
    lines = [line.split() for line in attributes.splitlines() if "filter=lfs" in line]
    return any(fnmatchcase(path if "/" in words[0] else name, words[0]) for words in lines)
