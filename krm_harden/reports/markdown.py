"""The report as Markdown, for a comment on a merge request: numbers, a table, and each object's findings folded away.

It is never longer than GitHub takes; what is left out it says. All that comes from manifests stands in code, where
neither GitHub nor GitLab finds a mention, a reference, an emoji or a link.
"""

from __future__ import annotations

import html
import re
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from krm_harden.model import one_line
from krm_harden.reports import _documents, json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from krm_harden.commands._run import Input

MARK = "<!-- krm-harden -->"
"""By which a job finds its earlier comment."""
MOST = 65_536
"""The bytes of a comment: GitHub counts characters, so this is on the safe side."""
PART = 16_384
"""The bytes of what one object has folded away."""
ROWS = 100
"""The rows of a table."""
WORDS = 400
"""The characters of one message."""
SIGNS = {"fails": "❌", "exempt": "⚪", "warns": "⚠️", "passes": "✅"}
_END = 300
"""Kept free for the line that says what is left out."""


def render(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """The document, with a final line break."""
    return from_document(json.report(inputs, warnings))


def from_document(document: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]] = ()) -> str:
    """The same of a report in JSON; with earlier ones, oldest first, what has become of their numbers."""
    parts = ["\n".join([*_head(document, earlier), *_table(document), ""])]
    size = _size(parts[0])
    left = []
    for part, block in _blocks(document):
        size += _size(block)
        if size <= MOST - _END:
            parts.append(block)
        else:
            size -= _size(block)
            left.append(part)
    if left:
        errors = _documents.how_many(sum(map(_errors, left)), "error")
        parts.append(f"\nLeft out, for a comment can't be longer: {len(left)} more, with {errors}.\n")
    return "".join(parts)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "backslashreplace"))


def _head(document: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    resources = document["resources"]
    failing = sum(_documents.standing(one) == "fails" for one in resources)
    unread = len(document["errors"])
    yield MARK
    bad = [f"{failing} of {_documents.how_many(len(resources), 'object')} to look at"] if failing else []
    bad += [f"{unread} unreadable"] if unread else []
    yield f"### krm-harden: {', '.join(bad) or _in_order(len(resources))}"
    yield ""
    counts = document["summary"]
    parts = [
        f"{counts['allowed']} allowed",
        _documents.how_many(counts["errors"], "error"),
        _documents.how_many(counts["warnings"], "warning"),
        f"{sum(_documents.standing(one) == 'exempt' for one in resources)} exempt",
    ]
    if counts["resourcesToChange"]:
        parts.append(f"`krm-harden fix` would change {counts['resourcesToChange']}")
    if counts["resourcesChanged"]:
        parts.append(f"`krm-harden fix` changed {counts['resourcesChanged']}")
    yield f"{', '.join(parts)}."
    moved = _documents.trend(document, earlier)
    if moved:
        yield ""
        yield f"{moved[0].upper()}{moved[1:]}."
    yield ""


def _in_order(count: int) -> str:
    return f"{_documents.how_many(count, 'object')} in order" if count else "nothing to judge"


def _table(document: Mapping[str, Any]) -> Iterator[str]:
    """A row for each report that was merged, else for each namespace."""
    by = "source" if "sources" in document else "namespace"
    groups = _documents.grouped(document["resources"], by)
    if not groups:
        return
    yield f"| {'report' if by == 'source' else by} | objects | allowed | errors | warnings |"
    yield "|---|--:|--:|--:|--:|"
    rows = sorted(groups.items(), key=lambda row: (-sum(map(_errors, row[1])), row[0]))
    for name, found in rows[:ROWS]:
        findings = [finding for one in found for finding in one["findings"]]
        allowed = sum(one["allowed"] for one in found)
        errors = sum(map(_documents.is_error, findings))
        warnings = sum(finding["severity"] == "warning" for finding in findings)
        yield f"| {_code(name).replace('|', '¦') or 'none'} | {len(found)} | {allowed} | {errors} | {warnings} |"
    if len(rows) > ROWS:
        yield ""
        yield f"{len(rows) - ROWS} more."


def _errors(part: Mapping[str, Any]) -> int:
    return sum(map(_documents.is_error, part.get("findings", ())))


def _blocks(document: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str]]:
    """What is folded away, the worst first: what can't be read, each object that has something to say, and notes."""
    if document["errors"]:
        lines = [f"{_code(_documents.file(one))}: {_code(one['message'])}" for one in document["errors"]]
        yield {}, _folded(f"❌ {len(lines)} unreadable", lines)
    objects = [one for one in document["resources"] if any(map(_is_shown, one["findings"]))]
    for resource in sorted(objects, key=lambda one: (list(SIGNS).index(_documents.standing(one)), -_errors(one))):
        yield resource, _object(resource)
    notes = [note for note in document["notExamined"] if note.get("severity", "info") != "info"]
    if notes:
        yield {}, _folded(f"{len(notes)} left alone", map(_note, notes))
    if document.get("warnings"):
        yield {}, _folded(f"⚠️ {len(document['warnings'])} about the policy", map(_code, document["warnings"]))


def _note(note: Mapping[str, Any]) -> str:
    named = "/".join(part for part in (note["kind"], note["name"]) if part)
    return f"{_code(_documents.place(note, note['line']))} {_code(named)}: {_code(note['reason'])}"


def _is_shown(finding: Mapping[str, Any]) -> bool:
    return bool(finding["severity"] != "info" or finding["state"] == "exempt")


def _object(resource: Mapping[str, Any]) -> str:
    shown = sorted(filter(_is_shown, resource["findings"]), key=lambda one: not _documents.is_error(one))
    warnings = sum(one["severity"] == "warning" and not _documents.is_error(one) for one in shown)
    numbers = [
        *([_documents.how_many(_errors(resource), "error")] if _errors(resource) else []),
        *([_documents.how_many(warnings, "warning")] if warnings else []),
    ]
    what = ", ".join(numbers) or "exempt"
    title = f"{SIGNS[_documents.standing(resource)]} {_tag(_documents.name(resource))}: {what}"
    return _folded(title, (_line(resource, one) for one in shown))


def _line(resource: Mapping[str, Any], finding: Mapping[str, Any]) -> str:
    severity = "exempt" if finding["state"] == "exempt" else finding["severity"]
    where = _code(_documents.place(resource, finding["line"]))
    words = f"**{severity}** {_code(finding['control'])} {where}: {_code(finding['message'])}"
    more = [f"reason: {_code(finding['reason'])}"] if finding["state"] == "exempt" and finding["reason"] else []
    more += [f"exemption: {_code(finding['exemption'])}"] if finding["exemption"] else []
    return "<br>".join([words, *more])


def _folded(title: str, lines: Iterable[str]) -> str:
    """A title, and below it what shows on a click: as many lines as one part may have."""
    every = [f"- {line}\n" for line in lines]
    sizes = accumulate(map(_size, every))
    kept = sum(size <= PART for size in sizes)
    items = "".join(every[:kept]) + (f"- {len(every) - kept} more\n" if kept < len(every) else "")
    return f"\n<details><summary>{title}</summary>\n\n{items}\n</details>\n"


def _code(said: str) -> str:
    """A text as Markdown's code, whatever backticks it has; empty for nothing."""
    text = _short(said)
    if not text.strip():
        return ""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    space = " " if text[0] in "` " or text[-1] in "` " else ""
    return f"{fence}{space}{text}{space}{fence}"


def _tag(said: str) -> str:
    """A text as code in HTML: within a summary Markdown doesn't hold."""
    return f"<code>{html.escape(_short(said))}</code>"


def _short(said: str) -> str:
    text = one_line(said)
    return text if len(text) <= WORDS else f"{text[:WORDS]}…"
