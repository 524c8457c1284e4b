"""Folders from the Hugging Face Hub. Nothing here knows what a model or an index is."""

from colbert_kit.hub.pull import blobs_of, find_file, is_repo_id, pull_folder, translated

__all__ = ["blobs_of", "find_file", "is_repo_id", "pull_folder", "translated"]
