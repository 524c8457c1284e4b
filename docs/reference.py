"""Pages of the site that nobody writes: a room's public names from its ``__all__``, and the command line from typer.

A hook of ProperDocs. It also gives the site the repository's layout, so that a link between two files of the repository
works on GitHub and here, and is checked when the site is built.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import griffe

if TYPE_CHECKING:
    from properdocs.config.defaults import ProperDocsConfig
    from properdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
PACKAGE = "colbert_kit"
FILES = (
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", f"{PACKAGE}/demo/README.md",
    "docs/*.md", "docs/*.css", "docs/images/*", "examples/*.py", "jobs/*.py",
)  # fmt: skip
"""What the pages are and link to."""


def on_config(config: ProperDocsConfig) -> None:
    """Put the generated pages into the navigation."""
    config.nav.append({"Reference": list(reference_pages())})


def on_files(files: Files, config: ProperDocsConfig) -> None:
    """Give every file the path that it has in the repository, and add the generated ones."""
    from properdocs.structure.files import File

    for file in [one for one in files if one.src_dir == config.docs_dir]:
        files.remove(file)
    for path in [path for pattern in FILES for path in ROOT.glob(pattern)]:
        name = path.relative_to(ROOT).as_posix()
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for path, text in reference_pages().items():
        files.append(File.generated(config, path, content=text))


def reference_pages() -> dict[str, str]:
    """The text of every page of the reference by its path.

    Returns:
        ``reference/colbert_kit.md`` for what the package itself names, then one for each of its rooms, then
        ``reference/command-line.md``.
    """
    package = griffe.load(PACKAGE, search_paths=[ROOT], allow_inspection=False)
    rooms = [name for name in package.exports if package[name].is_module]
    pages = {f"reference/{PACKAGE}.md": _page(package, [name for name in package.exports if name not in rooms])}
    for name in rooms:
        pages[f"reference/{name}.md"] = _page(package[name], package[name].exports)
    return {**pages, "reference/command-line.md": _command_line()}


class SingularExample(griffe.Extension):
    """Our docstrings say ``Example``; the reader of Google's style knows a section of code as ``Examples`` only."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Write the plural."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")


def _page(module: griffe.Module, names: list[str]) -> str:
    """The module's docstring and an entry for each name."""
    alone = "{members: false, show_root_heading: false, show_root_toc_entry: false}"
    entries = "".join(f"\n::: {_path(module, name)}\n" for name in names)
    return f"# {module.path}\n\n::: {module.path}\n    options: {alone}\n{entries}"


def _path(module: griffe.Module, name: str) -> str:
    """Where a public name is found: a function that hides the module of its name (``scores.maxsim``) in that one."""
    return module.imports[name] if module[name].is_module else f"{module.path}.{name}"


def _command_line() -> str:
    command = [sys.executable, "-m", "typer", f"{PACKAGE}.cli", "utils", "docs", "--name", "colbert-kit"]
    command += ["--title", "Command line"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
