"""Which ports of their node containers may take.

**Field**: `spec.hostPorts`, ranges from `min` to `max`; none if absent.

**Sets**: nothing.

**Refuses**: a `hostPort` outside all ranges. With hostNetwork the API server takes each container port of containers
and init containers for a port of the node, too. 0 is no port.

**Today**: the Pod Security Standards from level baseline on allow none at all (control `hostPorts`). Ranges need an
admission policy.
"""

from __future__ import annotations

from krm_harden.model import mapping, sequence
from krm_harden.psp.draft import number
from krm_harden.psp.fields import Field
from krm_harden.psp.words import ports, refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "hostPorts"


def refuses(policy: PodSecurityPolicy, pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    allowed = pod.within(policy.spec.get("hostPorts"))
    for index, item in enumerate(sequence(container.data.get("ports"))):
        port = number(mapping(item).get("hostPort"))
        if port is None or port <= 0 or port in allowed:
            continue
        words = f"Host port {port} is not allowed to be used. Allowed ports: [{ports(allowed.ranges)}]"
        pointer = (*container.pointer, "ports", index, "hostPort")
        yield refused(ID, f"{container.path}.hostPort", port, words, pointer, container)


FIELD = Field(ID, refuses_in=refuses)
