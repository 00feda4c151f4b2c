"""Which ports of a pod a Service's port leads to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from krm_harden.network.model import TCP, Port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.network.model import Service, ServicePort, Workload

EVERY_PORT = Port(None)
_NUMBER = re.compile("[0-9]{1,5}")


def ports(service: Service, target: Workload, port: int | str | None) -> Iterator[Port]:
    """The ports of a workload that a port of a Service leads to: None for all, a number or a name."""
    if port is None:
        wanted = service.ports
        if service.headless and not wanted:
            yield from of_pod(target)
    else:
        wanted = tuple(one for one in service.ports if port in {one.number, one.name} and port)
    for one in wanted:
        yield Port(_target(one, target), one.protocol)
    if service.headless and isinstance(port, int):
        # Nobody stands between: what is called is what is connected to.
        known = {one.protocol for one in wanted} or {said for _, number, said in target.ports if number == port}
        for protocol in sorted(known or {TCP}):
            yield Port(port, protocol)


def numbered(said: object) -> int | None:
    """The number of a port that a text or a number says; None where no port has it."""
    number = int(said) if isinstance(said, str) and _NUMBER.fullmatch(said) else said
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number < 65536:
        return None
    return number


def of_pod(target: Workload) -> Iterator[Port]:
    """The ports that a workload's containers say they have; every one where they say none."""
    if not target.ports:
        yield EVERY_PORT
    for _, number, protocol in target.ports:
        yield Port(number, protocol)


def _target(port: ServicePort, target: Workload) -> int | str:
    if isinstance(port.target, int):
        return port.target
    for name, number, protocol in target.ports:
        if (name, protocol) == (port.target, port.protocol):
            return number
    return port.target
