"""What a run comes to, in numbers and in two lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden import split
from krm_harden.errors import InputError
from krm_harden.resources import is_namespace, left_alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from krm_harden.commands._run import Input
    from krm_harden.model import Finding, ResourceResult

RISKS = {"safe": "changesSafe", "evidence": "changesEvidence", "may-break": "changesMayBreak"}
"""The risk of a change, and what the JSON report calls the number of such changes."""
REFUSED = ("explicit", "manual", "refused")
"""The states of what no fix writes: somebody has to decide."""


def count(inputs: Iterable[Input]) -> dict[str, int]:
    """How many of each thing, by the names of the JSON report's summary.

    `resources` are the objects that were judged, `workloads` those of them that make pods. `allowedBefore` and
    `allowedAfter` count workloads: without and with what a fix writes, or would write.
    """
    inputs = list(inputs)
    chunks = [chunk for made in inputs for chunk in made.chunks]
    resources = [result for chunk in chunks for result in chunk.resources]
    workloads = [result for result in resources if not is_namespace(result.resource)]
    findings = [finding for result in resources for finding in result.findings]
    done = [result for made in inputs if not made.error for chunk in made.chunks for result in chunk.resources]
    written = [finding.risk for result in done for finding in _written(result)]
    kept = {id(result) for result in done}
    return {
        "files": len(inputs),
        "filesChanged": sum(made.changed for made in inputs),
        "documents": sum(map(_documents, inputs)),
        "resources": len(resources),
        "resourcesChanged": sum(bool(result.operations) for result in done),
        "resourcesToChange": sum(any(found.state == "open" for found in _written(made)) for made in resources),
        "workloads": len(workloads),
        "allowed": sum(result.allowed for result in resources),
        "allowedBefore": sum(result.before for result in workloads),
        "allowedAfter": sum(result.after if id(result) in kept else result.before for result in workloads),
        **{name: written.count(risk) for risk, name in RISKS.items()},
        "refusals": sum(finding.state in REFUSED for finding in findings),
        "errors": sum(finding.severity == "error" for finding in findings),
        "warnings": sum(finding.severity == "warning" for finding in findings),
        "infos": sum(finding.severity == "info" for finding in findings),
        "notExamined": sum(len(chunk.unexamined) for chunk in chunks),
        "unreadable": sum(bool(chunk.error) for chunk in chunks) + sum(bool(made.error) for made in inputs),
    }


def _written(result: ResourceResult) -> Iterator[Finding]:
    """What a fix has written, or would write: nothing that is deferred, or its owner's to change."""
    if left_alone(result.resource) is None:
        yield from (one for one in result.findings if one.state == "fixed" or (one.state == "open" and not one.code))


def _documents(made: Input) -> int:
    """The documents of a stream that hold anything; none where it can't be read at all."""
    try:
        text, _ = split.decode(made.old)
    except InputError:
        return 0
    return sum(not split.is_empty(document) for document in split.documents(text))


def lines(inputs: Iterable[Input], verb: str = "") -> list[str]:
    """What there was and what became of it, and the verdict; without a verb what a fix would change."""
    numbers = count(inputs)
    changed = _counted({"objects": numbers["resourcesChanged" if verb else "resourcesToChange"]}, "objects")
    before, after = numbers["allowedBefore"], numbers["allowedAfter"]
    workloads = _counted(numbers, "workloads")
    where = f"{_counted(numbers, 'documents')} in {_counted(numbers, 'files')}"
    risks = ", ".join(f"{numbers[name]} {risk}" for risk, name in RISKS.items())
    verdict = f"{before} -> {after} of {workloads}" if verb else f"{before} of {workloads} ({after} after a fix)"
    counted = [_counted(numbers, "errors"), _counted(numbers, "warnings")]
    counted += [f"{numbers[name]} {word}" for name, word in _REST.items() if numbers[name]]
    return [
        f"{where}, {workloads}, {changed} {verb or 'to change'}; changes: {risks}; {_counted(numbers, 'refusals')}",
        f"allowed: {verdict}; {', '.join(counted)}",
    ]


_REST = {"notExamined": "left alone", "unreadable": "unreadable"}


def line(inputs: Iterable[Input], verb: str = "") -> str:
    """The same in one line."""
    return "; ".join(lines(inputs, verb))


def _counted(numbers: dict[str, int], name: str) -> str:
    """`1 error`, `2 errors`."""
    return f"{numbers[name]} {name[:-1] if numbers[name] == 1 else name}"
