"""The report as one JSON document, version 1.

{"version": 1,
"resources": [{"file", "line", "apiVersion", "kind", "namespace", "name", "level", "version", "allowed", "message",
"findings": [{"control", "level", "state", "risk", "severity", "path", "line", "current",
"proposed", "message", "reason", "code", "evidence", "exemption"}],
"operations": [RFC 6902, relative to the resource]}],
"notExamined": [{"file", "line", "kind", "name", "reason"}],
"errors": [{"file", "message"}],
"warnings": [what concerns no object: an exemption that nothing needed],
"summary": {...}}

`check` with several levels or versions has "verdicts" in place of "resources", with --as-labelled "namespaces" and
"answers", with --what-breaks "whatBreaks".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden.patch import to_json
from krm_harden.reports import summary

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.model import Finding, ResourceResult


def render(inputs: Sequence[Input], warnings: Sequence[str] = ()) -> str:
    """The document, with a final line break."""
    resources = [_resource(made.name, result) for made in inputs for chunk in made.chunks for result in chunk.resources]
    return document({"resources": resources}, inputs, {"warnings": list(warnings), "summary": summary.count(inputs)})


def document(body: dict[str, Any], inputs: Sequence[Input], end: dict[str, Any] | None = None) -> str:
    """A report's own part, and what all have: what wasn't judged and what couldn't be read."""
    import json

    report = {
        "version": 1,
        **body,
        "notExamined": [
            {"file": made.name, "line": note.line, "kind": note.kind, "name": note.name, "reason": note.reason}
            for made in inputs
            for chunk in made.chunks
            for note in chunk.unexamined
        ],
        "errors": [
            {"file": made.name, "message": message}
            for made in inputs
            for message in (
                *([made.error] if made.error else []),
                *(chunk.error for chunk in made.chunks if chunk.error),
            )
        ],
        **(end or {}),
    }
    return _written(report, json.JSONEncoder(ensure_ascii=False).encode) + "\n"


LINES = 4
"""How deep a report goes over lines: a finding stands on one. json's own indentation is many times slower."""


def _written(value: Any, encode: Callable[[Any], str], levels: int = LINES, margin: str = "\n") -> str:
    if not (levels and value and isinstance(value, (dict, list))):
        return encode(value)
    within = margin + "  "
    if isinstance(value, dict):
        entries = [f"{encode(name)}: {_written(one, encode, levels - 1, within)}" for name, one in value.items()]
        return f"{{{within}{f',{within}'.join(entries)}{margin}}}"
    items = [_written(one, encode, levels - 1, within) for one in value]
    return f"[{within}{f',{within}'.join(items)}{margin}]"


def _resource(file: str, result: ResourceResult) -> dict[str, Any]:
    resource = result.resource
    return {
        "file": file,
        "line": result.line,
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "namespace": resource.namespace,
        "name": resource.name,
        "level": result.level,
        "version": result.version,
        "allowed": result.allowed,
        "message": result.message,
        "findings": [_finding(finding) for finding in result.findings],
        "operations": to_json(result.operations),
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "control": finding.control,
        "level": finding.level,
        "state": finding.state,
        "risk": finding.risk,
        "severity": finding.severity,
        "path": finding.path,
        "line": finding.line,
        "current": finding.current,
        "proposed": finding.proposed,
        "message": finding.message,
        "reason": finding.reason,
        "evidence": finding.evidence,
        "code": finding.code,
        "exemption": finding.exemption,
    }
