"""Containers must not take ports of their node.

**Protects from**: a way in past Services and load balancers, on every address of the node, and past other workloads:
with CNI plugins before 0.7.5 a hostPort took traffic that was meant for a Service (CVE-2019-9946). Besides, an
accident: two such pods don't fit on one node, so an update hangs (`didn't have free ports for the requested pod
ports`).

**Fields**: `spec.containers[*].ports[*].hostPort`, also of initContainers and ephemeralContainers.

**Allowed**: `0`, or nothing.

**Before**:

    ports:
    - containerPort: 8080
      hostPort: 80

**After** (by hand):

    ports:
    - containerPort: 8080

**Fix safety**: never changed: somebody may reach the pod there. A Service of type NodePort or LoadBalancer, or a
gateway, does the same.

**May break**: what you take away by hand: clients that use the node's address get `connection refused`. Give them the
Service first, then delete the field.

**Undo**: nothing is written. This, under `spec` of the policy, accepts it; its namespace then needs level privileged:

    exemptions: [{match: {names: [ingress]}, controls: [hostPorts], reason: the load balancer has fixed ports}]

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark v1.9, 5.2.13.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation, lookup, mapping, sequence
from krm_harden.wording import containers, plural, verb

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod


def check_1_0(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        for place, port in enumerate(sequence(container.data.get("ports"))):
            number = mapping(port).get("hostPort")
            if number:
                yield Violation((*container.pointer, "ports", place, "hostPort"), number, "manual", index)


def propose(situation: Situation, violation: Violation) -> Proposal:
    resource = situation.pod.resource
    if not lookup(resource.data, violation.pointer[len(resource.base) :]):
        return Proposal("manual", None, "the API server takes containerPort for it: remove hostNetwork")
    return Proposal("manual", None, "expose the port through a Service, and remove hostPort")


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    ports = sorted({str(violation.current) for violation in violations})
    uses = verb(violations)
    return "hostPort", f"{containers(pod, violations)} {uses} {plural('hostPort', len(ports))} {', '.join(ports)}"


CONTROL = Control(
    "hostPorts",
    "No ports of the node",
    {(1, 0): check_1_0},
    propose,
    forbidden,
    level="baseline",
    on_windows=True,
    safe=True,
)
