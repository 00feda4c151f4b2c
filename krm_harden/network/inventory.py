"""The workloads, Services and other objects of some manifests, by namespace and name."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from krm_harden.model import mapping, sequence, text
from krm_harden.network.mentions import address
from krm_harden.network.model import NAMESPACE_LABEL, TCP, Remark, Service, ServicePort, Thing, Workload
from krm_harden.resources import is_local, is_patch, owners
from krm_harden.workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.model import Pod, Resource

VOLATILE = {
    "helm.sh/chart",
    "app.kubernetes.io/version",
    "pod-template-hash",
    "controller-revision-hash",
    "pod-template-generation",
}
"""Labels that change from release to release: no selector may rest on them."""
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
JOB_NAME_LABELS = ("batch.kubernetes.io/job-name", "job-name")
ADDED_LABELS = {POD_NAME_LABEL, *JOB_NAME_LABELS}
"""Labels that controllers put on their pods."""
PLAIN_SELECTORS = {"ReplicationController", "DeploymentConfig"}
"""Kinds whose `spec.selector` is a mapping of labels."""


@dataclass(frozen=True)
class Inventory:
    """`workloads` and `services` are in the order of the input; `things` are all objects, by group and kind.

    `behind` are the workloads that each Service selects: where none of the input is, the pods of its selector.
    `addresses` are those that Services have in a cluster, where the input comes from one; `spaces` are the Namespaces.
    """

    things: Mapping[tuple[str, str], tuple[Thing, ...]]
    workloads: tuple[Workload, ...]
    services: Mapping[tuple[str, str], Service]
    behind: Mapping[tuple[str, str], tuple[Workload, ...]]
    texts: Mapping[tuple[str, str, str], Thing]
    addresses: Mapping[str, Service]
    spaces: Mapping[str, Thing]
    remarks: tuple[Remark, ...]

    def of_kind(self, *keys: tuple[str, str]) -> Iterator[Thing]:
        for key in keys:
            yield from self.things.get(key, ())

    def data(self, kind: str, namespace: str, name: str) -> tuple[Thing, Mapping[str, str]] | None:
        """A ConfigMap or Secret, and its texts by their keys."""
        thing = self.texts.get((kind, namespace, name))
        return None if thing is None else (thing, _texts(thing.resource))

    def namespaces(self) -> list[str]:
        """The namespaces in which there is a workload or a Service, sorted."""
        spaces = {one.namespace for one in self.workloads}
        return sorted(spaces | {one.namespace for one in self.services.values()})

    def namespace_labels(self, name: str) -> Mapping[str, str]:
        thing = self.spaces.get(name)
        labels = labels_of(thing.resource.metadata) if thing else {}
        return {**labels, NAMESPACE_LABEL: name} if name else {}

    def selected(self, service: Service) -> tuple[Workload, ...]:
        """The workloads that stand behind a Service, none where it has no selector."""
        return self.behind.get((service.namespace, service.name), ())


def take(
    things: Iterable[Thing], pods_of: Callable[[Resource], Sequence[Pod]], *, directives: bool = True
) -> Inventory:
    """What some objects are.

    Patches, objects that never reach a cluster and those that a workload's controller makes are left out. Of two
    objects of one name the later counts, as when they are applied.
    """
    remarks: list[Remark] = []
    kept: dict[tuple[str, str, str, str], tuple[Thing, Sequence[Pod]]] = {}
    for number, thing in enumerate(things):
        resource = thing.resource
        pods = pods_of(resource)
        if is_local(resource) or _is_made(resource) or is_patch(resource, pods, directives=directives):
            continue
        # What a server gives a name of its own is never the same twice.
        name = text(resource.metadata.get("name")) or str(number)
        key = (resource.group, resource.kind, thing.namespace, name)
        if key in kept and (pods or resource.kind == "Service"):
            words = f"{thing.title} stands at {kept[key][0].place()} too: the later one counts"
            remarks.append(Remark("warning", words, str(thing.place())))
        kept[key] = (thing, pods)
    by_kind: dict[tuple[str, str], list[Thing]] = {}
    for (group, kind, _, _), (thing, _) in kept.items():
        by_kind.setdefault((group, kind), []).append(thing)
    workloads = tuple(_exact([one for thing, pods in kept.values() for one in _workloads(thing, pods)], remarks))
    services = {(thing.namespace, thing.resource.name): _service(thing) for thing in by_kind.get(("", "Service"), ())}
    return Inventory(
        {key: tuple(found) for key, found in by_kind.items()},
        workloads,
        services,
        _behind(services.values(), workloads),
        {
            (kind, thing.namespace, thing.resource.name): thing
            for kind in ("ConfigMap", "Secret")
            for thing in by_kind.get(("", kind), ())
        },
        {address: service for service in services.values() for address in _addresses(service)},
        {thing.resource.name: thing for thing in by_kind.get(("", "Namespace"), ())},
        tuple(remarks),
    )


def _addresses(service: Service) -> Iterator[str]:
    spec = mapping(service.thing.resource.data.get("spec"))
    for said in (spec.get("clusterIP"), *sequence(spec.get("clusterIPs"))):
        if isinstance(said, str) and ("." in said or ":" in said):
            yield address(said) or said


def _behind(services: Iterable[Service], workloads: Sequence[Workload]) -> dict[tuple[str, str], tuple[Workload, ...]]:
    by_label = _by_label(workloads)
    found = {}
    for service in services:
        if service.selector:
            wanted = {key: value for key, value in service.selector.items() if key not in ADDED_LABELS}
            among = _candidates(service.namespace, wanted, by_label)
            if among is None:
                among = [one for one in workloads if one.namespace == service.namespace]
            selected = [one for one in among if _selects(service.selector, _as_pods(one, service.selector))]
            found[service.namespace, service.name] = tuple(selected) or (_unseen(service),)
    return found


def _by_label(workloads: Iterable[Workload]) -> dict[tuple[str, str, str], list[Workload]]:
    """The workloads of each namespace by each of their labels: asking each about each other is quadratic."""
    found: dict[tuple[str, str, str], list[Workload]] = {}
    for one in workloads:
        for key, value in one.labels.items():
            found.setdefault((one.namespace, key, value), []).append(one)
    return found


def _candidates(
    namespace: str, wanted: Mapping[str, Any], by_label: Mapping[tuple[str, str, str], list[Workload]]
) -> list[Workload] | None:
    """The workloads with the rarest of some labels; None where no label is wanted."""
    lists = [by_label.get((namespace, key, value), []) for key, value in wanted.items()]
    return min(lists, key=len) if lists else None


def _unseen(service: Service) -> Workload:
    """The pods that a Service selects and that no manifest shows: an operator makes them, or somebody else."""
    return Workload(service.thing, service.name, service.selector, {"matchLabels": dict(service.selector)})


_MAKERS = {kind for _, kind in WORKLOADS}


def _is_made(resource: Resource) -> bool:
    """Whether a workload's controller made it: a ReplicaSet of a Deployment, a Pod of that."""
    return any(kind in _MAKERS for kind, _ in owners(resource))


def labels_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The labels of an object as strings; what isn't one is no label to a server."""
    return {str(key): value for key, value in mapping(metadata.get("labels")).items() if isinstance(value, str)}


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector selects labels (apimachinery's metav1.LabelSelectorAsSelector)."""
    wanted = mapping(selector.get("matchLabels"))
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    return all(_meets(mapping(one), labels) for one in sequence(selector.get("matchExpressions")))


def _meets(expression: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    value = labels.get(text(expression.get("key")))
    operator, values = expression.get("operator"), sequence(expression.get("values"))
    if operator == "In":
        return value is not None and value in values
    if operator == "NotIn":
        return value is None or value not in values
    return operator == ("DoesNotExist" if value is None else "Exists")


def _workloads(thing: Thing, pods: Sequence[Pod]) -> Iterator[Workload]:
    for index, pod in enumerate(pods):
        resource = thing.resource
        labels = labels_of(pod.metadata)
        yield Workload(
            thing,
            resource.name if index == 0 else f"{resource.name}-{index}",
            labels,
            _selector(resource, labels, alone=len(pods) == 1),
            pod,
            tuple(_ports(pod)),
            pod.spec.get("hostNetwork") is True,
        )


def _ports(pod: Pod) -> Iterator[tuple[str, int, str]]:
    """Those that a Service may name: of containers that keep running."""
    for container in pod.containers:
        if container.role in {"init", "ephemeral"}:
            continue
        for port in sequence(container.data.get("ports")):
            number = mapping(port).get("containerPort")
            if isinstance(number, int):
                yield text(port.get("name")), number, text(port.get("protocol")) or TCP


def _selector(resource: Resource, labels: Mapping[str, str], *, alone: bool) -> Mapping[str, Any] | None:
    """The LabelSelector of a workload's pods: its own, which never changes, else their lasting labels."""
    said = mapping(mapping(resource.data.get("spec")).get("selector"))
    if resource.kind in PLAIN_SELECTORS:
        said = {"matchLabels": said} if said else {}
    is_selector = said.keys() <= {"matchLabels", "matchExpressions"}
    if alone and said and is_selector and any(said.values()) and matches(said, labels):
        return {key: value for key, value in said.items() if value}
    return _by_labels(resource, labels)


def _by_labels(resource: Resource, labels: Mapping[str, str]) -> Mapping[str, Any] | None:
    lasting = {key: value for key, value in labels.items() if key not in VOLATILE} or labels
    if lasting:
        return {"matchLabels": dict(lasting)}
    if (resource.group, resource.kind) == ("batch", "Job") and text(resource.metadata.get("name")):
        # The Job's controller puts it on each of its pods.
        return {"matchLabels": {JOB_NAME_LABELS[0]: resource.name}}
    return None


def _exact(workloads: Sequence[Workload], remarks: list[Remark]) -> Iterator[Workload]:
    """Each with a selector that finds no other's pods, where there is one; else a remark says whom it finds too."""
    by_label = _by_label(workloads)
    for one in workloads:
        selector = one.selector
        if selector is not None and (others := _others(one, selector, workloads, by_label)):
            lasting = {key: value for key, value in one.labels.items() if key not in VOLATILE}
            exact = (
                {"matchLabels": dict(labels)}
                for labels in (lasting, one.labels)
                if labels and not _others(one, {"matchLabels": labels}, workloads, by_label)
            )
            closer = next(exact, None)
            if closer:
                selector = closer
            else:
                also = ", ".join(sorted({other.title for other in others}))
                words = f"{one.title} has the labels of {also}: what is allowed for one holds for both"
                remarks.append(Remark("warning", words, str(one.thing.place())))
        yield replace(one, selector=selector)


def _others(
    one: Workload,
    selector: Mapping[str, Any],
    workloads: Iterable[Workload],
    by_label: Mapping[tuple[str, str, str], list[Workload]],
) -> list[Workload]:
    """The other workloads of its namespace that a selector finds."""
    among = _candidates(one.namespace, mapping(selector.get("matchLabels")), by_label)
    found = workloads if among is None else among
    return [
        other
        for other in found
        if other is not one and other.namespace == one.namespace and matches(selector, other.labels)
    ]


def _selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _as_pods(one: Workload, wanted: Mapping[str, str]) -> Mapping[str, str]:
    """The labels of a workload's pods, with those among the wanted ones that its controller adds."""
    kind, name = one.thing.resource.kind, one.thing.resource.name
    added = {}
    ordinal = wanted.get(POD_NAME_LABEL, "")
    if kind == "StatefulSet" and re.fullmatch(re.escape(name) + r"-\d+", ordinal):
        added[POD_NAME_LABEL] = ordinal
    if kind == "Job":
        added.update(dict.fromkeys(JOB_NAME_LABELS, name))
    return {**one.labels, **added}


def _service(thing: Thing) -> Service:
    spec = mapping(thing.resource.data.get("spec"))
    selector = {str(key): str(value) for key, value in mapping(spec.get("selector")).items()}
    kind = text(spec.get("type")) or "ClusterIP"
    return Service(
        thing,
        tuple(_service_ports(spec)),
        {} if kind == "ExternalName" else selector,
        kind,
        spec.get("clusterIP") == "None",
        text(spec.get("externalName")) if kind == "ExternalName" else "",
    )


def _service_ports(spec: Mapping[str, Any]) -> Iterator[ServicePort]:
    for port in sequence(spec.get("ports")):
        said = mapping(port)
        number, target = said.get("port"), said.get("targetPort")
        if isinstance(number, int):
            known = target if isinstance(target, (int, str)) and target else number
            yield ServicePort(text(said.get("name")), number, known, text(said.get("protocol")) or TCP)


def _texts(resource: Resource) -> dict[str, str]:
    """The texts of a ConfigMap or Secret; what is no text is left out."""
    found = {str(key): value for key, value in mapping(resource.data.get("data")).items() if isinstance(value, str)}
    if resource.kind != "Secret":
        return found
    plain = mapping(resource.data.get("stringData"))
    decoded = {key: said for key, value in found.items() if (said := _decoded(value)) is not None}
    return {**decoded, **{str(key): value for key, value in plain.items() if isinstance(value, str)}}


def _decoded(value: str) -> str | None:
    try:
        return base64.b64decode(value, validate=False).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
