"""Which kernel parameters pods may set.

**Field**: `spec.allowedUnsafeSysctls` and `spec.forbiddenSysctls`, names or prefixes with `*` at their end; none if
absent.

**Sets**: nothing.

**Refuses**: a sysctl that is forbidden; and one that is neither safe (kernel.shm_rmid_forced,
net.ipv4.ip_local_port_range, net.ipv4.tcp_syncookies, net.ipv4.ping_group_range, net.ipv4.ip_unprivileged_port_start)
nor allowed.

**Today**: the Pod Security Standards from level baseline on allow the safe ones, which are more by now (control
`sysctls`). Other lists need an admission policy, and the kubelet's `--allowed-unsafe-sysctls` as before.
"""

from __future__ import annotations

from krm_harden.model import mapping, sequence, text
from krm_harden.psp.fields import Field
from krm_harden.psp.words import FORBIDDEN, worded
from krm_harden.wording import go_quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from krm_harden.psp.draft import PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "sysctls"
SAFE = (
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_unprivileged_port_start",
)


class _Patterns:
    """Names, and prefixes that end in `*`."""

    __slots__ = ("_names", "_prefixes")

    def __init__(self, patterns: Iterable[str]) -> None:
        found = list(patterns)
        self._names = frozenset(found)
        self._prefixes = tuple(pattern[:-1] for pattern in found if pattern.endswith("*"))

    def __contains__(self, name: str) -> bool:
        return name in self._names or name.startswith(self._prefixes)


def refuses(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[FieldError]:
    wanted = sequence(pod.context.get(ID))
    forbidden = _Patterns(policy.spec.get("forbiddenSysctls") or ())
    allowed = _Patterns((*SAFE, *(policy.spec.get("allowedUnsafeSysctls") or ())))
    for index, item in enumerate(wanted):
        name = text(mapping(item).get("name"))
        if name in forbidden:
            detail = f"sysctl {go_quoted(name)} is not allowed"
        elif name not in allowed:
            detail = f"unsafe sysctl {go_quoted(name)} is not allowed"
        else:
            continue
        pointer = ("spec", "securityContext", ID, index, "name")
        yield worded(FORBIDDEN, ID, f"pod.spec.securityContext.sysctls[{index}]", detail, pointer)


FIELD = Field(ID, refuses=refuses)
