"""The fields that are read, and the types that the API gives them.

Where a control writes a boolean itself, a word such as `"yes"` is readable too: kustomize makes strings of YAML's older
booleans. It counts as unset, and is replaced.
"""

from __future__ import annotations

from krm_harden.model import ALLOWED_SOURCES, APP_ARMOR_ANNOTATION, RESTRICTED_SOURCES, lookup, mapping, walk
from krm_harden.scalars import truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.model import Pod, Pointer, Resource
    from krm_harden.workloads import Shape

_MAP, _LIST, _TEXT, _BOOL, _NUMBER = dict, list, str, bool, int
_WORD = "true or false"
_SCALAR = "a string"
_NAMES = {dict: "a mapping", list: "a list", str: "a string", bool: _WORD, int: "a number"}

_INT64 = range(-(2**63), 2**63)
PROFILE_ANNOTATIONS = (
    APP_ARMOR_ANNOTATION,
    "container.seccomp.security.alpha.kubernetes.io/",
    "seccomp.security.alpha",
)
"""The annotations that are read: of these a number or a boolean isn't a string."""
METADATA: dict[str, Any] = {
    "name": _TEXT,
    "namespace": _TEXT,
    "labels": {"*": _SCALAR},
    "annotations": {"*": _SCALAR},
    "ownerReferences": _LIST,
}
_BOTH: dict[str, Any] = {
    "runAsUser": _NUMBER,
    "runAsGroup": _NUMBER,
    "runAsNonRoot": _WORD,
    "seccompProfile": {"type": _TEXT, "localhostProfile": _TEXT},
    "appArmorProfile": {"type": _TEXT, "localhostProfile": _TEXT},
    "seLinuxOptions": {"type": _TEXT, "user": _TEXT, "role": _TEXT, "level": _TEXT},
    "windowsOptions": {"hostProcess": _BOOL},
}
"""What a securityContext holds in pods and in containers."""
_HANDLER: dict[str, Any] = {"httpGet": {"host": _TEXT}, "tcpSocket": {"host": _TEXT}}
_SOURCES = (*ALLOWED_SOURCES, *RESTRICTED_SOURCES)
POD: dict[str, Any] = {
    "securityContext": _BOTH
    | {"sysctls": [{"name": _TEXT, "value": _TEXT}], "fsGroup": _NUMBER, "supplementalGroups": [_NUMBER]},
    "os": {"name": _TEXT},
    "nodeSelector": _MAP,
    "hostUsers": _BOOL,
    "hostNetwork": _BOOL,
    "hostPID": _BOOL,
    "hostIPC": _BOOL,
    "volumes": [{"name": _TEXT} | dict.fromkeys(_SOURCES, _MAP)],
}
CONTAINER: dict[str, Any] = {
    "name": _TEXT,
    "image": _TEXT,
    "command": [_TEXT],
    "args": [_TEXT],
    "ports": [{"hostPort": _NUMBER, "containerPort": _NUMBER}],
    "restartPolicy": _TEXT,
    "volumeMounts": [{"name": _TEXT, "mountPath": _TEXT, "readOnly": _BOOL}],
    "volumeDevices": [{"devicePath": _TEXT}],
    "securityContext": _BOTH
    | {
        "allowPrivilegeEscalation": _WORD,
        "readOnlyRootFilesystem": _WORD,
        "privileged": _BOOL,
        "capabilities": {"add": [_TEXT], "drop": [_TEXT]},
        "procMount": _TEXT,
    },
    "livenessProbe": _HANDLER,
    "readinessProbe": _HANDLER,
    "startupProbe": _HANDLER,
    "lifecycle": {"postStart": _HANDLER, "preStop": _HANDLER},
}


def wrong_types(data: Any, expected: Any, pointer: Pointer) -> list[tuple[Pointer, str]]:
    """Each place whose value the API couldn't decode, and what it should be. Null counts as unset."""
    found: list[tuple[Pointer, str]] = []
    _collect(data, expected, pointer, found)
    return found


def _collect(data: Any, expected: Any, pointer: Pointer, found: list[tuple[Pointer, str]]) -> None:
    if data is None:
        return
    if expected is _WORD or expected is _SCALAR:
        if isinstance(data, (dict, list)) or (expected is _WORD and truth(data) is None):
            found.append((pointer, expected))
        return
    kind: Any = expected if isinstance(expected, type) else type(expected)
    if not isinstance(data, kind) or (kind is _NUMBER and (isinstance(data, bool) or data not in _INT64)):
        found.append((pointer, _NAMES[kind]))
    elif isinstance(expected, dict):
        _collect_keys(data, expected, pointer, found)
    elif isinstance(expected, list):
        for index, item in enumerate(data):
            if item is None and expected[0] is _MAP:
                found.append(((*pointer, index), _NAMES[_MAP]))
            if expected[0] is not _TEXT or not isinstance(item, str):
                _collect(item, expected[0], (*pointer, index), found)


def _collect_keys(
    data: Mapping[str, Any], expected: Mapping[str, Any], pointer: Pointer, found: list[tuple[Pointer, str]]
) -> None:
    every = expected.get("*")
    for name, value in data.items():
        inner = expected.get(name, every)
        if inner is None or (value.__class__ is str and (inner is _TEXT or inner is _SCALAR)):
            continue
        if value.__class__ is dict and inner.__class__ is dict:
            _collect_keys(value, inner, (*pointer, name), found)
        # A map or a boolean of which nothing more is asked is right by its class alone.
        elif value.__class__ is not inner or inner is _NUMBER:
            _collect(value, inner, (*pointer, name), found)


def unreadable(resource: Resource, shapes: Iterable[Shape], pods: Iterable[Pod]) -> Iterator[tuple[Pointer, str]]:
    """Each place in a resource that the API couldn't decode, and what it should be."""
    return iter(()) if _is_readable(resource, shapes, pods) else _unreadable(resource, shapes, pods)


def _is_readable(resource: Resource, shapes: Iterable[Shape], pods: Iterable[Pod]) -> bool:
    """Whether there is certainly no such place: nearly always. Where it is hard to tell, it isn't certain."""
    data = resource.data
    if not _is_right(data.get("metadata"), METADATA):
        return False
    for shape in shapes:
        spec = lookup(data, shape.spec) if shape.is_plain else None
        if spec.__class__ is not dict:
            return False
        for path, _ in shape.containers:
            if path in spec and not _is_list_of_maps(spec[path]):
                return False
    return all(_is_pod_right(pod, resource) for pod in pods)


def _is_pod_right(pod: Pod, resource: Resource) -> bool:
    # What is empty may be what isn't a mapping.
    metadata = pod.metadata or lookup(resource.data, pod.metadata_pointer[len(resource.base) :])
    if not _is_right(metadata, METADATA) or not _is_right(pod.spec, POD):
        return False
    for value in pod.annotations.values():
        if value.__class__ is not str:
            return False
    if pod.context_pointer is not None and pod.context_pointer[:-1] != pod.spec_pointer:
        return False
    return all(_is_right(container.data, CONTAINER) for container in pod.containers)


def _is_list_of_maps(value: Any) -> bool:
    return value is None or (value.__class__ is list and _are_right(value, _MAP))


def _is_right(data: Any, expected: Mapping[str, Any]) -> bool:  # noqa: C901 - once for every field that is read
    """Whether `wrong_types` certainly finds nothing in a mapping, where a value is of the class that is expected."""
    if data.__class__ is not dict:
        return data is None
    every = expected.get("*")
    for name, value in data.items():
        inner = expected.get(name, every)
        kind = value.__class__
        if inner is None or value is None or (kind is str and (inner is _TEXT or inner is _SCALAR)):
            continue
        if kind is inner:
            if kind is _NUMBER and value not in _INT64:
                return False
        elif inner.__class__ is dict:
            if not _is_right(value, inner):
                return False
        elif inner.__class__ is list and kind is list:
            if not _are_right(value, inner[0]):
                return False
        elif not (inner is _WORD and kind is bool):
            return False
    return True


def _are_right(items: Sequence[Any], expected: Any) -> bool:
    """The same for each item of a list."""
    is_mapping = expected.__class__ is dict
    for item in items:
        if is_mapping:
            if item is None or not _is_right(item, expected):
                return False
        elif item.__class__ is not expected or (expected is _NUMBER and item not in _INT64):
            return False
    return True


def _unreadable(resource: Resource, shapes: Iterable[Shape], pods: Iterable[Pod]) -> Iterator[tuple[Pointer, str]]:
    base = resource.base
    yield from wrong_types(resource.data.get("metadata"), METADATA, (*base, "metadata"))
    for shape in shapes:
        found = [(pointer, lookup(resource.data, pointer)) for pointer in walk(resource.data, shape.spec)]
        if "*" in shape.spec or not any(isinstance(spec, dict) for _, spec in found):
            yield from _along(resource.data, shape.spec, base)
        for pointer, spec in found:
            yield from _containers(mapping(spec), base + pointer, shape.containers)
    for pod in pods:
        metadata = lookup(resource.data, pod.metadata_pointer[len(base) :])
        yield from wrong_types(metadata, METADATA, pod.metadata_pointer)
        for key, value in pod.annotations.items():
            if key.startswith(PROFILE_ANNOTATIONS):
                yield from wrong_types(value, _TEXT, (*pod.metadata_pointer, "annotations", key))
        yield from wrong_types(pod.spec, POD, pod.spec_pointer)
        if pod.context_pointer is not None and pod.context_pointer[:-1] != pod.spec_pointer:
            context = lookup(resource.data, pod.context_pointer[len(base) :])
            yield from wrong_types(context, POD["securityContext"], pod.context_pointer)
        for container in pod.containers:
            yield from wrong_types(container.data, CONTAINER, container.pointer)


def _containers(
    spec: Mapping[str, Any], pointer: Pointer, paths: Iterable[tuple[str, str]]
) -> Iterator[tuple[Pointer, str]]:
    """Lists of containers are lists of mappings; Argo's `container` and `script` are one mapping each."""
    for path, _ in paths:
        steps = tuple(path.split("/"))
        found = lookup(spec, steps)
        if found is not None:
            yield from wrong_types(found, [_MAP] if path.endswith("s") else _MAP, pointer + steps)


def _along(data: Any, pattern: Sequence[str], pointer: Pointer) -> Iterator[tuple[Pointer, str]]:
    """Places on the way to a pod spec that aren't what the kind's API has there."""
    if data is None:
        return
    wants_list = pattern[:1] == ("*",)
    kind: Any = list if wants_list else dict
    if not isinstance(data, kind):
        yield pointer, _NAMES[kind]
    elif wants_list:
        for index, item in enumerate(data):
            yield from _along(item, pattern[1:], (*pointer, index))
    elif pattern:
        yield from _along(data.get(pattern[0]), pattern[1:], (*pointer, pattern[0]))
