"""Late-interaction scoring: MaxSim on packed token embeddings, and which token met which.

Khattab & Zaharia, "ColBERT", SIGIR 2020, section 3.3 (https://arxiv.org/abs/2004.12832).
"""

from colbert_kit.scores.explain import TokenMatch, TokenSpan, explain
from colbert_kit.scores.maxsim import maxsim, maxsim_pairwise
from colbert_kit.scores.packed import PackedEmbeddings

__all__ = ["PackedEmbeddings", "TokenMatch", "TokenSpan", "explain", "maxsim", "maxsim_pairwise"]
