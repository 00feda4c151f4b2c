"""Whether containers must have a read-only root.

**Field**: `spec.readOnlyRootFilesystem`, false if absent.

**Sets**: `securityContext.readOnlyRootFilesystem: true` of each container that doesn't say.

**Refuses**: a container that says false.

**Today**: the manifest, and an admission policy: the Pod Security Standards don't ask for it (control
`readOnlyRootFilesystem`, which also finds out what must stay writable).
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

ID = "readOnlyRootFilesystem"


def sets_container(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[Effect]:
    if policy.spec.get(ID) and truth(container.context.get(ID)) is None:
        yield sets(ID, Operation("add", (*container.pointer, "securityContext", ID), True), container)


def refuses(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    said = truth(container.context.get(ID))
    if not policy.spec.get(ID) or said:
        return
    detail = "ReadOnlyRootFilesystem must be set to true"
    if said is None:
        detail = "ReadOnlyRootFilesystem may not be nil and must be set to true"
    pointer = (*container.pointer, "securityContext", ID)
    yield refused(ID, f"{container.path}.securityContext.{ID}", said, detail, pointer, container)


FIELD = Field(ID, sets_in=sets_container, refuses_in=refuses)
