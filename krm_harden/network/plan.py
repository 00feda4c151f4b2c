"""From an inventory to all that is to be written and said: the policies of each namespace, and the remarks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from krm_harden.network import calls, existing, policies
from krm_harden.network.model import Remark
from krm_harden.network.said import is_cut

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from krm_harden.network.inventory import Inventory
    from krm_harden.network.model import Flow, Options
    from krm_harden.network.policies import Policy

ORDER = {"error": 0, "warning": 1, "note": 2}


@dataclass(frozen=True)
class Plan:
    """The policies by namespace, the connections that they let through, and what is to be said, errors first."""

    policies: Mapping[str, tuple[Policy, ...]]
    flows: tuple[Flow, ...]
    remarks: tuple[Remark, ...]

    @property
    def is_open(self) -> bool:
        """Whether something is cut off, or stays unknown, that nobody has decided about."""
        return any(one.severity == "error" for one in self.remarks)


def made(inventory: Inventory, options: Options) -> Plan:
    """What is to be written. Raises ConfigError for an --allow that names nothing."""
    derived = calls.derived(inventory, options)
    left = {*existing.policies(inventory), *existing.foreign(inventory)}
    written = [one for one in inventory.namespaces() if one not in left and not one.startswith("kube-")]
    found = policies.of_namespaces(written, derived.flows, egress=options.egress)
    holding = [one for one in derived.remarks if one.namespace is None or one.namespace in found]
    remarks = [judged for one in holding for judged in _judged(one, options)]
    remarks += existing.report(inventory, derived.flows)
    remarks += [
        Remark("note", f"namespace {one} is Kubernetes' own: nothing is written for it")
        for one in inventory.namespaces()
        if one.startswith("kube-") and one not in left
    ]
    remarks += _seen_only_as_namespaces(inventory)
    ordered = sorted(dict.fromkeys(remarks), key=lambda one: ORDER[one.severity])
    return Plan(found, derived.flows, tuple(ordered))


def _judged(remark: Remark, options: Options) -> Iterator[Remark]:
    """A remark as the command line makes it: what it has decided about is a note, what doesn't hold isn't said."""
    decided = is_cut(remark.about, options.cut)
    if remark.severity == "outside":
        if options.egress and decided:
            yield replace(remark, severity="note", words=f"{remark.words}: cut, as --cut says")
        elif options.egress:
            through = f"let it through with --allow {remark.caller}=CIDR:PORT"
            words = f"{remark.words}: the default deny cuts it off; {through}"
            yield replace(remark, severity="error", words=f"{words}{_or_cut(remark.about)}")
    elif remark.severity == "uncalled":
        if decided:
            yield replace(remark, severity="note", words=f"{remark.words}: --cut says so")
        else:
            words = f"{remark.words}; say who does with --allow WORKLOAD={remark.about[-1]}"
            yield replace(remark, severity="error", words=f"{words}{_or_cut(remark.about)}")
    elif decided and remark.severity != "note":
        yield replace(remark, severity="note")
    else:
        yield remark


def _or_cut(about: Iterable[str]) -> str:
    names = list(about)
    return f", or accept it with --cut {names[0]}" if names else ""


def _seen_only_as_namespaces(inventory: Inventory) -> Iterator[Remark]:
    seen = set(inventory.namespaces())
    for thing in inventory.of_kind(("", "Namespace")):
        name = thing.resource.name
        if name not in seen:
            words = f"namespace {name}: no workload of it is in the input, so nothing is written for it"
            yield Remark("note", words, str(thing.place()))
