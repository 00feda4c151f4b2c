"""The fields that are read, and the types that the API gives them.

What a control writes itself (`runAsNonRoot`, `runAsUser`, ...) isn't here: there a value of a wrong type counts as
unset and is replaced.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.model import Pod, Pointer, Resource

_MAP, _LIST, _TEXT, _BOOL = dict, list, str, bool
_NAMES = {dict: "a mapping", list: "a list", str: "a string", bool: "true or false", int: "a number"}

METADATA: dict[str, Any] = {"name": _TEXT, "namespace": _TEXT, "labels": _MAP, "annotations": _MAP, "ownerReferences": _LIST}
POD: dict[str, Any] = {
    "securityContext": {"seccompProfile": {"type": _TEXT}},
    "os": {"name": _TEXT},
    "nodeSelector": _MAP,
    "hostUsers": _BOOL,
    "volumes": [{"name": _TEXT}],
}
CONTAINER: dict[str, Any] = {
    "name": _TEXT,
    "image": _TEXT,
    "command": [_TEXT],
    "args": [_TEXT],
    "ports": [_MAP],
    "restartPolicy": _TEXT,
    "volumeMounts": [{"name": _TEXT, "mountPath": _TEXT, "readOnly": _BOOL}],
    "volumeDevices": [{"devicePath": _TEXT}],
    "securityContext": {
        "privileged": _BOOL,
        "capabilities": {"add": [_TEXT], "drop": [_TEXT]},
        "seccompProfile": {"type": _TEXT},
    },
}


def wrong_types(data: Any, expected: Any, pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    """Each place whose value the API couldn't decode, and what it should be. Null counts as unset."""
    if data is None:
        return
    kind = expected if isinstance(expected, type) else type(expected)
    if not isinstance(data, kind):
        yield pointer, _NAMES[kind]
    elif isinstance(expected, dict):
        for name, inner in expected.items():
            if name in data:
                yield from wrong_types(data[name], inner, (*pointer, name))
    elif isinstance(expected, list):
        for index, item in enumerate(data):
            yield from wrong_types(item, expected[0], (*pointer, index))


def unreadable_metadata(resource: Resource) -> Iterator[tuple[Pointer, str]]:
    yield from wrong_types(resource.data.get("metadata"), METADATA, (*resource.base, "metadata"))


def unreadable_template(resource: Resource, patterns: list[tuple[str, ...]]) -> Iterator[tuple[Pointer, str]]:
    """Places on the way to a pod spec that aren't what the kind's API has there."""
    for pattern in patterns:
        yield from _along(resource.data, pattern, resource.base)


def _along(data: Any, pattern: tuple[str, ...], pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    if data is None:
        return
    kind = list if pattern[:1] == ("*",) else dict
    if not isinstance(data, kind):
        yield pointer, _NAMES[kind]
    elif kind is list:
        for index, item in enumerate(data):
            yield from _along(item, pattern[1:], (*pointer, index))
    elif pattern:
        yield from _along(data.get(pattern[0]), pattern[1:], (*pointer, pattern[0]))


def unreadable_containers(spec: Mapping[str, Any], pointer: Pointer, lists: list[str]) -> Iterator[tuple[Pointer, str]]:
    for name in lists:
        found = spec.get(name)
        if found is not None and not isinstance(found, list):
            yield (*pointer, name), "a list"
        for index, item in enumerate(found if isinstance(found, list) else ()):
            if not isinstance(item, dict):
                yield (*pointer, name, index), "a mapping"


def unreadable(pod: Pod) -> Iterator[tuple[Pointer, str]]:
    """Places in a pod that the API couldn't decode."""
    yield from wrong_types(pod.spec, POD, pod.spec_pointer)
    for container in pod.containers:
        yield from wrong_types(container.data, CONTAINER, container.pointer)
