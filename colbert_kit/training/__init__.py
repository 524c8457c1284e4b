"""Training on sentence-transformers' trainers: batches by role, with the markers that encoding uses."""

from colbert_kit.training.collator import ColBERTCollator
from colbert_kit.training.columns import is_role, text_columns, unfolded
from colbert_kit.training.config import LOSSES, TrainingConfig, read_settings
from colbert_kit.training.distillation import KDProcessing
from colbert_kit.training.doctor import Finding, examine_model, examine_rows
from colbert_kit.training.mining import mine_hard_negatives
from colbert_kit.training.output import is_finished
from colbert_kit.training.pushing import push_rows
from colbert_kit.training.run import TrainingResult, examine_config, train
from colbert_kit.training.settings import DataSource, LoRA, TeacherSource
from colbert_kit.training.sources import load_rows
from colbert_kit.training.teachers import Teacher, pair_scores, score_with_teacher

__all__ = [
    "LOSSES",
    "ColBERTCollator",
    "DataSource",
    "Finding",
    "KDProcessing",
    "LoRA",
    "Teacher",
    "TeacherSource",
    "TrainingConfig",
    "TrainingResult",
    "examine_config",
    "examine_model",
    "examine_rows",
    "is_finished",
    "is_role",
    "load_rows",
    "mine_hard_negatives",
    "pair_scores",
    "push_rows",
    "read_settings",
    "score_with_teacher",
    "text_columns",
    "train",
    "unfolded",
]
