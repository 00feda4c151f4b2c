"""The report as SARIF 2.1.0 (OASIS), as GitHub's code scanning takes it: one run, a rule for each control.

Plain dictionaries: the libraries that model SARIF aren't kept up, and would check nothing that its schema doesn't.
GitHub's limits and what it reads: "SARIF support for code scanning" in its documentation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden import __version__, controls, namespaces
from krm_harden.commands import explain
from krm_harden.model import one_line
from krm_harden.reports import json
from krm_harden.reports._places import Repository, fingerprints, unread

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.controls import Control
    from krm_harden.model import Finding, ResourceResult

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
HOME = "https://github.com/krm-harden/krm-harden"
PAGES = f"{HOME}/blob/v{__version__}/docs"
MOST = 25_000
"""The results that GitHub takes of one run; more, and it refuses the file."""
LEVELS = {"error": "error", "warning": "warning", "info": "note"}
ROOT = "%SRCROOT%"
NOTICES = {
    "exemptions": ("Exemptions that an object claims", "policy.md#exemptions"),
    "immutable": ("Changes that an apply can't update", "output.md#states"),
}
"""What findings can be about beside controls, and the page that explains it."""


def render(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """The document, with a final line break."""
    rules = _rules()
    indexes = {rule["id"]: index for index, rule in enumerate(rules)}
    results = list(_results(inputs, indexes))
    notifications = list(_notifications(inputs, warnings))
    if len(results) > MOST:
        notifications.append(_notification("warning", f"{len(results) - MOST} of {len(results)} results are left out"))
        results = sorted(results, key=_worst_first)[:MOST]
    run = {
        "tool": {
            "driver": {
                "name": "krm-harden",
                "version": __version__,
                "semanticVersion": __version__,
                "informationUri": HOME,
                "rules": rules,
            }
        },
        "invocations": [
            {
                "executionSuccessful": not any(unread(inputs)),
                "toolExecutionNotifications": notifications,
            }
        ],
        "originalUriBaseIds": {ROOT: {"description": {"text": "The root of the repository."}}},
        "columnKind": "unicodeCodePoints",
        "results": results,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.written(log)


def _worst_first(result: dict[str, Any]) -> int:
    return list(LEVELS.values()).index(result["level"])


def _rules() -> list[dict[str, Any]]:
    made = [_rule_of(control) for control in controls.load().values()]
    labels = (namespaces.__doc__ or "").strip()
    made.append(_rule(controls.NAMESPACES, explain.LABELS, labels, f"controls.md#{controls.NAMESPACES.lower()}"))
    return [*made, *(_rule(name, title, title, page) for name, (title, page) in NOTICES.items())]


def _rule_of(control: Control) -> dict[str, Any]:
    page = f"controls.md#{control.id.lower()}"
    tags = ["pod-security-standards", control.level] if control.standard else []
    level = "error" if control.standard else "warning"
    return _rule(control.id, control.title, explain.documentation(control), page, level=level, tags=tags)


def _rule(
    name: str, title: str, text: str, page: str, *, level: str = "warning", tags: Sequence[str] = ()
) -> dict[str, Any]:
    link = f"{PAGES}/{page}"
    return {
        "id": name,
        "shortDescription": {"text": f"{title}."},
        "fullDescription": {"text": " ".join(text.partition("\n\n")[0].split())},
        "help": {
            "text": f"{text.replace('**', '')}\n\nDocumentation: {link}\n",
            "markdown": f"{text}\n\n[Documentation]({link})\n",
        },
        "helpUri": link,
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["security", "kubernetes", *tags]},
    }


def _results(inputs: Sequence[Input], rules: dict[str, int]) -> Iterator[dict[str, Any]]:
    repository = Repository()
    for made, result, finding, fingerprint in fingerprints(inputs, repository):
        yield {
            "ruleId": finding.control,
            "ruleIndex": rules[finding.control],
            "level": LEVELS[finding.severity],
            "message": {"text": one_line(f"{result.resource}: {finding.message}")},
            "locations": [_location(_artifact(repository.uri(made.name)), result, finding)],
            # GitHub reads the second alone; without it, it would take two findings of one line for one.
            "partialFingerprints": {"krmHardenFinding/v1": fingerprint, "primaryLocationLineHash": fingerprint},
            **_suppressed(finding),
            "properties": _properties(finding),
        }


def _artifact(uri: str) -> dict[str, str]:
    """A file; one in the repository may lie anywhere on a disk."""
    return {"uri": uri} if uri.startswith("file:") else {"uri": uri, "uriBaseId": ROOT}


def _location(artifact: dict[str, str], result: ResourceResult, finding: Finding) -> dict[str, Any]:
    region = {"startLine": max(finding.line, 1), "startColumn": max(finding.column, 1)}
    named = one_line(f"{result.resource}{'/' if finding.path else ''}{finding.path}")
    return {
        "physicalLocation": {"artifactLocation": artifact, "region": region},
        "logicalLocations": [{"fullyQualifiedName": named, "kind": "object"}],
    }


def _suppressed(finding: Finding) -> dict[str, Any]:
    if finding.state != "exempt":
        return {}
    status = "underReview" if finding.severity == "warning" else "accepted"
    return {"suppressions": [{"kind": "external", "status": status, "justification": one_line(finding.reason)}]}


def _properties(finding: Finding) -> dict[str, str]:
    found = {"state": finding.state, "risk": finding.risk, "exemption": finding.exemption}
    return {name: one_line(value) for name, value in found.items() if value}


def _notifications(inputs: Sequence[Input], warnings: Sequence[str]) -> Iterator[dict[str, Any]]:
    """What isn't about a field: files that can't be read, what was left alone, the run's own warnings."""
    repository = Repository()
    for name, line, column, message in unread(inputs):
        yield _notification("error", message, repository.uri(name), line, column)
    for made in inputs:
        for chunk in made.chunks:
            for note in chunk.unexamined:
                message = f"{note} was left alone: {note.reason}" if note.kind else f"was left alone: {note.reason}"
                yield _notification(LEVELS[note.severity], message, repository.uri(made.name), note.line)
    for message in warnings:
        yield _notification("warning", message)


def _notification(level: str, message: str, uri: str = "", line: int = 0, column: int = 0) -> dict[str, Any]:
    made: dict[str, Any] = {"level": level, "message": {"text": one_line(message)}}
    if uri:
        place: dict[str, Any] = {"artifactLocation": _artifact(uri)}
        if line:
            place["region"] = {"startLine": line, **({"startColumn": column} if column else {})}
        made["locations"] = [{"physicalLocation": place}]
    return made
