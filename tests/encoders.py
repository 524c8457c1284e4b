"""Bare encoders of several families, tiny and random, written to a folder as their makers publish them.

Their tokenizers are trained here on a few sentences, so nothing is downloaded and every family tokenises in its own
way: WordPiece, byte-level BPE, Unigram.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PretrainedConfig, PreTrainedTokenizerFast

from tests.checkpoints import DOCUMENTS, QUERIES, write_bert

__all__ = [
    "ENCODERS",
    "PADDED_VOCABULARY",
    "write_gpt2",
    "write_modernbert",
    "write_qwen",
    "write_roberta",
    "write_xlmr",
]

HIDDEN = 32
PADDED_VOCABULARY = 640
"""Rows of the Qwen encoder's embedding table, more than its tokenizer has tokens, as in most releases."""

SENTENCES = [*QUERIES, *DOCUMENTS, *(one.lower() for one in DOCUMENTS)]
LAYERS = {"hidden_size": HIDDEN, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}


def write_roberta(folder: Path) -> None:
    """RoBERTa: byte-level BPE, positions that begin at 2."""
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    names |= {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
    tokenizer = _byte_level_bpe(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    config = transformers.RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66, type_vocab_size=1, **LAYERS
    )
    _write(folder, config, tokenizer, names)


def write_xlmr(folder: Path) -> None:
    """XLM-R: Unigram with a word-start sign."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    names |= {"cls_token": "<s>", "sep_token": "</s>", "mask_token": "<mask>"}
    config = transformers.XLMRobertaConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=66, type_vocab_size=1, **LAYERS
    )
    _write(folder, config, tokenizer, names)


def write_modernbert(folder: Path) -> None:
    """ModernBERT: byte-level BPE between [CLS] and [SEP], rotary positions."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer = _byte_level_bpe(special)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{name.strip('[]').lower()}_token": name for name in special}
    ids = {"pad_token_id": 0, "cls_token_id": 2, "bos_token_id": 2, "sep_token_id": 3, "eos_token_id": 3}
    config = transformers.ModernBertConfig(
        vocab_size=tokenizer.get_vocab_size(), max_position_embeddings=256, **ids, **LAYERS
    )
    _write(folder, config, tokenizer, names)


def write_gpt2(folder: Path) -> None:
    """GPT-2: a decoder whose tokenizer has an end-of-text token and nothing else, neither padding nor BOS."""
    tokenizer = _byte_level_bpe(["<|endoftext|>"])
    config = transformers.GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=256,
        n_embd=HIDDEN,
        n_layer=2,
        n_head=4,
        bos_token_id=0,
        eos_token_id=0,
    )
    _write(folder, config, tokenizer, {"eos_token": "<|endoftext|>"})


def write_qwen(folder: Path) -> None:
    """Qwen 2: a decoder as GPT-2, with rotary positions and a vocabulary padded to a round number."""
    tokenizer = _byte_level_bpe(["<|endoftext|>"])
    config = transformers.Qwen2Config(
        vocab_size=PADDED_VOCABULARY,
        num_key_value_heads=2,
        max_position_embeddings=256,
        bos_token_id=None,
        eos_token_id=0,
        **LAYERS,
    )
    _write(folder, config, tokenizer, {"eos_token": "<|endoftext|>"})


ENCODERS: dict[str, Callable[[Path], None]] = {
    "bert": write_bert,
    "roberta": write_roberta,
    "xlmr": write_xlmr,
    "modernbert": write_modernbert,
    "gpt2": write_gpt2,
    "qwen": write_qwen,
}


def _byte_level_bpe(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return tokenizer


def _write(folder: Path, config: PretrainedConfig, tokenizer: Tokenizer, names: dict[str, str]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        model = transformers.AutoModel.from_config(config)
        for parameter in model.parameters():
            if parameter.ndim > 1:
                # As wide as trained embeddings: with the usual 0.02, every token of a text comes out alike.
                torch.nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
