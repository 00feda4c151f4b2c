"""REPORT.md, made of the data of report.json alone."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MARK = "<!-- Made by `krm-harden psp migrate`, which replaces this file when it is run again. -->"
SHOWN = 6
"""How many examples of a field a line has."""


def markdown(data: Mapping[str, Any]) -> str:
    """The report for people."""
    sections = (
        _head(data),
        _open(data["open"]),
        _namespaces(data["namespaces"]),
        _workloads(data["workloads"]),
        _fields(data["fields"]),
        _admission(data["admission"]),
        _leftovers(data),
        _notes(data["notes"]),
    )
    lines = [line for section in sections for line in section]
    return "\n".join([MARK, "", *lines]).rstrip() + "\n"


def _head(data: Mapping[str, Any]) -> Iterator[str]:
    pods = [pod for workload in data["workloads"] for pod in workload.get("pods", ())]
    decided = sum("policy" in pod for pod in pods)
    yield "# From PodSecurityPolicies"
    yield ""
    counts = [
        f"{len(data['policies'])} policies",
        f"{len(data['workloads'])} workloads ({decided} of {len(pods)} pods decided)",
        f"{len(data['namespaces'])} namespaces",
        f"{len(data['open'])} open questions",
    ]
    yield f"{', '.join(counts)}; levels of Kubernetes {data['kubernetes']}. What to do, in order: [STEPS.md](STEPS.md)."
    yield ""


def _open(opened: Sequence[Mapping[str, str]]) -> Iterator[str]:
    if not opened:
        return
    yield "## Open"
    yield ""
    yield "Nothing was written for these, and no namespace of theirs gets an enforce label."
    yield ""
    for one in opened:
        subject = f"{_code(one['object'])}: " if one["object"] else ""
        step = f" **Next:** {_text(one['nextStep'])}." if one["nextStep"] else ""
        yield f"- {_code(one['where'])}: {subject}{_text(one['reason'])}.{step}"
    yield ""


def _namespaces(namespaces: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Namespaces"
    yield ""
    head = ("namespace", "enforce", "audit, warn", "what keeps a stricter level away")
    yield from _table(head, map(_namespace, namespaces))
    yield ""
    notes = [f"- {_code(one['name'])}: {_text(note)}." for one in namespaces for note in one.get("notes", ())]
    if notes:
        yield "Where it gets looser for pods that aren't here:"
        yield ""
        yield from (*notes, "")
    if any("blockers" in one for one in namespaces):
        yield "What keeps a level away no policy wrote, and no manifest says. To see what would bring them there:"
        yield "`krm-harden fix --level restricted --diff manifests/`."
        yield ""


def _namespace(one: Mapping[str, Any]) -> tuple[str, ...]:
    labels = one.get("labels", {})
    why = [one["note"]] if "note" in one else []
    why += one.get("blockers", [])
    shown = _code(one["enforce"]) if "enforce" in one else "none"
    watch = labels.get("pod-security.kubernetes.io/warn", "none")
    return _code(one["name"]), shown, watch, "; ".join(map(_text, _few(why))) or "nothing"


def _workloads(workloads: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield "## Workloads"
    yield ""
    for workload in workloads:
        for pod in workload.get("pods", ()):
            yield from _pod(workload, pod)
    yield ""


def _pod(workload: Mapping[str, Any], pod: Mapping[str, Any]) -> Iterator[str]:
    policy = f"got {_code(pod['policy'])}" if "policy" in pod else f"**open**: {_text(pod.get('open', ''))}"
    account = f"service account {_code(pod['serviceAccount'])}"
    yield f"- {_code(workload['object'])} ({_text(workload['where'])}), {account}: {policy}"
    for tried in pod.get("tried", ()):
        yield f"  - {_code(tried['policy'])} ({_text(tried['by'])}): {_text(tried['result'])}"
    changes = [f"{_code(change['path'])}: {_code(_value(change['value']))}" for change in pod.get("changes", ())]
    if changes:
        owner = workload.get("owner")
        verb = f"set, and now {_code(owner)} must set" if owner else "set, now in the manifest"
        yield f"  - {verb}: {', '.join(changes)}"


def _fields(groups: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What gets looser or stricter, for the workloads of which the same holds."""
    yield "## Field by field"
    yield ""
    yield "What the policy's fields refused and set, and what holds it now. *Looser*: it was refused or set, and is"
    yield "neither now; *stricter*: it was allowed or set, and is refused. `manifest only`: nothing else has it."
    yield "A field that isn't here asked for nothing."
    yield ""
    for group in groups:
        yield f"### {_code(group['policy'])}, {_held(group)}"
        yield ""
        yield f"{', '.join(map(_code, group['workloads']))}:"
        yield ""
        fields = [one for one in group["fields"] if one["state"] != "same" or one.get("enforcedBy")]
        yield from _table(("field", "now", "held by", "what differs"), map(_field, fields))
        yield ""


def _held(group: Mapping[str, Any]) -> str:
    level = f"level {_code(group['level'])}" if "level" in group else "no level"
    return f"{level} and {_code(group['admission'])}" if "admission" in group else level


def _field(field: Mapping[str, Any]) -> tuple[str, ...]:
    differs = [line for state in ("looser", "stricter") for line in _differences(state, field.get(state, ()))]
    held = field.get("enforcedBy", "")
    return _code(field["field"]), field["state"], held, "; ".join(differs)


def _differences(state: str, found: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """The pods of which the same becomes, in one sentence."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for one in found:
        groups.setdefault((one["was"], one["now"], one.get("note", "")), []).append(one["pod"])
    for (was, now, note), pods in groups.items():
        why = f" ({note})" if note else ""
        yield f"{state}: {_WAS[was]}, {_NOW[was, now]}{why}: {', '.join(_few([_code(pod) for pod in pods]))}"


_WAS = {"allowed": "was allowed", "refused": "was refused", "set": "was given the policy's value"}
_NOW = {
    ("allowed", "refused"): "is refused",
    ("refused", "allowed"): "is allowed",
    ("set", "allowed"): "stays as it is",
    ("set", "refused"): "is refused: the manifest must say it",
}


def _admission(rules: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if not rules:
        return
    yield "## Admission policies"
    yield ""
    yield "What no level expresses. They judge pods as they are made, updates of an image, and containers that come"
    yield "into a running pod, which the policies passed over."
    yield ""
    for rule in rules:
        where = ", ".join(_bound(one) for one in rule["bound"])
        fields = ", ".join(map(_code, rule["fields"]))
        yield f"- {_code(rule['name'])}: {fields} of {_code(rule['policy'])}, beside level {rule['level']}, in {where}"
    yield ""


def _bound(one: Mapping[str, Any]) -> str:
    if "accounts" in one:
        return f"{_code(one['namespace'])} (service accounts {', '.join(map(_code, one['accounts']))})"
    if "allBut" in one:
        return f"{_code(one['namespace'])} (but for service accounts {', '.join(map(_code, one['allBut']))})"
    return _code(one["namespace"])


def _leftovers(data: Mapping[str, Any]) -> Iterator[str]:
    left = data["leftovers"]
    yield "## What can go"
    yield ""
    for title, items in (("bindings", left["bindings"]), ("roles that grant nothing else", left["roles"])):
        if items:
            yield f"- {title}: {', '.join(_code(one['object']) for one in items)}"
    for edit in left["edits"]:
        what = edit.get("note") or "the rules about podsecuritypolicies, by the patch in STEPS.md"
        yield f"- {_code(edit['object'])} grants more: {_text(what)}"
    if left["unusedPolicies"]:
        yield f"- policies that no workload here got: {', '.join(map(_code, left['unusedPolicies']))}"
    if left["unusedBindings"]:
        names = ", ".join(_code(one["object"]) for one in left["unusedBindings"])
        yield f"- bindings by which no workload here got one: {names}"
    yield f"- all policies: {', '.join(_code(one['name']) for one in data['policies'])}"
    yield ""


def _notes(notes: Sequence[str]) -> Iterator[str]:
    if notes:
        yield "## Not seen"
        yield ""
        yield from (f"- {_text(note)}" for note in notes)
        yield ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"


def _few(lines: Sequence[str]) -> list[str]:
    rest = [f"and {len(lines) - SHOWN} more, in report.json"] if len(lines) > SHOWN else []
    return [*lines[:SHOWN], *rest]


def _value(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _code(said: str) -> str:
    """A manifest's own words, as code: nothing in them becomes markup."""
    flat = " ".join(str(said).split())
    fence = "`" * (1 + max((len(run) for run in _runs(flat)), default=0))
    pad = " " if flat.startswith("`") or flat.endswith("`") or not flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def _runs(said: str) -> Iterator[str]:
    run = ""
    for letter in f"{said} ":
        if letter == "`":
            run += letter
        elif run:
            yield run
            run = ""


def _text(said: str) -> str:
    """Words that may hold a manifest's, without markup and links; a table takes care of its `|` itself."""
    flat = " ".join(str(said).split())
    return "".join(f"\\{letter}" if letter in "\\`*_<>[]#@~" else letter for letter in flat)
