"""Pods must not share the network, the processes or the memory of their node.

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
