"""The site of docs/: `sphinx-build -W --keep-going -n docs build/site`, with the extra `docs`.

The pages are Markdown that reads as well on a Git host: only index.md has a directive, the tables of contents. Links
that leave docs/ become links to the repository, and must lead to something there.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from krm_harden import __version__  # noqa: E402

if TYPE_CHECKING:
    from sphinx.application import Sphinx

REPOSITORY = "https://github.com/krm-harden/krm-harden"

project = "krm-harden"
author = "The krm-harden developers"
project_copyright = author
version = release = __version__

extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
exclude_patterns = ["README.md"]
highlight_language = "bash"  # an indented block is commands

html_theme = "furo"
html_title = f"krm-harden {release}"
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # they are fetched, which a browser refuses for files
html_show_sourcelink = False
html_theme_options = {
    "source_repository": REPOSITORY,
    "source_branch": "main",
    "source_directory": "docs/",
    "top_of_page_buttons": ["view", "edit"],
}

OUTSIDE = re.compile(r"(?<=\]\()(?:\.\./)+[^)\s#]+")
"""The target of a link that may leave docs/."""


def lead_to_repository(app: Sphinx, name: str, source: list[str]) -> None:
    """Links to files of the repository that aren't pages, as links to its host."""
    folder = (Path(app.srcdir) / name).parent
    source[0] = OUTSIDE.sub(lambda found: hosted(folder, found[0]), source[0])


def hosted(folder: Path, target: str) -> str:
    """A path from a page, as an address; a path within docs/, or to nothing, stays, so that MyST finds or misses it."""
    path = (folder / target).resolve()
    if path.is_relative_to(ROOT / "docs") or not path.exists():
        return target
    return f"{REPOSITORY}/{'tree' if path.is_dir() else 'blob'}/main/{path.relative_to(ROOT).as_posix()}"


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", lead_to_repository)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
