"""Pods must not switch AppArmor off: only the runtime's own profile, or a local one.

**Protects from**: escapes that the runtime's profile stops: it denies mounts and writes to the sensitive files of /proc
and /sys. Containers under AppArmor weren't open to the escape by a cgroup's `release_agent` (CVE-2022-0492); unconfined
ones could be.

**Fields**: `spec.securityContext.appArmorProfile.type`, `spec.containers[*].securityContext.appArmorProfile.type`, also
of initContainers and ephemeralContainers; the legacy annotations
`container.apparmor.security.beta.kubernetes.io/<container>` of the pod.

**Allowed**: `RuntimeDefault` or `Localhost`, or no profile; annotations `runtime/default`, `localhost/<name>` or empty.

**Before** (with `explicit: override`):

    securityContext:
      appArmorProfile:
        type: Unconfined

**After**:

    securityContext:
      appArmorProfile:
        type: RuntimeDefault

**Fix safety**: never fixed unless `explicit: override` says so, and then marked `may-break`: a program that its author
took out of AppArmor may need what the profile denies, and nodes without AppArmor refuse a pod that asks for a profile.
Field and annotation change together, to `RuntimeDefault` and `runtime/default`: the API refuses a pod in which they
differ. On Windows, which has no AppArmor, they are removed. A profile without a type, which the API refuses, becomes
what the annotation or its `localhostProfile` names, else `RuntimeDefault`.

**May break**: an override only. The program says `Permission denied`, and the node's kernel log `apparmor="DENIED"`
with the path: load a profile that allows it on the nodes and name it as `Localhost`. On nodes without AppArmor the pod
is rejected: `Cannot enforce AppArmor`.

**Undo**: write `type: Unconfined` back; with `explicit: respect`, the default, it stays. This, under `spec` of the
policy, makes an exemption of the error:

    exemptions: [{match: {names: [builder]}, controls: [appArmorProfile], reason: mounts overlays}]

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark v1.9, 5.7.3; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.controls._profiles import ALLOWED, ANNOTATED, OVERRIDE, is_usable, meant, overridden, removed
from krm_harden.model import APP_ARMOR_ANNOTATION as ANNOTATION
from krm_harden.model import APP_ARMOR_FIELDS, Proposal, Violation, lookup, mapping, text
from krm_harden.wording import go_quoted, plural, quoted, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.decide import Situation
    from krm_harden.model import Pod, Pointer

ID = "appArmorProfile"
FIELD = ("appArmorProfile", "type")


def check_1_0(pod: Pod) -> Iterator[Violation]:
    """The pod's profile and the containers' are judged on their own; so is each annotation, of any container."""
    if pod.server >= APP_ARMOR_FIELDS:
        yield from _fields(pod)
    annotations = pod.annotations
    bad = [key for key, value in annotations.items() if key.startswith(ANNOTATION) and not _allowed(text(value))]
    # Of two containers of one name the first.
    indexes = {container.name: index for index, container in reversed([*enumerate(pod.containers)])} if bad else {}
    for key in bad:
        index = indexes.get(key[len(ANNOTATION) :], -1)
        yield Violation((*pod.metadata_pointer, "annotations", key), annotations[key], "explicit", index)


def _fields(pod: Pod) -> Iterator[Violation]:
    profile = pod.security_context.get("appArmorProfile")
    if profile is not None and pod.context_pointer is not None and profile.get("type") not in ALLOWED:
        yield _bad(pod, profile, pod.context_pointer, -1)
    for index, container in enumerate(pod.containers):
        profile = container.security_context.get("appArmorProfile")
        if profile is not None and profile.get("type") not in ALLOWED:
            yield _bad(pod, profile, (*container.pointer, "securityContext"), index)


def _bad(pod: Pod, profile: Mapping[str, Any], above: Pointer, index: int) -> Violation:
    """The violation of a profile: explicit when it names a type, or when its annotation says something weaker."""
    said = profile.get("type")
    annotation = _annotation(pod, index)
    explicit = said is not None or (annotation is not None and not is_usable(annotation[1]))
    return Violation((*above, *FIELD), said, "explicit" if explicit else "missing", index)


def _annotation(pod: Pod, index: int) -> tuple[str, Any] | None:
    """A container's legacy annotation. The pod has none of its own."""
    key = ANNOTATION + pod.containers[index].name if index >= 0 else ""
    return (key, pod.annotations[key]) if key in pod.annotations else None


def _allowed(value: str) -> bool:
    return not value or value == ANNOTATED or value.startswith("localhost/")


def _is_annotation(violation: Violation) -> bool:
    return violation.pointer[-2] == "annotations"


def _in_text(pod: Pod, violation: Violation) -> bool:
    """Whether a field is the author's: the API server takes a Pod's from the annotation where there is none."""
    return lookup(pod.resource.data, violation.pointer[len(pod.resource.base) : -1]) is not None


def instead(pod: Pod, violation: Violation) -> str:
    if _is_annotation(violation) or not _in_text(pod, violation):
        return "set the annotation to runtime/default, or to a profile of the nodes (localhost/NAME)"
    return "use RuntimeDefault, or a Localhost profile that allows what it needs"


def propose(situation: Situation, violation: Violation) -> Proposal:
    pod, place = situation.pod, violation.pointer[:-1]
    if _is_annotation(violation):
        if situation.on_windows:
            return removed(violation.pointer, OVERRIDE)
        return Proposal("default", ANNOTATED, OVERRIDE)
    if not _in_text(pod, violation):
        # What becomes of the annotation becomes of it.
        return Proposal("default", None, f"{OVERRIDE} of the annotation from which the API server takes it")
    if situation.on_windows:
        return removed(place, "Windows has no AppArmor")
    holder = pod if violation.container < 0 else pod.containers[violation.container]
    profile = mapping(holder.security_context.get("appArmorProfile"))
    if violation.cause == "missing":
        return meant(place, profile, _annotation(pod, violation.container))
    key = _annotation_that_stays(situation) if violation.container < 0 else ""
    if key:
        return Proposal("manual", None, f"the annotation {key} is exempt and must say the same: exempt the pod too")
    return overridden(place, profile)


def _annotation_that_stays(situation: Situation) -> str:
    """A bad annotation of an exempt container that has no field of its own: the pod's must not differ from it."""
    pod = situation.pod
    for index, container in enumerate(pod.containers):
        annotation = _annotation(pod, index)
        takes_the_pods = container.security_context.get("appArmorProfile") is None
        if annotation and takes_the_pods and not _allowed(text(annotation[1])) and situation.exemptions(ID, container):
            return annotation[0]
    return ""


def forbidden(pod: Pod, violations: Sequence[Violation]) -> tuple[str, str]:
    fields = [violation for violation in violations if violation.pointer[-1] == "type"]
    annotations = sorted(
        f"{violation.pointer[-1]}={go_quoted(text(violation.current))}"
        for violation in violations
        if violation.pointer[-1] != "type"
    )
    who = [setters(pod, fields)] if fields else []
    if annotations:
        who.append(plural("annotation", len(annotations)))
    values = [*sorted({text(violation.current) for violation in fields}), *annotations]
    reason = plural("forbidden AppArmor profile", len(values))
    return reason, f"{' and '.join(who)} must not set AppArmor profile type to {quoted(values)}"


CONTROL = Control(
    ID,
    "AppArmor",
    {(1, 0): check_1_0},
    propose,
    forbidden,
    instead=instead,
    level="baseline",
    on_windows=True,
    safe=True,
)
