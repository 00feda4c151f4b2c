"""Which SELinux labels containers may have.

**Field**: `spec.seLinux`: `rule` MustRunAs with `seLinuxOptions`, or RunAsAny.

**Sets**: MustRunAs: the pod's `securityContext.seLinuxOptions`, if it has none, to the policy's.

**Refuses**: MustRunAs: a pod or container whose user, role, type or level differs. The order of a level's categories
doesn't count.

**Today**: the Pod Security Standards from level baseline on allow a few types, and neither user nor role (control
`seLinuxOptions`). One label for all needs an admission policy.
"""

from __future__ import annotations

from krm_harden.model import Operation, mapping, text
from krm_harden.psp.fields import Field, sets
from krm_harden.psp.words import REQUIRED, refused, worded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.model import Pointer
    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.fields import Effect
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "seLinux"
_NAME = "seLinuxOptions"
_PARTS = ("level", "role", "type", "user")


def _required(policy: PodSecurityPolicy) -> Mapping[str, Any] | None:
    strategy = mapping(policy.spec.get(ID))
    return mapping(strategy.get(_NAME)) if strategy.get("rule") == "MustRunAs" else None


def sets_pod(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[Effect]:
    wanted = _required(policy)
    if wanted is not None and pod.context.get(_NAME) is None:
        said = {name: value for name, value in wanted.items() if value}
        yield sets(ID, Operation("add", ("spec", "securityContext", _NAME), said))


def refuses_pod(policy: PodSecurityPolicy, pod: PodDraft) -> Iterator[FieldError]:
    return _differences(policy, "spec.securityContext", pod.context.get(_NAME), ("spec", "securityContext", _NAME))


def refuses_container(policy: PodSecurityPolicy, pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    said, pointer = pod.effective(container, _NAME), pod.place(container, _NAME)
    return _differences(policy, f"{container.path}.securityContext", said, pointer, container)


def _differences(
    policy: PodSecurityPolicy, path: str, said: Any, pointer: Pointer, container: ContainerDraft | None = None
) -> Iterator[FieldError]:
    required = _required(policy)
    if required is None:
        return
    if said is None:
        yield worded(REQUIRED, ID, f"{path}.{_NAME}", "", pointer, container)
        return
    for part in _PARTS:
        wanted, found = text(required.get(part)), text(mapping(said).get(part))
        if wanted != found and not (part == "level" and _same_level(wanted, found)):
            yield refused(ID, f"{path}.{_NAME}.{part}", found, f"must be {wanted}", (*pointer, part), container)


def _same_level(left: str, right: str) -> bool:
    """Whether two levels `s0:c1,c0` have one sensitivity and the same categories."""
    (low, colon, some), (also_low, also_colon, others) = left.partition(":"), right.partition(":")
    if not (colon and also_colon) or low != also_low:
        return False
    return sorted(some.split(",")) == sorted(others.split(","))


FIELD = Field(ID, sets=sets_pod, refuses=refuses_pod, refuses_in=refuses_container)
