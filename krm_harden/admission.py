"""What an API server says about pods in namespaces that have labels, or would get others.

Source: k8s.io/pod-security-admission, admission/admission.go (EvaluatePod, ValidateNamespace, EvaluatePodsInNamespace).
Its exemptions (users, namespaces, runtime classes) are the server's own configuration, and not known here.
"""

from __future__ import annotations

from krm_harden.model import LEVELS
from krm_harden.namespaces import Labelled
from krm_harden.resources import is_pod, owners
from krm_harden.standard import Evaluator

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from krm_harden.model import LevelVersion, Resource
    from krm_harden.policy import Policy
    from krm_harden.standard import Verdict


class Answer:
    """What the server says to one mode of a namespace. `text` is its own line, empty where it has nothing to say."""

    __slots__ = ("asked", "mode", "text", "verdict")

    def __init__(self, mode: str, asked: LevelVersion, verdict: Verdict, text: str = "") -> None:
        self.mode = mode
        self.asked = asked
        self.verdict = verdict
        self.text = text


def as_labelled(policy: Policy, resource: Resource, labelled: Labelled) -> Iterator[Answer]:
    """The answers about one resource: enforce, audit, warn.

    A controller is only audited and warned about; what is enforced on its pods is said of them, as they will be made.
    """
    pods = Evaluator(policy.pods_of(resource))
    enforced = Evaluator(policy.created_pods_of(resource)).verdict(labelled.enforce)
    yield Answer("enforce", labelled.enforce, enforced, _forbidden(resource, enforced))
    for mode, asked in (("audit", labelled.audit), ("warn", labelled.warn)):
        verdict = pods.verdict(asked)
        # A request that is refused gets no warnings.
        silent = verdict.allowed or (mode == "warn" and is_pod(resource) and not enforced.allowed)
        yield Answer(mode, asked, verdict, "" if silent else f'would violate PodSecurity "{asked}": {verdict.message}')


def _forbidden(resource: Resource, verdict: Verdict) -> str:
    if verdict.allowed:
        return ""
    name = resource.name if is_pod(resource) else f"{resource.name}-..."
    return f'pods "{name}" is forbidden: violates PodSecurity "{verdict.asked}": {verdict.message}'


class WhatBreaks:
    """What a change of a namespace's enforce label would say about its pods, and about workloads that have none yet.

    `invalid` is why the server would refuse the labels, or empty; then there is nothing else.
    """

    __slots__ = ("changed", "invalid", "pods", "workloads")

    def __init__(
        self, invalid: str = "", pods: Iterable[str] = (), workloads_: Iterable[str] = (), *, changed: bool = True
    ) -> None:
        self.invalid = invalid
        self.pods = tuple(pods)
        self.workloads = tuple(workloads_)
        self.changed = changed


def what_breaks(
    policy: Policy, namespace: str, old: Mapping[str, Any], given: Mapping[str, str], resources: Iterable[Resource]
) -> WhatBreaks:
    """The server's answer to other labels on a namespace: `old` are those it has, `given` are set above them."""
    if all(old.get(name) == value for name, value in given.items()):
        return WhatBreaks(changed=False)
    labels = {**old, **given}
    before, after = Labelled(old, policy.server), Labelled(labels, policy.server)
    if after.problems and _unreadable(labels, after) != _unreadable(old, before):
        return WhatBreaks(_invalid(namespace, labels, after))
    if not _is_evaluated(before.enforce, after.enforce):
        return WhatBreaks()
    mine = [resource for resource in resources if resource.namespace == namespace]
    pods = _distinct(resource for resource in mine if is_pod(resource))
    others = [(f"{resource.kind}/{resource.name}", resource) for resource in _without_pods(mine)]
    asked = after.enforce
    return WhatBreaks(
        pods=_summary(
            policy, asked, pods, "pod", f'existing pods in namespace "{namespace}" violate the new PodSecurity'
        ),
        workloads_=_summary(
            policy,
            asked,
            others,
            "workload",
            f'workloads in namespace "{namespace}" that have no pods here would violate the new PodSecurity',
        ),
    )


def _unreadable(labels: Mapping[str, Any], labelled: Labelled) -> list[tuple[str, Any]]:
    """What the server can't read: wrong labels that were there already, values included, stop no change."""
    return [(name, labels[name]) for name, _ in labelled.problems]


def _invalid(namespace: str, labels: Mapping[str, Any], labelled: Labelled) -> str:
    """The server's refusal, as kubectl prints it."""
    fields = [f'metadata.labels[{name}]: Invalid value: "{labels[name]}": {must}' for name, must in labelled.problems]
    listed = fields[0] if len(fields) == 1 else "".join(f"\n* {field}" for field in fields)
    return f'The Namespace "{namespace}" is invalid: {listed}'


def _is_evaluated(old: LevelVersion, new: LevelVersion) -> bool:
    """Whether the server looks at the pods: not if the level stays or falls at the same version."""
    if new == old or new.level == "privileged":
        return False
    return new.label != old.label or LEVELS.index(new.level) > LEVELS.index(old.level)


def _summary(
    policy: Policy, asked: LevelVersion, named: Iterable[tuple[str, Resource]], noun: str, title: str
) -> Iterator[str]:
    """The server's lines: what violates a level, grouped by its reasons, each group named by its first."""
    groups: dict[str, list[str]] = {}
    for name, resource in named:
        verdict = Evaluator(policy.created_pods_of(resource)).verdict(asked)
        if not verdict.allowed:
            groups.setdefault(verdict.reason, []).append(name)
    if groups:
        yield f'{title} enforce level "{asked}"'
    yield from sorted(f"{_group(names, noun)}: {reason}" for reason, names in groups.items())


def _group(names: list[str], noun: str) -> str:
    others = len(names) - 1
    rest = f" (and {others} other {noun}{'s' if others > 1 else ''})" if others else ""
    return min(names) + rest


def _distinct(pods: Iterable[Resource]) -> list[tuple[str, Resource]]:
    """Pods with their names. A namespace has one of each name; `kubectl get all,pods` prints it twice."""
    pods = list(pods)
    named = {pod.name: pod for pod in pods if pod.metadata.get("name")}
    return [*named.items(), *((pod.name, pod) for pod in pods if not pod.metadata.get("name"))]


def _without_pods(mine: Iterable[Resource]) -> Iterator[Resource]:
    """The workloads of a namespace that neither have a pod here nor were made by another one that is here."""
    mine = list(mine)
    here = {(resource.kind, resource.name): resource for resource in mine}
    served = _ancestors(filter(is_pod, mine), here)
    for key, resource in here.items():
        if not is_pod(resource) and key not in served and not any(above in here for above in _makers(resource)):
            yield resource


_MAKERS = {
    "ReplicaSet": ("Deployment", "Rollout"),
    "ReplicationController": ("DeploymentConfig",),
    "StatefulSet": ("LeaderWorkerSet",),
    "Job": ("CronJob", "JobSet"),
    "Workflow": ("CronWorkflow",),
}
"""Kinds whose pods are written in another one, which makes them; most names are the maker's, a dash and more."""


def _makers(resource: Resource) -> list[tuple[str, str]]:
    """What a resource has its pod from. Other owners only clean up: the pods of an operator aren't like its own."""
    kinds = _MAKERS.get(resource.kind, ())
    return [(kind, name) for kind, name in owners(resource) if is_pod(resource) or kind in kinds]


def _ancestors(pods: Iterable[Resource], here: Mapping[tuple[str, str], Resource]) -> set[tuple[str, str]]:
    """What makes the pods, what makes that, and so on; the maker of what isn't here is known by its name."""
    found: set[tuple[str, str]] = set()
    waiting = [maker for pod in pods for maker in _makers(pod)]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            kind, name = key
            named = [(maker, name.rpartition("-")[0]) for maker in _MAKERS.get(kind, ())]
            waiting += _makers(here[key]) if key in here else named
    return found
