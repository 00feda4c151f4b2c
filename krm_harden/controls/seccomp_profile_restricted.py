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

**Fix safety**: safe; services don't notice. `Unconfined` stays, unless `explicit: override` says otherwise. A
legacy annotation (`seccomp.security.alpha.kubernetes.io/pod`) that says something else is left to you: the API refuses
a field that differs from it.

**Reference**: Pod Security Standards, restricted, from v1.19; CIS Kubernetes Benchmark 5.7.2; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control, seccomp_profile_baseline
from krm_harden.controls.seccomp_profile_baseline import ALLOWED, FIELD, bad_profile, profile_type
from krm_harden.model import Proposal, Violation
from krm_harden.wording import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod


def check_1_19(pod: Pod) -> Iterator[Violation]:
    """A bad profile is a violation wherever it stands; a container without one needs the pod's."""
    from_pod = profile_type(pod.security_context)
    if from_pod is not None and from_pod not in ALLOWED and pod.context_pointer is not None:
        yield bad_profile(pod, -1)
    for index, container in enumerate(pod.containers):
        own = profile_type(container.security_context)
        if own is None:
            # Beside a bad profile of the pod, writing the container's alone wouldn't help.
            if from_pod is None:
                yield Violation((*container.pointer, "securityContext", *FIELD), None, "missing", index)
        elif own not in ALLOWED:
            yield bad_profile(pod, index)


def check_1_25(pod: Pod) -> Iterator[Violation]:
    """Windows has no seccomp."""
    if not pod.is_windows:
        yield from check_1_19(pod)


def propose(situation: Situation, violation: Violation) -> Proposal:
    return seccomp_profile_baseline.propose(situation, violation)


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    said = [violation for violation in violations if _has_profile(pod, violation)]
    if said:
        return seccomp_profile_baseline.forbidden(pod, said)
    who = f"pod or {containers(pod, violations)}"
    return "seccompProfile", f'{who} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"'


def _has_profile(pod: Pod, violation: Violation) -> bool:
    holder = pod if violation.container < 0 else pod.containers[violation.container]
    return profile_type(holder.security_context) is not None


CONTROL = Control(
    "seccompProfile_restricted",
    "Seccomp",
    {(1, 19): check_1_19, (1, 25): check_1_25},
    propose,
    forbidden,
    field=FIELD,
    inherited=True,
    overrides=("seccompProfile_baseline",),
    safe=True,
)
