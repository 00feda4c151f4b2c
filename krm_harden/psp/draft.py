"""A pod with the changes of a policy so far: what the fields of a policy look at."""

from __future__ import annotations

from krm_harden.model import mapping, sequence, text
from krm_harden.psp.ranges import Within, of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from krm_harden.model import Operation, Pointer

CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
"""In the order in which the admission visits them."""


class ContainerDraft:
    """One container: `at` is its list and index, `path` how the admission names it: `spec.containers[0]`."""

    __slots__ = ("_given", "at", "data", "name", "path", "pointer")

    def __init__(self, at: tuple[str, int], given: Mapping[str, Any], data: dict[str, Any]) -> None:
        self.at = at
        self._given = mapping(given.get("securityContext")).get("capabilities")
        self.data = data
        self.name = text(data.get("name"))
        self.path = f"spec.{at[0]}[{at[1]}]"
        self.pointer: Pointer = ("spec", *at)

    @property
    def context(self) -> Mapping[str, Any]:
        return mapping(self.data.get("securityContext"))

    def listed(self, kind: str) -> Sequence[Any]:
        """Its capabilities under `add` or `drop`."""
        return sequence(mapping(self.context.get("capabilities")).get(kind))

    @property
    def has_new_capabilities(self) -> bool:
        return bool(self.context.get("capabilities") != self._given)


class PodDraft:
    """A pod {metadata, spec}, copied where a policy may write. `server` is the API server that will read the result."""

    __slots__ = ("_mounts", "_within", "containers", "data", "server")

    def __init__(self, pod: Mapping[str, Any], server: tuple[int, int]) -> None:
        self.server = server
        self._within: dict[int, Within] = {}
        self._mounts: dict[str, list[tuple[ContainerDraft, int, bool]]] | None = None
        metadata = _copied(pod.get("metadata"), "annotations")
        spec = _copied(pod.get("spec"), "securityContext")
        found = []
        for name in CONTAINER_LISTS:
            if name in spec:
                given = [mapping(item) for item in sequence(spec[name])]
                spec[name] = [_container(item) for item in given]
                found += [
                    ContainerDraft((name, index), item, copy)
                    for index, (item, copy) in enumerate(zip(given, spec[name], strict=True))
                ]
        self.containers = tuple(found)
        self.data: dict[str, Any] = {"metadata": metadata, "spec": spec}

    @property
    def annotations(self) -> Mapping[str, Any]:
        return mapping(self.data["metadata"].get("annotations"))

    @property
    def spec(self) -> Mapping[str, Any]:
        return mapping(self.data["spec"])

    @property
    def context(self) -> Mapping[str, Any]:
        return mapping(self.spec.get("securityContext"))

    def effective(self, container: ContainerDraft, name: str) -> Any:
        """What holds for a container: its own value over the pod's, null as unset."""
        own = container.context.get(name)
        return self.context.get(name) if own is None else own

    def place(self, container: ContainerDraft, name: str) -> Pointer:
        """Where what holds for a container stands: at the pod only where the pod's own holds."""
        at_pod = container.context.get(name) is None and self.context.get(name) is not None
        return ("spec", "securityContext", name) if at_pod else (*container.pointer, "securityContext", name)

    def within(self, ranges: Any) -> Within:
        """The numbers of a policy's ranges, looked at once for all containers."""
        found = self._within.get(id(ranges))
        if found is None:
            found = self._within[id(ranges)] = Within(of(ranges))
        return found

    def mounts(self, volume: str) -> Sequence[tuple[ContainerDraft, int, bool]]:
        """The mounts of a volume: container, index, and whether it is read-only."""
        if self._mounts is None:
            self._mounts = {}
            for container in self.containers:
                for index, mount in enumerate(map(mapping, sequence(container.data.get("volumeMounts")))):
                    found = (container, index, mount.get("readOnly") is True)
                    self._mounts.setdefault(text(mount.get("name")), []).append(found)
        return self._mounts.get(volume, ())

    def apply(self, operation: Operation) -> None:
        """An operation that adds: its parents are made where they are missing, `-` appends to a list."""
        node: Any = self.data
        *above, last = operation.path
        for step, following in zip(above, operation.path[1:], strict=True):
            kind = list if following == "-" or isinstance(following, int) else dict
            if not isinstance(step, int) and not isinstance(node.get(step), kind):
                node[step] = kind()
            node = node[step]
        if last == "-":
            node.append(operation.value)
        else:
            node[last] = operation.value


def _copied(value: object, *within: str) -> dict[str, Any]:
    """A mapping's copy, with copies of the mappings under some names."""
    made = dict(mapping(value))
    for name in within:
        if isinstance(made.get(name), dict):
            made[name] = dict(made[name])
    return made


def _container(value: object) -> dict[str, Any]:
    made = _copied(value, "securityContext")
    context = mapping(made.get("securityContext"))
    if isinstance(context.get("capabilities"), dict):
        capabilities = dict(context["capabilities"])
        for kind in ("add", "drop"):
            if isinstance(capabilities.get(kind), list):
                capabilities[kind] = list(capabilities[kind])
        made["securityContext"]["capabilities"] = capabilities
    return made


def number(value: object) -> int | None:
    """A number as the API decodes it; anything else counts as unset."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None
