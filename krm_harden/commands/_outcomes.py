"""What a run keeps of an input: its lines as they are shown, and numbers. So memory doesn't grow with the input.

Where processes share the files, that is all that goes from one to the other.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import facts as whole
from krm_harden.commands import _shown, _streams, _terminal
from krm_harden.commands.function import exit_code, has_expired
from krm_harden.controls import ADVICE
from krm_harden.decide import LEFT_OUT
from krm_harden.model import Facts
from krm_harden.reports import _hunks, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.model import ChunkResult

    Told = Callable[[Iterable[ChunkResult]], Iterator[ChunkResult]]


class View(NamedTuple):
    """How a run shows its inputs.

    `told` leaves away the findings that aren't worth a line, `diff` has the lines of an input's diff. `to_stderr`:
    findings go where they don't mix with what goes to standard output. `knowing`: facts of the whole input are asked.
    `painted` has a plain diff's lines as standard output shows them; None where only a whole file's will do.
    """

    told: Told
    diff: Callable[[Input], Iterator[str]] | None = None
    to_stderr: bool = False
    knowing: bool = False
    painted: Callable[[Iterable[str]], Iterator[str]] | None = None

    def text(self, chunks: Iterable[ChunkResult], name: str) -> bytes:
        """The findings of some chunks of a file as they are printed."""
        stream = sys.stderr if self.to_stderr else sys.stdout
        return _streams.encoded(_shown.text_of(self.told(chunks), name, stream), stream)


class Outcome(NamedTuple):
    """What became of one input.

    `error` is why it couldn't be read at all, or written; `unread` are its errors and those of its chunks. `numbers`
    are those of a summary. `holds` anything at all; `is_void`, `is_idle`: see _run. `hides` what nobody may pass over;
    `left` changes are left out by choice; `advised`: something isn't known of an image.
    """

    name: str
    code: int
    numbers: Mapping[str, int]
    error: str = ""
    changed: bool = False
    text: bytes | Spool = b""
    diff: bytes | Spool = b""
    unread: tuple[str, ...] = ()
    holds: bool = True
    is_void: bool = False
    is_idle: bool = False
    hides: bool = False
    expired: bool = False
    left: int = 0
    advised: bool = False
    facts: Facts | None = None

    def unwritten(self, error: str) -> Outcome:
        """The same of an input that couldn't be written."""
        numbers = summary.of_file(self.numbers, documents=self.numbers["documents"], changed=False, error=error)
        return self._replace(error=error, code=2, changed=False, numbers=numbers, unread=(error, *self.unread))


def of_input(made: Input, view: View) -> Outcome:
    """What is kept of an input that is in memory."""
    from krm_harden.commands import _run

    kept = Kept(made.name, view)
    kept.add(made.chunks)
    return kept.outcome(
        error=made.error,
        changed=made.changed,
        documents=summary.documents(made.old),
        diff=_streams.encoded("".join(view.diff(made)), sys.stdout) if view.diff else b"",
        holds=bool(made.error or made.chunks),
        is_void=_run.is_void(made),
        is_idle=made.locks and not kept.numbers["resources"],
    )


class Kept:
    """What is kept of an input whose chunks come one after the other."""

    __slots__ = (
        "_advised",
        "_code",
        "_errors",
        "_expired",
        "_facts",
        "_hides",
        "_left",
        "_name",
        "_text",
        "_view",
        "numbers",
    )

    def __init__(self, name: str, view: View) -> None:
        self.numbers = dict.fromkeys(summary.NAMES, 0)
        self._name = name
        self._view = view
        self._text = Spool(view.to_stderr)
        self._code = 0
        self._errors: list[str] = []
        self._hides = self._expired = self._advised = False
        self._left = 0
        self._facts: Facts | None = None

    def add(self, chunks: Sequence[ChunkResult]) -> None:
        """The next chunks."""
        self._text.add(self._view.text(chunks, self._name))
        self._code = max(self._code, exit_code(chunks))
        for chunk in chunks:
            summary.add_chunk(self.numbers, chunk)
            if chunk.error:
                self._errors.append(chunk.error)
            self._hides = self._hides or any(note.severity == "error" for note in chunk.unexamined)
            self._expired = self._expired or has_expired(chunk)
            for result in chunk.resources:
                for finding in result.findings:
                    self._left += finding.code == LEFT_OUT
                    self._advised |= finding.reason.endswith(ADVICE) and _hunks.is_written(finding)
        if self._view.knowing:
            known = (self._facts,) if self._facts else ()
            self._facts = whole.merged([*known, whole.of_chunks(chunks, self._name)])

    def outcome(self, *, error: str, changed: bool, documents: int, **more: Any) -> Outcome:
        """What they come to."""
        if self._view.knowing and error:
            self._facts = whole.merged([self._facts or Facts(), Facts(unread=[f"{self._name}: {error}"])])
        return Outcome(
            self._name,
            2 if error else self._code,
            summary.of_file(self.numbers, documents=documents, changed=changed, error=error),
            error,
            changed,
            self._text.kept(),
            unread=tuple(filter(None, (error, *self._errors))),
            hides=self._hides,
            expired=self._expired,
            left=self._left,
            advised=self._advised,
            facts=self._facts,
            **more,
        )


class Total:
    """What a run keeps of all of its inputs: what it prints at the end."""

    __slots__ = (
        "advised",
        "changed",
        "code",
        "count",
        "diffs",
        "expired",
        "facts",
        "found",
        "hides",
        "holds",
        "idle",
        "is_void",
        "left",
        "numbers",
        "unread",
    )

    def __init__(self, view: View) -> None:
        self.found = Spool(view.to_stderr)
        self.diffs = Spool()
        self.numbers = dict.fromkeys(summary.NAMES, 0)
        self.unread: list[str] = []
        self.idle: list[str] = []
        self.code = self.count = self.left = 0
        self.changed = self.holds = self.is_void = self.hides = self.expired = self.advised = False
        self.facts = Facts()

    def add(self, one: Outcome) -> None:
        """The next input."""
        self.count += 1
        self.code = max(self.code, one.code)
        self.found.add(one.text)
        self.diffs.add(one.diff)
        summary.add(self.numbers, one.numbers)
        self.unread += (f"error: {one.name}: {message}" for message in one.unread)
        self.idle += [one.name] if one.is_idle else []
        for name in ("changed", "holds", "is_void", "hides", "expired", "advised"):
            setattr(self, name, getattr(self, name) or getattr(one, name))
        self.left += one.left
        if one.facts:
            self.facts = whole.merged([self.facts, one.facts])


IN_MEMORY = 1_000_000
"""Bytes of a text to be printed from which on it waits on the disk."""


_folder: list[str] = []
"""Where large texts lie that go from one process to another."""


@contextlib.contextmanager
def exchanging() -> Iterator[None]:
    """Have a folder for texts of other processes, for the time being."""
    import shutil
    import tempfile

    name = tempfile.mkdtemp(prefix="krm-harden-")
    _folder.append(name)
    try:
        yield
    finally:
        _folder.remove(name)
        shutil.rmtree(name, ignore_errors=True)


class Spool:
    """A text that waits until all is done: nothing is printed before.

    Its parts are those of objects: `apart` on a terminal.
    """

    __slots__ = ("_apart", "_file", "_parts", "_size")

    def __init__(self, to_stderr: bool | None = None) -> None:
        stream = sys.stderr if to_stderr else sys.stdout
        self._apart = to_stderr is not None and _shown.is_for_people(stream)
        self._parts: list[bytes] = []
        self._size = 0
        self._file: Any = None

    def add(self, part: bytes | Spool) -> None:
        """The next part."""
        if not part:
            return
        if self._apart and self:
            self._put(b"\n")
        if isinstance(part, Spool):
            for block in part.blocks():
                self._put(block)
        else:
            self._put(part)

    def _put(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > IN_MEMORY:
            if not self._file:
                self._file = self._opened()
            self._file.writelines(self._parts)
            self._parts, self._size = [], 0

    @staticmethod
    def _opened() -> Any:
        import tempfile

        if _folder:
            return tempfile.NamedTemporaryFile(dir=_folder[-1], delete=False)
        return tempfile.TemporaryFile()

    def __bool__(self) -> bool:
        return bool(self._parts or self._file)

    def __reduce__(self) -> Any:
        self._file.writelines(self._parts)
        self._file.close()
        return _stored, (self._file.name,)

    def blocks(self) -> Iterator[bytes]:
        """The text, in parts that aren't large."""
        if self._file:
            self._file.seek(0)
            while block := self._file.read(IN_MEMORY):
                yield block
        yield from self._parts

    def kept(self) -> bytes | Spool:
        """The text itself where it isn't large."""
        return self if self._file else b"".join(self._parts)


def _stored(name: str) -> Spool:
    """A text of another process."""
    made = Spool()
    made._file = open(name, "rb")  # noqa: SIM115 - it goes with this object
    os.unlink(name)
    return made


def as_they_are(chunks: Iterable[ChunkResult]) -> Iterator[ChunkResult]:
    """Every finding is worth a line."""
    return iter(chunks)


def is_at_terminal(to_stderr: bool) -> bool:
    """Whether findings go to a terminal."""
    return _terminal.is_terminal(sys.stderr if to_stderr else sys.stdout)
