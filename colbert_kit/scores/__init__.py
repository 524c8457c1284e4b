"""Late-interaction scoring: MaxSim on packed token embeddings, and which token met which.

Khattab & Zaharia, "ColBERT", SIGIR 2020, section 3.3 (https://arxiv.org/abs/2004.12832).
"""

from colbert_kit.scores.explain import TokenMatch, TokenSimilarities, TokenSpan, explain
from colbert_kit.scores.kernel import NBITS, CodecView, SegmentView, byte_weights, kernel, open_kernel, reversed_codes
from colbert_kit.scores.kernel.native import NativeKernel
from colbert_kit.scores.maxsim import maxsim, maxsim_pairwise
from colbert_kit.scores.packed import PackedEmbeddings

__all__ = [
    "NBITS",
    "CodecView",
    "NativeKernel",
    "PackedEmbeddings",
    "SegmentView",
    "TokenMatch",
    "TokenSimilarities",
    "TokenSpan",
    "byte_weights",
    "explain",
    "kernel",
    "maxsim",
    "maxsim_pairwise",
    "open_kernel",
    "reversed_codes",
]
