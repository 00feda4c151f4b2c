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
    return sys.stdin.buffer.read()


def write_stdout(data: bytes) -> None:
    """All of the output, once everything is done. Raises InputError when it can't be written whole."""
    sys.stdout.flush()
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(sys.stdout.fileno(), view) :]
    except OSError as error:
        raise InputError(f"the output can't be written: {error.strerror}") from None


def complain(lines: Iterable[str]) -> None:
    """Lines for people, on standard error."""
    text = "".join(f"{line}\n" for line in lines)
    if text:
        sys.stderr.write(text)
        sys.stderr.flush()
