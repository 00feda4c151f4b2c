"""What a PodSecurityPolicy set where a pod said nothing, as Gatekeeper's mutators.

Users and groups that the admission wrote to each container are written to the pod: it means the same to every container
that says nothing, and no mutator sees both places.

Source: Kubernetes 1.24, pkg/security/podsecuritypolicy/provider.go (MutatePod, mutateContainer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.cluster._gatekeeper_mutators import Write
from krm_harden.model import mapping, sequence
from krm_harden.psp.model import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from krm_harden.psp.model import PodSecurityPolicy

POD = "spec.securityContext."
CONTAINER = "{containers}.securityContext."
SECCOMP = "seccomp.security.alpha.kubernetes.io/defaultProfileName"
APP_ARMOR = "apparmor.security.beta.kubernetes.io/defaultProfileName"
NAMES = {
    "runAsUser": "run-as-user",
    "runAsGroup": "run-as-group",
    "fsGroup": "fs-group",
    "supplementalGroups": "supplemental-groups",
}
"""Strategies with ranges, of whose first one the minimum is set by MustRunAs."""


def writes(policy: PodSecurityPolicy) -> tuple[list[Write], list[str]]:
    """What a policy set, and what of it a mutator can't tell apart."""
    cannot = []
    if sequence(policy.spec.get("defaultAddCapabilities")):
        cannot.append(
            f"{PREFIX}defaultAddCapabilities: a container with capabilities of its own gets none of them: no mutator "
            "sees which it drops"
        )
    return [*_of_pod(policy), *_of_containers(policy)], cannot


def _of_pod(policy: PodSecurityPolicy) -> Iterator[Write]:
    for field, name in NAMES.items():
        strategy = mapping(policy.spec.get(field))
        ranges = sequence(strategy.get("ranges"))
        if strategy.get("rule") == "MustRunAs" and ranges:
            lowest = ranges[0]["min"]
            yield _unless(field, name, POD + field, [lowest] if field == "supplementalGroups" else lowest)
    if mapping(policy.spec.get("runAsUser")).get("rule") == "MustRunAsNonRoot":
        yield _unless("runAsUser", "run-as-non-root", f"{POD}runAsNonRoot", True)
    se_linux = mapping(policy.spec.get("seLinux"))
    if se_linux.get("rule") == "MustRunAs":
        yield _unless("seLinux", "se-linux", f"{POD}seLinuxOptions", {**mapping(se_linux.get("seLinuxOptions"))})
    profile = _profile(policy.annotations.get(SECCOMP, ""))
    if profile:
        yield _unless("seccomp", "seccomp-profile", f"{POD}seccompProfile", profile)
    runtime_class = mapping(policy.spec.get("runtimeClass")).get("defaultRuntimeClassName")
    if runtime_class:
        yield _unless("runtimeClass", "runtime-class", "spec.runtimeClassName", runtime_class)


def _of_containers(policy: PodSecurityPolicy) -> Iterator[Write]:
    spec = policy.spec
    if added := [*sequence(spec.get("defaultAddCapabilities"))]:
        place, unless = f"{CONTAINER}capabilities.add", f"{CONTAINER}capabilities"
        # Before those that are dropped: it is for containers without capabilities alone, and mutators run by name.
        yield Write(f"{PREFIX}defaultAddCapabilities", "add-capabilities", place, added, unless, merged=True)
    if dropped := [*sequence(spec.get("requiredDropCapabilities"))]:
        place = f"{CONTAINER}capabilities.drop"
        yield Write(f"{PREFIX}requiredDropCapabilities", "drop-required", place, dropped, merged=True)
    if spec.get("readOnlyRootFilesystem") is True:
        place = f"{CONTAINER}readOnlyRootFilesystem"
        yield _unless("readOnlyRootFilesystem", "read-only-root-filesystem", place, True)
    escalation = spec.get("defaultAllowPrivilegeEscalation")
    if escalation is None and spec.get("allowPrivilegeEscalation") is False:
        escalation = False
    if escalation is not None:
        place = f"{CONTAINER}allowPrivilegeEscalation"
        yield _unless("allowPrivilegeEscalation", "allow-privilege-escalation", place, escalation)
    profile = _profile(policy.annotations.get(APP_ARMOR, ""))
    if profile:
        yield _unless("appArmor", "app-armor-profile", f"{CONTAINER}appArmorProfile", profile)


def _unless(field: str, name: str, location: str, value: Any) -> Write:
    return Write(f"{PREFIX}{field}", name, location, value, location)


def _profile(annotation: str) -> dict[str, str]:
    """A profile's annotation as the field that took its place."""
    kind, _, name = annotation.partition("/")
    if annotation in {"runtime/default", "docker/default"}:
        return {"type": "RuntimeDefault"}
    if annotation == "unconfined":
        return {"type": "Unconfined"}
    return {"type": "Localhost", "localhostProfile": name} if kind == "localhost" and name else {}
