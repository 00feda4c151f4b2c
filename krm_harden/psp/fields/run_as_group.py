"""Which primary groups containers may have.

**Field**: `spec.runAsGroup`: `rule` MustRunAs or MayRunAs with `ranges`, or RunAsAny; absent means RunAsAny.

**Sets**: MustRunAs: `securityContext.runAsGroup` of each container without one, its own or the pod's, to the lowest of
the first range.

**Refuses**: a group outside all ranges. MayRunAs takes a container without a group. The message names `securityContext`
as a whole, as the API server did.

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

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.fields import Effect
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "runAsGroup"


def sets_group(policy: PodSecurityPolicy, pod: PodDraft, container: ContainerDraft) -> Iterator[Effect]:
    wanted = default(policy, ID)
    if wanted is not None and number(pod.effective(container, ID)) is None:
        yield sets(ID, Operation("add", (*container.pointer, "securityContext", ID), wanted), container)


def refuses(policy: PodSecurityPolicy, pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    group = number(pod.effective(container, ID))
    groups = None if group is None else [group]
    return outside(policy, pod, ID, f"{container.path}.securityContext", groups, pod.place(container, ID), container)


FIELD = Field(ID, sets_in=sets_group, refuses_in=refuses)
