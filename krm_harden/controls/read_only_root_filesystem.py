"""Containers can't write to their root filesystem; what they must write lies on volumes.

Beyond the Pod Security Standards.

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

**Reference**: PodSecurityPolicy, `readOnlyRootFilesystem`; CIS Docker Benchmark 5.12; NSA/CISA Kubernetes Hardening
Guide, "Immutable container file systems".
"""

from __future__ import annotations

from krm_harden.controls import Control, unknown_image
from krm_harden.model import Operation, Proposal, Violation, mapping, sequence
from krm_harden.scalars import truth

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Pod

ID = "readOnlyRootFilesystem"
DEFAULT_PATHS = ("/tmp",)  # noqa: S108 - a path in a container
MAX_LABEL = 63


def check(pod: Pod) -> Iterator[Violation]:
    for index, container in enumerate(pod.containers):
        current = container.security_context.get(ID)
        if current is not True:
            cause = "missing" if current is None else "type" if truth(current) else "explicit"
            yield Violation((*container.pointer, "securityContext", ID), current, cause, index)


def propose(situation: Situation, violation: Violation) -> Proposal:
    container = situation.pod.containers[violation.container]
    basis, paths, evidence = _writable(situation, container)
    reason = "" if evidence else unknown_image(container, "its writable paths")
    if situation.checking:
        return Proposal(basis, True, reason, evidence)
    writes = [Operation("add", violation.pointer, True)]
    for path in paths:
        if not _is_mounted(container, path):
            writes += _empty_dir(situation, container, path)
    return Proposal(basis, True, reason, evidence, tuple(writes))


def instead(_pod: Pod, _violation: Violation) -> str:
    return "set it to true, and mount an emptyDir wherever the program writes"


def _writable(situation: Situation, container: Container) -> tuple[str, Sequence[str], str]:
    """The paths that a container gets to write, how sure that is, and who says so."""
    facts = situation.facts(container)
    if facts and facts.writable_paths is not None:
        return "evidence", facts.writable_paths, facts.evidence
    return "default", situation.settings.control(ID).get("writablePaths", DEFAULT_PATHS), ""


def _is_mounted(container: Container, path: str) -> bool:
    """Whether a path, or a folder above it, is a mount already: whatever lies there must stay visible."""
    wanted = path.rstrip("/") + "/"
    for mount in (*sequence(container.data.get("volumeMounts")), *sequence(container.data.get("volumeDevices"))):
        mounted = str(mapping(mount).get("mountPath") or mapping(mount).get("devicePath") or "")
        if mounted and wanted.startswith(mounted.rstrip("/") + "/"):
            return True
    return False


def _empty_dir(situation: Situation, container: Container, path: str) -> Sequence[Operation]:
    name = _volume_name(situation, container.name, path)
    mount = Operation("add", (*container.pointer, "volumeMounts", "-"), {"name": name, "mountPath": path})
    if name in situation.volume_names:
        return [mount]
    volume = {"name": name, "emptyDir": {}}
    situation.volume_names[name] = volume
    return [mount, Operation("add", (*situation.pod.volumes_pointer, "-"), volume)]


def _volume_name(situation: Situation, container: str, path: str) -> str:
    """`krm-harden-<container>-<path>`, the same for ever: a DNS label, hashed where too long or ambiguous."""
    label = _label(container, path)
    if len(label) <= MAX_LABEL and not _could_be_anothers(situation, label, container, path):
        return label
    from hashlib import sha256

    digest = sha256(f"{container}\0{path}".encode()).hexdigest()[:8]
    return f"{label[: MAX_LABEL - 9].rstrip('-')}-{digest}"


def _label(container: str, path: str) -> str:
    known = _labels.get((container, path))
    if known is None:
        words = f"krm-harden-{container}-{path}".lower()
        kept = "".join(character if character.isascii() and character.isalnum() else "-" for character in words)
        known = "-".join(part for part in kept.split("-") if part)
        if len(_labels) < MEMORY:
            _labels[container, path] = known
    return known


_labels: dict[tuple[str, str], str] = {}
"""The same few containers in one workload after the other."""
MEMORY = 4096


def _could_be_anothers(situation: Situation, label: str, container: str, path: str) -> bool:
    """Whether a volume of that name is there and isn't this container's, or another path has that name."""
    volume = situation.volume_names.get(label)
    if volume is not None and ("emptyDir" not in volume or situation.mounters(label) - {container}):
        return True
    return bool(_wanted(situation)[label] - {(container, path)})


def _wanted(situation: Situation) -> Mapping[str, set[tuple[str, str]]]:
    """For each label the containers' names and paths that have it: looked up once for a pod, not for each container."""
    wanted = situation.wanted_volumes
    if not wanted:
        for one in situation.pod.containers:
            for path in _writable(situation, one)[1]:
                wanted.setdefault(_label(one.name, path), set()).add((one.name, path))
    return wanted


CONTROL = Control(
    ID,
    "A read-only root filesystem",
    {(1, 0): check},
    propose,
    field=(ID,),
    instead=instead,
    settings={
        "writablePaths": {
            "type": "array",
            "items": {"type": "string", "format": "folder"},
            "default": list(DEFAULT_PATHS),
            "description": "Folders that get an emptyDir in containers whose image nobody described.",
        }
    },
)
