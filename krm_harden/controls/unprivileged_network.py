"""A process that is root no more may still listen on its port below 1024, and ping.

Beyond the Pod Security Standards, which call these kernel parameters safe: they concern the pod's own network alone.

**Protects from**: an accident that keeps containers at root: without it a service that isn't root any more ends with
`bind() to 0.0.0.0:80 failed (13: Permission denied)`, and root is given back to it.

**Fields**: `spec.securityContext.sysctls`. Not on Windows, not with `hostNetwork`, not where the kind has no pod-level
securityContext.

**Allowed**: anything where no container's user changes; else `net.ipv4.ip_unprivileged_port_start` where one of those
containers listens on a port below 1024, and `net.ipv4.ping_group_range` where one of them pings.

**Before**:

    spec:
      containers:
      - name: web
        image: nginx:1.27
        ports:
        - containerPort: 80

**After**:

    spec:
      containers:
      - name: web
        image: nginx:1.27
        ports:
        - containerPort: 80
      securityContext:
        sysctls:
        - name: net.ipv4.ip_unprivileged_port_start
          value: "0"

**Fix safety**: safe beside the new user, which can't listen on such a port without it: the capability NET_BIND_SERVICE
doesn't help a process that isn't root. containerd 2, Docker, kind and k3s have this value anyway; containerd 1 and
CRI-O don't. Ports and Services stay as they are. With `hostNetwork` the API refuses it: give the program a higher port.

**May break**: kubelets before v1.22 don't count `net.ipv4.ip_unprivileged_port_start` as safe: the pod fails as
`SysctlForbidden`. Kernels before 4.11 don't know it. Give the program a port above 1023 there, and let the Service's
`targetPort` name it.

**Undo**: delete the entry of `sysctls`, after the program got a higher port. Under `spec` of the policy, the first
keeps it out of one workload, the second out of all:

    exemptions: [{match: {names: [web]}, controls: [unprivilegedNetwork], reason: listens on 8080}]
    controls: {unprivilegedNetwork: {enabled: false}}

**Reference**: Pod Security Standards, baseline, "Sysctls"; kubernetes.io, "Using sysctls in a Kubernetes Cluster".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls._users import in_user_namespace
from krm_harden.images.command_lines import PING
from krm_harden.images.obstacles import privileged_port
from krm_harden.model import Operation, Proposal, Violation, mapping, sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

PORTS = "net.ipv4.ip_unprivileged_port_start"
PINGS = "net.ipv4.ping_group_range"
VALUES = {PORTS: "0", PINGS: "0 2147483647"}


def check(pod: Pod) -> Iterator[Violation]:
    if pod.context_pointer is not None and not _said(pod).issuperset(VALUES):
        current = pod.security_context.get("sysctls")
        yield Violation((*pod.context_pointer, "sysctls"), current, "missing")


def propose(situation: Situation, violation: Violation) -> Proposal:
    pod = situation.pod
    needed = {name: why for name, why in _needed(situation) if name not in _said(pod)}
    if not needed:
        return Proposal("none", None, "no new user needs it")
    reason = "; ".join(needed.values())
    if pod.spec.get("hostNetwork") is True:
        return Proposal("manual", None, f"{reason}, and the node's network can't be set from a pod: use a higher port")
    value = [{"name": name, "value": VALUES[name]} for name in needed]
    writes = tuple(Operation("add", (*violation.pointer, "-"), item) for item in value)
    return Proposal("evidence", value, reason, operations=writes)


def _said(pod: Pod) -> set[object]:
    return {mapping(item).get("name") for item in sequence(pod.security_context.get("sysctls"))}


def _needed(situation: Situation) -> Iterator[tuple[str, str]]:
    """The parameters that containers need under their new users, each with the reason, the first container's first."""
    for container in situation.pod.containers:
        if not (situation.new_user(container) or in_user_namespace(situation, container)):
            continue
        port = privileged_port(situation, container)
        if port:
            yield PORTS, f'container "{container.name}" listens on port {port}, and is root no more'
        if PING.intersection(situation.programs(container)):
            yield PINGS, f'container "{container.name}" pings, and is root no more'


def _concerns(situation: Situation) -> bool:
    """Whether a container may get another user, and one listens on a low port or pings."""
    return situation.may_change_users and any(
        privileged_port(situation, one) or PING.intersection(situation.programs(one))
        for one in situation.pod.containers
    )


CONTROL = Control(
    "unprivilegedNetwork",
    "Low ports and pings without root",
    {(1, 0): check},
    propose,
    concerns=_concerns,
    field=("sysctls",),
    since=(0, 2),
)
