"""The names that PyLate users know, for ``from colbert_kit import utils``."""

from colbert_kit.training import ColBERTCollator, KDProcessing

__all__ = ["ColBERTCollator", "KDProcessing"]
