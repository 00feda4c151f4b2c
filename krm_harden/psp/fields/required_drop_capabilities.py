"""Which capabilities containers must do without.

**Field**: `spec.requiredDropCapabilities`, none if absent. Usually `ALL`; names are compared as they are written.

**Sets**: `securityContext.capabilities.drop` of each container: what it lacks, behind what it drops itself.

**Refuses**: a container that doesn't drop them. Once they are set none is left, so you only see it where they aren't.
What is dropped may still be added, if allowedCapabilities names it.

**Today**: level restricted of the Pod Security Standards asks for `ALL` (control `capabilities_restricted`). Other
lists need an admission policy.
"""

from __future__ import annotations

from krm_harden.model import mapping
from krm_harden.psp.fields import Field
from krm_harden.psp.fields._capabilities import ALL, added
from krm_harden.psp.words import refused, strings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.fields import Effect
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "requiredDropCapabilities"


def sets(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[Effect]:
    return added(ID, container, "drop", policy.spec.get(ID) or ())


def refuses(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    required = policy.spec.get(ID) or ()
    path = f"{container.path}.securityContext.capabilities"
    pointer = (*container.pointer, "securityContext", "capabilities")
    if container.context.get("capabilities") is None:
        if required or policy.spec.get("defaultAddCapabilities"):
            detail = "required capabilities are not set on the securityContext"
            yield refused(ID, path, None, detail, pointer, container)
        return
    if ALL in (policy.spec.get("allowedCapabilities") or ()):
        return
    dropped = [name for name in container.listed("drop") if isinstance(name, str)]
    there = mapping(container.context["capabilities"]).get("drop")
    printed = strings("core.Capability", None if there is None else dropped)
    there_already = {*dropped}
    for name in required:
        if name not in there_already:
            detail = f"{name} is required to be dropped but was not found"
            yield refused(ID, f"{path}.drop", dropped, detail, (*pointer, "drop"), container, printed)


FIELD = Field(ID, sets_in=sets, refuses_in=refuses)
