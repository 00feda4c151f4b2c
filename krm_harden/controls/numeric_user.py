"""Containers run as a user that the manifest gives as a number.

Beyond the Pod Security Standards. `runAsNonRoot: true` alone isn't enough: the kubelet refuses an image whose user is
root, or a name ("image has non-numeric user, cannot verify user is non-root").

**Protects from**: a user who is decided by the image, or by a bug: kubelets v1.13.6 and v1.14.2 restarted containers
without `runAsUser` as root (CVE-2019-11245), and an image's USER that is too large a number made containerd start it as
root (CVE-2024-40635). Two services with users of their own also can't touch each other's files on a shared volume or
node.

**Fields**: `spec.securityContext.runAsUser`, `spec.containers[*].securityContext.runAsUser`, also of initContainers
and ephemeralContainers. Not on Windows, not on OpenShift, which gives each namespace a range of users.

**Allowed**: a number, in the container or in the pod.

**Before**:

    spec:
      containers:
      - name: web

**After**:

    spec:
      containers:
      - name: web
      securityContext:
        runAsUser: 10001

**Fix safety**: the uid comes from the policy's `images` or a lock; else it is `controls.numericUser.uid`, 10001, marked
`may-break`: many services break under a uid that their image doesn't know. No uid is written for a container
that mounts a claim, NFS or a hostPath to write to, unless its image's uid is known: files there belong to somebody.

**May break**: programs that write where only their own user may: `Permission denied`; programs that look up their user:
`No user exists for uid 10001` (ssh, git), `whoami: cannot find name for user ID 10001`. State the image's own uid under
`images`, or let `krm-harden images resolve` find it.

**Undo**: delete `runAsUser`; where the image's USER is a name or root, `runAsNonRoot: true` has to go too. Under `spec`
of the policy, the first keeps it out of one workload, the second out of all that nobody described:

    exemptions: [{match: {names: [legacy]}, controls: [numericUser], reason: writes as its own user}]
    unknownUser: report

**Reference**: PodSecurityPolicy, `runAsUser: MustRunAsNonRoot`; kubernetes/pkg/kubelet/kuberuntime/security_context.go.
"""

from __future__ import annotations

from krm_harden.controls import Control, _writable
from krm_harden.controls._users import DEFAULT_UID, ID, our_user, user
from krm_harden.inherit import numbered
from krm_harden.model import Proposal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Operation, Pod, Violation

FIELD = "runAsUser"


def check(pod: Pod) -> Iterator[Violation]:
    return numbered(pod, FIELD)


def propose(situation: Situation, violation: Violation) -> Proposal:
    container = situation.pod.containers[violation.container]
    if situation.settings.platform == "openshift":
        return Proposal("none", None, "OpenShift gives each namespace a range of users")
    return user(situation, container)


def beside(situation: Situation, container: Container) -> Iterator[Operation]:
    """The mounts that another user needs even where the root filesystem stays writable: it isn't for that user."""
    if not situation.knows_images or not situation.facts(container).sure("writablePaths"):
        return
    is_read_only = container.security_context.get(_writable.ID) is True
    if not (is_read_only or situation.fixes(_writable.ID, container)):
        yield from _writable.mounts(situation, container)


def stale(situation: Situation, container: Container) -> tuple[int, int, str] | None:
    """Our own default where somebody now knows better: (what is there, what should be, who says so)."""
    uid = situation.user(container)
    if uid != DEFAULT_UID:
        return None
    facts = situation.facts(container)
    known = facts.value("uid")
    if known and facts.sure("uid"):
        return (uid, known, facts.evidence("uid")) if known != uid else None
    wanted = our_user(situation)
    return (uid, wanted, f"controls.{ID}.uid of the policy") if wanted != uid else None


CONTROL = Control(
    ID,
    "A numeric user",
    {(1, 0): check},
    propose,
    beside=beside,
    field=(FIELD,),
    inherited=True,
    settings={
        "uid": {
            "type": "integer",
            "minimum": 1,
            "maximum": 2**31 - 1,
            "default": DEFAULT_UID,
            "description": "The user for images that nobody described.",
        },
        "dataSubfolder": {
            "type": "boolean",
            "default": True,
            "description": "Whether a program that must own its data folder gets one below an emptyDir.",
        },
    },
    stale=stale,
)
