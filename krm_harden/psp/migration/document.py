"""The data of report.json: everything that REPORT.md shows, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden.model import dotted
from krm_harden.psp.migration.namespaces import labels_after

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from krm_harden.psp.migration.choices import Choice
    from krm_harden.psp.migration.namespaces import Labels, Workload
    from krm_harden.psp.migration.objects import Item, Open
    from krm_harden.psp.migration.plan import Plan
    from krm_harden.psp.migration.probes import Difference, Shift
    from krm_harden.psp.migration.rules import Rule

TOOL = "krm-harden psp migrate"
VERSION = 1
_NOTHING: tuple[Any, ...] = (None, {}, [], "")


def document(plan: Plan, notes: Iterable[str], files: Iterable[str]) -> dict[str, Any]:
    """The whole report. `notes` are those of reading, too; `files` is what is written."""
    return {
        "tool": TOOL,
        "version": VERSION,
        "kubernetes": f"{plan.server[0]}.{plan.server[1]}",
        "open": [_open(one) for one in plan.opened],
        "policies": [_policy(plan, name) for name in sorted(plan.cluster.policies, key=str.encode)],
        "workloads": [_workload(workload) for workload in plan.workloads],
        "fields": list(_fields(plan)),
        "namespaces": [_namespace(plan, labels) for labels in plan.labels],
        "admission": [_rule(rule) for rule in plan.rules],
        "leftovers": _leftovers(plan),
        "notes": list(notes),
        "files": sorted(files),
    }


def _open(one: Open) -> dict[str, str]:
    return {"where": one.where, "object": one.subject, "reason": one.reason, "nextStep": one.next_step}


def _policy(plan: Plan, name: str) -> dict[str, Any]:
    used = [str(workload.item) for workload in plan.workloads if name in workload.policies]
    same = plan.same_as.get(name, name)
    where = plan.cluster.policies[name].where
    found = {"name": name, "where": where, "usedBy": used, "sameAs": same if same != name else ""}
    return _without_nothing(found, keep=("usedBy",))


def _workload(workload: Workload) -> dict[str, Any]:
    found = {
        "object": str(workload.item),
        "where": workload.item.where,
        "namespace": workload.item.namespace,
        "owner": workload.owner,
        "pods": [_choice(choice) for choice in workload.choices],
    }
    return _without_nothing(found)


def _choice(choice: Choice) -> dict[str, Any]:
    found = {
        "serviceAccount": choice.account,
        "madeBy": choice.creator,
        "policy": choice.policy,
        "open": choice.refusal.reason if choice.refusal else "",
        "tried": [{"policy": one.policy, "by": one.evidence, "result": one.result} for one in choice.tried],
        "changes": list(_changes(choice)),
    }
    return _without_nothing(found)


def _changes(choice: Choice) -> Iterator[dict[str, Any]]:
    for change in choice.outcome.changes if choice.outcome else ():
        path, value = dotted(change.operation.path), change.operation.value
        yield {"field": change.field, "path": path.replace("[-]", "[+]").replace(".-", "[+]"), "value": value}


def _fields(plan: Plan) -> Iterator[dict[str, Any]]:
    """What becomes of each field, for the workloads of which the same becomes: of one policy, where the same holds."""
    groups: dict[tuple[str, str, str], list[Choice]] = {}
    for workload in plan.workloads:
        for choice in workload.choices:
            if choice.policy:
                names = ", ".join(rule.name for rule in plan.rules_of(choice))
                level = str(plan.labels_of(choice.item.namespace).asked or "")
                groups.setdefault((choice.policy, level, names), []).append(choice)
    for (policy, level, admission), choices in sorted(groups.items()):
        objects = list(dict.fromkeys(str(choice.item) for choice in choices))
        shifts = [_shift(shift) for shift in plan.shifts(choices[0])]
        found = {"policy": policy, "level": level, "admission": admission, "workloads": objects, "fields": shifts}
        yield _without_nothing(found)


def _shift(shift: Shift) -> dict[str, Any]:
    found = {
        "field": shift.field,
        "state": shift.state,
        "enforcedBy": shift.where,
        "looser": [_difference(one) for one in shift.looser],
        "stricter": [_difference(one) for one in shift.stricter],
    }
    return _without_nothing(found)


def _difference(one: Difference) -> dict[str, Any]:
    return _without_nothing({"pod": one.pod, "was": one.was, "now": one.now, "note": one.note})


def _namespace(plan: Plan, labels: Labels) -> dict[str, Any]:
    found = {
        "name": labels.name,
        "where": [item.where for item in labels.items],
        "level": labels.level,
        "enforce": str(labels.asked or ""),
        "labels": labels_after(labels),
        "blockers": list(labels.blockers),
        "note": labels.note,
        "admission": [rule.name for rule in plan.rules if any(one.namespace == labels.name for one in rule.bound)],
        "notes": list(plan.notes.get(labels.name, ())),
    }
    return _without_nothing(found)


def _rule(rule: Rule) -> dict[str, Any]:
    bound = [
        _without_nothing({"namespace": one.namespace, "accounts": list(one.accounts), "allBut": list(one.beside)})
        for one in rule.bound
    ]
    return {"name": rule.name, "policy": rule.policy, "level": rule.level, "fields": list(rule.fields), "bound": bound}


def _leftovers(plan: Plan) -> dict[str, Any]:
    left = plan.leftovers
    return {
        "roles": [_item(item) for item in left.roles],
        "bindings": [_item(item) for item in left.bindings],
        "edits": [
            _without_nothing({**_item(edit.item), "patch": [dict(one) for one in edit.patch], "note": edit.note})
            for edit in left.edits
        ],
        "unusedPolicies": list(left.unused_policies),
        "unusedBindings": [_item(item) for item in left.unused_bindings],
    }


def _item(item: Item) -> dict[str, Any]:
    return {"object": str(item), "where": item.where}


def _without_nothing(data: Mapping[str, Any], keep: Iterable[str] = ()) -> dict[str, Any]:
    return {name: value for name, value in data.items() if value not in _NOTHING or name in keep}
