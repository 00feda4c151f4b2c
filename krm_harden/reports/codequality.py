"""The report as GitLab's Code Quality takes it: what a merge request changes, beside its lines.

GitLab's documentation: "Code Quality", "Code Quality report format". What is exempt isn't in it: GitLab has no word for
that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden.model import one_line
from krm_harden.reports._places import Repository, fingerprints, unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.commands._run import Input

SEVERITIES = {"error": "major", "warning": "minor", "info": "info"}


def render(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """The document, with a final line break. `warnings` concern no file, and GitLab wants one."""
    import json

    del warnings
    return json.dumps(list(_issues(inputs)), ensure_ascii=False, indent=2) + "\n"


def _issues(inputs: Sequence[Input]) -> Iterator[dict[str, Any]]:
    repository = Repository()
    for number, (name, line, _, message) in enumerate(unread(inputs)):
        path = repository.path(name) or "stdin"
        yield _issue("unreadable", "blocker", path, line, message, f"unreadable:{path}:{number}")
    for made in inputs:
        path = repository.path(made.name) or "stdin"
        notes = [note for chunk in made.chunks for note in chunk.unexamined if note.severity != "info"]
        for number, note in enumerate(notes):
            text = f"{note} was left alone: {note.reason}"
            yield _issue("left-alone", SEVERITIES[note.severity], path, note.line, text, f"left-alone:{path}:{number}")
    for made, result, finding, fingerprint in fingerprints(inputs, repository):
        if finding.state != "exempt" and finding.baseline != "unchanged":
            path = repository.path(made.name) or "stdin"
            text = f"{result.resource}: {finding.message}"
            yield _issue(finding.control, SEVERITIES[finding.severity], path, finding.line, text, fingerprint)


def _issue(name: str, severity: str, path: str, line: int, message: str, fingerprint: str) -> dict[str, Any]:
    return {
        "check_name": name,
        "description": one_line(message),
        "severity": severity,
        "fingerprint": fingerprint,
        "location": {"path": path, "lines": {"begin": max(line, 1)}},
    }
