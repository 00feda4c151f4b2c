"""Whose name a host is: a Service's of the input, the cluster's own, or somebody's outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.network.inventory import Inventory
    from krm_harden.network.model import Service

_LOCAL = {"localhost", "ip6-localhost", "0.0.0.0", "::", "::1", "host.docker.internal", "kubernetes.docker.internal"}  # noqa: S104
MAX_ALIASES = 8
"""ExternalName Services may name each other."""


class Absent(NamedTuple):
    """A name of the cluster's own that no Service of the input has."""

    name: str
    namespace: str


class Outside(NamedTuple):
    """A host that isn't the cluster's, as far as its name says."""

    host: str


def resolve(inventory: Inventory, host: str, namespace: str) -> Service | Absent | Outside | None:
    """Whose a host's name is, seen from a namespace; None for the pod itself."""
    if host in _LOCAL or host.endswith(".localhost") or host.startswith("127."):
        return None
    if host in inventory.addresses:
        return inventory.addresses[host]
    if ":" in host:
        return Outside(host)
    labels = host.split(".")
    for at in (2, 3):
        if labels[at : at + 1] == ["svc"] and not host.endswith(".svc.id.goog"):
            name, space = labels[at - 2], labels[at - 1]
            return inventory.services.get((space, name)) or Absent(name, space)
    for name, space in _short_names(labels, namespace):
        service = inventory.services.get((space, name))
        if service and (len(labels) == 1 or labels[0] == name or service.headless):
            return service
    if len(labels) == 1:
        return Absent(host, namespace)
    return Absent(labels[0], labels[1]) if labels == ["kubernetes", "default"] else Outside(host)


def _short_names(labels: list[str], namespace: str) -> Iterator[tuple[str, str]]:
    """What `name`, `name.namespace`, `pod.name` and `pod.name.namespace` may be short for: (Service, namespace)."""
    if len(labels) == 1:
        yield labels[0], namespace
    elif len(labels) == 2:
        yield labels[0], labels[1]
        yield labels[1], namespace
    elif len(labels) == 3:
        yield labels[1], labels[2]


def meant(inventory: Inventory, service: Service) -> Service:
    """The Service that an ExternalName stands for, itself where it is no alias of one."""
    for _ in range(MAX_ALIASES):
        if not service.external_name:
            break
        target = resolve(inventory, service.external_name.lower().rstrip("."), service.namespace)
        if isinstance(target, (Absent, Outside, type(None))):
            break
        service = target
    return service
