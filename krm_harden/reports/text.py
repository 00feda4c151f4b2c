"""One line per finding: errors first, each with what to do; may-break warnings of one object in one line."""

from __future__ import annotations

from krm_harden.controls import TOKEN
from krm_harden.model import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from krm_harden.commands._run import Input
    from krm_harden.model import ChunkResult, Finding, Resource, ResourceResult


class Complaints:
    """What people must see even where results get lost: errors one by one, then warnings, one line per object."""

    __slots__ = ("_errors", "_prefix", "_warnings")

    def __init__(self, file: str = "") -> None:
        self._prefix = f"{file}: " if file else ""
        self._errors: list[str] = []
        self._warnings: list[str] = []

    def add(self, chunk: ChunkResult) -> None:
        if chunk.error:
            self._errors.append(f"error: {self._prefix}{chunk.error}")
        for note in chunk.unexamined:
            if note.severity != "info":
                lines = self._errors if note.severity == "error" else self._warnings
                lines.append(f"{note.severity}: {self._prefix}{note} was left alone: {note.reason}")
        for made in chunk.resources:
            for finding in made.findings:
                if finding.severity == "error":
                    self._errors.append(f"error: {self._prefix}{line(made.resource, finding)}")
            self._warnings += [f"warning: {self._prefix}{text}" for text in _warnings(made)]

    def warn(self, message: str) -> None:
        """Note what concerns no object."""
        self._warnings.append(f"warning: {message}")

    def lines(self) -> Iterator[str]:
        yield from self._errors
        yield from self._warnings


def _warnings(result: ResourceResult) -> Iterator[str]:
    """The warnings about one object; those about images that nobody described together."""
    risky: list[str] = []
    for finding in result.findings:
        if finding.severity != "warning":
            continue
        # What is known of an image says nothing of a token.
        about_images = finding.risk == "may-break" and finding.control != TOKEN
        if finding.state == "fixed" and about_images and finding.proposed is not None:
            risky.append(finding.control)
        else:
            yield line(result.resource, finding)
    if risky:
        names = ", ".join(dict.fromkeys(risky))
        advice = "describe its images in the policy, or in a lock of `krm-harden images resolve`"
        yield f"{result.resource}: may break: {names}: {advice}"


def line(resource: Resource, finding: Finding) -> str:
    """One finding: the object, the control, the field, what and why, and the exemption to paste."""
    where = f" {finding.path}" if finding.path else ""
    text = f"{resource}: {finding.control}{where}: {finding.message}"
    return f"{text}; exemption: {finding.exemption}" if finding.exemption else text


def report(chunks: Iterable[ChunkResult], file: str) -> Iterator[str]:
    """Every finding of a file with its line, as `file:line: severity: ...`."""
    from krm_harden.reports import _lines

    return _lines.plain(_lines.of(chunks, file))


def words(result: ResourceResult) -> str:
    """What the API server says to what isn't allowed."""
    return f'would violate PodSecurity "{result.asked}": {result.message}'


def left_alone(chunks: Iterable[ChunkResult], file: str) -> Iterator[str]:
    """What wasn't judged, and why."""
    from krm_harden.reports import _lines

    return _lines.plain(line for chunk in chunks for line in _lines.notes(chunk, file))


def unreadable(inputs: Iterable[Input]) -> Iterator[str]:
    """What couldn't be read or written, one line each: the last thing that people see."""
    for made in inputs:
        for message in (made.error, *(chunk.error for chunk in made.chunks)):
            if message:
                yield f"error: {made.name}: {message}"


def render(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """The whole report as a text of its own, without the line that sums it up."""
    lines = [line for made in inputs for line in of_input(made)]
    lines += [*(f"warning: {line}" for line in warnings), *unreadable(inputs)]
    return "".join(f"{one_line(line)}\n" for line in lines)


def from_document(document: dict[str, Any], earlier: Sequence[dict[str, Any]] = ()) -> str:
    """What `krm-harden report merge` prints: the numbers of each report, how they have moved, what couldn't be read."""
    from krm_harden.reports import _documents, _merged

    moved = _documents.trend(document, earlier)
    return "".join(f"{one_line(line)}\n" for line in [*_merged.lines(document), *([moved] if moved else [])])


def of_input(made: Input) -> Iterator[str]:
    """The report of one file; what couldn't be read comes at the end of all."""
    yield from report(made.chunks, made.name)
