"""Pods may mount only volumes of a few kinds: configuration, scratch space, and what claims and drivers give them.

**Protects from**: code of the node and of the control plane that works with addresses which the pod's author chose: a
gitRepo volume ran commands on the node (CVE-2024-10220), GlusterFS, Quobyte, StorageOS and ScaleIO volumes sent
requests in the controller manager's name (CVE-2020-8555). And hostPath: see `hostPathVolumes`.

**Fields**: `spec.volumes[*]`.

**Allowed**: `configMap`, `csi`, `downwardAPI`, `emptyDir`, `ephemeral`, `image`, `persistentVolumeClaim`, `projected`,
`secret`. `image` only where the server (`target.kubernetes`) is 1.33 or newer.

**Before**:

    volumes:
    - name: scratch
    - name: files
      nfs:
        server: files.example
        path: /export

**After** (`files` by hand):

    volumes:
    - name: scratch
      emptyDir: {}
    - name: files
      persistentVolumeClaim:
        claimName: files

**Fix safety**: a volume without a source becomes the `emptyDir` that the API server makes of it: safe. Any other is
never changed: the data is where the volume says. Write a PersistentVolume for it, and claim that.

**May break**: nothing by the `emptyDir`. By hand: a claim has to exist before the pod (`persistentvolumeclaim "files"
not found`), with the same data behind it.

**Undo**: delete `emptyDir: {}`; the server sets it anyway. This, under `spec` of the policy, accepts any other volume;
its namespace then needs level baseline:

    exemptions:
    - match: {names: [files]}
      controls: [restrictedVolumes]
      reason: its export has no PersistentVolume yet

**Reference**: Pod Security Standards, restricted, from v1.0; CIS Kubernetes Benchmark v1.9, 5.2.12;
kubernetes/pkg/apis/core/v1/defaults.go, SetDefaults_Volume.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls import host_path_volumes as host_path
from krm_harden.model import ALLOWED_SOURCES, RESTRICTED_SOURCES, Proposal, Violation, mapping, sequence
from krm_harden.wording import plural, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

UNKNOWN = "unknown"
EMPTY_DIR = "emptyDir"
WITHOUT_SOURCE = frozenset({"name", *ALLOWED_SOURCES, *RESTRICTED_SOURCES})
"""The keys of a volume that has no source, or only null ones."""
IMAGE_VOLUMES = (1, 33)
"""The first server that allows them, at any version of the standard (kubernetes pull request 130394)."""
INSTEAD = {
    "hostPath": host_path.INSTEAD,
    "gitRepo": "clone the repository in an init container, into an emptyDir",
    UNKNOWN: "give the volume a source: emptyDir, configMap, secret, persistentVolumeClaim or another allowed one",
}


def check_1_0(pod: Pod) -> Iterator[Violation]:
    for index, volume in enumerate(sequence(pod.spec.get("volumes"))):
        said = mapping(volume)
        for source in ALLOWED_SOURCES:
            if said.get(source) is not None and (source != "image" or pod.server >= IMAGE_VOLUMES):
                break
        else:
            source = next((name for name in RESTRICTED_SOURCES if said.get(name) is not None), UNKNOWN)
            place = (*pod.volumes_pointer, index)
            if source != UNKNOWN:
                yield Violation((*place, source), said[source], "manual")
            elif said and said.keys() <= WITHOUT_SOURCE and said.get("image") is None:
                yield Violation((*place, EMPTY_DIR), None, "missing")
            else:
                yield Violation(place, volume, "manual")


def _source(violation: Violation) -> str:
    return str(violation.pointer[-1]) if violation.pointer[-1] in RESTRICTED_SOURCES else UNKNOWN


def propose(_situation: Situation, violation: Violation) -> Proposal:
    if violation.cause == "missing":
        return Proposal("safe", {}, "the API server makes that of a volume without a source")
    source = _source(violation)
    instead = f"write a PersistentVolume for this {source}, and use a persistentVolumeClaim"
    return Proposal("manual", None, INSTEAD.get(source, instead))


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    names = host_path.volume_names(pod, violations)
    sources = sorted({_source(violation) for violation in violations})
    who = f"{plural('volume', len(names))} {quoted(names)} {'uses' if len(names) == 1 else 'use'}"
    return "restricted volume types", f"{who} {plural('restricted volume type', len(sources))} {quoted(sources)}"


CONTROL = Control(
    "restrictedVolumes",
    "Volumes",
    {(1, 0): check_1_0},
    propose,
    forbidden,
    keys=("volumes",),
    overrides=("hostPathVolumes",),
    on_windows=True,
    safe=True,
)
