"""Whether processes may gain more rights than the one that started them.

**Field**: `spec.allowPrivilegeEscalation`, true if absent, and `spec.defaultAllowPrivilegeEscalation`, nothing if
absent.

**Sets**: `securityContext.allowPrivilegeEscalation` of each container that doesn't say: to the default, if there is
one; else to false, if the policy doesn't allow it.

**Refuses**: a container that doesn't say false, unless the policy allows it.

**Today**: level restricted of the Pod Security Standards asks for false (control `allowPrivilegeEscalation`).
"""

from __future__ import annotations

from krm_harden.model import Operation
from krm_harden.psp.draft import truth
from krm_harden.psp.fields import Field, sets
from krm_harden.psp.words import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.fields import Effect
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "allowPrivilegeEscalation"
_DEFAULT = "defaultAllowPrivilegeEscalation"


def sets_container(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[Effect]:
    wanted = policy.spec.get(_DEFAULT)
    if wanted is None and not policy.spec[ID]:
        wanted = False
    if wanted is not None and truth(container.context.get(ID)) is None:
        yield sets(ID, Operation("add", (*container.pointer, "securityContext", ID), wanted), container)


def refuses(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    said = truth(container.context.get(ID))
    if policy.spec[ID] or said is False:
        return
    path = f"{container.path}.securityContext.{ID}"
    pointer = (*container.pointer, "securityContext", ID)
    yield refused(ID, path, said, "Allowing privilege escalation for containers is not allowed", pointer, container)


FIELD = Field(ID, sets_in=sets_container, refuses_in=refuses)
