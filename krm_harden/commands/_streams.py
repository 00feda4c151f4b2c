"""Standard input, output and error, as bytes, whole."""

from __future__ import annotations

import os
import sys

from krm_harden.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def read_stdin() -> bytes:
    """All of standard input."""
    if sys.stdin is None:
        raise InputError("stdin is closed")
    return sys.stdin.buffer.read()


def write_stdout(parts: Iterable[bytes]) -> None:
    """All of the output, once everything is done. Raises InputError when it can't be written whole."""
    if sys.stdout is None:
        raise InputError("the output can't be written: stdout is closed")
    try:
        sys.stdout.flush()
        for part in parts:
            view = memoryview(part)
            while view:
                view = view[os.write(sys.stdout.fileno(), view) :]
    except OSError as error:
        raise InputError(f"the output can't be written: {error.strerror}") from None


def print_report(text: str, *, to_stderr: bool = False) -> None:
    """A report, on standard output unless that carries manifests. Raises InputError when it can't be written."""
    stream = sys.stderr if to_stderr else sys.stdout
    if stream is None:
        raise InputError("the report can't be written: stdout is closed")
    try:
        stream.write(text.encode(stream.encoding or "utf-8", "backslashreplace").decode(stream.encoding or "utf-8"))
        stream.flush()
    except OSError as error:
        raise InputError(f"the report can't be written: {error.strerror}") from None


def complain(lines: Iterable[str]) -> None:
    """Lines for people, on standard error."""
    text = "".join(f"{line}\n" for line in lines)
    if text and sys.stderr is not None:
        sys.stderr.write(text)
        sys.stderr.flush()
