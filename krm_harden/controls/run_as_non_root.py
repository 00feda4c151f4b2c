"""Containers must be required to run as a user other than root.

**Protects from**: a bug in the runtime or the kernel that needs root in the container to be root on the node. runc's
own binary could be overwritten from within (CVE-2019-5736), and the shim's API was open (CVE-2020-15257): both took uid
0, and a container that may not be root wasn't open to them. Here the kubelet itself checks it, whatever the image says
tomorrow.

**Fields**: `spec.securityContext.runAsNonRoot`, and `spec.containers[*].securityContext.runAsNonRoot`, also of
initContainers and ephemeralContainers.

**Allowed**: `true`; in a container nothing, where the pod says true. From v1.35 anything in a pod with
`hostUsers: false`.

**Before**:

    spec:
      containers:
      - name: web

**After**:

    spec:
      containers:
      - name: web
      securityContext:
        runAsNonRoot: true

**Fix safety**: safe where the manifest, the policy or a lock gives a user other than root; else marked `may-break`: an
image that starts as root, or as a user by name, is refused by the kubelet ("container has runAsNonRoot and image will
run as root"). `runAsNonRoot: false` stays, unless `explicit: override` says otherwise.

**May break**: an image that starts as root stays in `CreateContainerConfigError`: `container has runAsNonRoot and image
will run as root`; one whose user is a name: `container has runAsNonRoot and image has non-numeric user (nginx), cannot
verify user is non-root`. Write the image's uid as `runAsUser` (`numericUser` does it where it is known).

**Undo**: delete `runAsNonRoot: true`. Under `spec` of the policy, the first keeps it out of one workload, the second
out of all:

    exemptions: [{match: {names: [legacy]}, controls: [runAsNonRoot], reason: starts as root to read its certificate}]
    controls: {runAsNonRoot: {enabled: false}}

**Reference**: Pod Security Standards, restricted, from v1.0; CIS Kubernetes Benchmark v1.9, 5.2.7; NSA/CISA Kubernetes
Hardening Guide, "Non-root containers".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls._users import ROOT_STAYS, in_user_namespace, starts_as_root, user
from krm_harden.inherit import inherited
from krm_harden.model import Proposal
from krm_harden.scalars import truth
from krm_harden.wording import containers, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod, Violation

FIELD = "runAsNonRoot"


def check_1_0(pod: Pod) -> Iterator[Violation]:
    return inherited(pod, (FIELD,), good=lambda value: value is True, bad=lambda value: truth(value) is False)


def check_1_35(pod: Pod) -> Iterator[Violation]:
    """Root within a user namespace isn't root on the node."""
    return iter(()) if pod.host_users_off else check_1_0(pod)


def instead(_pod: Pod, _violation: Violation) -> str:
    return "use an image that runs as another user than root, and set it to true"


def propose(situation: Situation, violation: Violation) -> Proposal:
    if violation.container < 0:
        sure = violation.cause == "type"
        return Proposal("safe", True) if sure else Proposal("default", True, "explicit: override")
    container = situation.pod.containers[violation.container]
    uid = situation.user(container)
    if uid:
        return Proposal("safe", True, "", f"runAsUser: {uid} in the manifest")
    openshift = situation.settings.platform == "openshift"
    if openshift and situation.facts(container).value("uid") is None:
        return Proposal("evidence", True, "", "OpenShift gives each namespace a range of users")
    if in_user_namespace(situation, container):
        return Proposal("none", None, "root within the pod's user namespace is nobody outside of it")
    made = user(situation, container)
    if made.basis == "evidence" and starts_as_root(situation, container):
        return Proposal("manual", True, ROOT_STAYS, made.evidence, code="needs-root")
    if made.basis == "evidence":
        return Proposal("evidence", True, "", made.evidence)
    # Alone it would only keep the kubelet from starting an image that is root.
    is_root = situation.facts(container).value("defaultUser") == 0
    reports = situation.knows_images and (is_root or situation.settings.unknown_user != "uid")
    if made.basis == "manual" and (reports or made.code != "unknown-image"):
        return Proposal("manual", True, made.reason, made.evidence, code=made.code)
    return Proposal("default", True, made.reason if made.evidence else situation.unknown(container, "its user"))


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    explicit = [violation for violation in violations if violation.cause == "explicit"]
    if explicit:
        return "runAsNonRoot != true", f"{setters(pod, explicit)} must not set securityContext.runAsNonRoot=false"
    named = any(violation.container >= 0 for violation in violations)
    who = f"pod or {containers(pod, violations)}" if named else "pod"
    return "runAsNonRoot != true", f"{who} must set securityContext.runAsNonRoot=true"


CONTROL = Control(
    "runAsNonRoot",
    "Running as non-root",
    {(1, 0): check_1_0, (1, 35): check_1_35},
    propose,
    forbidden,
    field=(FIELD,),
    inherited=True,
    instead=instead,
    on_windows=True,
)
