"""Containers must run under an SELinux type for containers, and under no user or role of their own.

**Protects from**: the end of SELinux's confinement: `spc_t` is a type that nothing is denied to. Where it confines
containers it has stopped escapes that used a bug in the runtime, such as CVE-2019-5736 on Red Hat Enterprise Linux.

**Fields**: `type`, `user` and `role` of `spec.securityContext.seLinuxOptions` and
`spec.containers[*].securityContext.seLinuxOptions`, also of initContainers and ephemeralContainers.

**Allowed**: type `container_t`, `container_init_t`, `container_kvm_t`, from v1.31 also `container_engine_t`, or
nothing; user and role empty. `level` is free.

**Before** (with `explicit: override`):

    securityContext:
      seLinuxOptions:
        level: s0:c123,c456
        type: spc_t

**After**:

    securityContext:
      seLinuxOptions:
        level: s0:c123,c456

**Fix safety**: never fixed unless `explicit: override` says so, and then marked `may-break`: the type, user or role
opens files of the node to the pod. What is forbidden is removed, and `seLinuxOptions` itself where nothing else is in
it: the runtime then chooses, as for any pod.

**May break**: an override only. Where the nodes have SELinux the program reads `Permission denied` on the node's files,
and `ausearch -m avc` on the node shows `avc: denied`. Make a type of its own for it, by udica, and put its namespace at
level privileged; other nodes notice nothing.

**Undo**: write the type back; with `explicit: respect`, the default, it stays. This, under `spec` of the policy, makes
an exemption of the error:

    exemptions: [{match: {kinds: [DaemonSet], names: [csi-node]}, controls: [seLinuxOptions], reason: relabels volumes}]

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark v1.9, 5.7.3; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Operation, Proposal, Violation
from krm_harden.wording import plural, quoted, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Pod, Pointer

TYPES_1_0 = frozenset({"", "container_t", "container_init_t", "container_kvm_t"})
TYPES_1_31 = TYPES_1_0 | {"container_engine_t"}


def check_1_0(pod: Pod) -> Iterator[Violation]:
    return _outside(pod, TYPES_1_0)


def check_1_31(pod: Pod) -> Iterator[Violation]:
    """With the type of container engines."""
    return _outside(pod, TYPES_1_31)


def _outside(pod: Pod, types: frozenset[str]) -> Iterator[Violation]:
    options = pod.security_context.get("seLinuxOptions")
    if options and pod.context_pointer is not None:
        yield from _wrong(options, types, pod.context_pointer, -1)
    for index, container in enumerate(pod.containers):
        options = container.security_context.get("seLinuxOptions")
        if options:
            yield from _wrong(options, types, (*container.pointer, "securityContext"), index)


def _wrong(options: Mapping[str, Any], types: frozenset[str], above: Pointer, container: int) -> Iterator[Violation]:
    for field in _forbidden(options, types):
        yield Violation((*above, "seLinuxOptions", field), options[field], "explicit", container)


def _forbidden(options: Mapping[str, Any], types: frozenset[str]) -> list[str]:
    """The fields that must not say what they say."""
    bad_type = ["type"] if (options.get("type") or "") not in types else []
    return bad_type + [field for field in ("user", "role") if options.get(field)]


def instead(_pod: Pod, violation: Violation) -> str:
    field = violation.pointer[-1]
    if field == "type":
        return "remove type, or use container_t, container_init_t or container_kvm_t"
    return f"remove {field}, only type and level may be set"


def propose(situation: Situation, violation: Violation) -> Proposal:
    """The fields go one by one; where nothing would be left, the first of them takes seLinuxOptions with it."""
    pod = situation.pod
    holder = pod if violation.container < 0 else pod.containers[violation.container]
    options = holder.security_context["seLinuxOptions"]
    gone = _forbidden(options, TYPES_1_31 if situation.settings.asked.version >= (1, 31) else TYPES_1_0)
    if len(gone) < len(options):
        writes = [Operation("remove", violation.pointer)]
    else:
        writes = [Operation("remove", violation.pointer[:-1])] if violation.pointer[-1] == gone[0] else []
    return Proposal("default", None, "explicit: override", operations=tuple(writes))


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    types = sorted({violation.current for violation in violations if violation.pointer[-1] == "type"})
    fields = {violation.pointer[-1] for violation in violations}
    said = [f"{plural('type', len(types))} {quoted(types)}"] if types else []
    said += [f"{field} may not be set" for field in ("user", "role") if field in fields]
    return (
        "seLinuxOptions",
        f"{setters(pod, violations)} set forbidden securityContext.seLinuxOptions: {'; '.join(said)}",
    )


CONTROL = Control(
    "seLinuxOptions",
    "SELinux",
    {(1, 0): check_1_0, (1, 31): check_1_31},
    propose,
    forbidden,
    instead=instead,
    keys=("seLinuxOptions",),
    level="baseline",
    on_windows=True,
    safe=True,
)
