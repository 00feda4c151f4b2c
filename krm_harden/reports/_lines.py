"""The lines of a text report in their parts: as plain text, and as a terminal shows them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from krm_harden.model import one_line
from krm_harden.reports import _vulnerabilities, text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from krm_harden.model import ChunkResult, Finding, ResourceResult

ORDER = {"error": 0, "warning": 1, "info": 2}
INDENT = 4
"""How far the second line of what is wrapped stands in."""


class Line(NamedTuple):
    """One finding, verdict or note. `about` is the object, and `what` the control and its field.

    `found` is the finding itself, for what `--verbose` adds. `group` tells lines of different objects apart.
    """

    place: str
    severity: str
    state: str = ""
    about: str = ""
    what: str = ""
    words: str = ""
    exemption: str = ""
    found: Finding | None = None
    group: object = None

    def plain(self) -> str:
        """`app.yaml:12: error: explicit: Pod/web: privileged spec.containers[0]: ...; exemption: {...}`."""
        end = f"; exemption: {self.exemption}" if self.exemption else ""
        return ": ".join(filter(None, (self.place, self.severity, self.state, self.about, self.what, self.words))) + end


def of(chunks: Iterable[ChunkResult], file: str) -> Iterator[Line]:
    """Everything that a text report says of a file: of each object its verdict, then the worst findings first."""
    for chunk in chunks:
        for result in chunk.resources:
            about = str(result.resource)
            if not result.allowed:
                place = f"{file}:{result.line}"
                yield Line(place, _worst(result), "verdict", about, words=text.words(result), group=result)
            yield from _policies(result, f"{file}:{result.line}", about)
            for found in sorted(_vulnerabilities.told(result.findings), key=lambda found: ORDER[found.severity]):
                yield _line(file, about, found, result)
        yield from notes(chunk, file)


def _policies(result: ResourceResult, place: str, about: str) -> Iterator[Line]:
    """What PodSecurityPolicies say of an object, and which it got where there was a choice."""
    for verdict in result.policies:
        if verdict.message:
            yield Line(place, _worst(result), "verdict", about, words=verdict.message, group=result)
        elif verdict.evidence:
            yield Line(place, "info", "verdict", about, words=verdict.words, group=result)


def _line(file: str, about: str, found: Finding, group: object) -> Line:
    what = f"{found.control} {found.path}" if found.path else found.control
    place = f"{file}:{found.line}"
    return Line(place, found.severity, found.state, about, what, found.message, found.exemption, found, group)


def notes(chunk: ChunkResult, file: str) -> Iterator[Line]:
    """What of a chunk wasn't judged, and why."""
    for note in chunk.unexamined:
        what = f"{note} " if note.kind else ""
        # A note about a file as a whole has no line.
        place = f"{file}:{note.line}" if note.line else file
        yield Line(place, note.severity, words=f"{what}was left alone: {note.reason}", group=note)


def _worst(result: ResourceResult) -> str:
    """The severity of a verdict is that of its worst finding: an exemption makes it an info."""
    own = (finding.severity for finding in result.findings if finding.vulnerability is None)
    return min(own, key=ORDER.__getitem__, default="error")


def plain(lines: Iterable[Line], *, verbose: bool = False) -> Iterator[str]:
    """A line each; `verbose`: with its details below."""
    for line in lines:
        if not verbose:
            yield line.plain()
            continue
        yield line._replace(exemption="").plain()
        yield from (f"{' ' * INDENT}{name}: {said}" for name, said in _below(line, verbose=True))


def _below(line: Line, *, verbose: bool) -> Iterator[tuple[str, str]]:
    if verbose and line.found:
        yield from _details(line.found)
    if line.exemption:
        yield "exemption", line.exemption
    if verbose and line.what:
        yield "more", f"krm-harden explain {line.what.partition(' ')[0]}"


def _details(found: Finding) -> Iterator[tuple[str, str]]:
    """What a line leaves away, each with its name; a message often has its reason already."""
    known = (("risk", found.risk.replace("none", "")), ("reason", found.reason), ("evidence", found.evidence))
    return ((name, said) for name, said in known if said and said not in found.message)


# On a terminal

Piece = tuple[str, str]
"""A text and its style."""


def on_terminal(
    lines: Iterable[Line], columns: int | None, paint: Callable[[str, str], str], *, verbose: bool = False
) -> Iterator[str]:
    """The same lines coloured and wrapped, what belongs to one object together; `file:line` begins each."""
    before: object = None
    for line in lines:
        if before is not None and line.group is not before:
            yield ""
        before = line.group
        yield from wrapped(_pieces(line), columns, paint)
        for name, said in _below(line, verbose=verbose):
            yield from wrapped([(f"{name}: ", "dim"), (said, "")], columns, paint, first=INDENT)


def _pieces(line: Line) -> Iterator[Piece]:
    control, _, path = line.what.partition(" ")
    parts: list[list[Piece]] = [
        [(line.place, "place")],
        [(line.severity, line.severity)],
        [(line.state, "dim")],
        [(line.about, "")],
        [(control, "name"), (f" {path}" if path else "", "")],
        [(line.words, "")],
    ]
    shown = [part for part in parts if part[0][0]]
    for index, part in enumerate(shown):
        yield from part
        yield (": " if index < len(shown) - 1 else "", "")


_PLACE = re.compile(r"\S[^:]*:\d+: ")
_SEVERITIES = re.compile(r"(?<![^\s:])(error|warning)(?=: )")


def begins_with_a_place(line: str) -> bool:
    """Whether a line begins with `app.yaml:12: `."""
    return _PLACE.match(line) is not None


def complaint(line: str, columns: int | None, paint: Callable[[str, str], str]) -> Iterator[str]:
    """Any line for people, wrapped, with the word that says how bad it is in its colour."""
    found = _SEVERITIES.search(line[:200])
    pieces = [(line, "")]
    if found:
        pieces = [(line[: found.start()], ""), (found[0], found[0]), (line[found.end() :], "")]
    return wrapped(pieces, columns, paint)


def wrapped(
    pieces: Iterable[Piece], columns: int | None, paint: Callable[[str, str], str], first: int = 0
) -> Iterator[str]:
    """Pieces on as many lines as they need, all but the first indented. A word is never cut: it is to be copied."""
    known = [(one_line(text), style) for text, style in pieces]
    whole = "".join(one for one, _ in known)
    styles = [style for one, style in known for _ in one]
    start, room = 0, (columns or 0) - first
    margin = " " * first
    words = [(match.start(), match.end()) for match in re.finditer(r"\S+", whole)]
    for (_, end), (_, after) in zip(words, words[1:], strict=False):
        if columns and _cells(whole[start:after]) > room:
            yield margin + _painted(whole, styles, start, end, paint)
            start = end + len(whole[end:]) - len(whole[end:].lstrip())
            margin, room = " " * (first + INDENT), columns - first - INDENT
    yield margin + _painted(whole, styles, start, len(whole), paint)


def _painted(text: str, styles: Sequence[str], start: int, end: int, paint: Callable[[str, str], str]) -> str:
    """A part of a text, each run of one style at once."""
    found = []
    at = start
    for index in range(start + 1, end + 1):
        if index == end or styles[index] != styles[at]:
            found.append(paint(text[at:index], styles[at]))
            at = index
    return "".join(found)


def _cells(text: str) -> int:
    """The columns that a text takes."""
    if text.isascii():
        return len(text)
    from unicodedata import combining, east_asian_width

    return sum(0 if combining(letter) else 1 + (east_asian_width(letter) in "WF") for letter in text)
