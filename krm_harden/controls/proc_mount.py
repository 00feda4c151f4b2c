"""Containers must not see the parts of /proc that the runtime hides.

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
