"""Containers must not see the parts of /proc that the runtime hides.

**Protects from**: writing the kernel's switches through /proc: with `Unmasked` root of the container may write, where
AppArmor doesn't deny it, `/proc/sys/kernel/core_pattern`, and the kernel runs what stands there as root of the node, or
`/proc/sysrq-trigger`. The bug of runc in which the masks could be taken away (CVE-2025-31133) was an escape for that
reason.

**Fields**: `spec.containers[*].securityContext.procMount`, also of initContainers and ephemeralContainers.

**Allowed**: `Default`, or nothing. From v1.35 anything in a pod with `hostUsers: false`; at level restricted
`procMount_restricted` allows no such thing, in its place.

**Before**:

    spec:
      containers:
      - name: builder
        securityContext:
          procMount: Unmasked

**After** (by hand):

    spec:
      hostUsers: false
      containers:
      - name: builder
        securityContext:
          procMount: Unmasked

**Fix safety**: never changed: who writes it builds containers within containers. Such pods belong into a user namespace
(`hostUsers: false`).

**May break**: what you take away by hand: tools that build or run containers within the container fail to mount /proc
(`Operation not permitted`). Build in a user namespace, or with a builder that needs no mount.

**Undo**: nothing is written. This, under `spec` of the policy, accepts it; its namespace then needs level privileged:

    exemptions: [{match: {names: [builder]}, controls: [procMount], reason: builds images}]

**Reference**: Pod Security Standards, baseline, from v1.0.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation
from krm_harden.wording import containers, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

FIELD = "procMount"


def check_1_0(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        said = container.security_context.get(FIELD)
        if said is not None and said != "Default":
            yield Violation((*container.pointer, "securityContext", FIELD), said, "manual", index)


def check_1_35(pod: Pod) -> Iterator[Violation]:
    """In a user namespace /proc shows nothing that is the node's."""
    if not pod.host_users_off:
        yield from check_1_0(pod)


def propose(_situation: Situation, _violation: Violation) -> Proposal:
    return Proposal("manual", None, "remove procMount; to build images, run in a user namespace (hostUsers: false)")


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    values = quoted(sorted({violation.current for violation in violations}))
    return "procMount", f"{containers(pod, violations)} must not set securityContext.procMount to {values}"


CONTROL = Control(
    "procMount",
    "The default view of /proc",
    {(1, 0): check_1_0, (1, 35): check_1_35},
    propose,
    forbidden,
    keys=(FIELD,),
    level="baseline",
    field=(FIELD,),
    on_windows=True,
    safe=True,
)
