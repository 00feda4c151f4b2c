"""NetworkPolicies of connections: a default deny for each namespace, and rules that let through what is shown."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from krm_harden.emit import Style, block, block_item
from krm_harden.model import one_line
from krm_harden.network.model import MANAGED_BY, NAMESPACE_LABEL, Anywhere, Block, Namespaced, Workload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.network.model import Flow, Peer

STYLE = Style()
LONGEST_NAME = 253
DNS = {
    "to": [
        {
            "namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
        }
    ],
    "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}],
}
DNS_COMMENT = "Names are looked up at the cluster's DNS servers."


@dataclass(frozen=True)
class Rule:
    """One rule, and what shows that it is needed: a line each."""

    data: Mapping[str, Any]
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """One NetworkPolicy. `comment` says what it is for; `ingress` or `egress` is None where it says nothing of it."""

    namespace: str
    name: str
    selector: Mapping[str, Any]
    comment: str
    ingress: tuple[Rule, ...] | None = None
    egress: tuple[Rule, ...] | None = field(default=None)

    def data(self) -> dict[str, Any]:
        """The object."""
        metadata: dict[str, Any] = {"name": self.name}
        if self.namespace:
            metadata["namespace"] = self.namespace
        metadata["labels"] = dict(MANAGED_BY)
        spec: dict[str, Any] = {"podSelector": dict(self.selector), "policyTypes": []}
        for direction, rules in (("Ingress", self.ingress), ("Egress", self.egress)):
            if rules is not None:
                spec["policyTypes"].append(direction)
                if rules:
                    spec[direction.lower()] = [dict(rule.data) for rule in rules]
        return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}

    def text(self) -> str:
        """The object as YAML, with the evidence above each rule."""
        data = self.data()
        spec = data.pop("spec")
        lines = [_comment(self.comment)]
        for key, value in data.items():
            lines += block(key, value, 0, STYLE)
        lines.append("spec:")
        lines += block("podSelector", spec["podSelector"], 2, STYLE)
        lines += block("policyTypes", spec["policyTypes"], 2, STYLE)
        for name, rules in (("ingress", self.ingress), ("egress", self.egress)):
            if rules:
                lines.append(f"  {name}:")
                for rule in rules:
                    lines += [f"  {_comment(one)}" for one in rule.evidence]
                    lines += block_item(dict(rule.data), 2, STYLE)
        return "".join(f"{line}\n" for line in lines)


def _comment(words: str) -> str:
    return f"# {one_line(words)}".rstrip()


def of_namespaces(namespaces: Iterable[str], flows: Sequence[Flow], *, egress: bool) -> dict[str, tuple[Policy, ...]]:
    """The policies of each namespace: the default deny first, then by name."""
    allowing: dict[str, list[Policy]] = {}
    for one in _allowing(flows, egress=egress):
        allowing.setdefault(one.namespace, []).append(one)
    return {
        name: (*_denying(name, egress=egress), *sorted(allowing.get(name, ()), key=lambda one: one.name))
        for name in namespaces
    }


def _denying(namespace: str, *, egress: bool) -> Iterator[Policy]:
    words = "Nothing may reach these pods but what another policy of the namespace allows."
    yield Policy(namespace, "default-deny-ingress", {}, words, ingress=())
    if egress:
        words = "These pods may reach nothing but what another policy of the namespace allows."
        yield Policy(namespace, "default-deny-egress", {}, words, egress=())
        dns = Rule(DNS, (DNS_COMMENT,))
        yield Policy(namespace, "allow-dns", {}, "Every pod may look up names.", egress=(dns,))


def _allowing(flows: Sequence[Flow], *, egress: bool) -> Iterator[Policy]:
    names: set[tuple[str, str]] = set()
    for end, peers in _ends(_grouped((flow.target, flow.source, flow) for flow in flows)):
        rules = tuple(_rules(peers, end.namespace, "from"))
        name = _name("allow-to", end, names)
        yield Policy(end.namespace, name, _selector(end), f"Who may reach {_title(end)}.", ingress=rules)
    if not egress:
        return
    for end, peers in _ends(_grouped((flow.source, flow.target, flow) for flow in flows)):
        rules = tuple(_rules(peers, end.namespace, "to"))
        name = _name("allow-from", end, names)
        yield Policy(end.namespace, name, _selector(end), f"Whom {_title(end)} may reach.", egress=rules)


def _grouped(found: Iterable[tuple[Peer, Peer, Flow]]) -> dict[Peer, dict[Peer, list[Flow]]]:
    made: dict[Peer, dict[Peer, list[Flow]]] = {}
    for end, other, flow in found:
        made.setdefault(end, {}).setdefault(other, []).append(flow)
    return made


def _ends(
    grouped: Mapping[Peer, dict[Peer, list[Flow]]],
) -> list[tuple[Workload | Namespaced, dict[Peer, list[Flow]]]]:
    """Those for which a policy can be written, sorted."""
    found: list[tuple[Workload | Namespaced, dict[Peer, list[Flow]]]] = [
        (end, peers)
        for end, peers in grouped.items()
        if (isinstance(end, Workload) and end.selector is not None) or isinstance(end, Namespaced)
    ]
    return sorted(found, key=lambda one: _key(one[0]))


def _key(peer: Peer) -> tuple[str, ...]:
    """What peers are sorted by: anywhere, ranges, namespaces, workloads."""
    if isinstance(peer, Workload):
        return ("3", *peer.key)
    if isinstance(peer, Namespaced):
        return "2", peer.namespace
    return ("1", peer.cidr) if isinstance(peer, Block) else ("0",)


def _title(end: Workload | Namespaced) -> str:
    return end.title if isinstance(end, Workload) else str(end)


def _selector(end: Workload | Namespaced) -> Mapping[str, Any]:
    return (end.selector or {}) if isinstance(end, Workload) else {}


def _name(prefix: str, end: Workload | Namespaced, names: set[tuple[str, str]]) -> str:
    """`allow-to-web`; with the kind where two of them are called so, with a hash where it would be too long."""
    said = end.name if isinstance(end, Workload) else "every-pod"
    # Placeholders and the begin of a generated name are no names to a server.
    name = plain = f"{prefix}-{re.sub('[^a-z0-9.-]+', '-', said.lower())}".strip("-.")
    if (end.namespace, name) in names and isinstance(end, Workload):
        name = plain = f"{name}-{end.thing.resource.kind.lower()}"
    digest = f"{_key(end)}{_selector(end)}"
    while len(name) > LONGEST_NAME or (end.namespace, name) in names:
        digest = hashlib.sha256(digest.encode()).hexdigest()
        name = f"{plain[: LONGEST_NAME - 9].rstrip('-.')}-{digest[:8]}"
    names.add((end.namespace, name))
    return name


def _rules(peers: Mapping[Peer, list[Flow]], namespace: str, key: str) -> Iterator[Rule]:
    for peer in sorted(peers, key=_key):
        flows = peers[peer]
        data: dict[str, Any] = {}
        if not isinstance(peer, Anywhere):
            data[key] = [_peer(peer, namespace)]
        ports = sorted({flow.port for flow in flows}, key=lambda port: port.key)
        if not any(port.number is None for port in ports):
            data["ports"] = [{"port": port.number, "protocol": port.protocol} for port in ports]
        yield Rule(data, tuple(dict.fromkeys(sorted(flow.evidence for flow in flows))))


def _peer(peer: Workload | Namespaced | Block, namespace: str) -> dict[str, Any]:
    if isinstance(peer, Block):
        return {"ipBlock": {"cidr": peer.cidr}}
    spaces = {"namespaceSelector": {"matchLabels": {NAMESPACE_LABEL: peer.namespace}}}
    pods = {"podSelector": dict(_selector(peer))}
    if peer.namespace == namespace:
        return pods
    return {**spaces, **pods} if isinstance(peer, Workload) else spaces
