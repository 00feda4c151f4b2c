"""What NetworkPolicies let through: their meaning as Kubernetes' API documents it (networking/v1).

A pod that no policy selects in a direction is open in it; else what any of the selecting ones allows is allowed. A
connection needs both directions.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from krm_harden.model import mapping, sequence, text
from krm_harden.network.inventory import matches
from krm_harden.network.model import TCP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

INGRESS, EGRESS = "Ingress", "Egress"


@dataclass(frozen=True)
class End:
    """One end of a connection: a pod, or an address outside where `namespace` is None.

    `labels` None are those of pods that nothing is known of: as peers any selector may find them. `ports` are a pod's
    named ports. `address` is empty where it isn't known: then only a block of all addresses has it.
    """

    namespace: str | None = None
    labels: Mapping[str, str] | None = field(default_factory=dict)
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    ports: tuple[tuple[str, int, str], ...] = ()


def allows(
    policies: Iterable[Mapping[str, Any]], source: End, target: End, number: int | str | None, protocol: str = TCP
) -> bool:
    """Whether policies let a connection through, in both directions; `number` None asks for every port."""
    found = list(policies)
    return open_to(found, INGRESS, target, source, target, number, protocol) and open_to(
        found, EGRESS, source, target, target, number, protocol
    )


def open_to(
    policies: Iterable[Mapping[str, Any]],
    direction: str,
    end: End,
    other: End,
    target: End,
    number: int | str | None,
    protocol: str,
) -> bool:
    """Whether a pod is open to its peer in one direction; `target` is the one of them whose port it is."""
    if end.namespace is None:
        return True  # no policy holds outside
    selecting = [one for one in policies if selects(one, direction, end)]
    return not selecting or any(_lets(one, direction, other, target, number, protocol) for one in selecting)


def selects(policy: Mapping[str, Any], direction: str, pod: End) -> bool:
    """Whether a policy holds for a pod in a direction."""
    spec = mapping(policy.get("spec"))
    space = text(mapping(policy.get("metadata")).get("namespace"))
    holds = direction in types(spec) and pod.namespace == space
    return holds and matches(mapping(spec.get("podSelector")), pod.labels or {})


def types(spec: Mapping[str, Any]) -> set[str]:
    """The directions of a policy: ingress always, egress where it has rules for it, unless it says them itself."""
    said = {one for one in sequence(spec.get("policyTypes")) if isinstance(one, str)}
    return said or ({INGRESS, EGRESS} if spec.get("egress") else {INGRESS})


def _lets(
    policy: Mapping[str, Any], direction: str, other: End, target: End, number: int | str | None, protocol: str
) -> bool:
    spec = mapping(policy.get("spec"))
    own = text(mapping(policy.get("metadata")).get("namespace"))
    rules, peers = (("ingress", "from"), ("egress", "to"))[direction == EGRESS]
    for rule in sequence(spec.get(rules)):
        said = mapping(rule)
        among = sequence(said.get(peers))
        if (not among or any(_is_peer(mapping(one), other, own) for one in among)) and _has_port(
            sequence(said.get("ports")), target, number, protocol
        ):
            return True
    return False


def _is_peer(peer: Mapping[str, Any], other: End, own: str) -> bool:
    if "ipBlock" in peer:
        return _within(mapping(peer["ipBlock"]), other.address)
    if other.namespace is None:
        return False
    spaces = peer.get("namespaceSelector")
    is_there = other.namespace == own if spaces is None else matches(mapping(spaces), other.namespace_labels)
    return is_there and (other.labels is None or matches(mapping(peer.get("podSelector")), other.labels))


def _within(block: Mapping[str, Any], address: str) -> bool:
    try:
        network = ipaddress.ip_network(text(block.get("cidr")), strict=False)
        excepted = [ipaddress.ip_network(one, strict=False) for one in sequence(block.get("except"))]
        if not address:
            return network.prefixlen == 0 and not excepted
        one = ipaddress.ip_address(address)
    except ValueError:
        return False
    return one in network and not any(one in other for other in excepted)


def _has_port(ports: Iterable[Any], target: End, number: int | str | None, protocol: str) -> bool:
    found = list(ports)
    if not found:
        return True
    return any(_is_port(mapping(one), target, number) for one in found if (one.get("protocol") or TCP) == protocol)


def _is_port(said: Mapping[str, Any], target: End, number: int | str | None) -> bool:
    first, last = said.get("port"), said.get("endPort")
    if first is None or number is None:
        return first is None
    if isinstance(first, str):
        return first == number or (first, number, said.get("protocol") or TCP) in target.ports
    if isinstance(number, str):
        return False
    return bool(first <= number <= last if isinstance(last, int) else first == number)


def summary(policy: Mapping[str, Any]) -> Iterator[str]:
    """What a policy allows, a line for each direction and rule."""
    spec = mapping(policy.get("spec"))
    for direction, rules, peers in ((INGRESS, "ingress", "from"), (EGRESS, "egress", "to")):
        if direction not in types(spec):
            continue
        to = f"{direction.lower()} of {_labels(mapping(spec.get('podSelector')), 'all pods')}"
        if not sequence(spec.get(rules)):
            yield f"denies {to}"
        for rule in sequence(spec.get(rules)):
            said = mapping(rule)
            among = " or ".join(_peer(mapping(one)) for one in sequence(said.get(peers))) or "anywhere"
            ports = ", ".join(_port(mapping(one)) for one in sequence(said.get("ports"))) or "any port"
            yield f"allows {to} {peers} {among} on {ports}"


def _peer(peer: Mapping[str, Any]) -> str:
    if "ipBlock" in peer:
        return text(mapping(peer["ipBlock"]).get("cidr"))
    pods = _labels(mapping(peer.get("podSelector")), "all pods")
    spaces = peer.get("namespaceSelector")
    return pods if spaces is None else f"{pods} of {_labels(mapping(spaces), 'all namespaces', 'namespaces')}"


def _labels(selector: Mapping[str, Any], every: str, what: str = "pods") -> str:
    said = [f"{key}={value}" for key, value in mapping(selector.get("matchLabels")).items()]
    for one in sequence(selector.get("matchExpressions")):
        values = ",".join(map(str, sequence(mapping(one).get("values"))))
        said.append(" ".join(filter(None, (mapping(one).get("key"), mapping(one).get("operator"), values))))
    return f"{what} with {', '.join(said)}" if said else every


def _port(port: Mapping[str, Any]) -> str:
    number = port.get("port", "any port")
    end = f"-{port['endPort']}" if "endPort" in port else ""
    return f"{port.get('protocol') or TCP} {number}{end}"
