"""Which policy holds where by an admission policy, for what no level expresses.

A rule is for namespaces, or for service accounts of theirs where these got different policies. Where one account's pods
got several, the one that takes all that the others take holds, else for each field the one that does so there; where
there is none, nothing holds, and that is said.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from krm_harden.psp.fields import IDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from krm_harden.psp.migration.choices import Choices
    from krm_harden.psp.migration.namespaces import Labels, Workload
    from krm_harden.psp.migration.probes import Judged

OTHERS = "*"
"""Stands for the service accounts of a namespace that no workload here uses."""
ACCOUNT = "object.spec.?serviceAccountName.orValue('default')"
NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True)
class Bound:
    """A policy for the pods of a namespace that run as some accounts; without accounts for all but `beside`.

    `fields` are those of the policy that are meant, none for all.
    """

    policy: str
    namespace: str
    accounts: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()

    def is_for(self, namespace: str, account: str) -> bool:
        if self.namespace != namespace:
            return False
        return account in self.accounts if self.accounts else account not in self.beside


@dataclass(frozen=True)
class Rule:
    """An admission policy to be: for which policy, which of its fields, at what level, and where it holds."""

    name: str
    policy: str
    level: str
    fields: tuple[str, ...]
    bound: tuple[Bound, ...]


def bound(
    labels: Labels, inside: Sequence[Workload], choices: Choices, judged: Mapping[str, Judged]
) -> tuple[list[Bound], list[str]]:
    """Which policy holds for whom in a namespace, and what can't be had, in sentences."""
    of_account: dict[str, set[str]] = {}
    for workload in inside:
        for choice in workload.choices:
            of_account.setdefault(choice.account, set()).add(choice.policy)
    policies = {name for names in of_account.values() for name in names}
    if len(policies) == 1:
        return [Bound(policies.pop(), labels.name)], []
    found, missing = [], []
    for account, names in sorted(of_account.items()):
        widest = _widest(sorted(names), judged)
        if widest:
            found.append(Bound(widest, labels.name, (account,)))
            continue
        of_policy = _by_field(sorted(names), judged)
        free = of_policy.pop("", ())
        found += [Bound(name, labels.name, (account,), fields=fields) for name, fields in of_policy.items()]
        if free:
            missing.append(
                f"the pods of service account {account} got {_listed(names)}, of which none takes in {', '.join(free)} "
                "all that the others take: no admission policy holds that; give each of them an account of its own"
            )
    known = tuple(sorted(of_account))
    others = _of_others(labels.name, inside, choices, judged)
    if others:
        found = [one for one in found if one.policy != others or one.fields]
        alike = {account for account, names in of_account.items() if _widest(sorted(names), judged) == others}
        found.append(Bound(others, labels.name, beside=tuple(name for name in known if name not in alike)))
    else:
        missing.append(f"for service accounts other than {_listed(known)} the level alone holds")
    return _joined(found), missing


def _of_others(namespace: str, inside: Sequence[Workload], choices: Choices, judged: Mapping[str, Judged]) -> str:
    """The policy of accounts that no workload uses: what everybody may use there, if one of them takes it all."""
    from krm_harden.psp.migration.choices import Subject

    makers = {made.user: made for workload in inside if isinstance(made := choices.creator(workload.item), Subject)}
    usable = [name for name in choices.candidates(namespace, "", [*makers.values()]) if name in judged]
    return _widest(usable, judged) if usable else ""


def _widest(names: Sequence[str], judged: Mapping[str, Judged]) -> str:
    """The policy of several that takes whatever the others take; empty if there is none."""
    return next((name for name in names if all(judged[name].takes(judged[other]) for other in names)), "")


def _by_field(names: Sequence[str], judged: Mapping[str, Judged]) -> dict[str, tuple[str, ...]]:
    """For each field the policy of several that takes whatever the others take in it, as the fields of each policy."""
    made: dict[str, tuple[str, ...]] = {}
    for field in IDS:
        takes = (one for one in names if all(judged[one].takes_in(field, judged[other]) for other in names))
        widest = next(takes, "")
        made[widest] = (*made.get(widest, ()), field)
    return made


def _joined(found: Iterable[Bound]) -> list[Bound]:
    """Accounts of one policy in one place."""
    accounts: dict[Bound, list[str]] = {}
    for one in found:
        accounts.setdefault(replace(one, accounts=()), []).extend(one.accounts)
    return [replace(one, accounts=tuple(names)) for one, names in accounts.items()]


def rules(everything: Iterable[tuple[Labels, Bound]], judged: Mapping[str, Judged]) -> list[Rule]:
    """The admission policies: one for each policy and level and what it leaves open, none that has nothing to hold."""
    everything = list(everything)
    where: dict[tuple[str, str, tuple[str, ...], str], list[Bound]] = {}
    asked = {str(labels.asked): labels.asked for labels, _ in everything}
    for labels, one in everything:
        where.setdefault((one.policy, labels.enforce, one.fields, str(labels.asked)), []).append(one)
    # Labels of several versions leave the same open nearly always.
    alike: dict[tuple[str, str, tuple[str, ...]], list[Bound]] = {}
    for (policy, level, only, at), bounds in sorted(where.items()):
        held = asked[at]
        escaping = judged[policy].escaping(held) if held else ()
        fields = tuple(field for field in escaping if not only or field in only)
        if fields:
            alike.setdefault((policy, level, fields), []).extend(bounds)
    found: list[Rule] = []
    for (policy, level, fields), places in alike.items():
        found.append(Rule(_name(policy, level, found), policy, level, fields, tuple(places)))
    return found


def _name(policy: str, level: str, known: Iterable[Rule]) -> str:
    """A name that no other rule has: several are of one policy and level where some hold a part of its fields."""
    count = sum((one.policy, one.level) == (policy, level) for one in known)
    return f"psp-{policy}-{level}" + (f"-{count + 1}" if count else "")


def placed(objects: Iterable[Mapping[str, Any]], rule: Rule) -> list[dict[str, Any]]:
    """An admission policy and its binding, for the places of a rule alone."""
    found = []
    for one in objects:
        spec = dict(one["spec"])
        if one["kind"].endswith("Binding"):
            spec["matchResources"] = {"namespaceSelector": _selector(rule)}
        else:
            condition = _condition(rule)
            known = [{"name": "uses-the-policy", "expression": condition}] if condition else []
            spec["matchConditions"] = [*known, *spec.get("matchConditions", ())]
        found.append({**one, "spec": spec})
    return found


def _selector(rule: Rule) -> dict[str, Any]:
    names = sorted({one.namespace for one in rule.bound})
    return {"matchExpressions": [{"key": NAME_LABEL, "operator": "In", "values": names}]}


def _condition(rule: Rule) -> str:
    """For which pods a rule holds, in CEL; empty where it is for all of its namespaces."""
    whole = sorted({one.namespace for one in rule.bound if not (one.accounts or one.beside)})
    parts = [f"request.namespace in {_cel(whole)}"] if whole else []
    for one in rule.bound:
        if one.accounts:
            parts.append(f"request.namespace == '{one.namespace}' && {ACCOUNT} in {_cel(one.accounts)}")
        elif one.beside:
            parts.append(f"request.namespace == '{one.namespace}' && !({ACCOUNT} in {_cel(one.beside)})")
    return "" if len(whole) == len({one.namespace for one in rule.bound}) else " ||\n".join(parts)


def _cel(names: Iterable[str]) -> str:
    return "[" + ", ".join(f"'{name}'" for name in names) + "]"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))
