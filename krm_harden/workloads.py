"""Where pods lie: one table row per kind that makes them.

A row's patterns are paths with `*` for each item of a list. What a row doesn't name, its API doesn't take.
"""

from __future__ import annotations

from krm_harden.defaulting import created
from krm_harden.model import LATEST, Container, Pod, lookup, mapping, walk
from krm_harden.resources import is_pod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.model import Pointer, Resource

POD_LISTS = (
    ("initContainers", "init"),
    ("containers", "container"),
    ("ephemeralContainers", "ephemeral"),
)
"""In the order in which the Pod Security Standard visits them."""


class Shape:
    """How a kind writes a pod.

    `spec` is the pattern of what holds the containers; `containers` are (path within it, role), a path to a list or
    to one container; `context` and `volumes` are paths within it, or absolute ones when they begin with `/`; `context`
    is None where the kind takes no pod-level securityContext. `metadata` is the pod's own, absolute or within `spec`'s
    parent.
    """

    __slots__ = ("containers", "context", "is_plain", "metadata", "spec", "volumes")

    def __init__(
        self,
        spec: str,
        *,
        containers: Sequence[tuple[str, str]] = POD_LISTS,
        context: str | None = "securityContext",
        volumes: str = "volumes",
        metadata: str = "../metadata",
    ) -> None:
        self.spec = tuple(spec.split("/"))
        self.containers = containers
        self.context = context
        self.volumes = volumes
        self.metadata = metadata
        self.is_plain = "*" not in self.spec and not any("/" in path for path, _ in containers)
        """Whether it has one pod spec, right in which its containers lie."""


_TEMPLATE = (Shape("spec/template/spec"),)
_ARGO = (
    ("initContainers", "init"),
    ("container", "container"),
    ("script", "container"),
    ("containerSet/containers", "container"),
    ("sidecars", "sidecar"),
)
_TEKTON = (("steps", "container"), ("sidecars", "sidecar"))


def _argo(root: str) -> tuple[Shape, ...]:
    return (Shape(f"{root}/templates/*", containers=_ARGO, metadata="metadata"),)


WORKLOADS: dict[tuple[str, str], tuple[Shape, ...]] = {
    ("", "Pod"): (Shape("spec"),),
    ("", "PodTemplate"): (Shape("template/spec"),),
    ("", "ReplicationController"): _TEMPLATE,
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): (Shape("spec/jobTemplate/spec/template/spec"),),
    # Removed from servers, still in repositories.
    ("extensions", "Deployment"): _TEMPLATE,
    ("extensions", "DaemonSet"): _TEMPLATE,
    ("extensions", "ReplicaSet"): _TEMPLATE,
    ("argoproj.io", "Rollout"): _TEMPLATE,
    ("argoproj.io", "Workflow"): _argo("spec"),
    ("argoproj.io", "WorkflowTemplate"): _argo("spec"),
    ("argoproj.io", "ClusterWorkflowTemplate"): _argo("spec"),
    ("argoproj.io", "CronWorkflow"): _argo("spec/workflowSpec"),
    # Knative takes pod-level securityContext only behind a feature flag.
    ("serving.knative.dev", "Service"): (Shape("spec/template/spec", context=None),),
    ("serving.knative.dev", "Configuration"): (Shape("spec/template/spec", context=None),),
    ("apps.openshift.io", "DeploymentConfig"): _TEMPLATE,
    # A Task has no pod-level context: its TaskRun has, under podTemplate.
    ("tekton.dev", "Task"): (Shape("spec", containers=_TEKTON, context=None, metadata="/metadata"),),
    ("tekton.dev", "ClusterTask"): (Shape("spec", containers=_TEKTON, context=None, metadata="/metadata"),),
    ("tekton.dev", "TaskRun"): (
        Shape("spec/taskSpec", containers=_TEKTON, context="/spec/podTemplate/securityContext", metadata="/metadata"),
    ),
    ("jobset.x-k8s.io", "JobSet"): (Shape("spec/replicatedJobs/*/template/spec/template/spec"),),
    ("ray.io", "RayCluster"): (
        Shape("spec/headGroupSpec/template/spec"),
        Shape("spec/workerGroupSpecs/*/template/spec"),
    ),
    ("leaderworkerset.x-k8s.io", "LeaderWorkerSet"): (
        Shape("spec/leaderWorkerTemplate/leaderTemplate/spec"),
        Shape("spec/leaderWorkerTemplate/workerTemplate/spec"),
    ),
}

UNSHAPED = {"CustomResourceDefinition", "ConfigMap", "Secret"}
"""Kinds that may hold containers as text or as a schema, and are never looked into."""


def shapes_of(resource: Resource, declared: Mapping[tuple[str, str], tuple[Shape, ...]]) -> tuple[Shape, ...]:
    """The rows of a resource's kind; `declared` are those of the policy."""
    key = (resource.group, resource.kind)
    return WORKLOADS.get(key) or declared.get(key, ())


def is_workload(api_version: str, kind: str, declared: Mapping[tuple[str, str], Any]) -> bool:
    """Whether a kind makes pods; any group counts when the API version is unknown."""
    if api_version:
        key = (api_version.rpartition("/")[0], kind)
        return key in WORKLOADS or key in declared
    return any(kind == known for _, known in (*WORKLOADS, *declared))


def pods(resource: Resource, shapes: Iterable[Shape], server: tuple[int, int] = LATEST) -> Iterator[Pod]:
    """The pods of a resource as a server judges them: a Pod with its defaults, a template without.

    Where a kind's containers lie under other names, what has none makes no pod. Raises nothing: `unreadable` says what
    can't be read.
    """
    is_created = is_pod(resource)
    for shape in shapes:
        for pointer in (shape.spec,) if shape.is_plain else walk(resource.data, shape.spec):
            found = lookup(resource.data, pointer)
            if found is None:
                continue
            pod = _pod(resource, shape, pointer, mapping(found), server)
            if pod.containers or (shape.containers is POD_LISTS and pod.spec is found):
                yield created(pod) if is_created else pod


def created_pods(resource: Resource, shapes: Iterable[Shape], server: tuple[int, int] = LATEST) -> Iterator[Pod]:
    """The pods that come of a resource, as a server judges each of them when it is made."""
    for pod in pods(resource, shapes, server):
        yield created(pod)


def _pod(resource: Resource, shape: Shape, pointer: Pointer, spec: Mapping[str, Any], server: tuple[int, int]) -> Pod:
    data = resource.data
    places = _places(resource.base, shape, pointer)
    context, metadata = places.context, places.metadata
    return Pod(
        resource,
        places.spec_pointer,
        spec,
        tuple(_containers(spec, places.spec_pointer, shape.containers)),
        metadata=mapping(lookup(data, metadata)),
        metadata_pointer=places.metadata_pointer,
        context_pointer=places.context_pointer,
        security_context=mapping(lookup(data, context)) if context is not None else {},
        volumes_pointer=places.volumes_pointer,
        server=server,
    )


class _Places:
    """Where the parts of a pod lie: `context` and `metadata` within its resource, the others in the document."""

    __slots__ = ("context", "context_pointer", "metadata", "metadata_pointer", "spec_pointer", "volumes_pointer")

    def __init__(self, base: Pointer, shape: Shape, pointer: Pointer) -> None:
        self.context = None if shape.context is None else _path(shape.context, pointer)
        self.metadata = _path(shape.metadata, pointer)
        self.spec_pointer = base + pointer
        self.context_pointer = None if self.context is None else base + self.context
        self.metadata_pointer = base + self.metadata
        self.volumes_pointer = base + _path(shape.volumes, pointer)


def _places(base: Pointer, shape: Shape, pointer: Pointer) -> _Places:
    """The same few places in one resource after the other."""
    key = (base, shape, pointer)
    known = _known_places.get(key)
    if known is None:
        known = _Places(base, shape, pointer)
        if len(_known_places) < _MEMORY:
            _known_places[key] = known
    return known


_known_places: dict[tuple[Pointer, Shape, Pointer], _Places] = {}
_MEMORY = 4096


def _path(path: str, spec: Pointer) -> Pointer:
    if path[0] == "/":
        return _steps(path[1:])
    if path.startswith("../"):
        return spec[:-1] + _steps(path[3:])
    return spec + _steps(path)


def _steps(path: str) -> Pointer:
    known = _split.get(path)
    if known is None:
        known = _split[path] = tuple(path.split("/"))
    return known


_split: dict[str, Pointer] = {}
"""The few paths of the table above."""


def _containers(spec: Mapping[str, Any], pointer: Pointer, lists: Sequence[tuple[str, str]]) -> Iterator[Container]:
    for path, role in lists:
        steps = _steps(path)
        found = spec.get(path) if len(steps) == 1 else lookup(spec, steps)
        if found is None:
            continue
        if isinstance(found, dict):
            yield Container(pointer + steps, found, role)
        elif isinstance(found, list):
            for index, item in enumerate(found):
                if isinstance(item, dict):
                    sidecar = role == "init" and item.get("restartPolicy") == "Always"
                    yield Container((*pointer, *steps, index), item, "sidecar" if sidecar else role)


def missing_template(resource: Resource, shapes: Iterable[Shape]) -> str:
    """The first field on the way to a kind's containers that is absent or null; empty when one is there."""
    missing = ""
    for shape in shapes:
        fixed = shape.spec[: shape.spec.index("*")] if "*" in shape.spec else shape.spec
        for depth in range(1, len(fixed) + 1):
            if lookup(resource.data, fixed[:depth]) is None:
                missing = missing or ".".join(fixed[:depth])
                break
        else:
            return ""
    return missing
