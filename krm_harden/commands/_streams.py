"""Standard input, output and error, as bytes, whole."""

from __future__ import annotations

import os
import sys

from krm_harden import limits
from krm_harden.errors import InputError, KrmHardenError
from krm_harden.model import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import TextIO


BLOCK = 1_000_000
"""Bytes that are written at once."""
_detail = [0]
_for_people = [False]


class ReaderGone(KrmHardenError):
    """Whoever reads a report has enough of it (`| head`): nothing to talk about. The code is SIGPIPE's."""

    exit_code = 141


def begin(*, for_people: bool) -> None:
    """Let a run begin: it says as much as usual. `for_people`: what is said may be coloured and wrapped."""
    _detail[0], _for_people[0] = 0, for_people


def say(more: int) -> None:
    """Say more, or less, for the rest of the run."""
    _detail[0] += more


def detail() -> int:
    """How much is said: 1 with -v, -1 only errors (-q), -2 nothing (-qq)."""
    return _detail[0]


def read_stdin(limit: str = "bytes") -> bytes:
    """All of standard input. Raises InputError where that is beyond a limit."""
    if sys.stdin is None:
        raise InputError("stdin is closed")
    try:
        return limits.read(sys.stdin.buffer, limit)
    except InputError as error:
        error.where = "stdin"
        raise


def write_stdout(parts: Iterable[bytes]) -> None:
    """All of the output, once everything is done. Raises InputError when it can't be written whole."""
    _write(sys.stdout, parts, "output")


def print_report(text: str, *, to_stderr: bool = False) -> None:
    """A report, on standard output unless that carries manifests. Raises InputError when it can't be written whole."""
    stream = sys.stderr if to_stderr else sys.stdout
    print_blocks([encoded(text, stream)], to_stderr=to_stderr)


def encoded(text: str, stream: TextIO | None) -> bytes:
    """A report's text as a stream takes it."""
    encoding = (stream.encoding if stream is not None else None) or "utf-8"
    return text.encode(encoding, "backslashreplace")


def print_blocks(blocks: Iterable[bytes], *, to_stderr: bool = False) -> None:
    """A report that is encoded already. Raises InputError when it can't be written whole."""
    _write(sys.stderr if to_stderr else sys.stdout, blocks, "report")


def _write(stream: TextIO | None, parts: Iterable[bytes], what: str) -> None:
    # Past the stream's buffer: what stays in there would be tried again, and complained about, when Python ends.
    if stream is None:
        raise InputError(f"the {what} can't be written: stdout is closed")
    try:
        stream.flush()
        for block in _blocks(parts):
            view = memoryview(block)
            while view:
                view = view[os.write(stream.fileno(), view) :]
    except BrokenPipeError as error:
        raise (ReaderGone("") if what == "report" else _unwritten(what, error)) from None
    except OSError as error:
        raise _unwritten(what, error) from None


def _unwritten(what: str, error: OSError) -> InputError:
    return InputError(f"the {what} can't be written: {error.strerror}")


def _blocks(parts: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces: a list of ten thousand items has ten thousand parts and more."""
    gathered: list[bytes] = []
    size = 0
    for part in parts:
        gathered.append(part)
        size += len(part)
        if size >= BLOCK:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)


def print_lines(lines: Iterable[str], *, to_stderr: bool = False) -> None:
    """A report for people, line by line. Raises InputError when it can't be written whole."""
    stream = sys.stderr if to_stderr else sys.stdout
    print_report(_painted(lines, stream, prose=False) if _for_people[0] else joined(lines), to_stderr=to_stderr)


def joined(lines: Iterable[str]) -> str:
    """Lines as one text."""
    return "".join(f"{one_line(line)}\n" for line in lines)


def complain(lines: Iterable[str]) -> None:
    """Lines for people, on standard error; with -q only the errors among them."""
    said = lines if detail() >= 0 else (line for line in lines if detail() == -1 and is_error(line))
    text = _painted(said, sys.stderr) if _for_people[0] else joined(said)
    if text and sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()


def _painted(lines: Iterable[str], stream: TextIO | None, *, prose: bool = True) -> str:
    """The same lines, as a stream shows them best; what isn't `prose`, but a table, is as wide as it is."""
    from krm_harden.commands import _terminal

    wide = _terminal.width(stream)
    if wide is None and not _terminal.colours(stream):
        return joined(lines)
    from krm_harden.reports import _lines

    paint = _terminal.paint if _terminal.colours(stream) else _terminal.unpainted
    found = ((line, wide if prose or _lines.begins_with_a_place(line) else None) for line in lines)
    return "".join(f"{part}\n" for line, columns in found for part in _lines.complaint(line, columns, paint))


def is_error(line: str) -> bool:
    """Whether a line says so: `error: ...`, `krm-harden: error: ...`, `app.yaml:12: error: ...`."""
    return "error" in line.split(": ", 2)[:2]
