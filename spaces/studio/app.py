"""The search page over this Space's index: ``index/``, or what ``space.json`` names, or SciFact's abstracts."""

import json
from pathlib import Path

HERE = Path(__file__).parent


def find_index() -> str | None:
    """A folder, or a repository at its commit."""
    if (HERE / "index").is_dir():
        return str(HERE / "index")
    if (HERE / "space.json").is_file():
        named = json.loads((HERE / "space.json").read_text(encoding="utf-8"))
        return f"{named['index']}@{named['revision']}"
    return None


if __name__ == "__main__":
    # Here and not above: the process that searches runs this file's top too, and must not load Gradio.
    from colbert_kit.app import launch

    launch(index=find_index())
