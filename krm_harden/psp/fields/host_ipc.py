"""Whether pods may use the inter-process communication of their node.

**Field**: `spec.hostIPC`, false if absent.

**Sets**: nothing.

**Refuses**: `hostIPC: true` in the pod, unless the policy says true. Its message names `spec.securityContext.hostIPC`,
where the field never lies: so did the API server.

**Today**: the Pod Security Standards from level baseline on (control `hostNamespaces`).
"""

from __future__ import annotations

from krm_harden.psp.fields import Field
from krm_harden.psp.words import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "hostIPC"


def refuses(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[FieldError]:
    if pod.spec.get(ID) is True and not policy.spec.get(ID):
        yield refused(ID, f"spec.securityContext.{ID}", True, "Host IPC is not allowed to be used", ("spec", ID))


FIELD = Field(ID, refuses=refuses)
