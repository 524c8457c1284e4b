"""Tiny late-interaction checkpoints in the layouts of other libraries, and the texts they are compared on.

Written from NumPy, tokenizers, safetensors and JSON alone, so that the same weights come out beside PyLate
(which pins an older sentence-transformers) and beside ours. ``tests/golden/make_golden.py`` encodes the texts
with PyLate; the tests encode them with ours.

The PyLate layouts follow what real releases wrote when asked to save a tiny BERT: 1.1.0 (with
sentence-transformers 3.0.1 and transformers 4.44.2), 1.3.0 (4.0.2, 4.48.2) and 1.6.0 (5.3.0, 5.3.0). "v3" is
sentence-transformers' word for a save that says ``model_type: "ColBERT"``; "v1" and "v2" are ours for what
came before it. The Stanford layout is a reading of PyLate's and sentence-transformers' loaders; no Stanford
code ran.
"""

from __future__ import annotations

import hashlib
import json
import string
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import AddedToken, Tokenizer, models, normalizers, pre_tokenizers, processors

__all__ = [
    "CHECKPOINTS",
    "DIM",
    "DOCUMENTS",
    "QUERIES",
    "weights_sha256",
    "write_bert",
    "write_pylate_v1",
    "write_pylate_v2",
    "write_pylate_v3",
    "write_stanford",
]

# Plain; almost empty; longer than every query_length below; upper case between spaces.
QUERIES = (
    "what is late interaction?",
    "?",
    "how does the library search an index of every document when rain falls on the mountains at night?",
    "  Who sings the OLD songs  ",
)

# Punctuation for the skiplist; longer than every document_length below; upper case; accents, CJK, an emoji
# and quotation marks that no ASCII skiplist knows; nothing but punctuation.
DOCUMENTS = (
    "Late interaction: every query token meets each document token (one by one), and the best wins!",
    "the river runs to the city, the train runs to the mountain, and the song of the river is one old song "
    "in every library of the city for one late night",
    "THE NIGHT TRAIN TO THE CITY",
    "Caf\u00e9 in T\u014dky\u014d \u2014 \u201cold\u201d songs, \u6771\u4eac rain\u2026 \U0001f642",
    "...",
)

DIM = 16
HIDDEN, NUM_LAYERS, NUM_HEADS, INTERMEDIATE, MAX_POSITIONS = 32, 2, 4, 64, 64

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = """
a an and at best bread by cafe city coffee d document does each every falls for from history how in index is
interaction language late library many meet memory model mountain music night of old on one or paper q query
rain river run search sing song the to token tok train two vector what when where who why win with word
##al ##ed ##er ##est ##ing ##k ##ly ##ness ##o ##s ##tion ##y
"""
VOCABULARY = (*SPECIAL_TOKENS, "[unused0]", "[unused1]", *string.punctuation, *WORDS.split())

Shapes = dict[str, tuple[int, ...]]


def write_bert(folder: Path, *, seed: int = 0) -> None:
    """Write a bare two-layer BERT encoder with seeded weights and a lower-casing WordPiece tokenizer."""
    _write_config(folder, "BertModel", len(VOCABULARY))
    _write_weights(folder, _bert_shapes(len(VOCABULARY)), seed)
    _write_tokenizer(folder)


def write_pylate_v3(folder: Path, *, attend_to_expansion_tokens: bool = False, seed: int = 3) -> None:
    """Write what PyLate on sentence-transformers 5 saves (1.3.4 to 1.6.0).

    What marks it: ``model_type: "ColBERT"``, empty prompts for both sides, ``use_residual`` in the Dense's
    config, ``[Q] `` and ``[D] `` (with their space) as added tokens with embedding rows of their own, and
    ``[MASK]`` as pad token. One liberty: LayerNorm's weights are called ``weight`` and ``bias``, as
    transformers 4 writes them; transformers 5.3 wrote ``gamma`` and ``beta`` for PyLate 1.6.0, and reads both.
    """
    markers = ("[Q] ", "[D] ")
    _write_modules(folder, markers, seed, max_seq_length=23, dense={"use_residual": False})
    _write_tokenizer(folder, markers, pad_token="[MASK]")
    config = _pylate_config(markers, (16, 24), versions=("5.3.0", "5.3.0"), attend=attend_to_expansion_tokens)
    config |= {"prompts": {"query": "", "document": ""}, "do_query_expansion": True}
    _write_json(folder / "config_sentence_transformers.json", {"model_type": "ColBERT"} | config)


def write_pylate_v2(folder: Path, *, do_query_expansion: bool | None = None, seed: int = 2) -> None:
    """Write what PyLate on sentence-transformers 3.3 to 4 saves (1.1.3 to 1.3.0).

    What marks it: no ``model_type``, no prompts, no ``use_residual``; the added tokens are listed again in
    ``tokenizer_config.json`` and ``added_tokens.json``. ``do_query_expansion`` is a key since 1.3.0: None
    leaves it out as 1.1.3 to 1.2.0 do, which means True.
    """
    markers = ("[Q] ", "[D] ")
    _write_modules(folder, markers, seed, max_seq_length=64)
    _write_tokenizer(folder, markers, pad_token="[MASK]", transformers_4=True)
    config = _pylate_config(markers, (12, 20), versions=("4.0.2", "4.48.2"))
    if do_query_expansion is not None:
        config["do_query_expansion"] = do_query_expansion
    _write_json(folder / "config_sentence_transformers.json", config)


def write_pylate_v1(folder: Path, *, dense_type: str = "pylate.models.Dense", seed: int = 1) -> None:
    """Write what PyLate on sentence-transformers 3.0 saves after encoding queries (1.1.0, and 1.0.0 in its time).

    What marks it: as v2 without ``do_query_expansion``, a null ``similarity_fn_name``, and a Dense whose
    ``type`` names its module and not its class; ``dense_type="pylate.models.Dense.Dense"`` repairs that.

    Two things any PyLate can leave show here: markers that the vocabulary already has (``[unused0]``: no space,
    no new rows), and traces of the last ``encode``: a ``max_seq_length`` of query_length - 1, and that cut and
    padding in ``tokenizer.json``.
    """
    markers = ("[unused0]", "[unused1]")
    _write_modules(folder, markers, seed, max_seq_length=11, dense_type=dense_type)
    _write_tokenizer(folder, markers, pad_token="[MASK]", transformers_4=True, last_length=11)
    config = _pylate_config(markers, (12, 20), versions=("3.0.1", "4.44.2")) | {"similarity_fn_name": None}
    _write_json(folder / "config_sentence_transformers.json", config)


def write_stanford(folder: Path, *, attend_to_mask_tokens: bool = False, seed: int = 4) -> None:
    """Write a Stanford ColBERTv2 checkpoint: ``HF_ColBERT``, ``bert.*`` and ``linear.weight`` in one file.

    What marks it: no ``modules.json``; lengths, markers and punctuation in ``artifact.metadata``, of which
    only the keys about the model are here; markers that are plain vocabulary entries.
    """
    _write_config(folder, "HF_ColBERT", len(VOCABULARY))
    _write_tokenizer(folder, transformers_4=True)
    shapes = {f"bert.{name}": shape for name, shape in _bert_shapes(len(VOCABULARY)).items()}
    _write_weights(folder, shapes | {"linear.weight": (DIM, HIDDEN)}, seed)
    metadata = {"query_token_id": "[unused0]", "doc_token_id": "[unused1]", "similarity": "cosine", "dim": DIM}
    metadata |= {"query_token": "[Q]", "doc_token": "[D]", "query_maxlen": 12, "doc_maxlen": 20}
    metadata |= {"attend_to_mask_tokens": attend_to_mask_tokens, "mask_punctuation": True}
    _write_json(folder / "artifact.metadata", metadata)


# Every checkpoint in the golden file, under the name its arrays have there.
CHECKPOINTS: dict[str, Callable[[Path], None]] = {
    "pylate_v1": write_pylate_v1,
    "pylate_v2": write_pylate_v2,
    "pylate_v2_unexpanded": partial(write_pylate_v2, do_query_expansion=False),
    "pylate_v3": write_pylate_v3,
    "pylate_v3_attending": partial(write_pylate_v3, attend_to_expansion_tokens=True),
    "stanford": write_stanford,
    "stanford_attending": partial(write_stanford, attend_to_mask_tokens=True),
}


def weights_sha256(folder: Path) -> str:
    """Hash every weight under a folder, so that a test can say the golden arrays came from other weights."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.safetensors")):
        for name, weights in sorted(load_file(path).items()):
            digest.update(f"{path.relative_to(folder).as_posix()} {name} {weights.shape}".encode())
            digest.update(weights.tobytes())
    return digest.hexdigest()


def _bert_shapes(vocabulary_size: int) -> Shapes:
    embeddings = {"word": vocabulary_size, "position": MAX_POSITIONS, "token_type": 2}
    shapes: Shapes = {f"embeddings.{name}_embeddings.weight": (n, HIDDEN) for name, n in embeddings.items()}
    linears = {"pooler.dense": (HIDDEN, HIDDEN)}
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{index}" for index in range(NUM_LAYERS)):
        for name in ("self.query", "self.key", "self.value", "output.dense"):
            linears[f"{layer}.attention.{name}"] = (HIDDEN, HIDDEN)
        linears[f"{layer}.intermediate.dense"] = (INTERMEDIATE, HIDDEN)
        linears[f"{layer}.output.dense"] = (HIDDEN, INTERMEDIATE)
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    for name, shape in linears.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    for name in norms:
        shapes |= {f"{name}.weight": (HIDDEN,), f"{name}.bias": (HIDDEN,)}
    return shapes


def _write_weights(folder: Path, shapes: Shapes, seed: int) -> None:
    # NumPy and sorted names, so that neither torch's initialisation nor a dict's order can change a bit.
    generator = np.random.default_rng(seed)
    weights = {}
    for name in sorted(shapes):
        drawn = generator.standard_normal(shapes[name])
        if name.endswith("LayerNorm.weight"):
            drawn = 1.0 + 0.1 * drawn
        elif name.endswith(".bias"):
            drawn = 0.1 * drawn
        elif name.endswith(("position_embeddings.weight", "token_type_embeddings.weight")):
            drawn = 0.3 * drawn
        elif not name.endswith("word_embeddings.weight"):
            # Keeps the variance. Measured: larger scales make a text's tokens alike, smaller ones hide its context.
            drawn = drawn / np.sqrt(shapes[name][-1])
        weights[name] = drawn.astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def _write_config(folder: Path, architecture: str, vocabulary_size: int) -> None:
    config = {
        "architectures": [architecture],
        "hidden_size": HIDDEN,
        "intermediate_size": INTERMEDIATE,
        "max_position_embeddings": MAX_POSITIONS,
        "model_type": "bert",
        "num_attention_heads": NUM_HEADS,
        "num_hidden_layers": NUM_LAYERS,
        "pad_token_id": 0,
        "torch_dtype": "float32",
        "vocab_size": vocabulary_size,
    }
    _write_json(folder / "config.json", config)


def _write_modules(
    folder: Path,
    markers: tuple[str, str],
    seed: int,
    *,
    max_seq_length: int,
    dense_type: str = "pylate.models.Dense.Dense",
    dense: Mapping[str, object] | None = None,
) -> None:
    vocabulary_size = len({*VOCABULARY, *markers})
    _write_config(folder, "BertModel", vocabulary_size)
    _write_weights(folder, _bert_shapes(vocabulary_size), seed)
    _write_weights(folder / "1_Dense", {"linear.weight": (DIM, HIDDEN)}, 100 + seed)
    config: dict[str, object] = {"in_features": HIDDEN, "out_features": DIM, "bias": False}
    config |= {"activation_function": "torch.nn.modules.linear.Identity", **(dense or {})}
    _write_json(folder / "1_Dense" / "config.json", config)
    lengths = {"max_seq_length": max_seq_length, "do_lower_case": False}
    _write_json(folder / "sentence_bert_config.json", lengths)
    types = {"": "sentence_transformers.models.Transformer", "1_Dense": dense_type}
    modules = [{"idx": i, "name": str(i), "path": path, "type": types[path]} for i, path in enumerate(types)]
    _write_json(folder / "modules.json", modules)


def _pylate_config(
    markers: tuple[str, str], lengths: tuple[int, int], *, versions: tuple[str, str], attend: bool = False
) -> dict[str, object]:
    libraries = ("sentence_transformers", "transformers", "pytorch")
    return {
        "__version__": dict(zip(libraries, (*versions, "2.11.0"), strict=True)),
        "prompts": {},
        "default_prompt_name": None,
        "similarity_fn_name": "MaxSim",
        "query_prefix": markers[0],
        "document_prefix": markers[1],
        "query_length": lengths[0],
        "document_length": lengths[1],
        "attend_to_expansion_tokens": attend,
        "skiplist_words": list(string.punctuation),
    }


def _write_tokenizer(
    folder: Path,
    markers: Sequence[str] = (),
    *,
    pad_token: str = "[PAD]",
    transformers_4: bool = False,
    last_length: int | None = None,
) -> None:
    ids = {token: row for row, token in enumerate(VOCABULARY)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    # As PyLate adds them: normalised, not special, and with a new id only where the vocabulary lacks them.
    tokenizer.add_tokens([AddedToken(marker, normalized=True) for marker in markers])
    if last_length is not None:
        tokenizer.enable_truncation(last_length)
        tokenizer.enable_padding(length=last_length, pad_id=ids[pad_token], pad_token=pad_token)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n", encoding="utf-8")
    named = {f"{name}_token": f"[{name.upper()}]" for name in ("cls", "mask", "sep", "unk")}
    named["pad_token"] = pad_token
    config = {"do_lower_case": True, "model_max_length": 512, "tokenizer_class": "BertTokenizer"} | named
    if transformers_4:
        added = json.loads(tokenizer.to_str())["added_tokens"]
        config["added_tokens_decoder"] = {str(token.pop("id")): token for token in added}
        _write_json(folder / "special_tokens_map.json", named)
        if new_ids := {marker: tokenizer.token_to_id(marker) for marker in markers if marker not in ids}:
            _write_json(folder / "added_tokens.json", new_ids)
    _write_json(folder / "tokenizer_config.json", config)


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
