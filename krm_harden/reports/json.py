"""The report as one JSON document, version 1: `_schema.py` says what its fields are.

{"$schema", "version": 1, "tool": {"name", "version"}, "created",
"resources": [{"file", "line", "apiVersion", "kind", "namespace", "name", "labels", "level", "version", "allowed",
"message", "findings": [{"control", "state", "risk", "severity", "path", "line", "column", ...}],
"operations": [RFC 6902, relative to the resource]}],
"notExamined": [{"file", "line", "kind", "name", "severity", "reason"}],
"errors": [{"file", "message"}],
"warnings": [what concerns no object: an exemption that nothing needed],
"summary": {...}}

`check` with several levels or versions has "verdicts" in place of "resources", with --as-labelled "namespaces" and
"answers", with --what-breaks "whatBreaks".
"""

from __future__ import annotations

from operator import attrgetter
from typing import TYPE_CHECKING, Any

from krm_harden import __version__
from krm_harden.model import mapping
from krm_harden.patch import to_json
from krm_harden.policy import now
from krm_harden.reports import _schema, summary
from krm_harden.reports._places import Repository, fingerprints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from krm_harden.commands._run import Input
    from krm_harden.model import Finding, ResourceResult


def render(inputs: Sequence[Input], warnings: Sequence[str] = (), *, about: Mapping[str, Any] | None = None) -> str:
    """The document, with a final line break; `about` is what it says of a fleet's units."""
    return written(report(inputs, warnings, about))


def from_document(document: dict[str, Any], earlier: Sequence[dict[str, Any]] = ()) -> str:
    """A report that is there already, as text. `earlier` ones aren't in it."""
    del earlier
    return written(document)


def report(
    inputs: Sequence[Input], warnings: Sequence[str] = (), about: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The document as data: what all other reports can be made of."""
    prints = {id(found): name for *_, found, name in fingerprints(inputs, Repository())}
    resources = [
        _resource(made.name, result, prints) for made in inputs for chunk in made.chunks for result in chunk.resources
    ]
    body = {**(about or {}), "resources": resources}
    return _about(body, inputs, {"warnings": list(warnings), "summary": summary.count(inputs)})


def document(body: dict[str, Any], inputs: Sequence[Input]) -> str:
    """The text of a report about something else than findings, which is its `body`."""
    return written(_about(body, inputs))


def head() -> dict[str, Any]:
    """What every report begins with."""
    return {
        "$schema": _schema.ID,
        "version": _schema.VERSION,
        "tool": {"name": "krm-harden", "version": __version__},
        "created": now("%Y-%m-%dT%H:%M:%SZ"),
    }


def _about(body: dict[str, Any], inputs: Sequence[Input], end: dict[str, Any] | None = None) -> dict[str, Any]:
    """A report's own part, and what all have: what made it, what wasn't judged and what couldn't be read."""
    return {
        **head(),
        **body,
        "notExamined": [
            {
                "file": made.name,
                "line": note.line,
                "kind": note.kind,
                "name": note.name,
                "severity": note.severity,
                "reason": note.reason,
            }
            for made in inputs
            for chunk in made.chunks
            for note in chunk.unexamined
        ],
        "errors": [
            {"file": made.name, "message": message}
            for made in inputs
            for message in (made.error, *(chunk.error for chunk in made.chunks))
            if message
        ],
        **(end or {}),
    }


def written(report: dict[str, Any]) -> str:
    """A document as text, a line for each finding."""
    import json

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


def _resource(file: str, result: ResourceResult, prints: dict[int, str]) -> dict[str, Any]:
    resource = result.resource
    return {
        "file": file,
        "line": result.line,
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "namespace": resource.namespace,
        "name": resource.name,
        "labels": {
            name: value
            for name, value in mapping(resource.metadata.get("labels")).items()
            if isinstance(name, str) and isinstance(value, str)
        },
        "level": result.level,
        "version": result.version,
        "allowed": result.allowed,
        "message": result.message,
        **_policies(result),
        "findings": [_finding(finding, prints[id(finding)]) for finding in result.findings],
        "operations": to_json(result.operations),
    }


def _policies(result: ResourceResult) -> dict[str, Any]:
    """What PodSecurityPolicies say of an object, where such hold."""
    if not result.policies:
        return {}
    fields = ("name", "evidence", "message")
    return {"podSecurityPolicies": [{field: getattr(one, field) for field in fields} for one in result.policies]}


_OWN = {"fingerprint", "baseline", "vulnerability"}
_FIELDS = tuple(name for name in _schema.FINDING["properties"] if name not in _OWN)
_values: Callable[[Finding], Iterable[Any]] = attrgetter(*_FIELDS)


def _finding(finding: Finding, fingerprint: str) -> dict[str, Any]:
    made = {**dict(zip(_FIELDS, _values(finding), strict=True)), "fingerprint": fingerprint}
    more = (("baseline", getattr(finding, "baseline", "")), ("vulnerability", finding.vulnerability))
    return made | {name: value for name, value in more if value}
