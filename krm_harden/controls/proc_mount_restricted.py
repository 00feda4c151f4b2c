"""Containers must not see the parts of /proc that the runtime hides, not even in a user namespace.

**Protects from**: what the masks are for in a user namespace too: they hide files of the kernel (`/proc/kcore`,
`/proc/keys`, `/proc/timer_list`). Without them only the kernel's own check of who reads and writes these is left.

**Fields**: `spec.containers[*].securityContext.procMount`, also of initContainers and ephemeralContainers.

**Allowed**: `Default`, or nothing.

**Before**:

    securityContext:
      procMount: Unmasked

**After** (by hand):

    securityContext:
      procMount: Default

**Fix safety**: never changed: who writes it builds containers within containers. Such pods belong in a namespace of
level baseline, with `hostUsers: false`.

**May break**: what you take away by hand: a builder within a user namespace can't mount a /proc of its own any more.
Move it to a namespace of level baseline, which allows it.

**Undo**: nothing is written. This, under `spec` of the policy, accepts it; its namespace then needs level baseline:

    exemptions:
    - match: {names: [builder]}
      controls: [procMount_restricted]
      reason: builds images in a user namespace

**Reference**: Pod Security Standards, restricted, from v1.35; before, `procMount` says the same at both levels.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls.proc_mount import FIELD, check_1_0, forbidden
from krm_harden.model import Proposal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Pod, Violation


def check_1_35(pod: Pod) -> Iterator[Violation]:
    """As it was at baseline before user namespaces relaxed it there."""
    return check_1_0(pod)


def propose(_situation: Situation, _violation: Violation) -> Proposal:
    return Proposal("manual", None, "remove procMount; what needs it belongs in a namespace of level baseline")


CONTROL = Control(
    "procMount_restricted",
    "The default view of /proc, always",
    {(1, 35): check_1_35},
    propose,
    forbidden,
    field=(FIELD,),
    keys=(FIELD,),
    overrides=("procMount",),
    on_windows=True,
    safe=True,
)
