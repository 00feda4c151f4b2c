"""The fields of a JSON report, version 1: one table, from which reports are made, read and documented.

The table is a JSON Schema (draft 2020-12), of the few keywords that `problems` knows. What release 0.1 didn't write
isn't required and has a default, so that a reader takes reports of all releases. Unknown fields are allowed: a newer
release may add some.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from krm_harden.controls import GATE
from krm_harden.model import json_pointer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.model import Pointer

Schema: TypeAlias = "dict[str, Any]"

VERSION = 1
ID = f"https://krm-harden.dev/schemas/report_v{VERSION}.json"
STATES = ["fixed", "open", "exempt", "deferred", "explicit", "manual", "refused", "stale", "immutable", "unused"]
RISKS = ["safe", "evidence", "may-break", "none"]
SEVERITIES = ["info", "warning", "error"]
BODIES = (["resources"], ["verdicts"], ["namespaces", "answers"], ["whatBreaks"])
"""What a report is about: of one of these it has all fields."""


def _text(description: str, **more: Any) -> Schema:
    return {"type": "string", "description": description, **more}


def _count(description: str, **more: Any) -> Schema:
    return {"type": "integer", "minimum": 0, "description": description, **more}


def _flag(description: str) -> Schema:
    return {"type": "boolean", "description": description}


def _list(description: str, items: Schema, **more: Any) -> Schema:
    return {"type": "array", "description": description, "items": items, **more}


def _map(description: str, values: Schema, **more: Any) -> Schema:
    return {"type": "object", "description": description, "additionalProperties": values, **more}


def _object(description: str, properties: dict[str, Schema], optional: tuple[str, ...] = ()) -> Schema:
    return {
        "type": "object",
        "description": description,
        "properties": properties,
        "required": [name for name in properties if name not in optional],
    }


_FILE = _text("The file as it was named, `-` for standard input.")
_LINE = _count("The line in the file, from 1; 0 where it isn't known.")
_SOURCE = _text("The name of the report that it comes from, after `krm-harden report merge`.")
_OBJECT = {
    "apiVersion": _text("The object's apiVersion."),
    "kind": _text("The object's kind."),
    "namespace": _text("The object's namespace, empty where it names none."),
    "name": _text("The object's name, else its generateName."),
}
_ANY: Schema = {}

_PACKAGE = _object(
    "One package.",
    {
        "name": _text("Its name."),
        "installed": _text("The version that the image has."),
        "fixed": _text("The versions that have it no more; empty where there is none."),
    },
)
_VULNERABILITY = _object(
    "What a scanner says, where the finding is about a vulnerability of an image: `check --scan`.",
    {
        "id": _text("Its id: `CVE-2024-1234`."),
        "aliases": _list("Its other ids.", {"type": "string"}),
        "severity": _text("How bad the scanner takes it to be.", enum=list(GATE["failOn"]["enum"][:-1])),
        "packages": _list("The packages that have it, the worst first.", _PACKAGE),
        "published": _text("Since when it is known, `2024-06-30`; empty where the report doesn't say."),
        "url": _text("A page about it."),
        "report": _text("The reports that it is from."),
    },
)
FINDING = _object(
    "One line of a report: a change, or the reason why there is none.",
    {
        "control": _text("The control's id: `krm-harden explain` knows it."),
        "level": _text("The level of the Pod Security Standards that asks for it; empty for what is beyond them."),
        "state": _text("What became of it.", enum=STATES),
        "risk": _text("What the written value rests on.", enum=RISKS),
        "severity": _text("How bad it is.", enum=SEVERITIES),
        "path": _text("The field as Kubernetes writes it, within the object: `spec.containers[0].image`."),
        "line": _LINE,
        "column": _count("The column in the line, from 1, in Unicode code points; 0 where it isn't known.", default=0),
        "container": _text("The container's name, empty for what concerns the pod or the object.", default=""),
        "current": _ANY | {"description": "The value that is there; null where there is none."},
        "proposed": _ANY | {"description": "The value that `fix` writes; null where it writes none."},
        "message": _text("What is so, in words that may change in any release."),
        "reason": _text("Why nothing is written, or the reason of the exemption."),
        "evidence": _text("What says that the value is right."),
        "code": _text("The sort of reason why nothing can be written.", default=""),
        "exemption": _text("The exemption to paste into a policy, where one would help."),
        "fingerprint": _text("What stays the same while lines and containers move; unique in its report.", default=""),
        "baseline": _text("Whether an earlier run had it: `check --baseline`.", enum=["new", "unchanged"]),
        "vulnerability": _VULNERABILITY,
    },
    ("column", "container", "code", "fingerprint", "baseline", "vulnerability"),
)
_OPERATION = _object(
    "One step of the patch (RFC 6902).",
    {
        "op": _text("What is done."),
        "path": _text("Where, within the object (RFC 6901)."),
        "value": _ANY | {"description": "The value that is written."},
    },
    ("value",),
)
RESOURCE = _object(
    "One object: its verdict and its findings.",
    {
        "source": _SOURCE,
        "file": _FILE,
        "line": _LINE,
        **_OBJECT,
        "labels": _map("The object's own labels: metadata.labels.", {"type": "string"}, default={}),
        "level": _text("The level of the Pod Security Standards that it is judged by."),
        "version": _text("The version of the standards: `latest` or `v1.x`."),
        "allowed": _flag("What an API server says: `check` of what is there, `fix` of what it wrote."),
        "message": _text("The API server's words, where it isn't allowed."),
        "podSecurityPolicies": _list(
            "The PodSecurityPolicies that hold for its pods, where there are any.",
            _object(
                "What one says of one of its pods.",
                {
                    "name": _text("The policy that the pod got, empty where none admits it."),
                    "evidence": _text("The binding by which it got it, empty where there was no choice."),
                    "message": _text("The API server's words, where the pod isn't admitted."),
                },
            ),
        ),
        "findings": _list("Everything that there is to say.", FINDING),
        "operations": _list("What `fix` did to it, as a patch of the object; `check` does nothing.", _OPERATION),
    },
    ("source", "labels", "podSecurityPolicies"),
)
_VERDICT = _object(
    "What an API server says to one object, at one level and a span of versions.",
    {
        "file": _FILE,
        "line": _LINE,
        **_OBJECT,
        "level": _text("The level."),
        "fromVersion": _text("The first version of the span."),
        "toVersion": _text("The last version of the span."),
        "state": _text("What it says.", enum=["allowed", "exempt", "refused"]),
        "checks": _list("The checks that fail.", {"type": "string"}),
        "message": _text("The API server's words."),
    },
)
_NAMESPACE = _object(
    "One Namespace of the input, and what its labels mean.",
    {
        "file": _FILE,
        "line": _LINE,
        "name": _OBJECT["name"],
        "enforce": _text("What is enforced: level and version."),
        "audit": _text("What is audited."),
        "warn": _text("What is warned about."),
        "problems": _list(
            "Labels that aren't valid.",
            _object("One label.", {"label": _text("Its name."), "message": _text("What it must be.")}),
        ),
    },
)
_ANSWER = _object(
    "What an API server says to one object by its namespace's labels, in one mode.",
    {
        "file": _FILE,
        "line": _LINE,
        **_OBJECT,
        "mode": _text("enforce, audit or warn."),
        "level": _text("The level."),
        "version": _text("The version."),
        "allowed": _flag("Whether it is allowed."),
        "exempt": _flag("Whether the policy exempts all that isn't."),
        "message": _text("The verdict's words."),
        "says": _text("What the server says to who applies it; empty for nothing."),
    },
)
_WHAT_BREAKS = _object(
    "What `kubectl label --dry-run=server` would say of new labels.",
    {
        "namespace": _text("The namespace."),
        "labels": _map("The labels asked for.", {"type": "string"}),
        "changed": _flag("Whether they differ from those that are there."),
        "pods": _list("The warnings about pods.", {"type": "string"}),
        "workloads": _list("The warnings about what makes pods.", {"type": "string"}),
    },
)
COUNTS = {
    "files": "files read",
    "filesChanged": "files that `fix` changes",
    "documents": "documents that hold anything",
    "resources": "objects judged",
    "resourcesChanged": "objects that `fix` changed",
    "resourcesToChange": "objects that a `fix` would change",
    "workloads": "of the judged objects make pods",
    "allowed": "objects that the standard allows",
    "allowedBefore": "workloads the standard allows without a fix",
    "allowedAfter": "workloads the standard allows with what a fix writes, or would write",
    "changesSafe": "changes have no known way to break",
    "changesEvidence": "changes rest on what is known of an image",
    "changesMayBreak": "changes may break",
    "refusals": "findings no fix can mend: somebody has to decide",
    "errors": "findings that are errors",
    "warnings": "findings that are warnings",
    "infos": "findings that are infos",
    "notExamined": "things left alone",
    "unreadable": "files and documents that can't be read or written",
}
SINCE_0_2 = (
    *("documents", "workloads", "allowedBefore", "allowedAfter"),
    *("changesSafe", "changesEvidence", "changesMayBreak", "refusals"),
)
"""The numbers that reports of 0.1 don't have."""
_SUMMARY = _object(
    "The report in numbers.", {name: _count(f"How many {what}.") for name, what in COUNTS.items()}, SINCE_0_2
)
_TOOL = _object("What made the report.", {"name": _text("Its name."), "version": _text("Its release.")})
_CREATED = _text("When it was made, in UTC: SOURCE_DATE_EPOCH, else the clock.", format="date-time")
_MERGED = _object(
    "One report of those that were merged.",
    {"name": _SOURCE, "created": _CREATED, "tool": _TOOL, "summary": _SUMMARY},
    ("created", "tool"),
)
_UNIT = _object(
    "A unit of a fleet's run.",
    {
        "name": _text("What files of it begin with, or are called."),
        "cluster": _text("The cluster of its entry in the inventory."),
        "namespace": _text("The namespace of its entry in the inventory."),
        "digest": _text("Of what was judged: an artifact's own, else of its files."),
        "files": _count("How many files it has."),
        "resources": _count("How many of the objects are of it: those of each unit follow those of the one before."),
        "notExamined": _count("How much of what was left alone."),
        "errors": _count("How many of the errors."),
        "warnings": _count("How many of the warnings are about its files."),
    },
    ("cluster", "namespace"),
)
_SHARD = _object(
    "Of which run this is a share, until `krm-harden report merge` has put all together.",
    {
        "index": _count("Which one, from 1 on."),
        "count": _count("Of how many."),
        "list": _text("The digest of the list of all units."),
        "run": _text("The digest of release, policy and options."),
        "places": _list("The places of its units in that list.", {"type": "integer", "minimum": 0}),
        "keepsUnits": _flag("Whether the whole report has units."),
        "notes": _count("How many of the warnings, the first ones, are about the policy."),
        "unused": _count("How many, the next ones, hold only if all shards have them."),
        "isEmpty": _flag("Whether it has no manifests; not all shards may be so."),
    },
    ("isEmpty",),
)
REPORT = {
    "$schema": _text("Where this schema is published."),
    "version": {"const": VERSION, "description": "Fields may be added to a version; none is removed or changes."},
    "tool": _TOOL,
    "created": _CREATED,
    "sources": _list("After `krm-harden report merge`: the reports that were merged.", _MERGED),
    "units": _list("The units of a run over URLs or an inventory, in their order.", _UNIT),
    "shard": _SHARD,
    "resources": _list("The objects that were judged.", RESOURCE),
    "verdicts": _list("In place of resources: `check` with several levels or versions.", _VERDICT),
    "namespaces": _list("In place of resources: `check --as-labelled`.", _NAMESPACE),
    "answers": _list("Beside namespaces: what the server says.", _ANSWER),
    "whatBreaks": _WHAT_BREAKS | {"description": "In place of resources: `check --what-breaks`."},
    "notExamined": _list(
        "What was left alone without being judged.",
        _object(
            "One thing.",
            {
                "source": _SOURCE,
                "file": _FILE,
                "line": _LINE,
                "kind": _OBJECT["kind"],
                "name": _OBJECT["name"],
                "severity": _text("How bad that is.", enum=SEVERITIES, default="info"),
                "reason": _text("Why."),
            },
            ("source", "severity"),
        ),
    ),
    "errors": _list(
        "What couldn't be read or written.",
        _object("One file.", {"source": _SOURCE, "file": _FILE, "message": _text("Why.")}, ("source",)),
    ),
    "warnings": _list("What concerns no object.", {"type": "string"}),
    "summary": _SUMMARY,
}
REQUIRED = ("version", "notExamined", "errors")


def report_schema() -> Schema:
    """The JSON Schema of a whole report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Report of krm-harden",
        "description": "What `krm-harden check -o json` and `krm-harden fix -o json` print.",
        "type": "object",
        "required": list(REQUIRED),
        "properties": REPORT,
        "anyOf": [{"required": names} for names in BODIES],
        "dependentRequired": {"resources": ["warnings", "summary"]},
    }


_TYPES: dict[str, tuple[Any, str]] = {
    "object": (dict, "an object"),
    "array": (list, "a list"),
    "string": (str, "a string"),
    "boolean": (bool, "true or false"),
    "integer": (int, "a whole number"),
}


def problems(value: Any, schema: Schema, at: Pointer = ()) -> Iterator[str]:
    """What is wrong with a value, a line each: the place (RFC 6901), and what must be there."""
    where = json_pointer(at) or "the report"
    if "const" in schema and not _equal(value, schema["const"]):
        yield f"{where} must be {schema['const']!r}"
    if "type" not in schema:
        return
    kind, words = _TYPES[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        yield f"{where} must be {words}"
    elif kind is dict:
        yield from _of_object(value, schema, at, where)
    elif kind is list:
        for index, item in enumerate(value):
            yield from problems(item, schema["items"], (*at, index))
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where} must be one of {', '.join(schema['enum'])}"
    elif kind is int and value < schema.get("minimum", value):
        yield f"{where} must be {schema['minimum']} or more"


def _of_object(value: dict[str, Any], schema: Schema, at: Pointer, where: str) -> Iterator[str]:
    needed = list(schema.get("required", ()))
    for name, names in schema.get("dependentRequired", {}).items():
        needed += names if name in value else ()
    for name in needed:
        if name not in value:
            yield f"{where} has no {name}"
    choices = [choice["required"] for choice in schema.get("anyOf", ())]
    if choices and not any(all(name in value for name in names) for names in choices):
        yield f"{where} has none of {', '.join(names[0] for names in choices)}"
    known = schema.get("properties", {})
    others = schema.get("additionalProperties")
    for name, item in value.items():
        inner = known.get(name, others)
        if inner:
            yield from problems(item, inner, (*at, name))


def _equal(value: Any, other: Any) -> bool:
    return bool(value == other) and isinstance(value, bool) == isinstance(other, bool)
