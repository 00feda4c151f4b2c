"""Where a file lies for whoever reads a report elsewhere: its path in the repository."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from krm_harden.commands._run import Input

STDIN = "-"
_AT = re.compile(r"line (\d+)(?:, column (\d+))?: ")


class Repository:
    """The tree that paths of a report are relative to, as forges want them.

    It is the repository of the working folder, for a file outside it that file's own; without any, the working folder.
    """

    def __init__(self) -> None:
        self._here = Path(os.path.abspath("."))
        self._root = _repository(self._here)

    def path(self, name: str) -> str:
        """A file's path below its root, with forward slashes; absolute where it is below none, empty for stdin."""
        if name == STDIN:
            return ""
        file = Path(os.path.abspath(name))
        for root in (self._root, _repository(file.parent), self._here):
            if root is not None and file.is_relative_to(root):
                return file.relative_to(root).as_posix()
        return file.as_posix()

    def uri(self, name: str) -> str:
        """The same as a URI (RFC 3986), relative where the path is; `stdin` for standard input."""
        path = self.path(name)
        written = quote(os.fsencode(path))
        return f"file://{written}" if path.startswith("/") else written or "stdin"


def _repository(folder: Path) -> Path | None:
    return next((one for one in (folder, *folder.parents) if (one / ".git").exists()), None)


def unread(inputs: Iterable[Input]) -> Iterator[tuple[str, int, int, str]]:
    """What couldn't be read or written: file, line and column from 1 (0 is unknown), and why."""
    for made in inputs:
        for message in (made.error, *(chunk.error for chunk in made.chunks)):
            if message:
                at = _AT.match(message)
                line, column = (int(at[1]), int(at[2] or 0)) if at else (0, 0)
                yield made.name, line, column, message
