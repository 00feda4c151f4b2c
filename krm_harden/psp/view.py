"""A pod template as the admission saw pods, {metadata, spec}, and where each of its places lies in the manifest.

Most kinds write a pod as a Pod does. Argo Workflows and Tekton have its containers elsewhere, and some fields beside.
"""

from __future__ import annotations

from krm_harden.model import lookup, mapping, sequence, text
from krm_harden.psp.created import claims_of, of_claim
from krm_harden.workloads import POD_LISTS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.model import Container, Pod, Pointer

_LISTS = tuple(name for name, _ in POD_LISTS)
_OF_ROLE = {"init": "initContainers", "ephemeral": "ephemeralContainers"}
_BESIDE = (
    "automountServiceAccountToken",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "runtimeClassName",
    "serviceAccountName",
)
"""What Argo and Tekton say of pods outside of what holds the containers."""
_WHERE = {
    ("tekton.dev", "TaskRun"): (("spec",), ("spec", "podTemplate")),
    ("argoproj.io", "Workflow"): (("spec",),),
    ("argoproj.io", "WorkflowTemplate"): (("spec",),),
    ("argoproj.io", "ClusterWorkflowTemplate"): (("spec",),),
    ("argoproj.io", "CronWorkflow"): (("spec", "workflowSpec"),),
}
"""Where such fields lie, by kind."""
_WRITABLE = {("tekton.dev", "TaskRun"): {"runtimeClassName": ("spec", "podTemplate", "runtimeClassName")}}
"""Fields of a pod beside its containers that such a kind takes, where there are none yet."""


class View:
    """`data` is {metadata, spec}; a place in it is a place of the document.

    `pointer` finds what is there, `writable` what may be written, None where the kind has no such field.
    """

    __slots__ = ("_containers", "_known", "_pod", "data", "is_plain")

    def __init__(self, pod: Pod) -> None:
        self._pod = pod
        self._known: dict[Pointer, Pointer] = {("metadata",): pod.metadata_pointer, ("spec",): pod.spec_pointer}
        self._containers: dict[tuple[str, int], int] = {}
        self.is_plain = _is_plain(pod)
        """Whether it is written as a Pod writes it, pod-level securityContext included."""
        self.data: Mapping[str, Any] = {"metadata": pod.metadata, "spec": self._spec()}

    def _spec(self) -> dict[str, Any]:
        pod = self._pod
        base = len(pod.resource.base)
        spec = dict(mapping(lookup(pod.resource.data, pod.spec_pointer[base:])))
        if not self.is_plain:
            # What stands there under these names isn't a pod's.
            for name in (*_LISTS, "securityContext", "volumes"):
                spec.pop(name, None)
            for name, pointer in self._fields_beside():
                if spec.get(name) is None:
                    spec[name] = lookup(pod.resource.data, pointer)
                    self._known["spec", name] = pod.resource.base + pointer
            self._add_volumes(spec)
            if pod.context_pointer is not None:
                self._add_context(spec, pod.context_pointer)
        self._add_claims(spec)
        for name in _LISTS:
            spec.pop(name, None)
        for index, container in enumerate(pod.containers):
            name = _list_of(container)
            found = spec.setdefault(name, [])
            place = (name, len(found))
            found.append(lookup(pod.resource.data, container.pointer[base:]))
            self._containers[place] = index
            self._known["spec", name, place[1]] = container.pointer
        return spec

    def _fields_beside(self) -> Iterator[tuple[str, Pointer]]:
        resource = self._pod.resource
        for where in _WHERE.get((resource.group, resource.kind), ()):
            for name in _BESIDE:
                if lookup(resource.data, (*where, name)) is not None:
                    yield name, (*where, name)

    def _add_volumes(self, spec: dict[str, Any]) -> None:
        """The volumes of what holds the containers, then those of the whole: its pods have both."""
        resource = self._pod.resource
        base = len(resource.base)
        wheres = [self._pod.volumes_pointer[base:]]
        wheres += [(*where, "volumes") for where in _WHERE.get((resource.group, resource.kind), ())]
        found: list[Any] = []
        for where in dict.fromkeys(wheres):
            for index, volume in enumerate(sequence(lookup(resource.data, where))):
                self._known["spec", "volumes", len(found)] = (*resource.base, *where, index)
                found.append(volume)
        if found:
            spec["volumes"] = found

    def _add_claims(self, spec: dict[str, Any]) -> None:
        """The volumes that a controller makes of claims, in the places of those of their names, behind the others."""
        resource = self._pod.resource
        claims = claims_of(resource)
        if not claims:
            return
        places: list[tuple[Pointer, Any]] = [
            ((*self._pod.volumes_pointer, index), volume)
            for index, volume in enumerate(sequence(spec.get("volumes")))
            if text(mapping(volume).get("name")) not in claims
        ]
        claimed = (*resource.base, "spec", "volumeClaimTemplates")
        places += [((*claimed, index), of_claim(name)) for index, name in enumerate(claims)]
        for index, (pointer, _) in enumerate(places):
            self._known["spec", "volumes", index] = pointer
        spec["volumes"] = [volume for _, volume in places]

    def _add_context(self, spec: dict[str, Any], context: Pointer) -> None:
        resource = self._pod.resource
        own = lookup(resource.data, context[len(resource.base) :])
        wheres = [(*where, "securityContext") for where in _WHERE.get((resource.group, resource.kind), ())]
        shared = next(((where, found) for where in wheres if (found := lookup(resource.data, where))), None)
        self._known["spec", "securityContext"] = context
        if own is not None:
            spec["securityContext"] = own
        elif shared:
            # Argo takes the workflow's as a whole, where the template has none.
            spec["securityContext"] = shared[1]
            self._known["spec", "securityContext"] = resource.base + shared[0]

    def container(self, place: tuple[str, int] | None) -> int:
        """The index in `pod.containers` of a list of the pod's spec and an index there; -1 for the pod itself."""
        return -1 if place is None else self._containers.get(place, -1)

    def pointer(self, place: Pointer) -> Pointer:
        """Where something lies in the document."""
        for depth in range(len(place), 0, -1):
            known = self._known.get(place[:depth])
            if known is not None:
                return known + place[depth:]
        return self._pod.spec_pointer

    def writable(self, place: Pointer) -> Pointer | None:
        """Where a field may be written, None where its kind takes none there."""
        if self.is_plain or place[0] == "metadata":
            return self.pointer(place)
        if place[:2] == ("spec", "securityContext"):
            return None if self._pod.context_pointer is None else self.pointer(place)
        if place[1] in _LISTS:
            return self.pointer(place)
        resource = self._pod.resource
        found = _WRITABLE.get((resource.group, resource.kind), {}).get(str(place[1]))
        return None if found is None else resource.base + found


def _is_plain(pod: Pod) -> bool:
    spec = pod.spec_pointer
    own = pod.context_pointer == (*spec, "securityContext") and pod.volumes_pointer == (*spec, "volumes")
    return (
        own
        and all(container.pointer[:-2] == spec and container.pointer[-2] in _LISTS for container in pod.containers)
        and not _is_argo(pod)
    )


def _is_argo(pod: Pod) -> bool:
    return (pod.resource.group, pod.resource.kind) in _WHERE


def _list_of(container: Container) -> str:
    if container.pointer[-2] in _LISTS:
        return str(container.pointer[-2])
    return _OF_ROLE.get(container.role, "containers")
