"""What a PodSecurityPolicy sets where a pod says nothing, as JSON patches in CEL: as krm_harden/psp/fields/ has it.

Conditions and values are those of the pod that is created; a container is `one.c`, its place `one.path`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.cluster._cel.words import literal
from krm_harden.model import APP_ARMOR_ANNOTATION
from krm_harden.psp.fields import app_armor, seccomp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    from krm_harden.cluster._cel.checks import Variables
    from krm_harden.psp.model import PodSecurityPolicy

    Row: TypeAlias = "tuple[str, str, str]"
    """A field's path, when it is written, and what: the last two in CEL."""

_OF_POD = "object.spec.?securityContext"
_OF_CONTAINER = "one.c.?securityContext"
_LISTS = ("initContainers", "containers")
_EACH = (
    "object.spec.?{0}.orValue([]).transformList(index, c,\n"
    "  {{'path': dyn('/spec/{0}/' + string(index)), 'c': dyn(c)}})"
)


def patches(policy: PodSecurityPolicy) -> tuple[Variables, str]:
    """Variables, and the list of `JSONPatch` that sets it all; empty where the policy sets nothing."""
    of_pod, of_containers = [*_of_pod(policy)], [*_of_containers(policy)]
    if not of_pod and not of_containers:
        return [], ""
    variables: Variables = [("each", "\n  + ".join(_EACH.format(name) for name in _LISTS))] if of_containers else []
    parts: list[str] = []
    if any(path.startswith("/spec/securityContext/") for path, _, _ in of_pod):
        parts.append(_if(f"!{_OF_POD}.hasValue()", "/spec/securityContext", "{}"))
    parts += [_if(when, path, value) for path, when, value in of_pod]
    parts += [*_in_containers(of_containers)]
    return variables, " +\n".join(parts)


def _if(when: str, path: str, value: str) -> str:
    return f"({when} ? [JSONPatch{{op: 'add', path: '{path}', value: {value}}}] : [])"


def _in_containers(rows: list[Row]) -> Iterator[str]:
    """The rows of containers, after the mappings that they are written into."""
    for parent in ("/securityContext", "/securityContext/capabilities"):
        within = [when for path, when, _ in rows if path.startswith(f"{parent}/")]
        if within:
            held = "one.c" + "".join(f".?{name}" for name in parent[1:].split("/"))
            missing = f"!{held}.hasValue() && ({' || '.join(within)})"
            yield f"variables.each.filter(one, {missing})\n  .map(one, {_patch(parent, '{}')})"
    for path, when, value in rows:
        yield f"variables.each.filter(one, {when})\n  .map(one, {_patch(path, value)})"


def _patch(path: str, value: str) -> str:
    return f"JSONPatch{{op: 'add', path: one.path + '{path}', value: {value}}}"


def _of_pod(policy: PodSecurityPolicy) -> Iterator[Row]:
    context = "/spec/securityContext"
    for field, form in (("supplementalGroups", "[{}]"), ("fsGroup", "{}")):
        strategy = policy.spec.get(field) or {}
        if strategy.get("rule") == "MustRunAs":
            wanted = form.format(strategy["ranges"][0]["min"])
            yield f"{context}/{field}", f"!{_OF_POD}.?{field}.hasValue()", wanted
    labels = policy.spec.get("seLinux") or {}
    if labels.get("rule") == "MustRunAs":
        said = {name: value for name, value in (labels.get("seLinuxOptions") or {}).items() if value}
        yield f"{context}/seLinuxOptions", f"!{_OF_POD}.?seLinuxOptions.hasValue()", _mapping(said)
    profile = seccomp.field_of(policy.annotations.get(seccomp.DEFAULT, ""))
    if profile:
        annotation = f"object.metadata.?annotations[?{literal(seccomp.OF_POD)}].orValue('')"
        when = f"!{_OF_POD}.?seccompProfile.hasValue() && {annotation} == ''"
        yield f"{context}/seccompProfile", when, _mapping(profile)
    runtime = (policy.spec.get("runtimeClass") or {}).get("defaultRuntimeClassName")
    if runtime is not None:
        yield "/spec/runtimeClassName", "!object.spec.?runtimeClassName.hasValue()", literal(runtime)


def _of_containers(policy: PodSecurityPolicy) -> Iterator[Row]:
    context = "/securityContext"
    user, non_root = _effective("runAsUser"), _effective("runAsNonRoot")
    strategy = policy.spec.get("runAsUser") or {}
    if strategy.get("rule") == "MustRunAs":
        yield f"{context}/runAsUser", f"!{user}.hasValue()", str(strategy["ranges"][0]["min"])
    elif strategy.get("rule") == "MustRunAsNonRoot":
        yield f"{context}/runAsNonRoot", f"!{user}.hasValue() && !{non_root}.hasValue()", "true"
    groups = policy.spec.get("runAsGroup") or {}
    if groups.get("rule") == "MustRunAs":
        wanted = str(groups["ranges"][0]["min"])
        yield f"{context}/runAsGroup", f"!{_effective('runAsGroup')}.hasValue()", wanted
    profile = seccomp.field_of(policy.annotations.get(app_armor.DEFAULT, ""))
    if profile:
        key = f"{literal(APP_ARMOR_ANNOTATION)} + one.c.name"
        when = f"object.metadata.?annotations[?{key}].orValue('') == '' && !{_effective('appArmorProfile')}.hasValue()"
        yield f"{context}/appArmorProfile", when, _mapping(profile)
    yield from _capabilities(policy)
    for field, said in (
        ("readOnlyRootFilesystem", True if policy.spec.get("readOnlyRootFilesystem") else None),
        ("allowPrivilegeEscalation", _escalation(policy)),
    ):
        if said is not None:
            yield f"{context}/{field}", f"!{_OF_CONTAINER}.?{field}.hasValue()", str(said).lower()


def _escalation(policy: PodSecurityPolicy) -> bool | None:
    said = policy.spec.get("defaultAllowPrivilegeEscalation")
    return False if said is None and not policy.spec["allowPrivilegeEscalation"] else said


def _capabilities(policy: PodSecurityPolicy) -> Iterator[Row]:
    """Those that are missing, behind what is there."""
    dropped = f"{_OF_CONTAINER}.?capabilities.?drop.orValue([])"
    for kind, field in (("add", "defaultAddCapabilities"), ("drop", "requiredDropCapabilities")):
        wanted = [*dict.fromkeys(policy.spec.get(field) or ())]
        if not wanted:
            continue
        there = f"{_OF_CONTAINER}.?capabilities.?{kind}.orValue([])"
        known = f"{there} + {dropped}" if kind == "add" else there
        missing = f"[{', '.join(map(literal, wanted))}].filter(name, !(name in {known}))"
        yield f"/securityContext/capabilities/{kind}", f"{missing}.size() > 0", f"{there} + {missing}"


def _effective(name: str) -> str:
    """What holds for a container: its own value over the pod's, as an optional."""
    return f"{_OF_CONTAINER}.?{name}.or({_OF_POD}.?{name})"


def _mapping(data: dict[str, Any]) -> str:
    return "{" + ", ".join(f"{literal(name)}: {literal(value)}" for name, value in data.items()) + "}"
