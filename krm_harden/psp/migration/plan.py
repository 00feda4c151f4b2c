"""A whole migration, worked out: everything that the files and reports are made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from krm_harden.errors import ConfigError
from krm_harden.model import LATEST
from krm_harden.psp.fields import IDS
from krm_harden.psp.migration import leftovers
from krm_harden.psp.migration.choices import Asked, Choices, settled
from krm_harden.psp.migration.namespaces import labels, workloads_of
from krm_harden.psp.migration.probes import Judged
from krm_harden.psp.migration.rules import bound, rules

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from krm_harden.psp.migration.choices import Choice
    from krm_harden.psp.migration.leftovers import Leftovers
    from krm_harden.psp.migration.namespaces import Labels, Workload
    from krm_harden.psp.migration.objects import Cluster, Open
    from krm_harden.psp.migration.probes import Shift
    from krm_harden.psp.migration.rules import Bound, Rule
    from krm_harden.psp.model import PodSecurityPolicy


@dataclass(frozen=True)
class Plan:
    """`notes` are sentences for each namespace, `opened` what isn't decided, `single` the policy that holds for all."""

    cluster: Cluster
    server: tuple[int, int]
    workloads: tuple[Workload, ...]
    labels: tuple[Labels, ...]
    policies: Mapping[str, PodSecurityPolicy]
    same_as: Mapping[str, str]
    judged: Mapping[str, Judged]
    bounds: tuple[Bound, ...]
    rules: tuple[Rule, ...]
    notes: Mapping[str, tuple[str, ...]]
    leftovers: Leftovers
    opened: tuple[Open, ...]
    single: str
    known: dict[tuple[str, ...], tuple[Shift, ...]] = field(default_factory=dict)
    """The same few policies at the same few levels, in one workload after the other."""

    def labels_of(self, namespace: str) -> Labels:
        return next(one for one in self.labels if one.name == namespace)

    def rules_of(self, choice: Choice) -> tuple[Rule, ...]:
        """The admission policies that hold for the pods of a choice."""
        namespace, account = choice.item.namespace, choice.account
        return tuple(rule for rule in self.rules if any(one.is_for(namespace, account) for one in rule.bound))

    def shifts(self, choice: Choice) -> tuple[Shift, ...]:
        """For each field of its policy, what gets looser or stricter for the pods of a choice."""
        found = self.rules_of(choice)
        asked = self.labels_of(choice.item.namespace).asked
        key = (choice.policy, str(asked), *(rule.name for rule in found))
        if key not in self.known:
            mine = self.judged[choice.policy]
            kept = {name: self.judged[rule.policy] for rule in found for name in rule.fields}
            self.known[key] = tuple(mine.shift(name, asked, kept.get(name)) for name in IDS)
        return self.known[key]


def made(cluster: Cluster, asked: Asked, server: tuple[int, int] = LATEST) -> Plan:
    """The plan of a cluster. Raises ConfigError where it has no PodSecurityPolicy at all."""
    if not cluster.policy_items:
        why = f" that can be read: {cluster.blockers[0]}" if cluster.blockers else ""
        raise ConfigError(
            f"there is no PodSecurityPolicy here{why}",
            next_step="name the files that have them, or a dump: kubectl get podsecuritypolicies -o yaml",
        )
    choices = Choices(cluster, asked, server)
    every = settled(cluster, choices.every())
    objects = workloads_of(every)
    found = labels(cluster, objects, server)
    used = sorted({choice.policy for choice in every if choice.policy}, key=str.encode)
    same_as = _same_as(cluster, used)
    judged = {name: Judged(policy, server) for name, policy in cluster.policies.items() if _is_usable(policy)}
    placed: list[tuple[Labels, Bound]] = []
    notes: dict[str, tuple[str, ...]] = {}
    for one in found:
        if one.asked:
            inside = [workload for workload in objects if workload.item.namespace == one.name]
            bounds, missing = bound(one, inside, choices, judged)
            placed += [(one, each) for each in bounds]
            notes[one.name] = tuple(missing)
    opened = [*cluster.opened, *_refusals(every), *cluster.unwritable.values()]
    return Plan(
        cluster,
        server,
        tuple(objects),
        tuple(found),
        {name: cluster.policies[name] for name in used},
        same_as,
        judged,
        tuple(each for _, each in placed),
        tuple(rules(placed, judged)),
        notes,
        leftovers.of(cluster, choices, every),
        tuple(dict.fromkeys(opened)),
        choices.single,
    )


def _is_usable(policy: PodSecurityPolicy) -> bool:
    return not getattr(policy, "unusable", "")


def _same_as(cluster: Cluster, used: Sequence[str]) -> dict[str, str]:
    """For each policy in use the first one that says the same."""
    found: dict[str, str] = {}
    for name in used:
        one = cluster.policies[name]
        for known in dict.fromkeys(found.values()):
            other = cluster.policies[known]
            if (one.spec, _told(one)) == (other.spec, _told(other)):
                found[name] = known
        found.setdefault(name, name)
    return found


def _told(policy: PodSecurityPolicy) -> dict[str, str]:
    """The annotations that mean something to a policy."""
    return {name: value for name, value in policy.annotations.items() if "alpha." in name or "beta." in name}


def _refusals(every: Sequence[Choice]) -> Iterator[Open]:
    return (choice.refusal for choice in every if choice.refusal)
