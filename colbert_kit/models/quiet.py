"""Libraries' own progress bars, where ours says what there is to say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from datasets.utils import logging as datasets_bars
from transformers.utils import logging as transformers_bars

__all__ = ["without_library_bars"]


@contextmanager
def without_library_bars() -> Iterator[None]:
    """Without the bars of transformers and datasets over the loading of weights and rows, which take no time."""
    bars = [one for one in (transformers_bars, datasets_bars) if one.is_progress_bar_enabled()]
    for one in bars:
        one.disable_progress_bar()
    try:
        yield
    finally:
        for one in bars:
            one.enable_progress_bar()
