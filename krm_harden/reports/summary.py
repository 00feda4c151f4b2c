"""What a run comes to, in numbers and in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from krm_harden.commands._run import Input


def count(inputs: Iterable[Input]) -> dict[str, int]:
    """How many of each thing, by the names of the JSON report's summary."""
    inputs = list(inputs)
    chunks = [chunk for made in inputs for chunk in made.chunks]
    resources = [result for chunk in chunks for result in chunk.resources]
    findings = [finding for result in resources for finding in result.findings]
    return {
        "files": len(inputs),
        "filesChanged": sum(made.changed for made in inputs),
        "resources": len(resources),
        "resourcesChanged": sum(bool(result.operations) for result in resources),
        "resourcesToChange": sum(any(found.state == "open" for found in made.findings) for made in resources),
        "allowed": sum(result.allowed for result in resources),
        "errors": sum(finding.severity == "error" for finding in findings),
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "infos": sum(finding.severity == "info" for finding in findings),
        "notExamined": sum(len(chunk.unexamined) for chunk in chunks),
        "unreadable": sum(bool(chunk.error) for chunk in chunks) + sum(bool(made.error) for made in inputs),
    }


def line(inputs: Iterable[Input], verb: str = "") -> str:
    """`12 objects in 1 file, 12 changed, 12 allowed, 0 errors, 4 warnings`; without a verb what a fix would change."""
    numbers = count(inputs)
    parts = [
        f"{numbers['resources']} {_plural('object', numbers['resources'])} in {numbers['files']} "
        f"{_plural('file', numbers['files'])}",
        f"{numbers['resourcesChanged']} {verb}" if verb else f"{numbers['resourcesToChange']} to change",
        f"{numbers['allowed']} allowed",
        f"{numbers['errors']} {_plural('error', numbers['errors'])}",
        f"{numbers['warnings']} {_plural('warning', numbers['warnings'])}",
    ]
    if numbers["notExamined"]:
        parts.append(f"{numbers['notExamined']} left alone")
    if numbers["unreadable"]:
        parts.append(f"{numbers['unreadable']} unreadable")
    return ", ".join(parts)


def _plural(word: str, number: int) -> str:
    return word if number == 1 else f"{word}s"
