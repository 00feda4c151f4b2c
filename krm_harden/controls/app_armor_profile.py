"""Pods must not switch AppArmor off: only the runtime's own profile, or a local one.

**Fields**: `spec.securityContext.appArmorProfile.type`, `spec.containers[*].securityContext.appArmorProfile.type`, also
of initContainers and ephemeralContainers; the legacy annotations
`container.apparmor.security.beta.kubernetes.io/<container>` of the pod.

**Allowed**: `RuntimeDefault` or `Localhost`, or no profile; annotations `runtime/default`, `localhost/<name>` or empty.

**Before**:

    securityContext:
      appArmorProfile:
        type: Unconfined

**After** (by hand):

    securityContext:
      appArmorProfile:
        type: RuntimeDefault

**Fix safety**: never changed: a program that its author took out of AppArmor may need what the profile denies. Try
`RuntimeDefault` first, then a profile of your own on the nodes.

**Reference**: Pod Security Standards, baseline, from v1.0; CIS Kubernetes Benchmark 5.7.3; NSA/CISA Kubernetes
Hardening Guide, "Pod security".
"""

from __future__ import annotations

from krm_harden.controls import Control
from krm_harden.model import Proposal, Violation, text
from krm_harden.wording import go_quoted, plural, quoted, setters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from krm_harden.decide import Situation
    from krm_harden.model import Pod

FIELD = ("appArmorProfile", "type")
ALLOWED = ("RuntimeDefault", "Localhost")
ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"


def check_1_0(pod: Pod) -> Iterator[Violation]:
    """The pod's profile and the containers' are judged on their own; so is each annotation, of any container."""
    profile = pod.security_context.get("appArmorProfile")
    if profile is not None and pod.context_pointer is not None and profile.get("type") not in ALLOWED:
        yield Violation((*pod.context_pointer, *FIELD), profile.get("type"), "manual")
    for index, container in enumerate(pod.containers):
        profile = container.security_context.get("appArmorProfile")
        if profile is not None and profile.get("type") not in ALLOWED:
            yield Violation((*container.pointer, "securityContext", *FIELD), profile.get("type"), "manual", index)
    for key, value in pod.annotations.items():
        if key.startswith(ANNOTATION) and not _allowed(text(value)):
            names = [container.name for container in pod.containers]
            name = key[len(ANNOTATION) :]
            index = names.index(name) if name in names else -1
            yield Violation((*pod.metadata_pointer, "annotations", key), value, "manual", index)


def _allowed(value: str) -> bool:
    return not value or value == "runtime/default" or value.startswith("localhost/")


def propose(_situation: Situation, violation: Violation) -> Proposal:
    if violation.pointer[-2] == "annotations":
        return Proposal("manual", None, "remove the annotation, or name a profile of the node (localhost/NAME)")
    return Proposal("manual", None, "use RuntimeDefault, or a Localhost profile that allows what it needs")


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
    "appArmorProfile",
    "AppArmor",
    {(1, 0): check_1_0},
    propose,
    forbidden,
    level="baseline",
    on_windows=True,
    safe=True,
)
