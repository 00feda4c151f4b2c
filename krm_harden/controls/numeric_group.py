"""Containers run as the group that their image is known to want.

Beyond the Pod Security Standards. Written only from the policy's `images` or a lock: images made for group 0, as
OpenShift asks for, break under any other.

**Protects from**: files that belong to group 0. A container whose user isn't in the image's /etc/passwd has root's
group, and with it whatever that group may read or write in the image and on shared volumes.

**Fields**: `spec.securityContext.runAsGroup`, `spec.containers[*].securityContext.runAsGroup`, also of initContainers
and ephemeralContainers. Not on Windows, not on OpenShift.

**Allowed**: a number, in the container or in the pod; nothing where the group isn't known.

**Before** (with `images: [{match: "registry.example/app:*", gid: 1001}]`):

    containers:
    - name: app
      image: registry.example/app:2

**After**:

    containers:
    - name: app
      image: registry.example/app:2
      securityContext:
        runAsGroup: 1001

**Fix safety**: as safe as the entry in the policy. With `required: true` a container whose group isn't known is an
error.

**May break**: reading what only group 0 may read: `Permission denied` on files of mode 0640 or folders of mode 0770
that belong to `root`. Images that are made for any user (OpenShift's) are of that sort: leave `gid` out of their entry.

**Undo**: delete `runAsGroup`, and `gid` in the policy's `images`, else the next run writes it again. This, under `spec`
of the policy, writes none at all:

    controls: {numericGroup: {enabled: false}}

**Reference**: PodSecurityPolicy, `runAsGroup: MustRunAs`.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.inherit import numbered
from krm_harden.model import Proposal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Pod, Violation

FIELD = "runAsGroup"


def check(pod: Pod) -> Iterator[Violation]:
    return numbered(pod, FIELD)


def propose(situation: Situation, violation: Violation) -> Proposal:
    container = situation.pod.containers[violation.container]
    facts = situation.facts(container)
    gid = facts.value("gid")
    if situation.settings.platform == "openshift" or gid is None:
        return Proposal("none", None, f"the group of the image {container.image} isn't known: name it under images")
    if situation.group_of(container, situation.user_after(container)) != gid:
        return Proposal("none", None, f"the group {gid} belongs to another user of the image {container.image}")
    basis = "evidence" if facts.sure("gid") else "default"
    reason = "" if facts.sure("gid") else f"{facts.evidence('gid')} only guesses its group: test it"
    return Proposal(basis, gid, reason, facts.evidence("gid"))


def _concerns(situation: Situation) -> bool:
    """Whether a group is known of an image; else only who requires or exempts the control hears of it."""
    is_asked_for = situation.settings.required("numericGroup") or situation.has_exemptions
    return is_asked_for or situation.knows("gid")


CONTROL = Control(
    "numericGroup",
    "A numeric group",
    {(1, 0): check},
    propose,
    concerns=_concerns,
    field=(FIELD,),
    inherited=True,
)
