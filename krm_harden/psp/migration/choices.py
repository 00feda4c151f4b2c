"""Which policy each pod got, and why not another: the rule of the admission plugin, with everything that was tried.

A policy counts where the pod's service account or whoever makes the pod may `use` it. The first by name that takes the
pod as it is wins, else the first by name that takes it after its changes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from krm_harden import workloads
from krm_harden.errors import KrmHardenError
from krm_harden.model import LATEST, Operation, Resource, mapping, sequence, text
from krm_harden.patch import Draft
from krm_harden.psp import rbac
from krm_harden.psp.created import account as account_in
from krm_harden.psp.created import claims_of, created, of_claim
from krm_harden.psp.demands import CREATORS, SYSTEM
from krm_harden.psp.migration.objects import CHOSEN, Open, grants_use
from krm_harden.psp.names import subdomain
from krm_harden.psp.selection import choose
from krm_harden.resources import is_pod, owner
from krm_harden.workloads import POD_LISTS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.model import Pod
    from krm_harden.psp.migration.objects import Cluster, Item
    from krm_harden.psp.model import Chosen, Outcome

_HARMLESS = {"admin", "edit", "view"}
"""Kubernetes' own roles beside those of `system:`: none of them grants `use`."""


@dataclass(frozen=True)
class Subject:
    """Who asks for a pod: a user with groups. `kind` says which of them, for people."""

    kind: str
    user: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class Asked:
    """What the command line says of who makes pods.

    `people` are those who apply bare Pods, `controllers` the accounts (namespace/name) that make the pods of kinds.
    """

    people: tuple[Subject, ...] = ()
    controllers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Tried:
    """One policy that a pod could have got: by which binding, and what became of it."""

    policy: str
    evidence: str
    result: str


@dataclass(frozen=True)
class Choice:
    """What a pod got. `index` is its place among the resource's; `policy` is empty where it is open.

    `writes` are the policy's changes, absolute in the document; `changed` (field of the policy, path, value) the same
    for people. `single`: nothing here grants `use`, and there is one policy alone.
    """

    item: Item
    index: int
    pod: Mapping[str, Any]
    account: str
    creator: str
    policy: str = ""
    outcome: Outcome | None = None
    tried: tuple[Tried, ...] = ()
    writes: tuple[Operation, ...] = ()
    candidates: tuple[str, ...] = ()
    refusal: Open | None = None
    by_annotation: bool = False


def account_subject(namespace: str, name: str) -> Subject:
    """A pod's service account, as the plugin makes it up."""
    return Subject(f"service account {name}", *rbac.account(namespace, name))


def controller_subject(namespace: str, name: str) -> Subject:
    """A controller's account, as it comes with its token."""
    return Subject(f"controller {name}", *rbac.authenticated(namespace, name))


def person(user: str, groups: Iterable[str]) -> Subject:
    return Subject(f"user {user}" if user else f"group {', '.join(groups)}", user, (*groups, rbac.AUTHENTICATED))


class Choices:
    """The rule at work over one cluster. `single` is the one policy that holds for all where nothing grants any."""

    def __init__(self, cluster: Cluster, asked: Asked, server: tuple[int, int] = LATEST) -> None:
        self.cluster = cluster
        self.asked = asked
        self.server = server
        self.grants = _grants(cluster)
        self.single = next(iter(cluster.policies)) if len(cluster.policies) == 1 and not cluster.rbac else ""
        self.absent = dict(_absent_roles(cluster))

    def every(self) -> list[Choice]:
        """One for each pod of each workload, in the order in which they were read."""
        return [choice for item in self.cluster.workloads for choice in self._of(item)]

    def _of(self, item: Item) -> Iterator[Choice]:
        for index, pod in enumerate(workloads.pods(item.resource, workloads.shapes_of(item.resource, {}), self.server)):
            yield self._chosen(item, index, pod)

    def _chosen(self, item: Item, index: int, view: Pod) -> Choice:
        pod = seen(item, view)
        account = account_in(pod["spec"])
        creator = self.creator(item)
        kind = creator.kind if isinstance(creator, Subject) else ""
        choice = Choice(item, index, pod, account, kind)
        if id(item) in self.cluster.unwritable:
            return replace(choice, refusal=self.cluster.unwritable[id(item)])
        if isinstance(creator, Open):
            return _open(choice, creator.reason, creator.next_step)
        if any(subdomain(account)):
            return _open(choice, f"serviceAccountName: {account!r} is no name of a ServiceAccount", "correct it")
        blocked = self._blocked(item, account, creator)
        if blocked:
            return _open(choice, *blocked)
        told = text(mapping(item.resource.annotations).get(CHOSEN)) if is_pod(item.resource) else ""
        candidates = self.candidates(item.namespace, account, (creator,) if creator else self.asked.people)
        return self._tried(choice, view, candidates, told)

    def _tried(self, choice: Choice, view: Pod, candidates: Mapping[str, str], told: str) -> Choice:
        names = tuple(sorted(candidates, key=str.encode))
        if told:
            if told not in self.cluster.policies:
                return _open(choice, f"says that the policy {told} admitted it, which isn't here", "add that policy")
            candidates, names = {told: f"annotation {CHOSEN} of the pod"}, (told,)
        if not names:
            return _open(choice, "no policy may be used for it: its pods are refused", NO_POLICY)
        automounts = self.cluster.accounts.get((choice.item.namespace, choice.account))
        pod = created(choice.pod, account_automounts=automounts, is_template=not is_pod(choice.item.resource))
        chosen = choose([self.cluster.policies[name] for name in names], pod, self.server)
        tried = tuple(_tries(chosen, candidates))
        made = _with(choice, tried=tried, candidates=names, by_annotation=bool(told))
        if chosen.outcome is None:
            return _open(made, chosen.message, "correct the manifest, or add what lets another policy be used")
        writes = tuple(_absolute(view, change.operation) for change in chosen.outcome.changes)
        return _with(made, policy=chosen.outcome.policy.name, outcome=chosen.outcome, writes=writes)

    def creator(self, item: Item) -> Subject | Open | None:
        """Who makes an item's pods; None for a bare Pod of the people that the command line names."""
        asked = self.asked.controllers.get(item.kind)
        if asked:
            namespace, _, name = asked.rpartition("/")
            return controller_subject(namespace, name)
        made_by = owner(item.resource).partition("/")[0]
        if is_pod(item.resource) and made_by in CREATORS:
            return controller_subject(SYSTEM, CREATORS[made_by])
        if is_pod(item.resource):
            return self._applies(item)
        unusual = _unusual(item)
        if unusual:
            return Open(item.where, str(item), unusual, "find out what its pods are, and give those")
        name = CREATORS.get(item.kind, "")
        if not name:
            step = f"name its controller's account by --controller {item.kind}=NAMESPACE/NAME"
            return Open(item.where, str(item), f"which account makes the pods of a {item.kind} isn't known", step)
        return controller_subject(SYSTEM, name)

    def _applies(self, item: Item) -> Subject | Open | None:
        if self.asked.people or self.single or text(item.resource.annotations.get(CHOSEN)):
            return None
        if owner(item.resource):
            reason = f"is made by {owner(item.resource)}, and which account does that isn't known"
        else:
            reason = "is a bare Pod, and who applies it isn't known"
        return Open(item.where, str(item), reason, "say who by --user NAME and --group NAME")

    def _blocked(self, item: Item, account: str, creator: Subject | None) -> tuple[str, str] | None:
        """Why nothing can be said of who may use what, if so."""
        if self.cluster.blockers:
            return f"not decided: {self.cluster.blockers[0]}", "mend that first"
        if len(self.cluster.policies) > 1 and not _speaks_of_use(self.cluster):
            return "there are several policies, and nothing that says who may use which", "add Roles and bindings"
        subjects = [account_subject(item.namespace, account), *((creator,) if creator else self.asked.people)]
        for binding, reason in self.absent.items():
            if any(_is_bound(binding, item.namespace, subject) for subject in subjects):
                return f"not decided: {reason}", "add it to the input, or take out the binding if the role is gone"
        return None

    def candidates(self, namespace: str, account: str, makers: Sequence[Subject]) -> dict[str, str]:
        """The policies that may be used for a pod, each with its evidence. An empty account stands for any other."""
        if self.single:
            return {self.single: "the only policy here, and nothing says who may use it"}
        own = account_subject(namespace, account)
        found = {}
        for name, policy in self.cluster.policies.items():
            # The server couldn't make anything of such a policy, and went on to the next.
            if getattr(policy, "unusable", ""):
                continue
            evidence = next(filter(None, (self._evidence(one, namespace, name) for one in (own, *makers))), "")
            if evidence:
                found[name] = evidence
        return found

    def _evidence(self, subject: Subject, namespace: str, policy: str) -> str:
        said = self.grants.may_use(namespace, policy, subject.user, subject.groups)
        return f"{subject.kind}: {said}" if said else ""


NO_POLICY = "add the binding that is missing in the input, or leave the workload out by --exclude"


def seen(item: Item, view: Pod) -> dict[str, Any]:
    """A pod as its controller asks for it: its metadata with the namespace, and its spec.

    A StatefulSet's has its claims as volumes, behind its own.
    """
    spec = dict(view.spec)
    claims = claims_of(item.resource)
    if claims:
        own = [volume for volume in sequence(spec.get("volumes")) if mapping(volume).get("name") not in claims]
        spec["volumes"] = [*own, *map(of_claim, claims)]
    return {"metadata": {**view.metadata, "namespace": item.namespace}, "spec": spec}


def after(item: Item, choices: Iterable[Choice]) -> Resource:
    """The resource with what its policies wrote into it."""
    draft = Draft(item.resource.data)
    depth = len(item.resource.base)
    for choice in choices:
        for operation in choice.writes:
            draft.apply(Operation(operation.op, operation.path[depth:], operation.value))
    made = Resource(item.resource.base, draft.data, item.resource.index)
    made.api_version, made.kind = item.resource.api_version, item.resource.kind
    return made


def _grants(cluster: Cluster) -> rbac.Grants:
    """Who may use what; an object that the API server wouldn't have taken leaves every choice open."""
    try:
        return rbac.Grants.of(map(_placed, cluster.rbac))
    except KrmHardenError as error:
        where = next((item.where for item in cluster.rbac if item.name and item.name in error.message), "RBAC")
        cluster.opened.append(Open(where, "", error.message, error.next_step))
        cluster.blockers.append(error.message)
        return rbac.Grants.of(())


def _placed(item: Item) -> Mapping[str, Any]:
    """An RBAC object with the namespace that was asked for."""
    data = item.data
    if not item.namespace or item.resource.namespace:
        return data
    return {**data, "metadata": {**mapping(data.get("metadata")), "namespace": item.namespace}}


def _speaks_of_use(cluster: Cluster) -> bool:
    """Whether a Role or ClusterRole here grants policies, or a binding one that isn't here."""
    rules = (rule for item in cluster.rbac for rule in item.resource.data.get("rules") or () if isinstance(rule, dict))
    return any(map(grants_use, rules)) or any(True for _ in _absent_roles(cluster))


def _absent_roles(cluster: Cluster) -> Iterator[tuple[Item, str]]:
    """The bindings whose role isn't here, and isn't one of Kubernetes' own, each with that in words."""
    known = {(item.kind, item.namespace, item.name) for item in cluster.rbac}
    for item in cluster.rbac:
        if not item.kind.endswith("Binding"):
            continue
        role = mapping(item.resource.data.get("roleRef"))
        kind, name = text(role.get("kind")), text(role.get("name"))
        built_in = kind == "ClusterRole" and (name in {*_HARMLESS, "cluster-admin"} or name.startswith("system:"))
        if not built_in and (kind, item.namespace if kind == "Role" else "", name) not in known:
            yield item, f"{item} ({item.where}) binds the {kind} {name}, which isn't here"


def _is_bound(binding: Item, namespace: str, subject: Subject) -> bool:
    """Whether a binding is about a subject in a namespace."""
    if binding.kind == "RoleBinding" and binding.namespace != namespace:
        return False
    for one in binding.resource.data.get("subjects") or ():
        said = mapping(one)
        kind, name = said.get("kind"), text(said.get("name"))
        home = text(said.get("namespace")) or binding.namespace
        if (kind == "Group" and name in subject.groups) or (kind == "User" and name == subject.user):
            return True
        if kind == "ServiceAccount" and subject.user == rbac.account(home, name)[0]:
            return True
    return False


def _unusual(item: Item) -> str:
    """Why the pods of a kind aren't what its manifest has, or empty."""
    shapes = workloads.shapes_of(item.resource, {})
    if all(shape.containers is POD_LISTS and shape.context is not None for shape in shapes):
        return ""
    return f"the controller of a {item.kind} adds to its pods what no manifest shows"


def _tries(chosen: Chosen, candidates: Mapping[str, str]) -> Iterator[Tried]:
    """What became of each candidate, in their order."""
    winner = chosen.outcome.policy.name if chosen.outcome else ""
    is_kept = chosen.outcome is not None and not chosen.outcome.mutates
    for outcome in chosen.tried:
        name = outcome.policy.name
        yield Tried(name, candidates[name], _result(outcome, winner, is_kept=is_kept))


def _result(outcome: Outcome, winner: str, *, is_kept: bool) -> str:
    if outcome.errors:
        more = f" (and {len(outcome.errors) - 1} more)" if len(outcome.errors) > 1 else ""
        return f"refuses it: {outcome.errors[0]}{more}"
    fields = ", ".join(dict.fromkeys(change.field for change in outcome.changes))
    takes = f"takes it after changes by {fields}" if fields else "takes it as it is"
    if outcome.mutates and not fields:
        takes = "takes it with an annotation beside the field that is there"
    if outcome.policy.name == winner:
        return f"chosen: {takes}"
    if outcome.mutates and is_kept:
        return f"passed over: {takes}, and {winner} takes it as it is"
    return f"passed over: {takes}, but {winner} comes first by name"


def _absolute(view: Pod, operation: Operation) -> Operation:
    """An operation relative to a pod at its place in the document."""
    head, rest = operation.path[0], operation.path[1:]
    base = view.spec_pointer if head == "spec" else view.metadata_pointer
    return Operation(operation.op, (*base, *rest), operation.value)


def _open(choice: Choice, reason: str, next_step: str) -> Choice:
    return _with(choice, refusal=Open(choice.item.where, str(choice.item), reason, next_step))


def _with(choice: Choice, **changes: Any) -> Choice:
    return replace(choice, **changes)


def settled(cluster: Cluster, choices: Sequence[Choice]) -> list[Choice]:
    """The choices, without those that a running pod contradicts: its annotation says what the cluster did."""
    against: dict[tuple[str, str, str], Open] = {}
    chosen = {(one.item.kind, one.item.namespace, one.item.name): one for one in choices if one.index == 0}
    parents = {(item.kind, item.namespace, item.name): item for item in cluster.owned}
    for item in cluster.owned:
        told = text(item.resource.annotations.get(CHOSEN)) if is_pod(item.resource) else ""
        found = chosen.get(_root(item, parents)) if told else None
        if found and found.policy and found.policy != told:
            running = f"the running {item} ({item.where})"
            reason = f"the cluster chose {told} for {running}, and what is here comes to {found.policy}"
            step = "add the policies and bindings that are missing here, or leave that pod out if it is from before"
            key = (found.item.kind, found.item.namespace, found.item.name)
            against.setdefault(key, Open(found.item.where, str(found.item), reason, step))
    return [_against(one, against.get((one.item.kind, one.item.namespace, one.item.name))) for one in choices]


def _against(choice: Choice, refusal: Open | None) -> Choice:
    return choice if refusal is None else replace(choice, policy="", outcome=None, writes=(), refusal=refusal)


def _root(item: Item, parents: Mapping[tuple[str, str, str], Item]) -> tuple[str, str, str]:
    kind, _, name = owner(item.resource).partition("/")
    above = (kind, item.namespace, name)
    for _ in range(len(parents)):
        if above not in parents:
            break
        kind, _, name = owner(parents[above].resource).partition("/")
        above = (kind, item.namespace, name)
    return above
