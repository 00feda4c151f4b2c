"""Containers must not add capabilities beyond those that a container runtime gives by default.

**Protects from**: capabilities that are as good as root on the node: `SYS_ADMIN` mounts file systems, `SYS_MODULE`
loads code into the kernel, `SYS_PTRACE` beside hostPID reads any process, `NET_ADMIN` rewrites routes and firewalls.
Many kernel bugs can be reached only with one of them; CVE-2022-0492 and CVE-2022-0185 took `SYS_ADMIN`.

**Fields**: `spec.containers[*].securityContext.capabilities.add`, also of initContainers and ephemeralContainers.

**Allowed**: `AUDIT_WRITE`, `CHOWN`, `DAC_OVERRIDE`, `FOWNER`, `FSETID`, `KILL`, `MKNOD`, `NET_BIND_SERVICE`,
`SETFCAP`, `SETGID`, `SETPCAP`, `SETUID`, `SYS_CHROOT`, written so: no `CAP_`, no lower case. At level restricted
`capabilities_restricted` asks for more, in its place.

**Before** (with `explicit: override`):

    securityContext:
      capabilities:
        add: [CHOWN, SYS_ADMIN]

**After**:

    securityContext:
      capabilities:
        add: [CHOWN]

**Fix safety**: never fixed unless `explicit: override` says so, and then marked `may-break`: who adds a capability
means it.

**May break**: an override only. What needed the capability says `Operation not permitted`: mount, iptables, ip, strace.
Often a device plugin, a CSI driver or one setting of the pod does the same from outside.

**Undo**: write the capability back; with `explicit: respect`, the default, it stays. This, under `spec` of the policy,
makes an exemption of the error at both levels:

    exemptions: [{match: {names: [vpn]}, controls: [capabilities], reason: sets up its tunnel}]

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark v1.9, 5.2.8 and 5.2.9; NSA/CISA
Kubernetes Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.decide import DEFAULT_CAPABILITIES as ALLOWED
from krm_harden.model import Operation, Proposal, Violation, mapping, sequence, text
from krm_harden.wording import containers, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Pod

FIELD = ("capabilities", "add")


def _added(container: Container) -> Sequence[Any]:
    return sequence(mapping(container.security_context.get("capabilities")).get("add"))


def check_1_0(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        added = _added(container)
        if added and not ALLOWED.issuperset(added):
            yield Violation((*container.pointer, "securityContext", *FIELD), list(added), "explicit", index)


def instead(_pod: Pod, violation: Violation) -> str:
    gone = [text(name) for name in violation.current if name not in ALLOWED]
    return f"remove {quoted(gone)}"


def propose(situation: Situation, violation: Violation) -> Proposal:
    added = _added(situation.pod.containers[violation.container])
    kept = [name for name in added if name in ALLOWED]
    if not kept:
        only = len(situation.pod.containers[violation.container].security_context["capabilities"]) == 1
        gone = violation.pointer[:-1] if only else violation.pointer
        return Proposal("default", [], "explicit: override", operations=(Operation("remove", gone),))
    places = [index for index, name in enumerate(added) if name not in ALLOWED]
    removals = tuple(Operation("remove", (*violation.pointer, index)) for index in reversed(places))
    return Proposal("default", kept, "explicit: override", operations=removals)


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    names = {text(name) for violation in violations for name in violation.current if name not in ALLOWED}
    who = containers(pod, violations)
    return (
        "non-default capabilities",
        f"{who} must not include {quoted(sorted(names))} in securityContext.capabilities.add",
    )


CONTROL = Control(
    "capabilities_baseline",
    "No capabilities beyond the default ones",
    {(1, 0): check_1_0},
    propose,
    forbidden,
    keys=FIELD[:1],
    level="baseline",
    field=FIELD,
    instead=instead,
    on_windows=True,
    safe=True,
)
