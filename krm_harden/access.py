"""Who uses the Kubernetes API, as far as manifests show it: what is bound to a service account, and what a pod says.

Loaded only where a policy asks for `serviceAccountToken`.
"""

from __future__ import annotations

from krm_harden.images.command_lines import programs_of, words
from krm_harden.model import dotted, mapping, sequence, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    from krm_harden.model import Container, Pod, Resource

    Fact: TypeAlias = "tuple[str, ...]"
    """`(bound, namespace, account, role, who)`, `(role, role)` of one that grants nothing but policies, `(account,
    namespace, name, "off" or "on")`, or `(unread, what)`. Plain, so that facts of many inputs merge as sets do."""

RBAC = "rbac.authorization.k8s.io"
KINDS = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount"})
"""What is read beside pods."""
ANY = "*"
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder
HINTING_WORDS = ("--in-cluster", "--kubeconfig", "--leader-elect", "--apiserver", "--kube-api", "kubernetes.default")
HINTING_VARIABLES = ("KUBECONFIG", "KUBERNETES_", "POD_NAMESPACE", "WATCH_NAMESPACE", "IN_CLUSTER")
CLIENTS = frozenset({"kubectl", "helm", "kustomize", "argocd", "flux", "kpt", "velero", "istioctl", "oc"})
TALKERS = ("kube", "k8s", "operator", "controller", "autoscaler", "argocd", "prometheus", "promtail", "traefik")
"""Words in the name of an image whose program most likely asks the API."""


def of_resources(found: Iterable[Resource]) -> Iterator[Fact]:
    """What some resources say about service accounts and their rights."""
    for resource in found:
        if resource.group == RBAC and resource.kind in {"RoleBinding", "ClusterRoleBinding"}:
            yield from _bound(resource)
        elif resource.group == RBAC and resource.kind in KINDS and _grants_only_policies(resource):
            yield ("role", f"{resource.kind}/{_place(resource)}/{resource.name}")
        elif (resource.api_version, resource.kind) == ("v1", "ServiceAccount"):
            off = resource.data.get("automountServiceAccountToken") is False
            yield ("account", resource.namespace, resource.name, "off" if off else "on")


def _place(resource: Resource) -> str:
    return "" if resource.kind.startswith("Cluster") else resource.namespace


def _bound(binding: Resource) -> Iterator[Fact]:
    reference = mapping(binding.data.get("roleRef"))
    kind = text(reference.get("kind"))
    role = f"{kind}/{'' if kind == 'ClusterRole' else binding.namespace}/{text(reference.get('name'))}"
    for subject in sequence(binding.data.get("subjects")):
        namespace, account = _account(mapping(subject))
        if account:
            yield ("bound", namespace, account, role, str(binding))


def _account(subject: Mapping[str, Any]) -> tuple[str, str]:
    """(namespace, name) of the service accounts that a subject stands for, `*` for all; twice empty for others."""
    kind, name = text(subject.get("kind")), text(subject.get("name"))
    if kind == "ServiceAccount":
        return text(subject.get("namespace")) or ANY, name
    if kind == "User" and name.startswith("system:serviceaccount:"):
        namespace, _, account = name.removeprefix("system:serviceaccount:").partition(":")
        return namespace, account
    if kind == "Group" and name.startswith("system:serviceaccounts"):
        return name.removeprefix("system:serviceaccounts").removeprefix(":") or ANY, ANY
    return ("", "")


def _grants_only_policies(role: Resource) -> bool:
    """Whether a role grants nothing but the use of PodSecurityPolicies: that is no use of the API."""
    rules = sequence(role.data.get("rules"))
    resources = [name for rule in rules for name in sequence(mapping(rule).get("resources"))]
    return bool(resources) and all(name == "podsecuritypolicies" for name in resources)


class Access:
    """What the manifests of a whole input show of service accounts."""

    __slots__ = ("_accounts", "_anywhere", "_bound", "_unread")

    def __init__(self, facts: Iterable[Fact]) -> None:
        facts = sorted(facts)
        harmless = {fact[1] for fact in facts if fact[0] == "role"}
        self._accounts = {fact[1:3]: fact[3] for fact in facts if fact[0] == "account"}
        self._unread = next((fact[1] for fact in facts if fact[0] == "unread"), "")
        self._bound: dict[tuple[str, str], str] = {}
        self._anywhere: dict[str, str] = {}
        """By the account's name alone: a workload without a namespace may come to any."""
        for fact in facts:
            if fact[0] == "bound" and fact[3] not in harmless:
                _, namespace, account, _, who = fact
                self._bound.setdefault((namespace, account), who)
                self._anywhere.setdefault(account, who)

    def is_off(self, namespace: str, account: str) -> bool:
        """Whether the service account itself mounts no token."""
        return self._accounts.get((namespace, account)) == "off"

    def of_account(self, namespace: str, account: str) -> str:
        """What shows, or leaves open, that an account's token is used; empty where nothing does."""
        places = [(namespace, account), (ANY, account), (namespace, ANY), (ANY, ANY)]
        found = [self._bound.get(place, "") for place in places]
        if not namespace:
            found += [self._anywhere.get(name, "") for name in (account, ANY)]
        bound = next(filter(None, found), "")
        if bound:
            return f"{bound} gives rights to its service account {account}"
        if account != "default" and (namespace, account) not in self._accounts:
            return f"its service account {account} isn't in the input, and may have rights"
        return f"what couldn't be read may give it rights ({self._unread})" if self._unread else ""


def of_pod(pod: Pod) -> str:
    """What in a pod shows that it uses the API, or empty."""
    for index, volume in enumerate(sequence(pod.spec.get("volumes"))):
        for source in sequence(mapping(mapping(volume).get("projected")).get("sources")):
            if "serviceAccountToken" in mapping(source):
                return f"volumes[{index}] has a token of its own"
    return next((shown for container in pod.containers for shown in _of_container(pod, container)), "")


def _of_container(pod: Pod, container: Container) -> Iterator[str]:
    where = dotted(container.pointer[len(pod.spec_pointer) :])
    for mount in sequence(container.data.get("volumeMounts")):
        if str(mapping(mount).get("mountPath")).rstrip("/") == TOKEN_PATH:
            yield f"{where} mounts {TOKEN_PATH}"
    for variable in sequence(container.data.get("env")):
        name = text(mapping(variable).get("name"))
        if name.startswith(HINTING_VARIABLES):
            yield f"{where} has the variable {name}"
    for word in words(container):
        hint = next((hint for hint in HINTING_WORDS if hint in word), "") or (TOKEN_PATH if TOKEN_PATH in word else "")
        if hint:
            yield f"{where} is started with {hint}"
    for program in programs_of(container):
        if program in CLIENTS:
            yield f"{where} starts {program}"
    name = container.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    word = next((word for word in TALKERS if word in name), "")
    if word:
        yield f"{where} has the image {name}, by its name one that asks the API"
