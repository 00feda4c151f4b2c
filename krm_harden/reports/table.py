"""Verdicts at several levels and versions: a table of objects and levels, then what the API server says to each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden.matrix import are_neighbours

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.matrix import Span
    from krm_harden.model import ResourceResult


class Row:
    """One object's spans, a list for each level."""

    __slots__ = ("file", "levels", "result")

    def __init__(self, file: str, result: ResourceResult, levels: Sequence[Sequence[Span]]) -> None:
        self.file = file
        self.result = result
        self.levels = levels

    @property
    def spans(self) -> Iterator[Span]:
        for level in self.levels:
            yield from level


def lines(rows: Sequence[Row], levels: Sequence[str]) -> Iterator[str]:
    """The table, a blank line, and a line for each verdict that isn't `allowed`."""
    header = ["OBJECT", *(level.upper() for level in levels)]
    cells = [[str(row.result.resource), *map(cell, row.levels)] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for line in (header, *cells):
        yield "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
    said = list(_messages(rows))
    if said:
        yield ""
        yield from said


def cell(spans: Sequence[Span]) -> str:
    """`allowed`, or what holds at which versions: `allowed v1.0 to v1.7, refused v1.8 to v1.37`."""
    merged: list[list[str]] = []
    for span in spans:
        if merged and merged[-1][0] == span.state and are_neighbours(merged[-1][2], span.first):
            merged[-1][2] = span.last
        else:
            merged.append([span.state, span.first, span.last])
    if len(merged) == 1:
        return merged[0][0]
    return ", ".join(
        f"{state} {first} to {last}" if first != last else f"{state} {first}" for state, first, last in merged
    )


def _messages(rows: Iterable[Row]) -> Iterator[str]:
    for row in rows:
        for span in row.spans:
            if span.state != "allowed":
                where = f"{row.file}:{row.result.line}: {row.result.resource}"
                yield f"{where}: {span.level} {span.versions}: {span.state}: {span.message}"


def data(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """The same for a JSON report, a dictionary for each span."""
    return [
        {
            "file": row.file,
            "line": row.result.line,
            "apiVersion": row.result.resource.api_version,
            "kind": row.result.resource.kind,
            "namespace": row.result.resource.namespace,
            "name": row.result.resource.name,
            "level": span.level,
            "fromVersion": span.first,
            "toVersion": span.last,
            "state": span.state,
            "checks": list(span.checks),
            "message": span.message,
        }
        for row in rows
        for span in row.spans
    ]
