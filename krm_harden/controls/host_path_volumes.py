"""Pods must not mount folders of their node.

**Protects from**: the shortest way from a pod to its node: who may write `/etc/cron.d`, `/var/lib/kubelet` or the
socket of the container runtime is root there, without any bug (Microsoft's threat matrix for Kubernetes: "Writable
hostPath mount"); who may read `/var/lib/kubelet/pods` has the secrets of all its neighbours.

**Fields**: `spec.volumes[*].hostPath`.

**Allowed**: nothing. At level restricted `restrictedVolumes` asks for more, in its place.

**Before**:

    volumes:
    - name: data
      hostPath:
        path: /var/lib/data

**After** (by hand):

    volumes:
    - name: data
      persistentVolumeClaim:
        claimName: data

**Fix safety**: never changed: the files are on the node, and no other volume has them. Data belongs on a claim,
scratch space on an emptyDir; agents that read the node's files belong in a namespace of their own and into an
exemption.

**May break**: what you take away by hand: the files aren't on the new volume, so the program says `No such file or
directory` or starts empty. Copy the data first; it also stops being tied to one node.

**Undo**: nothing is written. This, under `spec` of the policy, accepts it; its namespace then needs level privileged:

    exemptions:
    - match: {kinds: [DaemonSet], names: [fluent-bit]}
      controls: [hostPathVolumes, restrictedVolumes]
      reason: reads its node's logs

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark v1.9, 5.2.12; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation, mapping, sequence, text
from krm_harden.wording import plural, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

INSTEAD = "use a persistentVolumeClaim for data, an emptyDir for scratch space"


def check_1_0(pod: Pod) -> Iterator[Violation]:
    for index, volume in enumerate(sequence(pod.spec.get("volumes"))):
        path = mapping(volume).get("hostPath")
        if path is not None:
            yield Violation((*pod.volumes_pointer, index, "hostPath"), path, "manual")


def propose(_situation: Situation, _violation: Violation) -> Proposal:
    return Proposal("manual", None, INSTEAD)


def volume_names(pod: Pod, violations: Sequence[Violation]) -> list[str]:
    """The names of the volumes in which violations lie, in the pod's order."""
    volumes, depth = pod.spec["volumes"], len(pod.volumes_pointer)
    return [text(mapping(volumes[violation.pointer[depth]]).get("name")) for violation in violations]


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    names = volume_names(pod, violations)
    return "hostPath volumes", f"{plural('volume', len(names))} {quoted(names)}"


CONTROL = Control(
    "hostPathVolumes",
    "No folders of the node",
    {(1, 0): check_1_0},
    propose,
    forbidden,
    keys=("volumes",),
    level="baseline",
    on_windows=True,
    safe=True,
)
