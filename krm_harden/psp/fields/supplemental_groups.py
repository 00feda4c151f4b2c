"""Which further groups pods may have.

**Field**: `spec.supplementalGroups`: `rule` MustRunAs or MayRunAs with `ranges`, or RunAsAny.

**Sets**: MustRunAs: the pod's `securityContext.supplementalGroups`, if it has none, to the lowest of the first range.

**Refuses**: each group outside all ranges; with MustRunAs also the empty list of a bare Pod.

**Today**: an admission policy; the groups stand in the manifest. The Pod Security Standards don't look at groups.
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

ID = "supplementalGroups"
_POINTER = ("spec", "securityContext", ID)


def sets_groups(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[Effect]:
    wanted = default(policy, ID)
    if wanted is not None and not isinstance(pod.context.get(ID), list):
        yield sets(ID, Operation("add", _POINTER, [wanted]))


def refuses(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[FieldError]:
    said = pod.context.get(ID)
    groups = [number(group) or 0 for group in said] if isinstance(said, list) else None
    return outside(policy, pod, ID, "spec.securityContext.supplementalGroups", groups, _POINTER, is_list=True)


FIELD = Field(ID, sets=sets_groups, refuses=refuses)
