"""Pods must not set kernel parameters beyond those that concern only themselves.

**Protects from**: parameters that aren't the pod's alone: they change the node for its neighbours, starve it of memory
or connections, or make it run a program, as `kernel.core_pattern` does. The kubelet refuses them too, unless its
`--allowed-unsafe-sysctls` names them. Only names are judged: a value that smuggled in a second parameter (CRI-O,
CVE-2022-0811) takes an update of the runtime.

**Fields**: `spec.securityContext.sysctls[*].name`.

**Allowed**: `kernel.shm_rmid_forced`, `net.ipv4.ip_local_port_range`, `net.ipv4.tcp_syncookies`,
`net.ipv4.ping_group_range`, `net.ipv4.ip_unprivileged_port_start`; from v1.27 `net.ipv4.ip_local_reserved_ports`; from
v1.29 `net.ipv4.tcp_keepalive_time`, `net.ipv4.tcp_fin_timeout`, `net.ipv4.tcp_keepalive_intvl`,
`net.ipv4.tcp_keepalive_probes`; from v1.32 `net.ipv4.tcp_rmem`, `net.ipv4.tcp_wmem`; from v1.37
`net.ipv4.tcp_slow_start_after_idle`, `net.ipv4.tcp_notsent_lowat`. Written with dots, not slashes.

**Before**:

    securityContext:
      sysctls:
      - name: net.core.somaxconn
        value: "1024"

**After** (by hand):

    securityContext: {}

**Fix safety**: never changed: the program may be slow or fail without it. Set it on the nodes, or exempt the pod.

**May break**: what you take away by hand: the program may accept fewer connections or warn at its start, as Redis does
about `net.core.somaxconn`. With it, on a node that doesn't allow it, the pod fails as `SysctlForbidden`. Set the
parameter on the nodes, by their image or a tuning operator.

**Undo**: nothing is written. This, under `spec` of the policy, accepts it; its namespace then needs level privileged:

    exemptions: [{match: {names: [cache]}, controls: [sysctls], reason: its nodes allow net.core.somaxconn}]

**Reference**: Pod Security Standards, baseline, from v1.0.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation, mapping, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

NAMES_1_0 = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
    ]
)
NAMES_1_27 = NAMES_1_0 | {"net.ipv4.ip_local_reserved_ports"}
NAMES_1_29 = NAMES_1_27 | {
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}
NAMES_1_32 = NAMES_1_29 | {"net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"}
NAMES_1_37 = NAMES_1_32 | {"net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat"}


def check_1_0(pod: Pod) -> Iterator[Violation]:
    return _outside(pod, NAMES_1_0)


def check_1_27(pod: Pod) -> Iterator[Violation]:
    return _outside(pod, NAMES_1_27)


def check_1_29(pod: Pod) -> Iterator[Violation]:
    return _outside(pod, NAMES_1_29)


def check_1_32(pod: Pod) -> Iterator[Violation]:
    return _outside(pod, NAMES_1_32)


def check_1_37(pod: Pod) -> Iterator[Violation]:
    return _outside(pod, NAMES_1_37)


def _outside(pod: Pod, names: frozenset[str]) -> Iterator[Violation]:
    sysctls = pod.security_context.get("sysctls")
    if sysctls and pod.context_pointer is not None:
        for index, sysctl in enumerate(sysctls):
            name = text(mapping(sysctl).get("name"))
            if name not in names:
                yield Violation((*pod.context_pointer, "sysctls", index, "name"), name, "manual")


def propose(_situation: Situation, violation: Violation) -> Proposal:
    dotted = violation.current.replace("/", ".")
    if dotted != violation.current and dotted in NAMES_1_37:
        return Proposal("manual", None, f"write {dotted}: the standard's check knows the name with dots only")
    return Proposal("manual", None, "remove it, and set it on the nodes if the program needs it")


def forbidden(_pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    return "forbidden sysctls", ", ".join(violation.current for violation in violations)


CONTROL = Control(
    "sysctls",
    "No unsafe kernel parameters",
    {(1, 0): check_1_0, (1, 27): check_1_27, (1, 29): check_1_29, (1, 32): check_1_32, (1, 37): check_1_37},
    propose,
    forbidden,
    keys=("sysctls",),
    level="baseline",
    on_windows=True,
    safe=True,
)
