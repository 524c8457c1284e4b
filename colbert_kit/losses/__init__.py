"""Training losses: sentence-transformers' own, under the names and with the defaults that ColBERT users know."""

from colbert_kit.losses.contrastive import CachedContrastive, Contrastive
from colbert_kit.losses.distillation import Distillation, MarginMSE
from colbert_kit.losses.in_batch import InBatchDistillation
from colbert_kit.losses.metrics import ScoreMetric
from colbert_kit.losses.pooled import PooledTeacher
from colbert_kit.losses.tokens import TokenDistillation

__all__ = [
    "CachedContrastive",
    "Contrastive",
    "Distillation",
    "InBatchDistillation",
    "MarginMSE",
    "PooledTeacher",
    "ScoreMetric",
    "TokenDistillation",
]
