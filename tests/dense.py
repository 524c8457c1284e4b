"""A tiny dense model."""

import tempfile
from pathlib import Path

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

from tests.checkpoints import write_bert

__all__ = ["write_dense"]


def write_dense(folder: Path, *, seed: int = 0) -> SentenceTransformer:
    """Write the encoder of ``write_bert`` with the mean of its tokens, and return what was written."""
    with tempfile.TemporaryDirectory() as bare:
        write_bert(Path(bare), seed=seed)
        encoder = Transformer(bare)
        model = SentenceTransformer(modules=[encoder, Pooling(encoder.get_embedding_dimension())], device="cpu")
    model.save(str(folder))
    return model
