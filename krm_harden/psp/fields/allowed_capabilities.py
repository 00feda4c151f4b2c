"""Which capabilities containers may add.

**Field**: `spec.allowedCapabilities`, `*` for all; none if absent. What defaultAddCapabilities names is allowed, too.

**Sets**: nothing.

**Refuses**: any other name in `securityContext.capabilities.add`. Names are compared as they are written: `CAP_CHOWN`
isn't `CHOWN`.

**Today**: the Pod Security Standards: level baseline allows those that container runtimes give anyway, restricted
NET_BIND_SERVICE alone (controls `capabilities_baseline` and `capabilities_restricted`). Other lists need an admission
policy.
"""

from __future__ import annotations

from krm_harden.psp.fields import Field
from krm_harden.psp.fields._capabilities import ALL
from krm_harden.psp.words import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "allowedCapabilities"


def refuses(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    wanted = container.listed("add")
    allowed = {*(policy.spec.get(ID) or ()), *(policy.spec.get("defaultAddCapabilities") or ())}
    if not wanted or ALL in (policy.spec.get(ID) or ()):
        return
    path = f"{container.path}.securityContext.capabilities.add"
    bad = [(name, index) for index, name in enumerate(wanted) if isinstance(name, str) and name not in allowed]
    if container.has_new_capabilities:
        # The admission had sorted what it had changed, without duplicates.
        bad = sorted(dict(reversed(bad)).items(), key=lambda item: item[0].encode())
    for name, index in bad:
        pointer = (*container.pointer, "securityContext", "capabilities", "add", index)
        yield refused(ID, path, name, "capability may not be added", pointer, container)


FIELD = Field(ID, refuses_in=refuses)
