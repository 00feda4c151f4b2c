"""What a run comes to, in numbers and in two lines."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden import split
from krm_harden.errors import InputError
from krm_harden.resources import is_namespace, left_alone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from krm_harden.commands._run import Input
    from krm_harden.model import ChunkResult, Finding, ResourceResult

RISKS = {"safe": "changesSafe", "evidence": "changesEvidence", "may-break": "changesMayBreak"}
"""The risk of a change, and what the JSON report calls the number of such changes."""
REFUSED = ("explicit", "manual", "refused")
"""The states of what no fix writes: somebody has to decide."""


NAMES = (
    "files",
    "filesChanged",
    "documents",
    "resources",
    "resourcesChanged",
    "resourcesToChange",
    "workloads",
    "allowed",
    "allowedBefore",
    "allowedAfter",
    *RISKS.values(),
    "refusals",
    "errors",
    "warnings",
    "infos",
    "notExamined",
    "unreadable",
)
_SEVERITIES = {"error": "errors", "warning": "warnings", "info": "infos"}


def count(inputs: Iterable[Input]) -> dict[str, int]:
    """How many of each thing, by the names of the JSON report's summary.

    `resources` are the objects that were judged, `workloads` those of them that make pods. `allowedBefore` and
    `allowedAfter` count workloads: without and with what a fix writes, or would write.
    """
    total = dict.fromkeys(NAMES, 0)
    for made in inputs:
        numbers = dict.fromkeys(NAMES, 0)
        for chunk in made.chunks:
            add_chunk(numbers, chunk)
        add(total, of_file(numbers, documents=documents(made.old), changed=made.changed, error=made.error))
    return total


def add(total: dict[str, int], more: Mapping[str, int]) -> None:
    """Add some numbers to others of the same names."""
    for name, number in more.items():
        total[name] += number


def add_chunk(numbers: dict[str, int], chunk: ChunkResult) -> None:
    """Add what a chunk holds, as it is when its file can be written."""
    numbers["notExamined"] += len(chunk.unexamined)
    numbers["unreadable"] += bool(chunk.error)
    for result in chunk.resources:
        is_workload = not is_namespace(result.resource)
        numbers["resources"] += 1
        numbers["resourcesChanged"] += bool(result.operations)
        numbers["workloads"] += is_workload
        numbers["allowed"] += result.allowed
        numbers["allowedBefore"] += is_workload and result.before
        numbers["allowedAfter"] += is_workload and result.after
        for finding in result.findings:
            numbers["refusals"] += finding.state in REFUSED
            name = _SEVERITIES.get(finding.severity)
            if name:
                numbers[name] += 1
        is_open = False
        for finding in _written(result):
            is_open = is_open or finding.state == "open"
            if finding.risk in RISKS:
                numbers[RISKS[finding.risk]] += 1
        numbers["resourcesToChange"] += is_open


def of_file(numbers: Mapping[str, int], *, documents: int, changed: bool, error: str) -> dict[str, int]:
    """The numbers of a file from those of its chunks; `error` is why it couldn't be read or written, or empty."""
    made = unwritten(numbers) if error else dict(numbers)
    made |= {"files": 1, "filesChanged": int(changed), "documents": documents}
    made["unreadable"] += bool(error)
    return made


def unwritten(numbers: Mapping[str, int]) -> dict[str, int]:
    """The same numbers where nothing was written after all."""
    changes = dict.fromkeys(RISKS.values(), 0)
    return {**numbers, **changes, "resourcesChanged": 0, "allowedAfter": numbers["allowedBefore"]}


def _written(result: ResourceResult) -> Iterator[Finding]:
    """What a fix has written, or would write: nothing that is deferred, or its owner's to change."""
    if left_alone(result.resource) is None:
        yield from (one for one in result.findings if one.state == "fixed" or (one.state == "open" and not one.code))


def documents(data: bytes) -> int:
    """The documents of a stream that hold anything; none where it can't be read at all."""
    try:
        text, _ = split.decode(data)
    except InputError:
        return 0
    return sum(not split.is_empty(document) for document in split.documents(text))


def lines(inputs: Iterable[Input], verb: str = "") -> list[str]:
    """What there was and what became of it, and the verdict; without a verb what a fix would change."""
    return in_words(count(inputs), verb)


def in_words(numbers: dict[str, int], verb: str = "") -> list[str]:
    """The same of numbers that were counted before."""
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
