"""How containers may see /proc.

**Field**: `spec.allowedProcMountTypes`, `Default` and `Unmasked`; only Default if absent or empty. The API server kept
the field only with its feature gate ProcMountType, which was off by default.

**Sets**: nothing.

**Refuses**: another `securityContext.procMount`. Without one it is Default, which a policy with `[Unmasked]` refuses.

**Today**: the Pod Security Standards from level baseline on allow Default alone (control `procMount`).
"""

from __future__ import annotations

from krm_harden.model import text
from krm_harden.psp.fields import Field
from krm_harden.psp.words import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "allowedProcMountTypes"
_DEFAULT = "Default"


def refuses(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    said = container.context.get("procMount")
    mount = _DEFAULT if said is None else text(said)
    if mount not in (policy.spec.get(ID) or (_DEFAULT,)):
        pointer = (*container.pointer, "securityContext", "procMount")
        path = f"{container.path}.securityContext.procMount"
        yield refused(ID, path, mount, "ProcMountType is not allowed", pointer, container)


FIELD = Field(ID, refuses_in=refuses)
