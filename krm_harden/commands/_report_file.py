"""The report of a filter in a file, for callers that throw standard error away, as Helm does."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from krm_harden.commands import _replace
from krm_harden.errors import KrmHardenError
from krm_harden.model import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

VARIABLE = "KRM_HARDEN_REPORT"


def named(option: str | None) -> str:
    """The file of `--report-file`, else of KRM_HARDEN_REPORT, else nothing."""
    return option if option is not None else os.environ.get(VARIABLE, "")


def is_json(path: str) -> bool:
    """Whether a report's name asks for JSON."""
    return path.lower().endswith(".json")


def write_lines(path: str, lines: Iterable[str]) -> None:
    """A report for people, line by line. Raises KrmHardenError."""
    write(path, "".join(f"{one_line(line)}\n" for line in lines))


def write(path: str, text: str) -> None:
    """Put a report in its file, whole or not at all; into what isn't a file (a pipe, /dev/stderr) as it is.

    Raises KrmHardenError when it can't be written, or would mix with the manifests on standard output.
    """
    try:
        if is_standard_output(path):
            raise KrmHardenError("the report would mix with the manifests there", path, "name another file")
        put(path, text)
    except OSError as error:
        raise KrmHardenError(
            f"the report can't be written: {_reason(path, error)}", path, "nothing was put out"
        ) from None


def put(path: str, text: str) -> None:
    """The same wherever it goes, standard output too. Raises OSError."""
    data = text.encode("utf-8", "backslashreplace")
    known = _status(path)
    if known is None:
        _replace.put(Path(os.path.realpath(path)), data)
    elif stat.S_ISREG(known.st_mode) and not _is_standard_output(known):
        _replace.put(Path(os.path.realpath(path)), data, stat.S_IMODE(known.st_mode))
    else:
        with open(path, "wb") as file:
            file.write(data)


def is_standard_output(path: str) -> bool:
    """Whether what is written to a path comes out where standard output does."""
    known = _status(path)
    return known is not None and _is_standard_output(known)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_standard_output(known: os.stat_result) -> bool:
    if sys.stdout is None or stat.S_ISCHR(known.st_mode):
        return False
    try:
        return os.path.samestat(known, os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        return False


def _reason(path: str, error: OSError) -> str:
    folder = Path(os.path.realpath(path)).parent
    return f"there is no folder {folder}" if not folder.is_dir() else str(error.strerror)
