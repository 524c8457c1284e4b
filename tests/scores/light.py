"""Python code for child processes that need a kernel or threads, but not the seconds that loading torch takes."""

LIGHT = """
import sys, types, colbert_kit
scores = sys.modules["colbert_kit.scores"] = types.ModuleType("colbert_kit.scores")
scores.__path__ = [colbert_kit.__path__[0] + "/scores"]
"""
