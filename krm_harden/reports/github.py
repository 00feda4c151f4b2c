"""The report as GitHub's workflow commands: annotations of the lines of a pull request, and a page for its summary.

GitHub's documentation: "Workflow commands for GitHub Actions". Escaping as in its own toolkit: `%`, line breaks, and in
properties `:` and `,`. What isn't a command must not be read as one, so that no manifest can give the runner commands:
a name may begin with `::` or hold `##[`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from krm_harden.model import one_line
from krm_harden.reports import _vulnerabilities, summary
from krm_harden.reports._places import Repository, unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.commands._run import Input

MOST = 10
"""The annotations of each sort that GitHub shows of one step."""
ROWS = 200
"""The rows of a summary: GitHub refuses one of more than a mebibyte."""


class Line(NamedTuple):
    """One thing to say: `line` and `column` count from 1, 0 is unknown; `path` is empty for stdin and for no file."""

    severity: str
    path: str
    line: int
    column: int
    title: str
    message: str


def render(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """Commands for the first errors and warnings, plain lines for the others, and the summary."""
    inputs = list(inputs)
    lines = list(_lines(inputs, warnings))
    shown, others = [], []
    for severity in ("error", "warning"):
        found = [one for one in lines if one.severity == severity]
        shown += found[:MOST]
        others += found[MOST:]
    text = [_command(one) for one in shown]
    if others:
        text.append(f"GitHub shows {MOST} errors and {MOST} warnings of a step; {len(others)} more:")
        text += [_plain(one) for one in others]
    text += [f"krm-harden: {line}" for line in summary.lines(inputs)]
    return "".join(f"{line}\n" for line in text)


def _lines(inputs: Sequence[Input], warnings: Sequence[str]) -> Iterator[Line]:
    """Everything but infos: what couldn't be read first."""
    repository = Repository()
    for name, line, column, message in unread(inputs):
        yield Line("error", repository.path(name), line, column, "unreadable", message)
    for made in inputs:
        path = repository.path(made.name)
        for chunk in made.chunks:
            for result in chunk.resources:
                for finding in _vulnerabilities.told(result.findings):
                    message = f"{result.resource}: {finding.message}"
                    if finding.exemption:
                        message += f"; exemption: {finding.exemption}"
                    yield Line(finding.severity, path, finding.line, finding.column, finding.control, message)
            for note in chunk.unexamined:
                message = f"{note} was left alone: {note.reason}"
                yield Line(note.severity, path, note.line, 0, "left alone", message)
    for message in warnings:
        yield Line("warning", "", 0, 0, "policy", message)


def _command(one: Line) -> str:
    place = {"file": one.path, "line": one.line, "col": one.column if one.line else 0}
    found = {name: str(value) for name, value in place.items() if value} if one.path else {}
    title = f"krm-harden: {one.title}"
    properties = ",".join(f"{name}={_property(value)}" for name, value in {**found, "title": title}.items())
    return f"::{one.severity} {properties}::{_data(one_line(one.message))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _plain(one: Line) -> str:
    """A line of the log that is no command: those stand at the beginning of a line, the old ones anywhere."""
    where = f"{one.path}:{one.line}: " if one.path else ""
    return one_line(f"- {where}{one.severity}: {one.title}: {one.message}").replace("##[", "# #[")


def page(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """The Markdown of a job's summary."""
    inputs = list(inputs)
    lines = [one for one in _lines(inputs, warnings) if one.severity != "info"]
    lines.sort(key=lambda one: one.severity)
    text = ["### krm-harden", "", *("- " + _cell(line) for line in summary.lines(inputs)), ""]
    if lines:
        text += ["| | where | what | |", "|---|---|---|---|"]
        text += [_row(one) for one in lines[:ROWS]]
    if len(lines) > ROWS:
        text += ["", f"{len(lines) - ROWS} more are in the log."]
    return "".join(f"{line}\n" for line in [*text, ""])


def _row(one: Line) -> str:
    where = f"{one.path}:{one.line}" if one.path and one.line else one.path
    return f"| {one.severity} | {_cell(where)} | {_cell(one.title)} | {_cell(one.message[:500])} |"


def _cell(text: str) -> str:
    """Text as Markdown that shows just that: every sign that could mean something is escaped."""
    return "".join(f"&#{ord(letter)};" if letter in _MARKS else letter for letter in one_line(text))


_MARKS = frozenset("\\`*_{}[]<>#|&~@:!")
