"""Namespaces with policies of their own: what these allow, and which connections they lack. None is written there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.network import evaluate
from krm_harden.network.evaluate import EGRESS, INGRESS, End
from krm_harden.network.inventory import labels_of
from krm_harden.network.model import MANAGED_BY, Block, Namespaced, Remark, Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.network.inventory import Inventory
    from krm_harden.network.model import Flow, Peer, Thing

OWN = (("networking.k8s.io", "NetworkPolicy"), ("extensions", "NetworkPolicy"))
OTHERS = (
    ("crd.projectcalico.org", "NetworkPolicy"),
    ("projectcalico.org", "NetworkPolicy"),
    ("cilium.io", "CiliumNetworkPolicy"),
    ("crd.antrea.io", "NetworkPolicy"),
)
"""Policies of networks' own kinds: their meaning isn't known here."""
WHOLE = (
    ("policy.networking.k8s.io", "AdminNetworkPolicy"),
    ("policy.networking.k8s.io", "BaselineAdminNetworkPolicy"),
    ("policy.networking.k8s.io", "ClusterNetworkPolicy"),
    ("crd.projectcalico.org", "GlobalNetworkPolicy"),
    ("projectcalico.org", "GlobalNetworkPolicy"),
    ("cilium.io", "CiliumClusterwideNetworkPolicy"),
    ("crd.antrea.io", "ClusterNetworkPolicy"),
)
"""Such policies of the whole cluster: they hold beside what is written here."""


def policies(inventory: Inventory) -> dict[str, list[Thing]]:
    """The NetworkPolicies of each namespace that we haven't made."""
    found: dict[str, list[Thing]] = {}
    for thing in inventory.of_kind(*OWN):
        if not MANAGED_BY.items() <= labels_of(thing.resource.metadata).items():
            found.setdefault(thing.namespace, []).append(thing)
    return found


def foreign(inventory: Inventory) -> dict[str, list[Thing]]:
    """The policies of each namespace that only a network of its own understands."""
    found: dict[str, list[Thing]] = {}
    for thing in inventory.of_kind(*OTHERS):
        found.setdefault(thing.namespace, []).append(thing)
    return found


def report(inventory: Inventory, flows: Sequence[Flow]) -> Iterator[Remark]:
    """What the policies of such namespaces allow, whom they leave open, and which connections they cut."""
    there = policies(inventory)
    for namespace, things in foreign(inventory).items():
        words = f"{_space(namespace)} has policies of its network's own: {things[0].title}; nothing is written for it"
        yield Remark("warning", words, str(things[0].place()))
    for thing in inventory.of_kind(*WHOLE):
        words = f"{thing.resource.kind} {thing.resource.name} holds for the whole cluster, and isn't judged here"
        yield Remark("warning", words, str(thing.place()))
    for namespace in sorted(there):
        things = there[namespace]
        yield Remark("note", f"{_space(namespace)} has policies already: nothing is written for it")
        for thing in things:
            for line in evaluate.summary(thing.resource.data):
                yield Remark("note", f"{thing.title} {line}", str(thing.place()))
        yield from _open(namespace, things, inventory)
    yield from _cut(there, inventory, flows)


def _space(namespace: str) -> str:
    return f"namespace {namespace}" if namespace else "what names no namespace"


def _open(namespace: str, things: Sequence[Thing], inventory: Inventory) -> Iterator[Remark]:
    """Pods that no policy selects are open to everybody."""
    for workload in inventory.workloads:
        if workload.namespace == namespace and not workload.host_network:
            end = end_of(workload, inventory)
            if not any(evaluate.selects(_data(thing), INGRESS, end) for thing in things):
                words = f"{workload.title}: no policy of its namespace is for its ingress: anybody may reach it"
                yield Remark("warning", words, str(workload.thing.place()))


def _cut(there: Mapping[str, Sequence[Thing]], inventory: Inventory, flows: Iterable[Flow]) -> Iterator[Remark]:
    """The connections that the manifests show and the policies don't let through."""
    for flow in flows:
        source, target = _end(flow.source, inventory), _end(flow.target, inventory)
        number, protocol = flow.port.number, flow.port.protocol
        for direction, end, other in ((INGRESS, target, source), (EGRESS, source, target)):
            found = [_data(thing) for thing in there.get(end.namespace or "", ())] if end.namespace is not None else []
            if not evaluate.open_to(found, direction, end, other, target, number, protocol):
                words = (
                    f"the policies of {_space(end.namespace or '')} don't allow {direction.lower()} from "
                    f"{_title(flow.source)} to {_title(flow.target)} on {flow.port}, which is needed"
                )
                yield Remark("error", words, flow.evidence.partition(": ")[0])


def _data(thing: Thing) -> Mapping[str, Any]:
    """A policy with the namespace that is said for it."""
    data = thing.resource.data
    return {**data, "metadata": {**thing.resource.metadata, "namespace": thing.namespace}}


def _title(peer: Peer) -> str:
    return peer.title if isinstance(peer, Workload) else str(peer)


def _end(peer: Peer, inventory: Inventory) -> End:
    if isinstance(peer, Workload):
        return end_of(peer, inventory)
    if isinstance(peer, Namespaced):
        return End(peer.namespace, None, inventory.namespace_labels(peer.namespace))
    return End(address=peer.cidr.partition("/")[0] if isinstance(peer, Block) else "")


def end_of(workload: Workload, inventory: Inventory) -> End:
    """A workload's pod as an end of a connection."""
    labels = inventory.namespace_labels(workload.namespace)
    return End(workload.namespace, workload.labels, labels, "", workload.ports)
