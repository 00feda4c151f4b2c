"""What a command line says of connections: `--allow FROM=TO[:PORT]`, and names that are to be cut off."""

from __future__ import annotations

import ipaddress
import re
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from krm_harden.errors import ConfigError
from krm_harden.network.model import Anywhere, Block, Flow, Namespaced, Port, is_namespace, named
from krm_harden.network.ports import EVERY_PORT, numbered, ports

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.network.inventory import Inventory
    from krm_harden.network.model import Peer, Service, Workload

HOW = (
    "write --allow FROM=TO[:PORT[/PROTOCOL]], each a workload, namespace/workload, namespace/* or a CIDR; "
    "TO may be a Service"
)
_END = re.compile(r"^\[?(.*?)\]?(?::(\d{1,5})(?:/(TCP|UDP|SCTP))?)?$")
"""IPv6 has colons of its own, so a port stands behind brackets: `[2001:db8::/32]:443`."""

_EVERYWHERE = {"anywhere", "0.0.0.0/0", "::/0"}


def said(inventory: Inventory, allowed: Iterable[tuple[str, str]]) -> Iterator[Flow]:
    """The connections that a command line allows. Raises ConfigError for a name that nothing has."""
    for source, target in allowed:
        evidence = f"the command line: --allow {source}={target}"
        for one in _sources(inventory, source):
            for peer, port in _targets(inventory, target, one):
                yield Flow(one, peer, port, evidence)


def is_cut(about: Sequence[str], globs: Iterable[str]) -> bool:
    """Whether somebody says that what has these names may be cut off."""
    return any(fnmatchcase(name, glob) for glob in globs for name in about)


def _sources(inventory: Inventory, name: str) -> list[Peer]:
    found: list[Peer] = [Anywhere()] if name in _EVERYWHERE else _place(inventory, name)
    if not found:
        raise ConfigError(f"no workload is called {name!r}", "--allow", HOW)
    return found


def _targets(inventory: Inventory, text: str, source: Peer) -> list[tuple[Peer, Port]]:
    match = _END.match(text) if text.count(":") < 2 or text.startswith("[") else None
    name, number, protocol = (match[1], match[2], match[3]) if match else (text, None, None)
    port = Port(numbered(number), protocol or "TCP") if number else EVERY_PORT
    if number and port.number is None:
        raise ConfigError(f"{number} is no port", "--allow", "ports are 1 to 65535")
    space = source.namespace if not isinstance(source, (Anywhere, Block)) else ""
    service = _service(inventory, name, space)
    if service is None:
        found: list[Peer] = [Anywhere()] if name == "anywhere" else _place(inventory, name, space)
        if not found:
            raise ConfigError(f"no Service and no workload is called {name!r}", "--allow", HOW)
        return [(one, port) for one in found]
    if not service.selector:
        raise ConfigError(f"{service.title} has no selector, so no rule can name its pods", "--allow", HOW)
    made: list[tuple[Peer, Port]] = []
    for target in inventory.selected(service):
        made += [(target, one) for one in ports(service, target, port.number)]
    if not made:
        known = ", ".join(str(one.number) for one in service.ports)
        raise ConfigError(f"{service.title} has no port {number}", "--allow", f"it has {known}")
    return made


def _service(inventory: Inventory, name: str, space: str) -> Service | None:
    """The Service of a name: in the namespace of who calls, else the only one of that name."""
    exact = [found for key, found in inventory.services.items() if name == named(*key) or key == (space, name)]
    alone = [found for (_, said), found in inventory.services.items() if said == name]
    return exact[0] if exact else alone[0] if len(alone) == 1 else None


def _place(inventory: Inventory, name: str, space: str | None = None) -> list[Peer]:
    block = _block(name)
    if block:
        return [block]
    if name.endswith("/*") and is_namespace(name[:-2]):
        return [Namespaced(name[:-2])]
    if name == "*":
        return [Namespaced(one) for one in inventory.namespaces()] if space is None else [Namespaced(space)]
    found: list[Workload] = [one for one in inventory.workloads if name in {one.name, named(one.namespace, one.name)}]
    nameless = next((one for one in found if one.selector is None), None)
    if nameless:
        raise ConfigError(f"{nameless.title} has no labels, and no rule can name it", "--allow", "give its pods some")
    closer = [one for one in found if one.namespace == space]
    return [*(closer or found)]


def _block(text: str) -> Block | None:
    if "/" not in text and text.count(".") != 3 and text.count(":") < 2:
        return None
    try:
        return Block(str(ipaddress.ip_network(text, strict=False)))
    except ValueError:
        return None
