"""Whole pieces of work in one call: adapt a model to a corpus, and say honestly whether it helped."""

from colbert_kit.recipes.adapt import adapt
from colbert_kit.recipes.report import AdaptResult, Measured

__all__ = ["AdaptResult", "Measured", "adapt"]
