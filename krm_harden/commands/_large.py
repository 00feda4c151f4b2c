"""Large files, document by document: no more of one is in memory than its largest document, and what is kept of each.

What isn't plain text in UTF-8 is read whole, and so is what has words for the policy itself (an ImageLock): those count
for all documents of their file, wherever they stand.
"""

from __future__ import annotations

import os
import sys
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from krm_harden import blocks, limits, split
from krm_harden.commands import _diffs, _files, _replace, _streams
from krm_harden.commands._outcomes import Kept, Spool
from krm_harden.errors import InputError, KrmHardenError
from krm_harden.reports._hunks import CONTEXT
from krm_harden.schema import LOCK_KIND, POD_SECURITY_POLICY

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Sequence
    from pathlib import Path

    from krm_harden.commands._outcomes import Outcome, View
    from krm_harden.engine import Engine
    from krm_harden.model import ChunkResult

LARGE = 1_000_000
"""Bytes from which on a file is read bit by bit."""
_BOM = b"\xef\xbb\xbf"
_CHANGED = "was changed by somebody else meanwhile; run the command again"


class Target(NamedTuple):
    """Where large files may be written: below the folders that a command line names, and where it names the file."""

    roots: Sequence[_replace.Root]
    named: Container[Path]


def is_streamed(engine: Engine, path: Path) -> bool:
    """Whether a file is large, and can be read document by document with the same result."""
    try:
        # Whoever reads what is too large says so.
        if path.name in _files.LEFT_ALONE or not LARGE <= os.stat(path).st_size <= limits.now()["bytes"]:
            return False
        with _Reading(path) as file:
            own = {LOCK_KIND.encode()} | ({POD_SECURITY_POLICY.encode()} if engine.policy.asks_items else set())
            kinds = {b"apiVersion", b"kind"}
            if blocks.holds(iter(lambda: file.read(blocks.BLOCK), b""), own | kinds) != kinds:
                return False
        with _Reading(path) as file:
            return not all(map(split.is_empty, blocks.documents(file.read)))
    except OSError:
        # Whoever reads it whole says why that can't be.
        return False


class _Reading:
    """A file that is read without its byte order mark; `noting` what was read of it, for its fingerprint."""

    def __init__(self, path: Path, *, noting: bool = False) -> None:
        self._file = open(path, "rb", buffering=0)  # noqa: SIM115 - a context of its own
        found = os.fstat(self._file.fileno())
        self.fingerprint = _replace.Fingerprint(identity=(found.st_dev, found.st_ino))
        self.mark = b""
        self._noting = noting
        self._is_first = True

    def __enter__(self) -> _Reading:  # noqa: PYI034 - typing has Self from Python 3.11 on
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def read(self, size: int) -> bytes:
        """The next bytes; none at the end."""
        data = self._file.read(size) or b""
        if self._noting:
            self.fingerprint.add(data)
        is_first, self._is_first = self._is_first, False
        if is_first and data.startswith(_BOM):
            self.mark = _BOM
            return data[len(_BOM) :] or self.read(size)
        return data


class _Run:
    """One large file on its way through the engine."""

    def __init__(self, engine: Engine, path: Path, view: View) -> None:
        self._engine = engine
        self._path = path
        self._view = view
        self._kept = Kept(str(path), view)
        self._diff = Spool() if view.diff else None
        self._painted = view.painted
        self._documents = 0
        self._error = ""
        self.changed = False

    def texts(self, file: _Reading) -> Iterator[tuple[bytes, bytes]]:
        """Each document as it was and as it is now."""
        line = 0
        spent = limits.Spent()
        try:
            for document in blocks.documents(file.read):
                chunks = list(self._engine.document(document, line, spent))
                line += document.count(b"\n")
                yield document, self._noted(document, chunks)
        except InputError as error:
            # Beyond a limit nothing is said of the rest, nor of what came before.
            self._error = f"line {max(error.line, 0) + 1}: {error}"
            self._kept = Kept(str(self._path), self._view)
        except UnicodeDecodeError:
            self._error = _CHANGED
        except OSError as error:
            self._error = f"can't be read: {error.strerror}"

    def _noted(self, document: bytes, chunks: Sequence[ChunkResult]) -> bytes:
        self._documents += not split.is_empty(document)
        self._kept.add(chunks)
        new = chunks[0].text if len(chunks) == 1 else b"".join(chunk.text for chunk in chunks)
        self.changed = self.changed or new != document
        return new

    def compare(self, texts: Iterator[tuple[bytes, bytes]], file: _Reading) -> None:
        """Note the diff, where one is asked for; the texts are read in any case."""
        if self._diff is None or self._painted is None:
            deque(texts, 0)
            return
        name = str(self._path).lstrip("/")
        parts = _diffs.unified_parts(_marked(texts, file), f"a/{name}", f"b/{name}", CONTEXT)
        for text in self._painted(parts):
            self._diff.add(_streams.encoded(text, sys.stdout))

    def outcome(self, error: str = "") -> Outcome:
        """What it comes to; `error` is why it couldn't be written."""
        made = self._kept.outcome(
            error=self._error,
            changed=self.changed and not self._error,
            documents=self._documents,
            diff=self._diff.kept() if self._diff and not self._error else b"",
        )
        return made.unwritten(error) if error and not self._error else made

    def failed(self) -> bool:
        return bool(self._error)


def kept(engine: Engine, path: Path, view: View) -> Outcome:
    """What is kept of a large file that isn't written."""
    run = _Run(engine, path, view)
    with _Reading(path) as file:
        run.compare(run.texts(file), file)
    return run.outcome()


def written(engine: Engine, path: Path, view: View, target: Target) -> Outcome:
    """What is kept of a large file that is hardened in place: whole or not at all."""
    run = _Run(engine, path, view)
    with _Reading(path, noting=True) as file:
        texts = run.texts(file)
        begin = 0
        first = b""
        for old, new in texts:
            if run.changed:
                first = new
                break
            begin += len(old)
        if not run.changed:
            return run.outcome()
        try:
            parts = _parts(run, path, len(file.mark) + begin, first, texts)
            _replace.replace(path, parts, file.fingerprint, _files.root(path, target.roots, target.named))
        except _Unread:
            return run.outcome()
        except KrmHardenError as error:
            deque(texts, 0)
            return run.outcome(str(error))
    return run.outcome()


def _marked(texts: Iterator[tuple[bytes, bytes]], file: _Reading) -> Iterator[tuple[bytes, bytes]]:
    """The same texts with the byte order mark before the first one."""
    for old, new in texts:
        yield file.mark + old, file.mark + new
        break
    yield from texts


class _Unread(Exception):
    """The rest of a file can't be read: it stays as it is."""


def _parts(run: _Run, path: Path, begin: int, new: bytes, texts: Iterator[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The new text of a file: its first bytes as they are, a new document, and the others."""
    with open(path, "rb") as file:
        while begin and (block := file.read(min(begin, blocks.BLOCK))):
            begin -= len(block)
            yield block
    yield new
    for _, text in texts:
        yield text
    if run.failed():
        raise _Unread
