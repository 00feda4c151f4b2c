"""Containers run as a user that the manifest gives as a number.

Beyond the Pod Security Standards. `runAsNonRoot: true` alone isn't enough: the kubelet refuses an image whose user is
root, or a name ("image has non-numeric user, cannot verify user is non-root").

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

**Reference**: PodSecurityPolicy, `runAsUser: MustRunAsNonRoot`; kubernetes/pkg/kubelet/kuberuntime/security_context.go.
"""

from __future__ import annotations

from krm_harden.controls import Control, unknown_image
from krm_harden.inherit import numbered
from krm_harden.model import Proposal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Pod, Violation

ID = "numericUser"
FIELD = "runAsUser"
DEFAULT_UID = 10001


def check(pod: Pod) -> Iterator[Violation]:
    yield from numbered(pod, FIELD)


def our_user(situation: Situation) -> int:
    """The uid for an image that nobody described."""
    uid: int = situation.settings.control(ID).get("uid", DEFAULT_UID)
    return uid


def known_user(situation: Situation, container: Container) -> Proposal | None:
    """The uid that the policy or a lock gives an image."""
    facts = situation.facts(container)
    if facts is None or facts.uid is None:
        return None
    if facts.uid == 0:
        reason = f"the image {container.image} runs as root: use one that doesn't, or try a runAsUser of your own"
        return Proposal("manual", None, reason, facts.evidence)
    return Proposal("evidence", facts.uid, "", facts.evidence)


def propose(situation: Situation, violation: Violation) -> Proposal:
    container = situation.pod.containers[violation.container]
    if situation.settings.platform == "openshift":
        return Proposal("none", None, "OpenShift gives each namespace a range of users")
    known = known_user(situation, container)
    if known:
        return known
    mount = situation.data_mount(container)
    if mount:
        reason = f"it writes to the volume {mount}, whose files belong to a user that only the image knows"
        return Proposal("manual", None, f"{reason}: name it under images in the policy")
    reason = unknown_image(container, "its user")
    return Proposal("default", our_user(situation), reason)


def stale(situation: Situation, container: Container) -> tuple[int, int, str] | None:
    """Our own default where the policy now says otherwise: (what is there, what should be, who says so)."""
    uid = situation.user(container)
    if uid != DEFAULT_UID:
        return None
    facts = situation.facts(container)
    if facts and facts.uid:
        return (uid, facts.uid, facts.evidence) if facts.uid != uid else None
    wanted = our_user(situation)
    return (uid, wanted, f"controls.{ID}.uid of the policy") if wanted != uid else None


CONTROL = Control(
    ID,
    "A numeric user",
    {(1, 0): check},
    propose,
    field=(FIELD,),
    inherited=True,
    settings={
        "uid": {
            "type": "integer",
            "minimum": 1,
            "maximum": 2**31 - 1,
            "default": DEFAULT_UID,
            "description": "The user for images that nobody described.",
        }
    },
    stale=stale,
)
