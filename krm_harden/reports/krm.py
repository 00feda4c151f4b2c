"""Findings as `results` of a ResourceList (functions-spec.md), written into its text as one more operation.

Results that carry our tag are replaced, foreign ones kept.
"""

from __future__ import annotations

from krm_harden import edit, emit, place, source, verify
from krm_harden.errors import RefusedEdit
from krm_harden.model import Operation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

    from krm_harden.model import ChunkResult, Finding, Resource
    from krm_harden.source import Document

TOOL = "krm-harden"
_PATHS = ("internal.config.kubernetes.io/path", "config.kubernetes.io/path")
_INDEXES = ("internal.config.kubernetes.io/index", "config.kubernetes.io/index")
_PACKAGE = "internal.config.kubernetes.io/package-path"
_ORDER = {"error": 0, "warning": 1, "info": 2}


def results(chunks: Iterable[ChunkResult]) -> list[dict[str, Any]]:
    """One result per finding, error and thing left alone; errors first, then warnings, in the input's order."""
    found: list[dict[str, Any]] = []
    for chunk in chunks:
        if chunk.error:
            found.append(_result(chunk.error, "error", {"state": "unreadable"}))
        for resource in chunk.resources:
            found += [_of_finding(resource.resource, finding) for finding in resource.findings]
        for note in chunk.unexamined:
            what = f"{note.kind}/{note.name} " if note.kind else ""
            found.append(_result(f"{what}was left alone: {note.reason}", "info", {"state": "unexamined"}))
    return sorted(found, key=lambda result: _ORDER[result["severity"]])


def _result(message: str, severity: str, tags: dict[str, str]) -> dict[str, Any]:
    return {"message": message, "severity": severity, "tags": {"tool": TOOL, **tags}}


def _of_finding(resource: Resource, finding: Finding) -> dict[str, Any]:
    tags = {
        "control": finding.control,
        "level": finding.level,
        "state": finding.state,
        "risk": finding.risk,
        "evidence": finding.evidence,
    }
    message = finding.message + (f"; exemption: {finding.exemption}" if finding.exemption else "")
    result = _result(message, finding.severity, {name: value for name, value in tags.items() if value})
    result["resourceRef"] = _reference(resource)
    if finding.path:
        field = {"path": finding.path, "currentValue": finding.current, "proposedValue": finding.proposed}
        result["field"] = {name: value for name, value in field.items() if value is not None}
    file = _file(resource)
    if file:
        result["file"] = file
    return result


def _reference(resource: Resource) -> dict[str, str]:
    reference = {"apiVersion": resource.api_version, "kind": resource.kind, "name": resource.name}
    return reference | ({"namespace": resource.namespace} if resource.namespace else {})


def _file(resource: Resource) -> dict[str, Any]:
    annotations = resource.annotations
    path = next((annotations[key] for key in _PATHS if isinstance(annotations.get(key), str)), None)
    if path is None:
        return {}
    # Two packages of one render may have the same path.
    package = annotations.get(_PACKAGE)
    index = next((str(annotations[key]) for key in _INDEXES if key in annotations), "0")
    file: dict[str, Any] = {"path": f"{package}/{path}" if isinstance(package, str) and package else path}
    return file | ({"index": int(index)} if index.isascii() and index.isdigit() else {})


def is_ours(result: Any) -> bool:
    tags = result.get("tags") if isinstance(result, dict) else None
    return isinstance(tags, dict) and tags.get("tool") == TOOL


def with_results(document: Document, header: int, made: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """The text of a ResourceList with its results set, as the part before `header` characters and the part after.

    A list whose items were cut out ends at `header`; what it gets goes after them. Raises RefusedEdit.
    """
    old = document.data.get("results")
    foreign = [result for result in old if not is_ours(result)] if isinstance(old, list) else []
    wanted = [*foreign, *made]
    text = document.text
    if old == wanted or (not wanted and not old):
        return text[:header], text[header:]
    if "results" not in document.data:
        return _added(document, header, wanted)
    return _replaced(document, header, wanted)


def _added(document: Document, header: int, wanted: list[dict[str, Any]]) -> tuple[str, str]:
    text = document.text
    last_key = source.key_name(document.root.value[-1][0]) if document.root is not None else ""
    if last_key == "items" and header < len(text) + 1 and document.data["items"] is None:
        lines = emit.block("results", wanted, 0, emit.Style())
        return text[:header], "".join(f"{line}\n" for line in lines) + text[header:]
    edits = edit.plan(document, [Operation("add", ("results",), wanted)])
    return text[:header], edit.apply(text, edits)[header:]


def _replaced(document: Document, header: int, wanted: list[dict[str, Any]]) -> tuple[str, str]:
    text = document.text
    key, value = next(pair for pair in document.root.value if source.key_name(pair[0]) == "results")  # type: ignore[union-attr]
    end = place.content_end(text, value)
    if document.root.flow_style:  # type: ignore[union-attr]
        style = emit.FlowStyle(quoted=document.is_json)
        new = text[: value.start_mark.index] + emit.flow(wanted, style) + text[end:]
    else:
        after = place.line_end(text, end) if end < len(text) and text[end - 1] != "\n" else end
        lines = emit.block("results", wanted, 0, emit.Style())
        new = text[: key.start_mark.index] + "".join(f"{line}\n" for line in lines) + text[after:]
    if key.start_mark.index < header:
        header += len(new) - len(text)
    _check(document, new, wanted)
    return new[:header], new[header:]


def _check(document: Document, text: str, wanted: list[dict[str, Any]]) -> None:
    if not verify.same(source.read(text).data, {**document.data, "results": wanted}):
        raise RefusedEdit("the results can't be written into this ResourceList")
