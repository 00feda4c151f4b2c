"""Pods must not share the network, the processes or the memory of their node.

**Protects from**: with `hostNetwork`, services of the node that trust its own network: the API of containerd's shims
was open to any such root container, which made it root of the node (CVE-2020-15257); NetworkPolicies mostly don't hold
for such pods. With `hostPID` a container sees every process of the node and its command line, and may signal those of
its user; with `hostIPC` it has their shared memory.

**Fields**: `spec.hostNetwork`, `spec.hostPID`, `spec.hostIPC`.

**Allowed**: `false`, or nothing.

**Before**:

    spec:
      hostNetwork: true
      containers:
      - name: web

**After** (by hand):

    spec:
      containers:
      - name: web
        ports:
        - containerPort: 8080

**Fix safety**: never changed: the pod would lose what it is there for. Ports are reached through a Service, a gateway
or a load balancer; agents of the node (metrics, logs, networking) belong in a namespace of their own and into an
exemption.

**May break**: what you take away by hand. Without `hostNetwork` the program listens at the pod's address and sees the
pod's interfaces only: `connection refused` at the node's address, empty metrics. Without `hostPID` it sees its own
processes alone.

**Undo**: nothing is written. This, under `spec` of the policy, accepts it; its namespace then needs level privileged:

    exemptions:
    - match: {kinds: [DaemonSet], names: [node-exporter]}
      controls: [hostNamespaces]
      reason: reads the metrics of its node

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark v1.9, 5.2.3 to 5.2.5; NSA/CISA
Kubernetes Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

INSTEAD = {
    "hostNetwork": "expose its ports through a Service, and remove hostNetwork",
    "hostPID": "share processes within the pod with shareProcessNamespace, and remove hostPID",
    "hostIPC": "share memory within the pod with an emptyDir of medium Memory, and remove hostIPC",
}


def check_1_0(pod: Pod) -> Iterator[Violation]:
    spec = pod.spec
    for field in INSTEAD:
        if spec.get(field) is True:
            yield Violation((*pod.spec_pointer, field), True, "manual")


def propose(_situation: Situation, violation: Violation) -> Proposal:
    return Proposal("manual", None, INSTEAD[str(violation.pointer[-1])])


def forbidden(_pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    return "host namespaces", ", ".join(f"{violation.pointer[-1]}=true" for violation in violations)


CONTROL = Control(
    "hostNamespaces",
    "No namespaces of the node",
    {(1, 0): check_1_0},
    propose,
    forbidden,
    keys=INSTEAD,
    level="baseline",
    on_windows=True,
    safe=True,
)
