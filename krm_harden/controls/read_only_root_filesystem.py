"""Containers can't write to their root filesystem; what they must write lies on volumes.

Beyond the Pod Security Standards.

**Protects from**: an intruder who stays: no program of the image can be replaced, no web shell dropped beside the pages
(MITRE ATT&CK T1505.003), no tool installed with the package manager; what lies on an emptyDir is gone with the pod. And
an accident: data that somebody writes into the container and loses at its next start.

**Fields**: `spec.containers[*].securityContext.readOnlyRootFilesystem`, also of initContainers and
ephemeralContainers. Not on Windows.

**Allowed**: `true`.

**Before**:

    spec:
      containers:
      - name: web

**After**:

    spec:
      containers:
      - name: web
        securityContext:
          readOnlyRootFilesystem: true
        volumeMounts:
        - name: krm-harden-web-tmp
          mountPath: /tmp
      volumes:
      - name: krm-harden-web-tmp
        emptyDir: {}

**Fix safety**: the writable paths come from the policy's `images` or a lock; else they are
`controls.readOnlyRootFilesystem.writablePaths`, `/tmp`, marked `may-break`: many services write elsewhere.
Each path gets an emptyDir of its own container; never where something is mounted already, or over a part of a mount.

**May break**: programs that write elsewhere: `Read-only file system`, as nginx's `mkdir()
"/var/cache/nginx/client_temp" failed (30: Read-only file system)`. Add the path to `writablePaths` of the image's
entry, or let `krm-harden images resolve` find it. An emptyDir hides what the image ships at its path, and its files
count as the pod's ephemeral storage.

**Undo**: delete `readOnlyRootFilesystem: true`, and the volumes `krm-harden-*` with their mounts. Under `spec` of the
policy, the first keeps it out of one workload, the second out of all:

    exemptions: [{match: {names: [cms]}, controls: [readOnlyRootFilesystem], reason: updates its own plugins}]
    controls: {readOnlyRootFilesystem: {enabled: false}}

**Reference**: PodSecurityPolicy, `readOnlyRootFilesystem`; CIS Docker Benchmark 5.12; NSA/CISA Kubernetes Hardening
Guide, "Immutable container file systems".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls._writable import DEFAULT_PATHS, ID, empty_dir, mounts, wanted_beside
from krm_harden.images.facts import real
from krm_harden.images.obstacles import known_paths, seeding, unseeded
from krm_harden.model import Proposal, Violation
from krm_harden.scalars import truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Operation, Pod


def check(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        current = container.security_context.get(ID)
        if current is not True:
            cause = "missing" if current is None else "type" if truth(current) else "explicit"
            yield Violation((*container.pointer, "securityContext", ID), current, cause, index)


def propose(situation: Situation, violation: Violation) -> Proposal:
    container = situation.pod.containers[violation.container]
    facts = situation.facts(container)
    sure = facts.sure("writablePaths")
    missing = next(unseeded(situation, container), None) if situation.knows_images else None
    if missing:
        reason = f"its image ships files in {missing.path}, which it writes: {seeding(situation)}"
        return Proposal("manual", True, reason, facts.evidence("writablePaths"), code="needs-init-copy")
    named = _named(situation, container)
    basis = "evidence" if sure and not named else "default"
    reason = (named or _lost(situation, container)) if sure else _why_unsure(situation, container)
    evidence = facts.evidence("writablePaths")
    return Proposal(basis, True, reason, evidence)


def beside(situation: Situation, container: Container) -> Iterator[Operation]:
    """The volumes and mounts of all that a container is known or supposed to write."""
    yield from mounts(situation, container)
    known = {path.path for path in known_paths(situation, container)}
    sure = situation.facts(container).sure("writablePaths")
    for path in wanted_beside(situation, container, sure=sure):
        if path not in known and not situation.is_mounted(container, path):
            yield from empty_dir(situation, container, path)


def _named(situation: Situation, container: Container) -> str:
    """What to know of folders that only the container's own command names."""
    known = {real(path.path) for path in known_paths(situation, container) if path.seed != "copy"}
    beside = (path for path in wanted_beside(situation, container, sure=True) if real(path) not in known)
    paths = [path for path in beside if not situation.is_mounted(container, path)]
    return (
        f"its command names {', '.join(paths)} to write to: an emptyDir there hides what the image ships"
        if paths
        else ""
    )


def _lost(situation: Situation, container: Container) -> str:
    """What to know of data that has no volume."""
    paths = [path.path for path in known_paths(situation, container) if path.seed == "data"]
    lost = [path for path in paths if not situation.is_mounted(container, path)]
    return (
        f"what it keeps in {', '.join(lost)} goes with the pod, as before: no volume is mounted there" if lost else ""
    )


def _why_unsure(situation: Situation, container: Container) -> str:
    who = situation.replaced(container)
    if who:
        return f"its command replaces the entrypoint that {who} describes: where it writes isn't known"
    guess = situation.facts(container).evidence("writablePaths")
    return f"{guess} only guesses where it writes" if guess else situation.unknown(container, "its writable paths")


def instead(_pod: Pod, _violation: Violation) -> str:
    return "set it to true, and mount an emptyDir wherever the program writes"


CONTROL = Control(
    ID,
    "A read-only root filesystem",
    {(1, 0): check},
    propose,
    beside=beside,
    field=(ID,),
    instead=instead,
    settings={
        "writablePaths": {
            "type": "array",
            "items": {"type": "string", "format": "folder"},
            "default": list(DEFAULT_PATHS),
            "description": "Folders that get an emptyDir in containers whose image nobody described.",
        },
        "initCopy": {
            "type": "boolean",
            "default": False,
            "description": "Whether init containers of the same image fill folders in which it ships files.",
        },
    },
)
