"""A cluster as its manifests have it, or a dump: what matters to PodSecurityPolicies, each with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from krm_harden import workloads
from krm_harden.errors import KrmHardenError
from krm_harden.model import Resource, same
from krm_harden.psp.model import GROUPS, KIND
from krm_harden.psp.names import is_label, is_segment
from krm_harden.resources import is_encrypted, is_local, is_namespace, owner, owners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any

    from krm_harden.psp.model import PodSecurityPolicy

RBAC_GROUP = "rbac.authorization.k8s.io"
RBAC_KINDS = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
CHOSEN = "kubernetes.io/psp"
"""The annotation by which a running pod says which policy admitted it."""
_FOR_OTHERS = {"PodTemplate", "ClusterTask", "ClusterWorkflowTemplate"}
"""Kinds that make no pods by themselves."""
_CLUSTER_WIDE = {KIND, "ClusterRole", "ClusterRoleBinding", "Namespace"}
_KIND = re.compile(rb"(?m)^[ \t-]*[\"']?kind[\"']?:[ \t]*[\"']?(\w+)")
_NAMESPACE = re.compile(rb"(?m)^[ \t]*namespace:[ \t]*[\"']?([a-z0-9-]+)[\"']?[ \t]*$")


@dataclass(frozen=True)
class Open:
    """A question that the input leaves open: where, about what, why, and what to do. Nothing is guessed."""

    where: str
    subject: str
    reason: str
    next_step: str = ""

    def __str__(self) -> str:
        said = f"{self.where}: {self.subject}: {self.reason}" if self.subject else f"{self.where}: {self.reason}"
        return f"{said}; {self.next_step}" if self.next_step else said


@dataclass(frozen=True)
class Item:
    """An object and where it stands (`file:line`). `namespace` is its own, else the one that was asked for."""

    resource: Resource
    where: str
    namespace: str = ""

    @property
    def kind(self) -> str:
        return self.resource.kind

    @property
    def name(self) -> str:
        return self.resource.name

    @property
    def data(self) -> dict[str, Any]:
        """The object with its kind, which an item of a PodSecurityPolicyList or RoleList needn't say."""
        return {"apiVersion": self.resource.api_version, "kind": self.kind, **_given(self.resource.data)}

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.namespace, self.name) if part)


@dataclass(frozen=True)
class Unread:
    """A text that may hold objects and can't be read: a template, or not YAML."""

    where: str
    reason: str
    text: bytes
    next_step: str = ""


@dataclass
class Cluster:
    """What was found. `blockers` leave every choice open, `unlabelled` are namespaces whose label stays open.

    `owned` are made by workloads that are here; what others make is a workload, and stays as it is. `unlabelled` has a
    reason for each namespace; the empty name stands for all of them. `accounts` say whether a ServiceAccount mounts
    its token, None where it doesn't say.
    """

    policies: dict[str, PodSecurityPolicy] = field(default_factory=dict)
    policy_items: dict[str, list[Item]] = field(default_factory=dict)
    rbac: list[Item] = field(default_factory=list)
    accounts: dict[tuple[str, str], bool | None] = field(default_factory=dict)
    namespaces: dict[str, list[Item]] = field(default_factory=dict)
    workloads: list[Item] = field(default_factory=list)
    owned: list[Item] = field(default_factory=list)
    opened: list[Open] = field(default_factory=list)
    blockers: list[str] = field(default_factory=list)
    unlabelled: dict[str, str] = field(default_factory=dict)
    notes: list[Open] = field(default_factory=list)
    unwritable: dict[int, Open] = field(default_factory=dict)
    """By the id of an item, why no safe edit of it is possible; known once one was tried."""

    def leave_open(self, item: Item | Unread, reason: str, next_step: str = "") -> None:
        subject = str(item) if isinstance(item, Item) else ""
        self.opened.append(Open(item.where, subject, reason, next_step))


def _given(data: Mapping[str, Any]) -> dict[str, Any]:
    """What an object says, without what it leaves empty."""
    return {key: value for key, value in data.items() if value is not None}


def is_policy(resource: Resource) -> bool:
    return resource.kind == KIND and resource.group in GROUPS


def matters(api_version: str, kind: str) -> bool:
    """Whether objects of a kind are read at all."""
    known = kind in {KIND, "Namespace", "ServiceAccount", *RBAC_KINDS}
    return known or workloads.is_workload(api_version, kind, {})


def misnamed(resource: Resource) -> str:
    """What of an object's names no API server takes, in words: they end up in commands and in policies."""
    if resource.namespace and not is_label(resource.namespace):
        return f"metadata.namespace: {resource.namespace!r} is no name of a namespace"
    is_wrong = (is_namespace(resource) and not is_label(resource.name)) or (
        resource.kind in RBAC_KINDS and not is_segment(resource.name)
    )
    return f"metadata.name: {resource.name!r} is no name of a {resource.kind}" if is_wrong else ""


def gathered(
    found: Iterable[Item], unread: Iterable[Unread], of_data: Callable[[Mapping[str, Any], str], PodSecurityPolicy]
) -> Cluster:
    """The cluster of some objects. `of_data` reads a policy, and raises KrmHardenError."""
    cluster = Cluster()
    for item in found:
        _take(cluster, item)
    _read_policies(cluster, of_data)
    _same_rbac(cluster)
    _sort_owned(cluster)
    for text_ in unread:
        _take_unread(cluster, text_)
    return cluster


def _take(cluster: Cluster, item: Item) -> None:
    resource = item.resource
    if is_encrypted(resource) and not workloads.shapes_of(resource, {}):
        _take_encrypted(cluster, item)
    elif is_policy(resource):
        cluster.policy_items.setdefault(item.name, []).append(item)
    elif resource.group == RBAC_GROUP and item.kind in RBAC_KINDS:
        _take_rbac(cluster, item)
    elif is_namespace(resource):
        cluster.namespaces.setdefault(item.name, []).append(item)
    elif (resource.group, item.kind) == ("", "ServiceAccount"):
        automounts = resource.data.get("automountServiceAccountToken")
        cluster.accounts[item.namespace, item.name] = automounts if isinstance(automounts, bool) else None
    elif workloads.shapes_of(resource, {}):
        _take_workload(cluster, item)


def _take_encrypted(cluster: Cluster, item: Item) -> None:
    """What decides on pods, and can't be read as the cluster has it."""
    cluster.leave_open(item, "encrypted by SOPS: what it says isn't known", "decrypt it first")
    if is_namespace(item.resource):
        _no_label(cluster, item.name, f"{item} is encrypted")
    else:
        cluster.blockers.append(f"{item} ({item.where}) is encrypted")


def _take_rbac(cluster: Cluster, item: Item) -> None:
    if item.kind not in _CLUSTER_WIDE and not item.namespace:
        cluster.leave_open(item, "names no namespace: where it grants what isn't known", "name it by --namespace")
        cluster.blockers.append(f"{item} ({item.where}) names no namespace")
        return
    cluster.rbac.append(item)


def _take_workload(cluster: Cluster, item: Item) -> None:
    if item.kind in _FOR_OTHERS:
        cluster.notes.append(Open(item.where, str(item), "makes no pods by itself, and stays as it is"))
    elif owner(item.resource):
        cluster.owned.append(item)
    elif is_local(item.resource):
        return
    elif is_encrypted(item.resource):
        cluster.leave_open(item, "encrypted by SOPS: it can't be judged as it will be", "decrypt it first")
        _no_label(cluster, item.namespace, f"{item} is encrypted")
    elif not item.namespace:
        cluster.leave_open(item, "names no namespace, and who may use what depends on it", "name it by --namespace")
        _no_label(cluster, "", f"{item} ({item.where}) names no namespace")
    else:
        cluster.workloads.append(item)


def _sort_owned(cluster: Cluster) -> None:
    """What something makes that isn't here itself is judged as it is: a Deployment of an operator, say."""
    known = {(item.kind, item.namespace, item.name) for item in (*cluster.workloads, *cluster.owned)}
    away = [
        item
        for item in cluster.owned
        if not any((kind, item.namespace, name) in known for kind, name in owners(item.resource))
    ]
    cluster.owned = [item for item in cluster.owned if item not in away]
    for item in away:
        if item.namespace:
            cluster.workloads.append(item)


def _no_label(cluster: Cluster, namespace: str, reason: str) -> None:
    cluster.unlabelled.setdefault(namespace, reason)


def _read_policies(cluster: Cluster, of_data: Callable[[Mapping[str, Any], str], PodSecurityPolicy]) -> None:
    """The policies by name; one that can't be read, or is there twice, leaves open what it would have admitted."""
    for name, items in sorted(cluster.policy_items.items()):
        first = items[0]
        try:
            found = [of_data(item.data, item.where) for item in items]
        except KrmHardenError as error:
            cluster.leave_open(first, error.message, error.next_step or "correct it as the cluster has it")
            cluster.blockers.append(f"{first} ({first.where}) can't be read")
            continue
        others = [item for item, policy in zip(items, found, strict=True) if not _same_policy(policy, found[0])]
        if others:
            cluster.leave_open(
                others[0],
                f"another {first} stands at {first.where} and says something else",
                "leave out the one that the cluster doesn't have, by --exclude",
            )
            cluster.blockers.append(f"{first} is there twice ({first.where}, {others[0].where})")
        else:
            cluster.policies[name] = found[0]


def _same_policy(left: PodSecurityPolicy, right: PodSecurityPolicy) -> bool:
    return same(left.spec, right.spec) and same(left.annotations, right.annotations)


def _same_rbac(cluster: Cluster) -> None:
    """Two objects of one name that grant different things leave every choice open; of two equal ones one is kept."""
    known: dict[tuple[str, str, str], Item] = {}
    for item in cluster.rbac:
        first = known.setdefault((item.kind, item.namespace, item.name), item)
        if first is item or _grants(first) == _grants(item):
            continue
        cluster.leave_open(
            item,
            f"another {item} stands at {first.where} and says something else",
            "leave out the one that the cluster doesn't have, by --exclude",
        )
        cluster.blockers.append(f"{item} is there twice ({first.where}, {item.where})")
    cluster.rbac[:] = known.values()


def _grants(item: Item) -> tuple[Any, ...]:
    data = item.resource.data
    return tuple(data.get(field_) for field_ in ("rules", "roleRef", "subjects", "aggregationRule"))


def _take_unread(cluster: Cluster, unread: Unread) -> None:
    """What can't be read counts by the kinds that its text names: any of them, where it names none."""
    kinds = {match.decode() for match in _KIND.findall(unread.text)}
    deciding = kinds & {KIND, *RBAC_KINDS}
    makes_pods = any(workloads.is_workload("", kind, {}) for kind in kinds)
    if kinds and not deciding and not makes_pods and not kinds & {"Namespace", "ServiceAccount"}:
        cluster.notes.append(Open(unread.where, "", unread.reason))
        return
    cluster.leave_open(unread, unread.reason, unread.next_step)
    if deciding or not kinds:
        what = f"a {min(deciding)}" if deciding else "what it is"
        cluster.blockers.append(f"{unread.where} can't be read ({what})")
    found = {match.decode() for match in _NAMESPACE.findall(unread.text)}
    for namespace in found or {""}:
        _no_label(cluster, namespace, f"{unread.where} can't be read")


def grants_use(rule: Mapping[str, Any]) -> bool:
    """Whether a rule lets somebody use PodSecurityPolicies."""
    asked = (("verbs", {"use", "*"}), ("apiGroups", {*GROUPS, "*"}), ("resources", {"podsecuritypolicies", "*"}))
    return all(values.intersection(_words(rule.get(name))) for name, values in asked)


def _words(value: object) -> Iterator[str]:
    return (word for word in value if isinstance(word, str)) if isinstance(value, list) else iter(())
