"""Containers must not run as uid 0.

**Protects from**: uid 0, which is the node's own uid 0 unless the pod has a user namespace: what slips out of the
container is root there (CVE-2019-5736; CVE-2024-21626, in which a file descriptor of the node's folders leaked into
it), and any file of a mounted volume is open to it.

**Fields**: `spec.securityContext.runAsUser`, and `spec.containers[*].securityContext.runAsUser`, also of
initContainers and ephemeralContainers.

**Allowed**: any number but 0, or nothing. From v1.35 anything in a pod with `hostUsers: false`.

**Before** (with `explicit: override`):

    securityContext:
      runAsUser: 0

**After**:

    securityContext:
      runAsUser: 10001

**Fix safety**: never fixed unless `explicit: override` says so: who writes 0 means it. An override is marked
`may-break` unless the policy or a lock knows the image's user.

**May break**: an override only. What the image has for root alone can't be read or written: `Permission denied`; ports
below 1024 and changes of owners fail too: see `unprivilegedNetwork` and `capabilities_restricted`. State the image's
own uid under `images`.

**Undo**: write `runAsUser: 0` back; with `explicit: respect`, the default, it stays. This, under `spec` of the policy,
makes an exemption of the error:

    exemptions: [{match: {names: [legacy]}, controls: [runAsUser, runAsNonRoot], reason: manages its volume's users}]

**Reference**: Pod Security Standards, restricted, from v1.23; CIS Kubernetes Benchmark v1.9, 5.2.7; NSA/CISA Kubernetes
Hardening Guide, "Non-root containers".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls._users import our_user, user
from krm_harden.model import Proposal, Violation
from krm_harden.wording import setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

FIELD = "runAsUser"


def _is_root(security_context: Mapping[str, Any]) -> bool:
    uid = security_context.get(FIELD)
    return uid == 0 and isinstance(uid, int) and not isinstance(uid, bool)


def check_1_23(pod: Pod) -> Iterator[Violation]:
    if pod.context_pointer is not None and _is_root(pod.security_context):
        yield Violation((*pod.context_pointer, FIELD), 0, "explicit")
    for index, container in enumerate(pod.containers):
        if _is_root(container.security_context):
            yield Violation((*container.pointer, "securityContext", FIELD), 0, "explicit", index)


def check_1_35(pod: Pod) -> Iterator[Violation]:
    """Root within a user namespace isn't root on the node."""
    return iter(()) if pod.host_users_off else check_1_23(pod)


def instead(_pod: Pod, _violation: Violation) -> str:
    return "remove it where the image has a user of its own, else give the number of another user than root"


def propose(situation: Situation, violation: Violation) -> Proposal:
    if violation.container < 0:
        return _of_pod(situation)
    container = situation.pod.containers[violation.container]
    if situation.facts(container).value("uid") is not None:
        return user(situation, container)
    return Proposal("default", our_user(situation), "explicit: override")


def _of_pod(situation: Situation) -> Proposal:
    """The user that all containers want which take the pod's; our own where they differ, or nobody knows."""
    inheriting = [one for one in situation.pod.containers if one.security_context.get(FIELD) is None]
    wanted = {situation.facts(one).value("uid") for one in inheriting} if situation.knows_images else set()
    known = wanted.pop() if len(wanted) == 1 else None
    if not known:
        return Proposal("default", our_user(situation), "explicit: override")
    return Proposal("default", known, "explicit: override", situation.facts(inheriting[0]).evidence("uid"))


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    return "runAsUser=0", f"{setters(pod, violations)} must not set runAsUser=0"


CONTROL = Control(
    "runAsUser",
    "Running as a non-root user",
    {(1, 23): check_1_23, (1, 35): check_1_35},
    propose,
    forbidden,
    field=(FIELD,),
    instead=instead,
    keys=(FIELD,),
)
