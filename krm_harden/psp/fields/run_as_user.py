"""Which users containers may run as.

**Field**: `spec.runAsUser`: `rule` MustRunAs with `ranges`, MustRunAsNonRoot or RunAsAny.

**Sets**: MustRunAs: `securityContext.runAsUser` of each container without one, its own or the pod's, to the lowest of
the first range. MustRunAsNonRoot: `runAsNonRoot: true` of each container where neither it nor runAsUser is said.

**Refuses**: MustRunAs: a user outside all ranges. MustRunAsNonRoot: `runAsNonRoot: false` and user 0. Ranges next to
another rule than MustRunAs say nothing.

**Today**: level restricted of the Pod Security Standards asks for runAsNonRoot and refuses user 0 (controls
`runAsNonRoot` and `runAsUser`). Ranges need an admission policy, the user stands in the manifest.
"""

from __future__ import annotations

from krm_harden.model import Operation, mapping
from krm_harden.psp.draft import number, truth
from krm_harden.psp.fields import Field, sets
from krm_harden.psp.words import REQUIRED, ranges, refused, worded

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.psp.draft import ContainerDraft, PodDraft
    from krm_harden.psp.fields import Effect
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "runAsUser"


def sets_user(policy: PodSecurityPolicy, pod: PodDraft, container: ContainerDraft) -> Iterator[Effect]:
    strategy = mapping(policy.spec.get(ID))
    if number(pod.effective(container, "runAsUser")) is not None:
        return
    if strategy.get("rule") == "MustRunAs":
        wanted = strategy["ranges"][0]["min"]
        yield sets(ID, Operation("add", (*container.pointer, "securityContext", "runAsUser"), wanted), container)
    elif strategy.get("rule") == "MustRunAsNonRoot" and truth(pod.effective(container, "runAsNonRoot")) is None:
        yield sets(ID, Operation("add", (*container.pointer, "securityContext", "runAsNonRoot"), True), container)


def refuses(policy: PodSecurityPolicy, pod: PodDraft, container: ContainerDraft) -> Iterator[FieldError]:
    strategy = mapping(policy.spec.get(ID))
    user, non_root = number(pod.effective(container, "runAsUser")), truth(pod.effective(container, "runAsNonRoot"))
    path = f"{container.path}.securityContext"
    of_user, of_non_root = (pod.place(container, name) for name in ("runAsUser", "runAsNonRoot"))
    if strategy.get("rule") == "MustRunAs":
        if user is None:
            yield worded(REQUIRED, ID, f"{path}.runAsUser", "", of_user, container)
        elif user not in (allowed := pod.within(strategy.get("ranges"))):
            detail = f"must be in the ranges: {ranges(allowed.ranges)}"
            yield refused(ID, f"{path}.runAsUser", user, detail, of_user, container)
    elif strategy.get("rule") == "MustRunAsNonRoot":
        if non_root is None and user is None:
            yield worded(REQUIRED, ID, f"{path}.runAsNonRoot", "must be true", of_non_root, container)
        elif non_root is False:
            yield refused(ID, f"{path}.runAsNonRoot", False, "must be true", of_non_root, container)
        elif user == 0:
            detail = "running with the root UID is forbidden"
            yield refused(ID, f"{path}.runAsUser", 0, detail, of_user, container)


FIELD = Field(ID, sets_in=sets_user, refuses_in=refuses)
