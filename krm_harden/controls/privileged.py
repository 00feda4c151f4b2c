"""Containers must not be privileged: that switches nearly every protection of the node off.

**Protects from**: everything: such a container has all capabilities and all devices, no seccomp, AppArmor or SELinux.
Root in it mounts the node's disk and is root of the node: no bug is needed, and no update helps.

**Fields**: `spec.containers[*].securityContext.privileged`, also of initContainers and ephemeralContainers.

**Allowed**: `false`, or nothing.

**Before**:

    securityContext:
      privileged: true

**After** (by hand):

    securityContext:
      capabilities:
        add: [NET_ADMIN]

**Fix safety**: never changed: nothing could replace it. Often one capability, a device plugin or a CSI driver is what
the program needs.

**May break**: what you take away by hand: `Operation not permitted` for mounts, modules and devices. Add what is
missing one by one: a capability, a device plugin, a CSI driver.

**Undo**: nothing is written. This, under `spec` of the policy, accepts it; its namespace then needs level privileged:

    exemptions:
    - match: {kinds: [DaemonSet], names: [csi-node]}
      controls: [privileged]
      reason: mounts volumes on its node

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark v1.9, 5.2.2; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation
from krm_harden.wording import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

FIELD = "privileged"


def check_1_0(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        if container.security_context.get(FIELD) is True:
            yield Violation((*container.pointer, "securityContext", FIELD), True, "manual", index)


def propose(_situation: Situation, _violation: Violation) -> Proposal:
    return Proposal("manual", None, "remove privileged, and add only the capabilities or devices that it needs")


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    return "privileged", f"{containers(pod, violations)} must not set securityContext.privileged=true"


CONTROL = Control(
    "privileged",
    "No privileged containers",
    {(1, 0): check_1_0},
    propose,
    forbidden,
    keys=(FIELD,),
    level="baseline",
    field=(FIELD,),
    on_windows=True,
    safe=True,
)
