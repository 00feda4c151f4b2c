"""A hardened object as patches that kustomize applies without any plugin, and what kustomize makes of them.

What differs between an object and the same with the engine's operations is written as a strategic merge patch, which
finds containers by their names, where kustomize knows the kind's lists; elsewhere as an RFC 6902 patch whose tests fail
the build once something isn't where it was. Every patch is applied here before anybody else does.

Source of the rules: kyaml, yaml/walk and yaml/merge2, and its OpenAPI data of Kubernetes 1.21, which kustomize 5.5 and
5.8 both have; measured in tests/test_patches.py.
"""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from krm_harden import source
from krm_harden.emit import FlowStyle, Style, block, flow
from krm_harden.errors import InputError, RefusedEdit
from krm_harden.model import json_pointer, lookup, same
from krm_harden.patch import on_source, patched, to_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from krm_harden.model import Operation, Pointer, Resource

BUILT_IN = {
    *(("v1", kind) for kind in ("Namespace", "Pod", "PodTemplate", "ReplicationController")),
    *(("apps/v1", kind) for kind in ("DaemonSet", "Deployment", "ReplicaSet", "StatefulSet")),
    *(("batch/v1", kind) for kind in ("CronJob", "Job")),
    ("batch/v1beta1", "CronJob"),
}
"""The kinds with pods, and Namespace, whose lists kustomize knows how to merge."""
MERGE_KEYS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("containers", "initContainers", "ephemeralContainers", "volumes", "env"), ("name",)),
    "imagePullSecrets": ("name",),
    "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",),
    "ports": ("containerPort", "protocol"),
    "hostAliases": ("ip",),
    "topologySpreadConstraints": ("topologyKey", "whenUnsatisfiable"),
    "ownerReferences": ("uid",),
    "conditions": ("type",),
    "podIPs": ("ip",),
}
"""The lists of these kinds that kustomize merges item by item. It replaces all others, but for finalizers."""
MOVABLE = {"volumes", "volumeMounts", "env"}
"""Lists at whose end something new may stand: kustomize puts it first, and a second patch moves it."""
NAMES = ("name", "groupName", "mountPath", "devicePath", "key")
"""What tells the items of a list apart where no schema does."""
DIRECTIVE = "$patch"
LONGEST_LINE = 110


class _NoMerge(Exception):
    """A strategic merge patch can't say it, or kustomize would change something else on the way."""


@dataclass(frozen=True)
class Patch:
    """One patch as kustomize takes it: `text`, and the `target` where the text doesn't name its object itself.

    `purpose` is `merge` for what hardens by names, `json` for what hardens by places, `order` for what only puts new
    items of a list last, `exists` for what only fails the build where there is no such object.
    """

    purpose: str
    text: str
    target: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Overlay:
    """An object and the patches that harden it, in the order in which they are applied."""

    api_version: str
    kind: str
    name: str
    namespace: str
    patches: tuple[Patch, ...]

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)

    def applied(self, data: Any) -> Any:
        """What kustomize makes of an object. Raises RefusedEdit where a test fails, as the build would."""
        made = deepcopy(data)
        for patch in self.patches:
            made = _applied(made, source.read(patch.text).data, patch.purpose)
        return made


def overlay(
    resource: Resource, operations: Sequence[Operation], *, namespace: bool = True, alone: bool = True
) -> Overlay:
    """The patches of one object, proven: applied to it they give what its operations give.

    `namespace`: whether the object is found by its namespace too; `alone`: no other has its kind and name. Raises
    RefusedEdit for what can't be patched so.
    """
    _must_be_found(resource)
    identity = _identity(resource, namespace=namespace)
    target = _target(identity, alone=alone)
    wanted = patched(deepcopy(resource.data), operations)
    ways = _merge(identity, target, resource.data, wanted), _json(identity, target, resource.data, operations)
    made = next((found for way in ways if (found := _proven(identity, way, resource.data, wanted))), None)
    if made is None:
        raise _refused(resource, "its patch would not give what `krm-harden fix` gives", "please report it")
    return made


def _proven(identity: Mapping[str, Any], way: Iterable[Patch], old: Any, wanted: Any) -> Overlay | None:
    """The patches of one way, if there are any and they give what is wanted."""
    try:
        made = _overlay(identity, way)
        return made if _equal(made.applied(old), wanted) else None
    except (_NoMerge, InputError, RefusedEdit):
        return None


def _must_be_found(resource: Resource) -> None:
    """Raises RefusedEdit for an object that kustomize can't find or can't read."""
    if "objects" in resource.base:
        raise _refused(resource, "kustomize can't patch an object within a Template", "process the Template first")
    if not (resource.data.get("apiVersion") and resource.data.get("kind")):
        raise _refused(resource, "kustomize can't read an item that doesn't say its own kind", "write the kind out")
    if not resource.metadata.get("name"):
        raise _refused(resource, "kustomize can't patch an object without metadata.name", "give it a name")


def _refused(resource: Resource, message: str, next_step: str) -> RefusedEdit:
    return RefusedEdit(message, str(resource), next_step)


def _identity(resource: Resource, *, namespace: bool) -> dict[str, Any]:
    metadata = {"name": resource.name}
    if namespace and resource.namespace:
        metadata["namespace"] = resource.namespace
    return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def _overlay(identity: Mapping[str, Any], patches: Iterable[Patch]) -> Overlay:
    metadata = identity["metadata"]
    found = identity["apiVersion"], identity["kind"], metadata["name"], metadata.get("namespace", "")
    return Overlay(*found, tuple(patches))


def _target(identity: Mapping[str, Any], *, alone: bool) -> dict[str, str]:
    """What selects exactly one object. Names are regular expressions there; an absent field selects anything."""
    group, _, version = identity["apiVersion"].rpartition("/")
    said = {"group": group, "version": version, "kind": identity["kind"]}
    metadata = {field: re.sub(r"([^A-Za-z0-9-])", r"\\\1", value) for field, value in identity["metadata"].items()}
    # To a selector, an object without a namespace is in `default`.
    metadata = metadata if alone else {"namespace": "default"} | metadata
    return {field: value for field, value in (said | metadata).items() if value}


# Strategic merge patches


def _merge(identity: dict[str, Any], target: dict[str, str], old: Any, new: Any) -> Iterator[Patch]:
    """The patches of an object whose kind kustomize knows. Raises _NoMerge."""
    if (identity["apiVersion"], identity["kind"]) not in BUILT_IN:
        raise _NoMerge
    _must_survive(old)
    moves: list[dict[str, str]] = []
    difference = _difference(old, new, (), moves)
    metadata = identity["metadata"] | difference.pop("metadata", {})
    yield Patch("merge", _document(identity | {"metadata": metadata} | difference))
    if moves:
        yield Patch("order", _operations(moves), target)


def _must_survive(data: Any, field: str = "") -> None:
    """Raises _NoMerge where kustomize, merging anything at all, would lose items of a list that the patch leaves."""
    if isinstance(data, dict):
        for key, value in data.items():
            _must_survive(value, key)
    elif isinstance(data, list):
        if field in MERGE_KEYS and not _are_distinct(data, MERGE_KEYS[field]):
            raise _NoMerge
        if field == "finalizers" and len(data) > len({str(item) for item in data}):
            raise _NoMerge
        for item in data:
            _must_survive(item)


def _are_distinct(items: list[Any], keys: tuple[str, ...]) -> bool:
    """Whether kustomize can tell all items apart, and keeps them.

    It takes two that differ only in a second key for one, where the latter of them lacks it: a port with and without a
    protocol.
    """
    seen: set[tuple[str, ...]] = set()
    for item in items:
        if not isinstance(item, dict) or not all(_is_key(item[key]) for key in keys if key in item):
            return False
        found = tuple(str(item.get(key, "")) for key in keys)
        if not found[0] or found in seen or ("" in found and any(known[0] == found[0] for known in seen)):
            return False
        seen.add(found)
    return True


def _is_key(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and value != ""


def _difference(old: Mapping[str, Any], new: Mapping[str, Any], path: Pointer, moves: list[Any]) -> dict[str, Any]:
    """What merges a mapping into another. Appends to `moves`. Raises _NoMerge."""
    made: dict[str, Any] = {key: None for key in old if key not in new}
    for key, value in new.items():
        if key not in old or not _equal(old[key], value):
            known = old.get(key)
            made[key] = value if known is None else _change(known, value, (*path, key), moves)
    return made


def _change(old: Any, new: Any, path: Pointer, moves: list[Any]) -> Any:
    if isinstance(old, dict) and isinstance(new, dict):
        return _difference(old, new, path, moves)
    if isinstance(old, list) and isinstance(new, list):
        keys = MERGE_KEYS.get(str(path[-1]), ())
        if not keys:
            return new
        if len(keys) > 1 or not (_are_distinct(old, keys) and _are_distinct(new, keys)):
            raise _NoMerge
        return _items(old, new, keys[0], path, moves)
    if isinstance(old, (dict, list)) or isinstance(new, (dict, list)):
        raise _NoMerge
    return new


def _items(old: list[Any], new: list[Any], key: str, path: Pointer, moves: list[Any]) -> list[Any]:
    """The items of a list that kustomize merges: it puts those that a patch names first, in the patch's order."""
    before = {item[key]: item for item in old}
    after = [item[key] for item in new]
    if old and path[-1] in MOVABLE and new[: len(old)] == old:
        added = new[len(old) :]
        place = json_pointer(path)
        moves += [{"op": "move", "from": f"{place}/0", "path": f"{place}/-"} for _ in added]
        return added
    last = max((index for index, item in enumerate(new) if not _equal(before.get(item[key]), item)), default=-1)
    named = []
    for index, item in enumerate(new[: last + 1]):
        known = before.get(item[key])
        changes = item if known is None else _difference(known, item, (*path, index), moves)
        named.append({key: item[key]} | changes)
    gone = [name for name in before if name not in after]
    rest = [name for name in before if name in after[last + 1 :]]
    if rest != after[last + 1 :]:
        raise _NoMerge
    return [*named, *({key: name, DIRECTIVE: "delete"} for name in gone)]


# RFC 6902


def _json(
    identity: dict[str, Any], target: dict[str, str], old: Any, operations: Sequence[Operation]
) -> Iterator[Patch]:
    """The patches of any object: the operations behind tests that all they rely on is where it was."""
    tests = [{"op": "test", "path": path, "value": value} for path, value in _relied_on(old, operations).items()]
    # A target that selects nothing is no error to kustomize; a patch that names its object is one, but it would merge
    # the lists of a kind that kustomize knows, and lose what can't be told apart there.
    if (identity["apiVersion"], identity["kind"]) not in BUILT_IN:
        yield Patch("exists", _document(identity))
    yield Patch("json", _operations([*tests, *to_json(operations)]), target)


def _relied_on(old: Any, operations: Sequence[Operation]) -> dict[str, Any]:
    """What the operations rely on, by its place: the items of lists on their way, and what they replace."""
    items: dict[str, Any] = {}
    fields: dict[str, Any] = {}
    for operation in on_source(operations):
        for depth, step in enumerate(operation.path):
            if isinstance(step, int):
                items |= _order(lookup(old, operation.path[:depth]), json_pointer(operation.path[:depth]))
        if operation.path[-1:] != ("-",):
            fields |= _parts(lookup(old, operation.path), json_pointer(operation.path))
    return items | fields


def _parts(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """What tells whether a value is still the same: itself, or its parts where one is null.

    kustomize's library crashes where it compares two nulls within something.
    """
    if not _has_null(value):
        yield place, value
        return
    for step, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _parts(item, place + json_pointer((step,)))


def _has_null(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(item is None or _has_null(item) for item in items)


def _order(items: list[Any], place: str) -> dict[str, Any]:
    """What tells whether all items of a list are where they were, and how many they are."""
    marks = [_mark(item) for item in items]
    found = {f"{place}/{index}{field}": value for index, (field, value) in enumerate(marks)}
    # kustomize counts -1 from the end: where the last item is like no other, it is still the last.
    if marks.count(marks[-1]) == 1:
        found[f"{place}/-1{marks[-1][0]}"] = marks[-1][1]
    return found


def _mark(item: Any) -> tuple[str, Any]:
    """What identifies an item: its name, or that it has none, or itself."""
    if not isinstance(item, dict):
        return "", item
    field = next((name for name in NAMES if isinstance(item.get(name), str)), "")
    return (f"/{field}", item[field]) if field else ("/name", None)


# What kustomize makes of them


def _applied(data: Any, patch: Any, purpose: str) -> Any:
    if purpose == "exists":
        return data
    if purpose == "merge":
        return _merged(data, _said(patch))
    for operation in patch:
        if operation["op"] == "test" and not _equal(_at(data, operation["path"]), operation["value"]):
            raise RefusedEdit(f"the test of {operation['path']} fails")
    import jsonpatch

    try:
        return jsonpatch.apply_patch(data, [operation for operation in patch if operation["op"] != "test"])
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException) as error:
        raise RefusedEdit(str(error)) from None


def _at(data: Any, path: str) -> Any:
    """The value at a JSON pointer, None where nothing is; -1 is the last item of a list."""
    for step in path.split("/")[1:]:
        if isinstance(data, list):
            index = int(step) if step.removeprefix("-").isdecimal() else len(data)
            data = data[index] if -len(data) <= index < len(data) else None
        else:
            data = data.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(data, dict) else None
    return data


def _merged(old: Any, patch: Any, field: str = "") -> Any:
    """A strategic merge, as kustomize does it with what `_merge` writes."""
    if isinstance(old, dict) and isinstance(patch, dict):
        made = {key: value for key, value in old.items() if key not in patch}
        for key, value in patch.items():
            if value is not None:
                made[key] = _merged(old.get(key), value, key)
        return made
    if isinstance(old, list) and isinstance(patch, list) and field in MERGE_KEYS:
        key = MERGE_KEYS[field][0]
        before = {item[key]: item for item in old}
        named = [_merged(before.get(item[key]), item) for item in patch if DIRECTIVE not in item]
        mentioned = {item[key] for item in patch}
        return [*named, *(item for name, item in before.items() if name not in mentioned)]
    return patch


def _equal(left: Any, right: Any) -> bool:
    """Whether two data are equal, types included, but for the order of keys, which kustomize sorts."""
    return left == right and same(_sorted(left), _sorted(right))


def _sorted(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _sorted(data[key]) for key in sorted(data)}
    return [_sorted(item) for item in data] if isinstance(data, list) else data


# Text


def _document(data: Mapping[str, Any]) -> str:
    lines = [line for key, value in data.items() for line in block(key, value, 0, Style())]
    return "".join(f"{line}\n" for line in lines)


def _operations(operations: Iterable[Mapping[str, Any]]) -> str:
    return "".join(_operation(operation) for operation in operations)


def _operation(operation: Mapping[str, Any]) -> str:
    """One operation, on one line where it fits."""
    line = f"- {flow(operation, FlowStyle())}\n"
    if len(line) <= LONGEST_LINE:
        return line
    lines = [line for key, value in operation.items() for line in block(key, value, 2, Style())]
    return "- " + "".join(f"{line}\n" for line in lines)[2:]


def subject(patch: Any, target: Mapping[str, str] | None) -> tuple[str, str, str, str]:
    """The API version, kind, name and namespace, or "", of the object that a patch of ours is for."""
    if target:
        api_version = "/".join(target[field] for field in ("group", "version") if field in target)
        names = (re.sub(r"\\(.)", r"\1", target.get(field, "")) for field in ("name", "namespace"))
        return (api_version, target["kind"], *names)  # type: ignore[return-value]
    metadata = patch["metadata"]
    return patch["apiVersion"], patch["kind"], metadata["name"], metadata.get("namespace", "")


def holds(resource: Resource, patch: Any) -> bool:
    """Whether an object says already all that a patch, read from its text, would write to it."""
    if isinstance(patch, dict):
        return len(_said(patch)) > 0 and _holds(resource.data, _said(patch))
    writes = [made for made in patch if made["op"] in {"add", "replace"}]
    return bool(writes) and all(_is_written(resource.data, made) for made in writes)


def _said(patch: dict[str, Any]) -> dict[str, Any]:
    """What a strategic merge patch changes, without what names its object."""
    metadata = {key: value for key, value in patch["metadata"].items() if key not in {"name", "namespace"}}
    rest = {key: value for key, value in patch.items() if key not in {"apiVersion", "kind", "metadata"}}
    return rest | ({"metadata": metadata} if metadata else {})


def _is_written(data: Any, operation: Mapping[str, Any]) -> bool:
    place, _, last = operation["path"].rpartition("/")
    if last == "-":
        return operation["value"] in (_at(data, place) or [])
    return _holds(_at(data, operation["path"]), operation["value"])


def _holds(data: Any, said: Any, field: str = "") -> bool:
    if isinstance(said, dict):
        return isinstance(data, dict) and all(_holds(data.get(key), value, key) for key, value in said.items())
    if isinstance(said, list) and field in MERGE_KEYS and isinstance(data, list):
        key = MERGE_KEYS[field][0]
        named = {item.get(key): item for item in data if isinstance(item, dict)}
        return all(_holds(named.get(item[key]), item) for item in said if DIRECTIVE not in item)
    return bool(data == said)
