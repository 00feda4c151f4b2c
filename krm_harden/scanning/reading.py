"""A scanner's report, whichever it is: told by its content, never by its name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from krm_harden.errors import KrmHardenError
from krm_harden.scanning import grype, sarif, trivy

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.scanning.model import ImageReport

READERS = (trivy, grype, sarif)
_BEGUN = re.compile(r'"(?:SchemaVersion|ClusterName|VulnerabilityID|matches|runs)"')
"""What only reports have: a text with it that isn't JSON is one that wasn't written to its end."""
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
"""An escape of half a character; a pair of them is a whole one."""
KNOWN = "reports of Trivy (--format json), Grype (-o json) and SARIF are known"


class NoReport(KrmHardenError):
    """JSON that is no report of a scanner."""


def read(data: bytes, where: str) -> list[ImageReport]:
    """What some bytes say of images; several reports may stand behind each other.

    Raises KrmHardenError for what can't be read, NoReport for what is no report.
    """
    found = [one for document in _documents(data, where) for one in _of(document, where)]
    if not found and not data.strip():
        raise KrmHardenError("is empty", where, "a scan that failed is no scan without findings")
    return found


def _of(document: Any, where: str) -> Iterator[ImageReport]:
    reader = next((one for one in READERS if one.is_report(document)), None)
    if reader is None:
        raise NoReport("isn't a scanner's report", where, KNOWN)
    yield from reader.read(document, where)


def _documents(data: bytes, where: str) -> Iterator[Any]:
    try:
        text = data.decode(json.detect_encoding(data))
    except UnicodeDecodeError as error:
        raise KrmHardenError(f"isn't text: {error.reason}", where, KNOWN) from None
    decoder = json.JSONDecoder()
    at, has_halves = _next(text, 0), _HALF.search(text) is not None
    while at < len(text):
        try:
            document, at = decoder.raw_decode(text, at)
            yield _whole(document) if has_halves else document
        except ValueError as error:
            raise _unread(text, where, error) from None
        except RecursionError:
            raise NoReport("isn't JSON that can be read: it is nested too deeply", where, KNOWN) from None
        at = _next(text, at)


def _unread(text: str, where: str, error: ValueError) -> KrmHardenError:
    """Why a text is no JSON; half a report is no report that may be left alone."""
    if not isinstance(error, json.JSONDecodeError):
        return KrmHardenError("isn't JSON that can be read: it has a number that is too long", where, KNOWN)
    said = f"isn't JSON: line {error.lineno}, column {error.colno}: {error.msg}"
    if _BEGUN.search(text):
        return KrmHardenError(said, where, "let the scanner write it anew")
    return NoReport(said, where, KNOWN)


def _whole(document: Any) -> Any:
    """The same without halves of characters, which no report could be written with."""
    return json.loads(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))


def _next(text: str, at: int) -> int:
    """Where the next document begins."""
    while at < len(text) and text[at] in " \t\r\n\ufeff":
        at += 1
    return at
