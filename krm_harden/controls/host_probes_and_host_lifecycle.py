"""Probes and lifecycle hooks must not send requests to another host than the pod.

**Protects from**: requests in the kubelet's name: it sends them from the node's network, to whatever address the pod's
author names, such as the node's own loopback or a cloud's metadata service, and the pod's status tells whether
something answered (server-side request forgery, KEP-4940).

**Fields**: `httpGet.host` and `tcpSocket.host` of `livenessProbe`, `readinessProbe`, `startupProbe`,
`lifecycle.postStart` and `lifecycle.preStop` in `spec.containers[*]`, also of initContainers and ephemeralContainers.

**Allowed**: empty, or nothing; not even `127.0.0.1`.

**Before** (with `explicit: override`):

    livenessProbe:
      httpGet:
        host: web.example
        port: 8080

**After**:

    livenessProbe:
      httpGet:
        port: 8080

**Fix safety**: never fixed unless `explicit: override` says so, and then marked `may-break`: the kubelet asks the pod
instead, which may not answer, or not to its own address. Where the host is only a name that the server expects, write
it as the header `Host`:

    livenessProbe:
      httpGet:
        port: 8080
        httpHeaders:
        - name: Host
          value: web.example

**May break**: an override only. The kubelet now asks the pod: `Readiness probe failed: Get "http://10.244.1.7:8080/":
dial tcp ... connect: connection refused` where the program listens on 127.0.0.1 or elsewhere alone. Let it listen on
the pod's address, or use an `exec` probe.

**Undo**: write `host` back; with `explicit: respect`, the default, it stays. This, under `spec` of the policy, makes an
exemption of the error:

    exemptions:
    - match: {names: [web]}
      controls: [hostProbesAndHostLifecycle]
      reason: its probe asks the node's agent

**Reference**: Pod Security Standards, baseline, from v1.34.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Operation, Proposal, Violation, mapping
from krm_harden.wording import plural, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Pod, Pointer

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
HOOKS = ("postStart", "preStop")


def check_1_34(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        data = container.data
        for name in PROBES:
            handler = data.get(name)
            if handler and ("httpGet" in handler or "tcpSocket" in handler):
                yield from _hosts(handler, (*container.pointer, name), index)
        lifecycle = data.get("lifecycle")
        if lifecycle:
            for name in HOOKS:
                yield from _hosts(mapping(lifecycle.get(name)), (*container.pointer, "lifecycle", name), index)


def _hosts(handler: Mapping[str, Any], pointer: Pointer, container: int) -> Iterator[Violation]:
    for way in ("httpGet", "tcpSocket"):
        host = mapping(handler.get(way)).get("host")
        if host:
            yield Violation((*pointer, way, "host"), host, "explicit", container)


def instead(_pod: Pod, violation: Violation) -> str:
    if violation.pointer[-2] == "httpGet":
        return "remove host, and name it in the header Host (httpHeaders) if the server needs it"
    return "remove host, for the pod itself is asked then"


def propose(_situation: Situation, violation: Violation) -> Proposal:
    write = Operation("remove", violation.pointer)
    return Proposal("default", None, "explicit: override", operations=(write,))


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    names = sorted({pod.containers[violation.container].name for violation in violations})
    hosts = sorted({violation.current for violation in violations})
    who = f"{plural('container', len(names))} {quoted(names)} {'uses' if len(names) == 1 else 'use'}"
    return "probe or lifecycle host", f"{who} {plural('probe or lifecycle host', len(hosts))} {quoted(hosts)}"


CONTROL = Control(
    "hostProbesAndHostLifecycle",
    "Probes and hooks ask the pod itself",
    {(1, 34): check_1_34},
    propose,
    forbidden,
    instead=instead,
    level="baseline",
    on_windows=True,
    safe=True,
)
