"""Pods must not switch seccomp off.

**Protects from**: kernel bugs behind system calls that services never use. With the runtime's profile a container
without `SYS_ADMIN` can't make a user namespace, which is what CVE-2022-0185 needed to reach the kernel's heap, and
CVE-2022-0492 its cgroups; with `Unconfined` it can.

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

**Fix safety**: `Unconfined` stays, unless `explicit: override` says otherwise; that is marked `may-break`. Field and
annotation change together, to `RuntimeDefault` and `runtime/default`: the API refuses a pod in which they differ, and a
`localhostProfile` beside another type. On Windows, which has no seccomp, the field is removed. A profile without a
type, which the API refuses, becomes what the annotation or its `localhostProfile` names, else `RuntimeDefault`.

**May break**: an override only. A system call is answered with `Operation not permitted`: perf, `unshare`, builders,
Chromium's sandbox. Put a profile that allows it on the nodes and name it as `Localhost`.

**Undo**: write `type: Unconfined` back; with `explicit: respect`, the default, it stays. This, under `spec` of the
policy, makes an exemption of the error at both levels:

    exemptions: [{match: {names: [browser]}, controls: [seccompProfile], reason: its sandbox makes namespaces}]

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark v1.9, 5.7.2; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls._profiles import (
    ALLOWED,
    ANNOTATED,
    OVERRIDE,
    RUNTIME_DEFAULT,
    SAME_AS_RUNTIME_DEFAULT,
    given,
    is_usable,
    meant,
    overridden,
    removed,
)
from krm_harden.model import Operation, Proposal, Violation, mapping, text
from krm_harden.wording import go_quoted, plural, quoted, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Container, Pod

FIELD = ("seccompProfile", "type")
POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER_ANNOTATION = "container.seccomp.security.alpha.kubernetes.io/"


def check_1_0(pod: Pod) -> Iterator[Violation]:
    """The annotations of the time before the field; those of containers that aren't there don't count."""
    annotations = pod.annotations
    if not annotations:
        return
    keys = {_own_key(pod, index): index for index in range(len(pod.containers) - 1, -2, -1)}
    for key, index in sorted(keys.items(), key=lambda known: known[1]):
        if key in annotations and not _allowed(text(annotations[key])):
            yield Violation((*pod.metadata_pointer, "annotations", key), annotations[key], "explicit", index)


def _own_key(pod: Pod, index: int) -> str:
    """The annotation that stands for a container's own field, or for the pod's."""
    return POD_ANNOTATION if index < 0 else CONTAINER_ANNOTATION + pod.containers[index].name


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
    """The violation of a profile that is there: explicit when it, or the annotation in its place, names a type."""
    if index < 0:
        above, security_context = pod.context_pointer or (), pod.security_context
    else:
        container = pod.containers[index]
        above, security_context = (*container.pointer, "securityContext"), container.security_context
    said = security_context["seccompProfile"].get("type")
    return Violation((*above, *FIELD), said, _cause(pod, index) if said is None else "explicit", index)


def no_profile(pod: Pod, index: int) -> Violation:
    """The violation of a container whose field says nothing, nor does the pod's."""
    return Violation((*pod.containers[index].pointer, "securityContext", *FIELD), None, _cause(pod, index), index)


def _cause(pod: Pod, index: int) -> str:
    """Explicit where a legacy annotation says something weaker in the field's place."""
    annotation = _annotation(pod, index)
    return "missing" if annotation is None or is_usable(annotation[1]) else "explicit"


def _annotation(pod: Pod, index: int) -> tuple[str, Any] | None:
    """The legacy annotation that stands for a container's profile, its own before the pod's, or for the pod's."""
    for key in (_own_key(pod, index), POD_ANNOTATION) if pod.annotations else ():
        if key in pod.annotations:
            return key, pod.annotations[key]
    return None


def has_own_annotation(pod: Pod, container: Container) -> bool:
    return CONTAINER_ANNOTATION + container.name in pod.annotations


def instead(pod: Pod, violation: Violation) -> str:
    if violation.pointer[-2] == "annotations":
        return "set the annotation to runtime/default, or to a profile of the nodes (localhost/NAME)"
    annotation = _annotation(pod, violation.container)
    if violation.current is None and annotation:
        return f"set the annotation {annotation[0]}, which says {annotation[1]}, to runtime/default"
    return "use RuntimeDefault, or a Localhost profile that allows what it needs"


def propose(situation: Situation, violation: Violation) -> Proposal:
    pod, place = situation.pod, violation.pointer[:-1]
    if violation.pointer[-2] == "annotations":
        writes = (Operation("add", violation.pointer, ANNOTATED), *_field_in_step(pod, violation.container))
        return Proposal("default", ANNOTATED, OVERRIDE, operations=writes)
    if situation.on_windows:
        return removed(place, "Windows has no seccomp")
    profile = _profile(pod, violation.container)
    if violation.cause == "missing":
        return meant(place, profile, _annotation(pod, violation.container))
    return overridden(place, profile, *_annotation_in_step(situation, violation))


def _profile(pod: Pod, index: int) -> Mapping[str, Any]:
    holder = pod if index < 0 else pod.containers[index]
    return mapping(holder.security_context.get("seccompProfile"))


def _field_in_step(pod: Pod, index: int) -> Iterator[Operation]:
    """What makes the field say runtime/default too, where it is there."""
    profile = _profile(pod, index)
    above = pod.context_pointer if index < 0 else (*pod.containers[index].pointer, "securityContext")
    if above is not None and profile and profile.get("type") != RUNTIME_DEFAULT:
        yield from given((*above, "seccompProfile"), profile)


def _annotation_in_step(situation: Situation, violation: Violation) -> Iterator[Operation]:
    """What makes the annotation say runtime/default too: the field's own, or the one that stood in its place."""
    pod = situation.pod
    key = _own_key(pod, violation.container)
    if key not in pod.annotations and violation.current is None and not _exempt_containers_take_it(situation):
        key = POD_ANNOTATION
    if key in pod.annotations and pod.annotations[key] not in SAME_AS_RUNTIME_DEFAULT:
        yield Operation("add", (*pod.metadata_pointer, "annotations", key), ANNOTATED)


def _exempt_containers_take_it(situation: Situation) -> bool:
    """Whether the pod's annotation stands for the profile of a container that is left alone."""
    return any(
        profile_type(container.security_context) is None
        and not has_own_annotation(situation.pod, container)
        and situation.exemptions("seccompProfile_restricted", container)
        for container in situation.pod.containers
    )


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
    instead=instead,
    on_windows=True,
    safe=True,
)
