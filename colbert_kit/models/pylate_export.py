"""A checkpoint that PyLate 1.6 opens, with equal embeddings."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Dense, Transformer
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from sentence_transformers.sentence_transformer.modules import Normalize

from colbert_kit.errors import InvalidConfig, InvalidInput
from colbert_kit.models.prompts import prompt_of

__all__ = ["export_pylate"]

PYLATE_VERSIONS = {"sentence_transformers": "5.3.0", "transformers": "5.3.0"}
"""What PyLate 1.6.0 is pinned to: its reader wants to see versions it knows."""


def export_pylate(model: MultiVectorEncoder, folder: str | Path) -> None:
    """Write a model for PyLate: ``pylate.models.ColBERT(folder)`` gives the same embeddings.

    PyLate keeps markers, lengths and skiplist in one file, and a sentence-transformers checkpoint of version 6 keeps
    them in its modules, where PyLate does not look.

    Args:
        model: Transformer, projection, mask, normalisation: what ``models.ColBERT`` makes.
        folder: A new folder.

    Raises:
        InvalidInput: The folder holds something.
        InvalidConfig: PyLate has no such model: markers that are not one token each, other modules, a query that is
            padded to a least length only.

    Example:
        >>> export_pylate(model, "for-pylate")  # doctest: +SKIP
    """
    target = Path(folder)
    if target.exists() and any(target.iterdir()):
        raise InvalidInput(f"{target} holds something already; give a new folder.")
    encoder, dense, mask = _modules(model)
    config = _pylate_config(model, encoder, mask)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}-"))
    try:
        model.save_pretrained(str(temporary), create_model_card=False)
        for left in (*temporary.glob("*_MultiVectorMask"), *temporary.glob("*_Normalize")):
            shutil.rmtree(left)
        _write(temporary / "config_sentence_transformers.json", config)
        _write(temporary / "1_Dense" / "config.json", _dense_config(dense))
        # The marker is put in after the text has been cut, so PyLate's own limit is one less.
        _write(
            temporary / "sentence_bert_config.json",
            {"max_seq_length": config["document_length"] - 1, "do_lower_case": False},
        )
        types = {"": "sentence_transformers.models.Transformer", "1_Dense": "pylate.models.Dense.Dense"}
        modules = [{"idx": n, "name": str(n), "path": path, "type": types[path]} for n, path in enumerate(types)]
        _write(temporary / "modules.json", modules)
        # mkdtemp's folders are for their owner alone.
        temporary.chmod(target.parent.stat().st_mode & 0o777)
        if target.exists():
            target.rmdir()
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _modules(model: MultiVectorEncoder) -> tuple[Transformer, Dense, MultiVectorMask]:
    match list(model):
        case [Transformer() as encoder, Dense() as dense, MultiVectorMask() as mask, Normalize()]:
            return encoder, dense, mask
    raise InvalidConfig(
        "PyLate knows models of Transformer, Dense, MultiVectorMask and Normalize, got "
        f"{', '.join(type(one).__name__ for one in model)}."
    )


def _pylate_config(model: MultiVectorEncoder, encoder: Transformer, mask: MultiVectorMask) -> dict[str, Any]:
    markers = {}
    for role in ("query", "document"):
        marker = prompt_of(model, role)
        if len(model.tokenizer(marker, add_special_tokens=False)["input_ids"]) != 1:
            raise InvalidConfig(f"PyLate puts one marker token before a {role}; this model has {marker!r}.")
        markers[f"{role}_prefix"] = marker
    expansion = encoder.query_expansion
    if expansion and expansion["strategy"] != "fixed":
        raise InvalidConfig("PyLate pads queries to a fixed length or not at all; this model has another strategy.")
    query_length = expansion["length"] if expansion else encoder.query_length
    if not query_length or not encoder.document_length:
        raise InvalidConfig("PyLate needs a query_length and a document_length; this model lacks one.")
    return {
        "model_type": "ColBERT",
        "__version__": PYLATE_VERSIONS,
        "prompts": {"query": "", "document": ""},
        "default_prompt_name": None,
        "similarity_fn_name": "MaxSim",
        **markers,
        "query_length": query_length,
        "document_length": encoder.document_length,
        "attend_to_expansion_tokens": bool(expansion and expansion["attend"]),
        "skiplist_words": list(mask.skiplist_words),
        "do_query_expansion": bool(expansion),
    }


def _dense_config(dense: Dense) -> dict[str, Any]:
    config: dict[str, Any] = dense.get_config_dict()  # type: ignore[no-untyped-call]
    return {
        "in_features": config["in_features"],
        "out_features": config["out_features"],
        "bias": config["bias"],
        "activation_function": config["activation_function"],
        "use_residual": False,
    }


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
