"""Whole pieces of work in one call: adapt a model to a corpus, and say honestly whether it helped."""

from colbert_kit.recipes.adapt import AdaptResult, Measured, adapt

__all__ = ["AdaptResult", "Measured", "adapt"]
