"""Whether containers may be privileged.

**Field**: `spec.privileged`, false if absent.

**Sets**: nothing.

**Refuses**: `securityContext.privileged: true` in any container, unless the policy says true.

**Today**: the Pod Security Standards from level baseline on (control `privileged`).
"""

from __future__ import annotations

from krm_harden.psp.fields import Field
from krm_harden.psp.words import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "privileged"


def refuses(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    if policy.spec.get("privileged") or container.context.get("privileged") is not True:
        return
    path = f"{container.path}.securityContext.privileged"
    pointer = (*container.pointer, "securityContext", "privileged")
    yield refused(ID, path, True, "Privileged containers are not allowed", pointer, container)


FIELD = Field(ID, refuses_in=refuses)
