"""Which group pods may give to their volumes.

**Field**: `spec.fsGroup`: `rule` MustRunAs or MayRunAs with `ranges`, or RunAsAny.

**Sets**: MustRunAs: the pod's `securityContext.fsGroup`, if it has none, to the lowest of the first range.

**Refuses**: a group outside all ranges. MayRunAs takes a pod without a group.

**Today**: an admission policy; the group stands in the manifest. The Pod Security Standards don't look at groups.
"""

from __future__ import annotations

from krm_harden.model import Operation
from krm_harden.psp.draft import number
from krm_harden.psp.fields import Field, sets
from krm_harden.psp.fields._groups import default, outside

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import PodDraft
    from krm_harden.psp.fields import Effect
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "fsGroup"
_POINTER = ("spec", "securityContext", ID)


def sets_group(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[Effect]:
    wanted = default(policy, ID)
    if wanted is not None and number(pod.context.get(ID)) is None:
        yield sets(ID, Operation("add", _POINTER, wanted))


def refuses(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[FieldError]:
    group = number(pod.context.get(ID))
    return outside(policy, pod, ID, "spec.securityContext.fsGroup", None if group is None else [group], _POINTER)


FIELD = Field(ID, sets=sets_group, refuses=refuses)
