"""Pods must run under a seccomp profile: the runtime's own, or a local one.

**Protects from**: kernel bugs behind system calls that services never use: Kubernetes runs containers without any
filter unless the manifest or the kubelet's `seccompDefault` asks for one. Under the runtime's profile a container
without `SYS_ADMIN` can't make a user namespace, as CVE-2022-0185 and CVE-2022-0492 needed.

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

**Fix safety**: safe; services don't notice. Where a legacy annotation (`seccomp.security.alpha.kubernetes.io/pod`, or
a container's) names a local profile, the field names it too, as `evidence`: servers from v1.27 on read no annotation,
so the profile may not have been in force. `Unconfined`, in field or annotation, stays unless `explicit: override` says
otherwise; then both change together, marked `may-break`: the API refuses a pod in which they differ.

**May break**: few programs: Chromium's sandbox (`Failed to move to new namespace: ... Operation not permitted`), perf,
builders of images. A runtime much older than the image's C library answers newer calls with `Operation not permitted`,
which shows as threads that can't be made: update it. Else name a profile of your own as `Localhost`.

**Undo**: delete `seccompProfile`. Under `spec` of the policy, the first keeps it out of one workload, the second out of
all:

    exemptions:
    - match: {names: [browser]}
      controls: [seccompProfile_restricted]
      reason: its sandbox makes namespaces
    controls: {seccompProfile_restricted: {enabled: false}}

**Reference**: Pod Security Standards, restricted, from v1.19; CIS Kubernetes Benchmark v1.9, 5.7.2; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control, seccomp_profile_baseline
from krm_harden.controls._profiles import ALLOWED
from krm_harden.controls.seccomp_profile_baseline import (
    FIELD,
    bad_profile,
    has_own_annotation,
    instead,
    no_profile,
    profile_type,
)
from krm_harden.wording import containers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod, Proposal, Violation


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
                yield no_profile(pod, index)
        elif own not in ALLOWED:
            yield bad_profile(pod, index)


def check_1_25(pod: Pod) -> Iterator[Violation]:
    """Windows has no seccomp."""
    return iter(()) if pod.is_windows else check_1_19(pod)


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
    instead=instead,
    own=has_own_annotation,
    overrides=("seccompProfile_baseline",),
    safe=True,
)
