"""Which capabilities containers get without asking.

**Field**: `spec.defaultAddCapabilities`, none if absent.

**Sets**: `securityContext.capabilities.add` of each container: what it lacks, behind what it adds itself; not what it
drops by that name.

**Refuses**: nothing; what it adds is allowed without being in allowedCapabilities.

**Today**: the manifest. The Pod Security Standards take no addition but NET_BIND_SERVICE at level restricted.
"""

from __future__ import annotations

from krm_harden.psp.fields import Field
from krm_harden.psp.fields._capabilities import added

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.fields import Effect
    from krm_harden.psp.model import PodSecurityPolicy

ID = "defaultAddCapabilities"


def sets(policy: PodSecurityPolicy, _pod: PodDraft, container: ContainerDraft) -> Iterator[Effect]:
    dropped = {*container.listed("drop")}
    wanted = [name for name in policy.spec.get(ID) or () if name not in dropped]
    return added(ID, container, "add", wanted)


FIELD = Field(ID, sets_in=sets)
