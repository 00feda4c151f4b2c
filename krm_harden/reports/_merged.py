"""Many reports in JSON as one: read, judged by the schema, and put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import limits
from krm_harden.errors import InputError
from krm_harden.reports import _schema, json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Document = dict[str, Any]

WORDS = 300
"""The characters of one problem: a key of somebody's data may be of any length."""
SHOWN = 3
"""How many of the problems of one file are named."""


class Source(NamedTuple):
    """A report and the name that it goes by; one that can't be read has an `error` in place of a document."""

    name: str
    file: str
    document: Document | None
    error: str = ""


def parsed(data: bytes) -> Document:
    """The report in a file's bytes, with the defaults of what an older release didn't write.

    Raises InputError for what isn't a report of findings in JSON.
    """
    import json as library

    limits.check_bytes(len(data), "reportBytes")
    if not data.strip():
        raise InputError("is empty", next_step="did what wrote it fail, or is it this command's own output?")
    try:
        document = library.loads(data, parse_constant=_refused)
    except RecursionError:
        raise InputError("is nested too deep for a report") from None
    except (ValueError, MemoryError) as error:
        hint = "`krm-harden check -o json` and `fix -o json` write one"
        raise InputError(f"isn't JSON: {_one_sentence(error)}", next_step=hint) from None
    _judge(document)
    filled: Document = _filled(document, _schema.report_schema())
    return filled


def _refused(word: str) -> Any:
    raise ValueError(f"{word} is no number of JSON")


def _one_sentence(error: Exception) -> str:
    return str(error).partition("\n")[0][:200] or type(error).__name__


def _judge(document: Any) -> None:
    """Raises InputError unless the schema takes a document, and it is about findings."""
    if not isinstance(document, dict) or "version" not in document:
        raise InputError("isn't a report of krm-harden: it has no version", next_step=_hint(document))
    if document["version"] != _schema.VERSION or isinstance(document["version"], bool):
        says = f"is a report of version {str(document['version'])[:20]!r}, and this release reads {_schema.VERSION}"
        raise InputError(says, next_step="use the release that made it, or a newer one")
    found = _first(_schema.problems(document, _schema.report_schema()), SHOWN + 1)
    if found:
        more = "; and more" if len(found) > SHOWN else ""
        raise InputError(f"isn't a valid report: {'; '.join(found[:SHOWN])}{more}", next_step=_maker(document))
    if "resources" not in document:
        other = next(names[0] for names in _schema.BODIES if names[0] in document)
        raise InputError(f"has {other}, not findings", next_step="merge takes `check -o json` of one level and version")


def _first(found: Iterator[str], most: int) -> list[str]:
    return [line if len(line) <= WORDS else f"{line[:WORDS]}..." for _, line in zip(range(most), found, strict=False)]


def _hint(document: Any) -> str:
    if isinstance(document, dict) and "runs" in document:
        return "it is SARIF: use `-o json`"
    return "`krm-harden check -o json` and `fix -o json` write one"


def _maker(document: Document) -> str:
    tool = document.get("tool")
    release = tool.get("version") if isinstance(tool, dict) else None
    return f"krm-harden {str(release)[:20]} made it" if release else ""


def _filled(value: Any, schema: dict[str, Any]) -> Any:
    """The same data with the defaults of the fields that it lacks; fields that nobody knows stay."""
    if isinstance(value, list):
        return [_filled(item, schema["items"]) for item in value] if schema.get("items") else value
    known = schema.get("properties")
    if not isinstance(value, dict) or not known:
        return value
    made = {name: _filled(item, known[name]) if name in known else item for name, item in value.items()}
    return made | {name: field["default"] for name, field in known.items() if "default" in field and name not in value}


def merged(sources: Sequence[Source]) -> Document:
    """One report of many, in their order; what couldn't be read is among its errors."""
    read = [(source.name, source.document) for source in sources if source.document is not None]
    unread = [{"source": one.name, "file": one.file, "message": one.error} for one in sources if one.error]
    errors = [*unread, *_all(read, "errors")]
    summaries = [document["summary"] for _, document in read]
    # What an older report doesn't count nobody can sum up.
    known = [name for name in _schema.COUNTS if all(name in summary for summary in summaries)]
    numbers = {name: sum(summary[name] for summary in summaries) for name in known}
    return {
        **json.head(),
        "sources": [_source(name, document) for name, document in read],
        "resources": _all(read, "resources"),
        "notExamined": _all(read, "notExamined"),
        "errors": errors,
        "warnings": [f"{name}: {warning}" for name, document in read for warning in document["warnings"]],
        "summary": {**numbers, "unreadable": numbers["unreadable"] + len(unread)},
    }


def _source(name: str, document: Document) -> Document:
    return {"name": name, **{field: document[field] for field in _KEPT if field in document}}


_KEPT = ("created", "tool", "summary")
"""What of each report its source still says."""


def _all(read: Iterable[tuple[str, Document]], field: str) -> list[Document]:
    """The items of a list of all reports, each with its source; of what was merged before also the source it had."""
    return [
        {"source": f"{name}/{item['source']}" if item.get("source") else name, **_without_source(item)}
        for name, document in read
        for item in document[field]
    ]


def _without_source(item: Document) -> Document:
    return {name: value for name, value in item.items() if name != "source"}


def lines(document: Document) -> Iterator[str]:
    """A merged report for a terminal: the numbers of each source."""
    titles = ["REPORT", "OBJECTS", "ALLOWED", "ERRORS", "WARNINGS", "UNREADABLE"]
    fields = ["resources", "allowed", "errors", "warnings", "unreadable"]
    rows = [[one["name"], *(str(one["summary"][field]) for field in fields)] for one in document.get("sources", ())]
    rows.append(["all", *(str(document["summary"][field]) for field in fields)])
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    for row in (titles, *rows):
        numbers = (cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))
        yield "  ".join([row[0].ljust(widths[0]), *numbers])
