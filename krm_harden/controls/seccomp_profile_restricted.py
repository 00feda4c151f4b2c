"""Pods must run under a seccomp profile: the runtime's own, or a local one.

**Fields**: `spec.securityContext.seccompProfile.type`, and
`spec.containers[*].securityContext.seccompProfile.type`, also of initContainers and ephemeralContainers. Not on
Windows, from v1.25.

**Allowed**: `RuntimeDefault` or `Localhost`; in a container nothing, where the pod says one of them.

**Before**:

    spec:
      containers:
      - name: web

**After**:

    spec:
      containers:
      - name: web
      securityContext:
        seccompProfile:
          type: RuntimeDefault

**Fix safety**: safe; none of 28 real services broke. `Unconfined` stays, unless `explicit: override` says otherwise. A
legacy annotation (`seccomp.security.alpha.kubernetes.io/pod`) that says something else is left to you: the API refuses
a field that differs from it.

**Reference**: Pod Security Standards, restricted, from v1.19; CIS Kubernetes Benchmark 5.7.2; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.inherit import inherited
from krm_harden.model import Operation, Proposal, mapping
from krm_harden.wording import containers, quoted, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Pod, Violation

FIELD = ("seccompProfile", "type")
ALLOWED = ("RuntimeDefault", "Localhost")
POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"
SAME_AS_RUNTIME_DEFAULT = ("runtime/default", "docker/default")


def _good(value: Any) -> bool:
    return value in ALLOWED


def _bad(value: Any) -> bool:
    return isinstance(value, str) and value not in ALLOWED


def check_1_19(pod: Pod) -> Iterator[Violation]:
    yield from inherited(pod, FIELD, good=_good, bad=_bad)


def check_1_25(pod: Pod) -> Iterator[Violation]:
    """Windows has no seccomp."""
    if not pod.is_windows:
        yield from check_1_19(pod)


def propose(situation: Situation, violation: Violation) -> Proposal:
    pod = situation.pod
    annotation = _differing_annotation(pod, violation)
    if annotation:
        return Proposal("manual", "RuntimeDefault", f"the annotation {annotation} says something else: remove it first")
    if violation.cause != "explicit":
        return Proposal("safe", "RuntimeDefault")
    writes = [Operation("replace", violation.pointer, "RuntimeDefault")]
    profile = pod.security_context if violation.container < 0 else pod.containers[violation.container].security_context
    if "localhostProfile" in mapping(profile.get("seccompProfile")):
        writes.append(Operation("remove", (*violation.pointer[:-1], "localhostProfile")))
    return Proposal("default", "RuntimeDefault", "explicit: override", operations=tuple(writes))


def _differing_annotation(pod: Pod, violation: Violation) -> str:
    """A legacy annotation that the API server would compare with the field and find different."""
    keys = [POD_ANNOTATION]
    if violation.container >= 0:
        keys.append(CONTAINER_ANNOTATION + pod.containers[violation.container].name)
    return next((key for key in keys if _differs(pod.annotations, key)), "")


def _differs(annotations: Mapping[str, Any], key: str) -> bool:
    return key in annotations and annotations[key] not in SAME_AS_RUNTIME_DEFAULT


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    explicit = [violation for violation in violations if violation.cause == "explicit"]
    if explicit:
        values = quoted(sorted({str(violation.current) for violation in explicit}))
        return (
            "seccompProfile",
            f"{setters(pod, explicit)} must not set securityContext.seccompProfile.type to {values}",
        )
    who = f"pod or {containers(pod, violations)}"
    return "seccompProfile", f'{who} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'


CONTROL = Control(
    "seccompProfile_restricted",
    "Seccomp",
    {(1, 19): check_1_19, (1, 25): check_1_25},
    propose,
    forbidden,
    field=FIELD,
    inherited=True,
    safe=True,
)
