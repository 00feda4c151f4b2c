"""A container whose user changes can still write to its claims.

Beyond the Pod Security Standards.

**Protects from**: an accident that keeps containers at root: a new volume belongs to root, so any other user reads
`Permission denied` on its own data, and root is given back to it. With a group for the volume no container of the pod
needs to be root, and no init container to change owners.

**Fields**: `spec.securityContext.fsGroup`, `spec.securityContext.fsGroupChangePolicy`. Not on Windows, not on
OpenShift, not where the kind has no pod-level securityContext.

**Allowed**: any number; nothing where no container that writes to a claim gets another user in this run.

**Before**:

    spec:
      containers:
      - name: db
        image: postgres:15
        volumeMounts:
        - name: data
          mountPath: /var/lib/postgresql/data

**After**:

    spec:
      containers:
      - name: db
        image: postgres:15
        volumeMounts:
        - name: data
          mountPath: /var/lib/postgresql/data
      securityContext:
        fsGroup: 999
        fsGroupChangePolicy: OnRootMismatch

**Fix safety**: the kubelet gives the group to the volume's files when it is first mounted so: a new volume belongs to
root otherwise, and files that root wrote stay root's. With `OnRootMismatch` it does so once, not at each start. NFS and
hostPath volumes aren't reached. With `replaceChown: true` an init container that does nothing but change the owner of
volumes, which takes root, goes, and its group becomes the fsGroup.

**May break**: volumes with very many files start slowly once, while the kubelet changes their group. Programs that
insist on private files complain: Postgres `data directory ... has invalid permissions`, ssh `Permissions 0660 ... are
too open`: let their entrypoint set the mode, or use a folder below the mount. On NFS nothing changes: set the owner on
the server.

**Undo**: delete `fsGroup` and `fsGroupChangePolicy`; files keep the group that they got. Under `spec` of the policy,
the first keeps it out of one workload, the second out of all:

    exemptions: [{match: {names: [db]}, controls: [fsGroup], reason: its storage sets the owner}]
    controls: {fsGroup: {enabled: false}}

**Reference**: kubernetes.io, "Configure volume permission and ownership change policy for Pods"; PodSecurityPolicy,
`fsGroup: MustRunAs`.
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.decide import CLAIMS
from krm_harden.model import Operation, Proposal, Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Pod

FIELD = "fsGroup"
POLICY = "fsGroupChangePolicy"


def check(pod: Pod) -> Iterator[Violation]:
    current = pod.security_context.get(FIELD)
    if pod.context_pointer is not None and (current is None or isinstance(current, bool)):
        yield Violation((*pod.context_pointer, FIELD), current, "missing" if current is None else "type")


def propose(situation: Situation, violation: Violation) -> Proposal:
    if situation.settings.platform == "openshift":
        return Proposal("none", None, "OpenShift gives each namespace a range of groups")
    group, basis, reason, evidence = _wanted(situation)
    if group is None:
        return Proposal("none", None, "no container gets another user than the one that owns its claims")
    writes = [Operation("add", violation.pointer, group)]
    if situation.pod.security_context.get(POLICY) is None:
        writes.append(Operation("add", (*violation.pointer[:-1], POLICY), "OnRootMismatch"))
    return Proposal(basis, group, reason, evidence, (*writes, *_removals(situation)))


def _removals(situation: Situation) -> Iterator[Operation]:
    """The init containers that go; their whole list where nothing else is in it, or comes into it."""
    gone = [container.pointer for container in situation.replaced_init_containers()]
    beside = [one for one in situation.pod.containers if gone and one.pointer[:-1] == gone[0][:-1]]
    filled = situation.settings.control("readOnlyRootFilesystem").get("initCopy", False)
    if gone and len(gone) == len(beside) and not filled:
        yield Operation("remove", gone[0][:-1])
    else:
        yield from (Operation("remove", pointer) for pointer in reversed(gone))


def _wanted(situation: Situation) -> tuple[int | None, str, str, str]:
    """The group that claims need: (group, basis, reason, evidence), the group None if they need none."""
    for container in situation.replaced_init_containers():
        uid, gid = situation.given_owner(container) or (0, None)
        reason = f'in place of the init container "{container.name}", which only gives volumes to {uid}'
        return (uid if gid is None else gid), "default", reason, ""
    wanted = list(_of_claims(situation))
    # Every container gets the group: one that is known serves those that would take any.
    best = next((found for found in wanted if found[1] == "evidence"), None)
    return best or next(iter(wanted), (None, "none", "", ""))


def _of_claims(situation: Situation) -> Iterator[tuple[int | None, str, str, str]]:
    for container in situation.pod.containers:
        user = situation.new_user(container)
        mount = situation.data_mount(container, CLAIMS) if user else ""
        if mount:
            yield _of_image(situation, container, mount, user or 0)


def _of_image(situation: Situation, container: Container, mount: str, user: int) -> tuple[int | None, str, str, str]:
    facts = situation.facts(container)
    reason = f'container "{container.name}" writes to the claim {mount} as {user} now'
    if facts.value("uid") != user:
        return user, "default", reason, ""
    known = next((field for field in ("fsGroup", "gid", "uid") if facts.value(field)), "uid")
    return facts.value(known), "evidence" if facts.sure(known) else "default", reason, facts.evidence(known)


def _concerns(situation: Situation) -> bool:
    """Whether a container may get another user and mounts a claim, or goes because of the group."""
    if situation.may_change_users and any(situation.data_mount(one, CLAIMS) for one in situation.pod.containers):
        return True
    return bool(situation.replaced_init_containers())


CONTROL = Control(
    FIELD,
    "A group for claims",
    {(1, 0): check},
    propose,
    concerns=_concerns,
    field=(FIELD,),
    settings={
        "replaceChown": {
            "type": "boolean",
            "default": False,
            "description": "Whether the fsGroup takes the place of init containers that only change owners.",
        }
    },
    since=(0, 2),
)
