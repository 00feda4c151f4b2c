"""Pods must not switch seccomp off.

**Fields**: `spec.securityContext.seccompProfile.type` and `spec.containers[*].securityContext.seccompProfile.type`,
also of initContainers and ephemeralContainers. Before v1.19 the annotations
`seccomp.security.alpha.kubernetes.io/pod` and `container.seccomp.security.alpha.kubernetes.io/<container>` of the pod
instead.

**Allowed**: `RuntimeDefault` or `Localhost`, or no profile; annotations `runtime/default`, `docker/default` or
`localhost/<name>`. At level restricted, from v1.19, `seccompProfile_restricted` asks for more, in its place.

**Before** (with `explicit: override`):

    securityContext:
      seccompProfile:
        type: Unconfined

**After**:

    securityContext:
      seccompProfile:
        type: RuntimeDefault

**Fix safety**: `Unconfined` stays, unless `explicit: override` says otherwise. A profile without a type, which the
API refuses, becomes `RuntimeDefault`. An annotation is never changed.

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark 5.7.2; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Operation, Proposal, Violation, mapping, text
from krm_harden.wording import go_quoted, plural, quoted, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

FIELD = ("seccompProfile", "type")
ALLOWED = ("RuntimeDefault", "Localhost")
POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"
SAME_AS_RUNTIME_DEFAULT = ("runtime/default", "docker/default")


def check_1_0(pod: Pod) -> Iterator[Violation]:
    """The annotations of the time before the field; those of containers that aren't there don't count."""
    annotations = pod.annotations
    if not annotations:
        return
    keys = [POD_ANNOTATION, *(CONTAINER_ANNOTATION + container.name for container in pod.containers)]
    for index, key in enumerate(dict.fromkeys(keys), -1):
        if key in annotations and not _allowed(text(annotations[key])):
            yield Violation((*pod.metadata_pointer, "annotations", key), annotations[key], "manual", index)


def _allowed(value: str) -> bool:
    return value in SAME_AS_RUNTIME_DEFAULT or value.startswith("localhost/")


def check_1_19(pod: Pod) -> Iterator[Violation]:
    """The field: the pod's and the containers' are judged on their own."""
    said = profile_type(pod.security_context)
    if said is not None and said not in ALLOWED and pod.context_pointer is not None:
        yield bad_profile(pod, -1)
    for index, container in enumerate(pod.containers):
        said = profile_type(container.security_context)
        if said is not None and said not in ALLOWED:
            yield bad_profile(pod, index)


def profile_type(security_context: Mapping[str, Any]) -> Any:
    """The type of the profile that is there, empty where it names none; None where there is no profile."""
    profile = security_context.get("seccompProfile")
    if not isinstance(profile, dict):
        return None
    said = profile.get("type")
    return "" if said is None else said


def bad_profile(pod: Pod, index: int) -> Violation:
    """The violation of a profile that is there: explicit when it names a type."""
    if index < 0:
        above, security_context = pod.context_pointer or (), pod.security_context
    else:
        container = pod.containers[index]
        above, security_context = (*container.pointer, "securityContext"), container.security_context
    said = security_context["seccompProfile"].get("type")
    return Violation((*above, *FIELD), said, "missing" if said is None else "explicit", index)


def propose(situation: Situation, violation: Violation) -> Proposal:
    pod = situation.pod
    if violation.pointer[-2] == "annotations":
        return Proposal("manual", None, "remove the annotation, or set it to runtime/default")
    annotation = _differing_annotation(pod, violation)
    if annotation:
        return Proposal("manual", "RuntimeDefault", f"the annotation {annotation} says something else: remove it first")
    profile = pod.security_context if violation.container < 0 else pod.containers[violation.container].security_context
    if violation.cause != "explicit":
        # A container's own profile without a type must get one: the pod's wouldn't reach it.
        own = violation.container >= 0 and "seccompProfile" in profile and profile["seccompProfile"] is not None
        writes = [Operation("add", violation.pointer, "RuntimeDefault")] if own else []
        return Proposal("safe", "RuntimeDefault", operations=tuple(writes))
    writes = [Operation("replace", violation.pointer, "RuntimeDefault")]
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
    if violations[0].pointer[-2] == "annotations":
        said = sorted(f"{violation.pointer[-1]}={go_quoted(text(violation.current))}" for violation in violations)
        return "seccompProfile", f"forbidden {plural('annotation', len(said))} {', '.join(said)}"
    values = quoted(sorted({text(violation.current) for violation in violations}))
    return "seccompProfile", f"{setters(pod, violations)} must not set securityContext.seccompProfile.type to {values}"


CONTROL = Control(
    "seccompProfile_baseline",
    "Seccomp isn't off",
    {(1, 0): check_1_0, (1, 19): check_1_19},
    propose,
    forbidden,
    level="baseline",
    field=FIELD,
    on_windows=True,
    safe=True,
)
