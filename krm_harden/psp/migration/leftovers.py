"""What of roles, bindings and policies can go, and the rules to take out of those that stay."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden.model import mapping, sequence, text
from krm_harden.psp import rbac
from krm_harden.psp.migration.choices import Subject, account_subject
from krm_harden.psp.migration.objects import grants_use

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.psp.migration.choices import Choice, Choices
    from krm_harden.psp.migration.objects import Cluster, Item

RESOURCE = rbac.RESOURCE


@dataclass(frozen=True)
class Edit:
    """A role that stays, and what to take out of it: `patch` is RFC 6902, empty where only a wildcard grants `use`."""

    item: Item
    patch: tuple[Mapping[str, Any], ...]
    note: str

    @property
    def json(self) -> str:
        return json.dumps(list(self.patch))


@dataclass(frozen=True)
class Leftovers:
    """`bindings`, then `roles`, can be deleted; `edits` are for the other roles; the rest is what nothing here uses."""

    roles: tuple[Item, ...]
    bindings: tuple[Item, ...]
    edits: tuple[Edit, ...]
    unused_policies: tuple[str, ...]
    unused_bindings: tuple[Item, ...]


def of(cluster: Cluster, choices: Choices, every: Sequence[Choice]) -> Leftovers:
    roles = [item for item in cluster.rbac if not item.kind.endswith("Binding")]
    granting = [item for item in roles if any(map(grants_use, _rules(item)))]
    only = [item for item in granting if _grants_nothing_else(item)]
    used = {name for choice in every for name in (choice.policy,) if name}
    return Leftovers(
        tuple(only),
        tuple(item for item in _bindings(cluster) if _binds(item, only)),
        tuple(_edits([item for item in granting if item not in only])),
        tuple(sorted(set(cluster.policies) - used)),
        tuple(_unused(cluster, granting, choices, every)),
    )


def _rules(item: Item) -> Iterator[Mapping[str, Any]]:
    return (rule for rule in sequence(item.resource.data.get("rules")) if isinstance(rule, dict))


def _bindings(cluster: Cluster) -> Iterator[Item]:
    return (item for item in cluster.rbac if item.kind.endswith("Binding"))


def _grants_nothing_else(item: Item) -> bool:
    """Whether a role is about policies alone: with them gone it grants nothing."""
    rules = list(_rules(item))
    about = all(list(sequence(one.get("resources"))) == [RESOURCE] and not one.get("nonResourceURLs") for one in rules)
    return about and item.resource.data.get("aggregationRule") is None


def _binds(binding: Item, roles: Iterable[Item]) -> bool:
    role = mapping(binding.resource.data.get("roleRef"))
    kind, name = text(role.get("kind")), text(role.get("name"))
    home = binding.namespace if kind == "Role" else ""
    return any((item.kind, item.namespace, item.name) == (kind, home, name) for item in roles)


def _edits(roles: Iterable[Item]) -> Iterator[Edit]:
    for item in roles:
        if item.resource.data.get("aggregationRule") is not None:
            yield Edit(item, (), "gathers the rules of other roles: they are edited")
            continue
        patch = tuple(_removals(item))
        yield Edit(item, patch, "" if patch else "grants it by `*`: nothing to take out")


def _removals(item: Item) -> Iterator[dict[str, Any]]:
    """From the last rule to the first, so that each index still is what it was."""
    rules = list(enumerate(sequence(item.resource.data.get("rules"))))
    for index, rule in reversed(rules):
        resources = list(sequence(mapping(rule).get("resources")))
        if RESOURCE not in resources or not grants_use(rule):
            continue
        place = f"/rules/{index}"
        yield {"op": "test", "path": f"{place}/resources", "value": resources}
        if resources == [RESOURCE]:
            yield {"op": "remove", "path": place}
        else:
            yield {"op": "remove", "path": f"{place}/resources/{resources.index(RESOURCE)}"}


def _unused(cluster: Cluster, granting: Sequence[Item], choices: Choices, every: Sequence[Choice]) -> Iterator[Item]:
    """The bindings that grant a policy, and by which no workload here got its own."""
    needed = {
        grant.binding
        for choice in every
        if choice.policy
        for subject in _subjects(choices, choice)
        for grant in choices.grants.all
        if grant.allows(choice.item.namespace, choice.policy, subject.user, subject.groups)
    }
    for item in _bindings(cluster):
        name = f"{item.kind} {item.namespace}/{item.name}" if item.namespace else f"{item.kind} {item.name}"
        if _binds(item, granting) and name not in needed:
            yield item


def _subjects(choices: Choices, choice: Choice) -> Iterator[Subject]:
    yield account_subject(choice.item.namespace, choice.account)
    creator = choices.creator(choice.item)
    if isinstance(creator, Subject):
        yield creator
    else:
        yield from choices.asked.people
