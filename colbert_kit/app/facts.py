"""What the page says of an index: size, model, where it lies."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from colbert_kit.app.render import escape

if TYPE_CHECKING:
    from colbert_kit import Searcher

__all__ = ["facts_html", "spell_bytes"]


def facts_html(searcher: Searcher, index: str | None) -> str:
    """Bytes, model and links, in one line; how many documents there are is said above it.

    Args:
        searcher: The index.
        index: The name it was opened by; None for the demo.
    """
    from colbert_kit import hub, models

    record = models.record_of(searcher.model)
    per_document = searcher.num_bytes / max(1, len(searcher))
    kept = f"{searcher.nbits} bits a dimension" if searcher.is_compressed else "float16, not compressed"
    facts = [
        ("On disk", f"{spell_bytes(searcher.num_bytes)}, {spell_bytes(per_document)} a document"),
        ("Token embeddings", kept + (f", pooled by {searcher.pool_factor}" if searcher.pool_factor > 1 else "")),
    ]
    shown = [f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in facts]
    shipped = record.id in (models.DEMO_MODEL_ID, models.DEMO_ENCODER_ID)
    is_repository = not shipped and hub.is_repo_id(record.id) and not Path(record.id).exists()
    # Of a folder of this machine only the last part is anybody's business.
    name = record.id if is_repository or shipped else Path(record.id).name
    model = _link(hub.page_of(record.id), name) if is_repository else f"<bdi>{escape(name)}</bdi>"
    revision = f" at <code>{escape(record.revision[:8])}</code>" if record.revision else ""
    shown.append(f"<div><dt>Model</dt><dd>{model}{revision}</dd></div>")
    place, _ = hub.split_revision(index or "")
    if hub.is_repo_id(place) and not Path(place).exists():
        shown.append(f"<div><dt>Index</dt><dd>{_link(hub.page_of(place, 'dataset'), str(index))}</dd></div>")
    return f'<dl class="ck-index-facts" aria-label="The index">{"".join(shown)}</dl>'


def spell_bytes(number: float) -> str:
    """A size for a reader.

    Example:
        >>> spell_bytes(512), spell_bytes(1_234_567)
        ('512 B', '1.2 MB')
    """
    for unit in ("B", "KB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" or number >= 100 else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"


def _link(url: str, name: str) -> str:
    return f'<a href="{escape(url)}" target="_blank" rel="noopener noreferrer">{escape(name)}</a>'
