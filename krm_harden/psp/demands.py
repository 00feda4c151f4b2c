"""Which PodSecurityPolicies hold for a workload: one that is named, or those among the manifests that it may use.

A pod got a policy that its service account may use, or whoever made it: for most kinds a controller of the cluster.
"""

from __future__ import annotations

from krm_harden.errors import ConfigError
from krm_harden.model import mapping, text
from krm_harden.psp.created import account as account_of
from krm_harden.psp.model import API_VERSIONS, KIND
from krm_harden.psp.policy import of_data, same
from krm_harden.psp.rbac import GROUP, KINDS, Grants, account, authenticated
from krm_harden.workloads import WORKLOADS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from krm_harden.model import Resource
    from krm_harden.psp.model import PodSecurityPolicy
    from krm_harden.psp.rbac import Grant

UNNAMED = "\0"
"""In place of the namespace of those that name none: they all end up in the same."""
SYSTEM = "kube-system"
_REPLICAS = "replicaset-controller"
_JOBS = "job-controller"
CREATORS = {
    "Deployment": _REPLICAS,
    "ReplicaSet": _REPLICAS,
    "StatefulSet": "statefulset-controller",
    "DaemonSet": "daemon-set-controller",
    "ReplicationController": "replication-controller",
    "DeploymentConfig": "replication-controller",
    "Job": _JOBS,
    "CronJob": _JOBS,
    "JobSet": _JOBS,
    "Rollout": _REPLICAS,
    "LeaderWorkerSet": "statefulset-controller",
}
"""The service account in kube-system that makes the pods of a kind (pkg/controller, cmd/kube-controller-manager with
--use-service-account-credentials). A Rollout makes ReplicaSets, a JobSet Jobs, a LeaderWorkerSet StatefulSets."""


class Candidate:
    """A policy that may hold for a workload, and why: empty where it is the only one."""

    __slots__ = ("evidence", "policy")

    def __init__(self, policy: PodSecurityPolicy, evidence: str = "") -> None:
        self.policy = policy
        self.evidence = evidence


class ForAll:
    """One policy that holds for all.

    `below`: a ceiling is above, whose own controls come first.
    """

    __slots__ = ("_candidates", "below")

    def __init__(self, policy: PodSecurityPolicy, *, below: bool = False) -> None:
        self._candidates = (Candidate(policy),)
        self.below = below

    def candidates(self, _resource: Resource, _spec: Mapping[str, Any]) -> Sequence[Candidate]:
        """The policies for the pods of a resource, in no order."""
        return self._candidates

    def users(self, _resource: Resource, _spec: Mapping[str, Any]) -> Sequence[str]:
        """Who may use it: that isn't asked."""
        return ()

    def automounts(self, _resource: Resource, _spec: Mapping[str, Any]) -> bool | None:
        """What a pod's service account says of its token, None where that isn't known."""
        return None


class Among:
    """Policies among manifests, chosen by the RBAC beside them. `below` as of one."""

    __slots__ = ("_accounts", "_grants", "_known", "_policies", "below")

    def __init__(
        self,
        policies: Sequence[PodSecurityPolicy],
        grants: Grants,
        accounts: Mapping[tuple[str, str], bool | None],
        *,
        below: bool = False,
    ) -> None:
        self._policies = policies
        self.below = below
        self._grants = grants
        self._accounts = accounts
        self._known: dict[tuple[str, str, str], Sequence[Candidate]] = {}

    def candidates(self, resource: Resource, spec: Mapping[str, Any]) -> Sequence[Candidate]:
        """The policies that a resource's pods may use, each with the binding that says so."""
        key = (resource.namespace, account_of(spec), _creator(resource))
        if key not in self._known:
            self._known[key] = [
                Candidate(policy, evidence) for policy in self._policies if (evidence := self._evidence(policy, *key))
            ]
        return self._known[key]

    def users(self, resource: Resource, spec: Mapping[str, Any]) -> Sequence[str]:
        """The service accounts that are asked about."""
        own = "/".join(filter(None, (resource.namespace, account_of(spec))))
        creator = _creator(resource)
        return [f"ServiceAccount {own}", *([f"ServiceAccount {SYSTEM}/{creator}"] if creator else [])]

    def _evidence(self, policy: PodSecurityPolicy, namespace: str, name: str, creator: str) -> str:
        home = namespace or UNNAMED
        users = [account(home, name)] + ([authenticated(SYSTEM, creator)] if creator else [])
        found = (self._grants.may_use(home, policy.name, *user) for user in users)
        return next(filter(None, found), "").replace(f"{UNNAMED}/", "")

    def automounts(self, resource: Resource, spec: Mapping[str, Any]) -> bool | None:
        """What the service account among the manifests says of its token."""
        return self._accounts.get((resource.namespace, account_of(spec)))


def _creator(resource: Resource) -> str:
    """The account that makes a resource's pods; empty where it isn't known, as for other groups' Jobs."""
    return CREATORS.get(resource.kind, "") if (resource.group, resource.kind) in WORKLOADS else ""


def of_stated(stated: Mapping[str, Any], where: str, *, below: bool = False) -> ForAll:
    """The policy in a HardeningPolicy's spec.podSecurityPolicy. Raises ConfigError."""
    return ForAll(of_data(manifest_of(stated), where), below=below)


def manifest_of(stated: Mapping[str, Any]) -> dict[str, Any]:
    """A policy as it stands in a HardeningPolicy, as a manifest."""
    metadata = {"name": stated["name"], "annotations": stated.get("annotations") or {}}
    return {"apiVersion": API_VERSIONS[0], "kind": KIND, "metadata": metadata, "spec": stated.get("spec") or {}}


def stated_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest as it stands in a HardeningPolicy."""
    metadata = mapping(manifest.get("metadata"))
    made: dict[str, Any] = {"name": metadata.get("name")}
    if metadata.get("annotations"):
        made["annotations"] = metadata["annotations"]
    return made | {"spec": manifest.get("spec")}


def is_policy(data: Any) -> bool:
    """Whether an object is a PodSecurityPolicy."""
    return mapping(data).get("kind") == KIND and mapping(data).get("apiVersion") in API_VERSIONS


def is_asked(data: Any) -> bool:
    """Whether an object says which policy is for whom, or what a service account does with its token."""
    kind, version = mapping(data).get("kind"), text(mapping(data).get("apiVersion"))
    is_rbac = kind in KINDS and version.startswith(f"{GROUP}/")
    return is_rbac or (kind == "ServiceAccount" and version == "v1")


def among(objects: Sequence[Mapping[str, Any]], where: str, *, below: bool = False) -> ForAll | Among:
    """What the PodSecurityPolicies among some objects ask for, by the RBAC among them. There must be one.

    One that nobody binds holds for all. Raises ConfigError for several that nobody binds, InputError for RBAC that
    can't be read.
    """
    policies = _distinct(of_data(one, _named(one, where)) for one in objects if is_policy(one))
    grants = Grants.of(objects, UNNAMED)
    if not any(_is_about(one, policies) for one in grants.all):
        if len(policies) > 1:
            names = ", ".join(policy.name for policy in policies)
            step = "add the Roles, ClusterRoles and bindings, or name one policy as functionConfig or by --policy"
            raise ConfigError(f"PodSecurityPolicies {names}, and nothing says who may use which", where, step)
        return ForAll(policies[0], below=below)
    return Among(policies, grants, _accounts(objects), below=below)


def _distinct(policies: Iterable[PodSecurityPolicy]) -> list[PodSecurityPolicy]:
    """Each name once. Raises ConfigError for two that differ."""
    found: dict[str, PodSecurityPolicy] = {}
    for policy in policies:
        known = found.setdefault(policy.name, policy)
        if not same(known, policy):
            raise ConfigError(f"PodSecurityPolicy {policy.name} stands twice, and differs", policy.where, "remove one")
    return list(found.values())


def _named(data: Mapping[str, Any], where: str) -> str:
    name = mapping(data.get("metadata")).get("name")
    return f"{where}: {KIND} {name}" if name else f"{where}: {KIND}"


def _is_about(grant: Grant, policies: Iterable[PodSecurityPolicy]) -> bool:
    """Whether a binding, other than the one that each cluster has for its administrators, hands out a policy."""
    names = {policy.name for policy in policies}
    return not str(grant).endswith("-> ClusterRole cluster-admin") and (
        grant.policies is None or not names.isdisjoint(grant.policies)
    )


def _accounts(objects: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], bool | None]:
    found: dict[tuple[str, str], bool | None] = {}
    for one in objects:
        if one.get("kind") == "ServiceAccount":
            metadata = mapping(one.get("metadata"))
            said = one.get("automountServiceAccountToken")
            found[text(metadata.get("namespace")), text(metadata.get("name"))] = said if said in (True, False) else None
    return found
