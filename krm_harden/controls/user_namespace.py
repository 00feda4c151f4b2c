"""A pod whose images nobody described may get a user namespace, in which root is nobody outside of the pod.

Beyond the Pod Security Standards, which accept root in such a pod from v1.35. Only where the policy says
`unknownUser: userNamespace`.

**Protects from**: root in the container being root on the node: in a user namespace it is a user without any rights
there, and its capabilities hold for nothing outside. Escapes that need the node's root end as nobody: KEP-127 names
CVE-2019-5736, CVE-2021-25741 and CVE-2021-30465.

**Fields**: `spec.hostUsers`. Not on Windows, not beside host namespaces, not where the kind has no such field.

**Allowed**: anything where every container's user is known, or is written.

**Before** (with `unknownUser: userNamespace`):

    spec:
      containers:
      - name: app
        image: registry.example/app:2

**After**:

    spec:
      hostUsers: false
      containers:
      - name: app
        image: registry.example/app:2

**Fix safety**: the image keeps its own user, and its files theirs. But all capabilities go all the same: an entrypoint
that changes owners or steps down to another user still fails. Needs Kubernetes 1.35 or newer on Linux nodes whose
container runtime and file systems support it.

**May break**: nodes that can't do it: the pod stays in `ContainerCreating` with the event `FailedCreatePodSandBox`.
Volumes whose file system has no mapped mounts (NFS on many kernels) can't be mounted. Ask for nodes that can by a
`nodeSelector`, or describe the image, so that it gets a user.

**Undo**: delete `hostUsers: false`. Under `spec` of the policy, the first keeps it out of one workload, the second out
of all:

    exemptions: [{match: {names: [legacy]}, controls: [userNamespace], reason: its NFS volume has no mapped mounts}]
    unknownUser: report

**Reference**: KEP-127; Pod Security Standards, restricted, "Running as non-root", from v1.35.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls._users import wants_user_namespace
from krm_harden.model import Proposal, Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

FIELD = "hostUsers"


def check(pod: Pod) -> Iterator[Violation]:
    current = pod.spec.get(FIELD)
    if current is not False and current is not True:
        yield Violation((*pod.spec_pointer, FIELD), current, "missing" if current is None else "type")


def propose(situation: Situation, _violation: Violation) -> Proposal:
    for container in situation.pod.containers:
        if wants_user_namespace(situation, container):
            reason = f"nothing is known of the user of the image {container.image}, and unknownUser: userNamespace"
            return Proposal("default", False, reason)
    return Proposal("none", None, "no container needs it")


CONTROL = Control(
    "userNamespace",
    "A user namespace",
    {(1, 0): check},
    propose,
    concerns=lambda situation: situation.settings.unknown_user == "userNamespace",
    field=(FIELD,),
    since=(0, 2),
)
