"""Who uses the Kubernetes API, as far as manifests show it: what is bound to a service account, and what a pod says.

Loaded only where a policy asks for `serviceAccountToken`.
"""

from __future__ import annotations

from krm_harden.images.command_lines import started_by, words
from krm_harden.model import dotted, mapping, sequence, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    from krm_harden.model import Container, Pod, Resource
    from krm_harden.source import Document

    Fact: TypeAlias = "tuple[str, ...]"
    """`(bound, namespace, account, role, who)`, `(harmless, role)` of one that grants nothing but the use of policies,
    `(rights, role)` of any other, `(account, namespace, name, "off" or "on")`, or `(unread, what)`. Plain, so that
    facts of many inputs merge as sets do."""

RBAC = "rbac.authorization.k8s.io"
KINDS = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount"})
"""What is read beside pods."""
ANY = "*"
TOKEN_PLACE = "secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder
"""Below /var/run, which is /run in most images."""
HINTING_WORDS = (
    TOKEN_PLACE,
    "kubeconfig",
    "leader-elect",
    "-in-cluster",
    "-incluster",
    "--kube",
    "kube-api",
    "apiserver",
    "kubernetes.default",
    "//kubernetes",
    "kubernetes_service_",
)
"""What arguments, scripts and values of variables have in them, in small letters: flags of Go have one dash or two."""
HINTING_VARIABLES = ("KUBE", "K8S", "POD_NAMESPACE", "WATCH_NAMESPACE", "IN_CLUSTER")
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS = ("postStart", "preStop")
CLIENTS = frozenset({"kubectl", "helm", "kustomize", "argocd", "flux", "kpt", "velero", "istioctl", "oc"})
TALKERS = ("kube", "k8s", "operator", "controller", "autoscaler", "argocd", "prometheus", "promtail", "traefik")
"""Words in the name of an image whose program most likely asks the API."""


EVERYBODYS = frozenset(
    ("system:basic-user", "system:discovery", "system:public-info-viewer", "system:service-account-issuer-discovery")
)
"""ClusterRoles that each cluster binds to all accounts (plugin/pkg/auth/authorizer/rbac/bootstrappolicy)."""
POLICY_GROUPS = frozenset({"policy", "extensions"})


def of_document(document: Document, found: Iterable[Resource]) -> Iterator[Fact]:
    """What a document's resources say; of a key that stands twice, readers disagree on which one counts."""
    found = [resource for resource in found if resource.kind in KINDS]
    yield from of_resources(found)
    if found and document.duplicates:
        yield ("unread", f"{found[0]}: the key {document.duplicates[0][0]!r} stands twice")


def of_resources(found: Iterable[Resource]) -> Iterator[Fact]:
    """What some resources say about service accounts and their rights."""
    for resource in found:
        # OpenShift has bindings in a group of its own.
        if resource.kind in {"RoleBinding", "ClusterRoleBinding"}:
            yield from _bound(resource)
        elif resource.kind in {"Role", "ClusterRole"}:
            harmless = resource.group == RBAC and _grants_only_policies(resource)
            yield ("harmless" if harmless else "rights", f"{resource.kind}/{_place(resource)}/{resource.name}")
        elif (resource.api_version, resource.kind) == ("v1", "ServiceAccount"):
            off = resource.data.get("automountServiceAccountToken") is False
            yield ("account", resource.namespace, resource.name, "off" if off else "on")


def _place(resource: Resource) -> str:
    return "" if resource.kind.startswith("Cluster") else resource.namespace


def _bound(binding: Resource) -> Iterator[Fact]:
    reference = mapping(binding.data.get("roleRef"))
    kind, name = text(reference.get("kind")), text(reference.get("name"))
    if kind == "ClusterRole" and name in EVERYBODYS:
        return
    role = f"{kind}/{'' if kind == 'ClusterRole' else binding.namespace}/{name}"
    subjects = binding.data.get("subjects")
    if not isinstance(subjects, list | None) or not all(map(_is_subject, subjects or ())):
        yield ("unread", f"{binding}: subjects")
    for subject in sequence(subjects):
        namespace, account = _account(mapping(subject))
        if account:
            yield ("bound", namespace, account, role, str(binding))


def _is_subject(said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("kind"), str) and isinstance(said.get("name"), str)


def _account(subject: Mapping[str, Any]) -> tuple[str, str]:
    """(namespace, name) of the service accounts that a subject stands for, `*` for all; twice empty for others."""
    kind, name = text(subject.get("kind")), text(subject.get("name"))
    if kind == "ServiceAccount":
        return text(subject.get("namespace")) or ANY, name
    if kind == "User" and name.startswith("system:serviceaccount:"):
        namespace, _, account = name.removeprefix("system:serviceaccount:").partition(":")
        return namespace, account
    if kind == "Group" and name in {"system:serviceaccounts", "system:authenticated"}:
        return ANY, ANY
    if kind == "Group" and name.startswith("system:serviceaccounts:"):
        return name.removeprefix("system:serviceaccounts:"), ANY
    return ("", "")


def _grants_only_policies(role: Resource) -> bool:
    """Whether a role grants nothing but the use of PodSecurityPolicies: that is no use of the API."""
    rules = sequence(role.data.get("rules"))
    return bool(rules) and "aggregationRule" not in role.data and all(map(_is_use_of_policies, rules))


def _is_use_of_policies(rule: Any) -> bool:
    found = mapping(rule)
    groups = sequence(found.get("apiGroups"))
    return (
        sequence(found.get("resources")) == ["podsecuritypolicies"]
        and sequence(found.get("verbs")) == ["use"]
        and bool(groups)
        and all(group in POLICY_GROUPS for group in groups)
        and not found.get("nonResourceURLs")
    )


class Access:
    """What the manifests of a whole input show of service accounts."""

    __slots__ = ("_accounts", "_anywhere", "_bound", "_unread")

    def __init__(self, facts: Iterable[Fact]) -> None:
        facts = sorted(facts)
        harmless = {fact[1] for fact in facts if fact[0] == "harmless"}
        harmless -= {fact[1] for fact in facts if fact[0] == "rights"}
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
    yield from (f"{where} {shown}" for told in (_mounts, _variables, _started) for shown in told(container))
    name = container.image.partition("@")[0].rpartition("/")[2].partition(":")[0]
    word = next((word for word in TALKERS if word in name), "")
    if word:
        yield f"{where} has the image {name}, by its name one that asks the API"


def _mounts(container: Container) -> Iterator[str]:
    for mount in sequence(container.data.get("volumeMounts")):
        path = str(mapping(mount).get("mountPath")).rstrip("/")
        if path.endswith((TOKEN_PLACE, TOKEN_PLACE.rpartition("/")[0])):
            yield f"mounts {path}"


def _variables(container: Container) -> Iterator[str]:
    for variable in sequence(container.data.get("env")):
        name, value = text(mapping(variable).get("name")), text(mapping(variable).get("value"))
        if any(hint in name for hint in HINTING_VARIABLES):
            yield f"has the variable {name}"
        elif hint := _hint(value):
            yield f"has the variable {name} with {hint}"


def _started(container: Container) -> Iterator[str]:
    for line in [words(container), *_run_inside(container)]:
        yield from (f"is started with {hint}" for hint in filter(None, map(_hint, line)))
        yield from (f"starts {program}" for program in started_by(line) if program in CLIENTS)


def _hint(word: str) -> str:
    """What of a word speaks of the API, or empty."""
    small = word.lower()
    return next((hint for hint in HINTING_WORDS if hint in small), "")


def _run_inside(container: Container) -> Iterator[list[str]]:
    """The command lines of probes and hooks."""
    handlers = [container.data.get(name) for name in PROBES]
    handlers += [mapping(container.data.get("lifecycle")).get(name) for name in HOOKS]
    for handler in handlers:
        yield [str(word) for word in sequence(mapping(mapping(handler).get("exec")).get("command"))]
