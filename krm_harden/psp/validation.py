"""What the API server of 1.24 refused in a PodSecurityPolicy, in its words and order.

Source: kubernetes 1.24, pkg/apis/policy/validation/validation.go (ValidatePodSecurityPolicy); of metadata its name and
annotations. Some of its paths aren't where the value lies: a Problem's text has the server's, its pointer the place.
"""

from __future__ import annotations

from krm_harden.errors import Problem
from krm_harden.model import mapping
from krm_harden.psp import ranges, words
from krm_harden.psp.fields import app_armor, seccomp
from krm_harden.psp.fields.volumes import ALL, TYPES
from krm_harden.psp.names import qualified, subdomain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import Any

    from krm_harden.model import Pointer

_NOT_SUPPORTED = "Unsupported value"
_DUPLICATE = "Duplicate value"
_TOO_LONG = "Too long"
_USER_RULES = ("MustRunAs", "MustRunAsNonRoot", "RunAsAny")
_GROUP_RULES = ("MayRunAs", "MustRunAs", "RunAsAny")
_RUN_AS_GROUP_RULES = ("MustRunAs", "RunAsAny", "MayRunAs")
_LABEL_RULES = ("MustRunAs", "RunAsAny")
_PROC_MOUNTS = ("Default", "Unmasked")
_VOLUMES = (ALL, *sorted(TYPES.values()))
_ANNOTATIONS = ("metadata", "annotations")
_ANNOTATIONS_SIZE = 256 * 1024
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = f"({_SEGMENT}\\.)*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]"
_SYSCTL_SIZE = 253
_DRIVER_SIZE = 63
_OVERLAPS = 20
"""More overlaps than that say nothing new."""


def invalid(name: str, annotations: Mapping[str, str], spec: Mapping[str, Any]) -> list[Problem]:
    """Every problem of a policy whose types are right and whose defaults are filled in."""
    return [*_metadata(name, annotations), *_profiles(annotations), *_spec(spec)]


def unusable(spec: Mapping[str, Any]) -> str:
    """Why the admission passed over a policy that the API takes; empty where it didn't (factory.go)."""
    said = [*_unusable(spec)]
    return said[0] if len(said) == 1 else f"[{', '.join(said)}]" if said else ""


def _unusable(spec: Mapping[str, Any]) -> Iterator[str]:
    if _is_without_ranges(spec, "runAsUser", ("MustRunAs",)):
        yield "MustRunAs requires at least one range"
    if mapping(spec.get("seLinux")).get("rule") == "MustRunAs" and spec["seLinux"].get("seLinuxOptions") is None:
        yield "MustRunAs requires SELinuxOptions"
    # Go's aggregate has each message once.
    groups = (name for name in ("fsGroup", "supplementalGroups") if _is_without_ranges(spec, name, _GROUP_RULES[:2]))
    yield from dict.fromkeys(f"ranges must be supplied for {spec[name]['rule']}" for name in groups)


def _is_without_ranges(spec: Mapping[str, Any], name: str, rules: Sequence[str]) -> bool:
    strategy = mapping(spec.get(name))
    return strategy.get("rule") in rules and not strategy.get("ranges")


def _problem(pointer: Pointer, kind: str, shown: str, detail: str, path: str = "") -> Problem:
    """`path` is the server's, where that isn't the value's own."""
    from krm_harden.schema import path_of

    return Problem(pointer, ": ".join(part for part in (path or path_of(pointer), kind, shown, detail) if part))


def _invalid(pointer: Pointer, value: object, detail: str, path: str = "") -> Problem:
    return _problem(pointer, words.INVALID, words.shown(value), detail, path)


def _required(pointer: Pointer, detail: str, path: str = "") -> Problem:
    return _problem(pointer, words.REQUIRED, "", detail, path)


def _unsupported(pointer: Pointer, value: str, allowed: Sequence[str], path: str = "") -> Problem:
    detail = f"supported values: {words.listed(allowed)}"
    return _problem(pointer, _NOT_SUPPORTED, words.shown(value), detail, path)


def _metadata(name: str, annotations: Mapping[str, str]) -> Iterator[Problem]:
    pointer = ("metadata", "name")
    if not name:
        yield _required(pointer, "name or generateName is required")
    for said in subdomain(name) if name else ():
        yield _invalid(pointer, name, said)
    for key in annotations:
        for said in qualified(key.lower()):
            yield _invalid((*_ANNOTATIONS, key), key, said, "metadata.annotations")
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS_SIZE:
        yield _problem(_ANNOTATIONS, _TOO_LONG, "", f"must have at most {_ANNOTATIONS_SIZE} bytes")


def _profiles(annotations: Mapping[str, str]) -> Iterator[Problem]:
    for key in (app_armor.DEFAULT, app_armor.ALLOWED):
        said = annotations.get(key, "")
        for profile in said.split(",") if key == app_armor.ALLOWED else (said,):
            if profile not in {"", "runtime/default", "unconfined"} and not profile.startswith("localhost/"):
                detail = f"invalid AppArmor profile name: {words.shown(profile)}"
                yield _of_annotation(key, said, detail)
    for key in (seccomp.DEFAULT, seccomp.ALLOWED):
        said = annotations.get(key, "")
        profiles = said.split(",") if key == seccomp.ALLOWED else [said]
        for profile in profiles if said else ():
            if profile != "*" or key == seccomp.DEFAULT:
                yield from _seccomp(key, profile)


def _seccomp(key: str, profile: str) -> Iterator[Problem]:
    if profile in {"runtime/default", "docker/default", "unconfined"}:
        return
    local = profile.removeprefix("localhost/")
    if local == profile:
        yield _of_annotation(key, profile, "must be a valid seccomp profile")
        return
    if local.startswith("/"):
        yield _of_annotation(key, local, "must be a relative path")
    if ".." in local.split("/"):
        yield _of_annotation(key, local, "must not contain '..'")


def _of_annotation(key: str, value: str, detail: str) -> Problem:
    return _invalid((*_ANNOTATIONS, key), value, detail, f"metadata.annotations[{key}]")


def _spec(spec: Mapping[str, Any]) -> Iterator[Problem]:
    yield from _strategy(spec, "runAsUser", _USER_RULES)
    yield from _run_as_group(spec)
    yield from _rule(spec, "seLinux", _LABEL_RULES)
    yield from _strategy(spec, "supplementalGroups", _GROUP_RULES)
    yield from _strategy(spec, "fsGroup", _GROUP_RULES)
    for index, kind in enumerate(spec.get("volumes") or ()):
        if kind not in _VOLUMES:
            yield _unsupported(("spec", "volumes", index), kind, _VOLUMES, "spec.volumes")
    yield from _capabilities(spec)
    if spec.get("defaultAllowPrivilegeEscalation") and not spec["allowPrivilegeEscalation"]:
        detail = (
            "Cannot set DefaultAllowPrivilegeEscalation to true without also setting AllowPrivilegeEscalation to true"
        )
        yield _invalid(("spec", "defaultAllowPrivilegeEscalation"), True, detail)
    for index, kind in enumerate(spec.get("allowedProcMountTypes") or ()):
        if kind not in _PROC_MOUNTS:
            yield _unsupported(("spec", "allowedProcMountTypes", index), kind, _PROC_MOUNTS)
    yield from _host_paths(spec.get("allowedHostPaths") or ())
    yield from _drivers(spec)
    for name in ("allowedUnsafeSysctls", "forbiddenSysctls"):
        yield from _sysctls(name, spec.get(name) or ())
    yield from _overlaps(spec.get("allowedUnsafeSysctls") or (), spec.get("forbiddenSysctls") or ())
    if spec.get("runtimeClass") is not None:
        yield from _runtime_class(spec["runtimeClass"])


def _rule(spec: Mapping[str, Any], name: str, rules: Sequence[str]) -> Iterator[Problem]:
    rule = mapping(spec.get(name)).get("rule", "")
    if rule not in rules:
        yield _unsupported(("spec", name, "rule"), rule, rules)


def _strategy(spec: Mapping[str, Any], name: str, rules: Sequence[str]) -> Iterator[Problem]:
    yield from _rule(spec, name, rules)
    yield from _ranges(spec, name)


def _ranges(spec: Mapping[str, Any], name: str) -> Iterator[Problem]:
    for index, (low, high) in enumerate(ranges.of(mapping(spec.get(name)).get("ranges"))):
        pointer = ("spec", name, "ranges", index)
        if low < 0:
            yield _invalid((*pointer, "min"), low, "min cannot be negative")
        if high < 0:
            yield _invalid((*pointer, "max"), high, "max cannot be negative")
        if low > high:
            yield _invalid((*pointer, "min"), low, "min cannot be greater than max")


def _run_as_group(spec: Mapping[str, Any]) -> Iterator[Problem]:
    """Alone among the strategies it asks for ranges, or for none."""
    strategy = spec.get("runAsGroup")
    if strategy is None:
        return
    pointer, found = ("spec", "runAsGroup", "ranges"), strategy.get("ranges")
    shown = words.structs("policy.IDRange", None if found is None else ranges.of(found))
    if strategy["rule"] not in _RUN_AS_GROUP_RULES:
        yield _unsupported(("spec", "runAsGroup", "rule"), strategy["rule"], _RUN_AS_GROUP_RULES)
    elif strategy["rule"] == "RunAsAny":
        if found:
            yield _problem(pointer, words.INVALID, shown, "Ranges must be empty")
    elif not found:
        yield _problem(pointer, words.INVALID, shown, "must provide at least one range")
    else:
        yield from _ranges(spec, "runAsGroup")


def _capabilities(spec: Mapping[str, Any]) -> Iterator[Problem]:
    dropped = spec.get("requiredDropCapabilities") or ()
    if dropped and ALL in (spec.get("allowedCapabilities") or ()):
        shown = words.strings("core.Capability", dropped)
        detail = "must be empty when all capabilities are allowed by a wildcard"
        pointer = ("spec", "requiredDropCapabilities")
        yield _problem(pointer, words.INVALID, shown, detail, "requiredDropCapabilities")
    there = {*dropped}
    for name in ("defaultAddCapabilities", "allowedCapabilities"):
        for index, capability in enumerate(spec.get(name) or ()):
            if capability in there:
                detail = f"capability is listed in {name} and requiredDropCapabilities"
                yield _invalid(("spec", name, index), capability, detail, name)


def _host_paths(paths: Sequence[Mapping[str, Any]]) -> Iterator[Problem]:
    for index, entry in enumerate(paths):
        pointer = ("spec", "allowedHostPaths", index)
        if not entry["pathPrefix"]:
            yield _required(pointer, "is required")
            return
        if ".." in entry["pathPrefix"].split("/"):
            yield _invalid(pointer, entry["pathPrefix"], "must not contain '..'")


def _drivers(spec: Mapping[str, Any]) -> Iterator[Problem]:
    for index, entry in enumerate(spec.get("allowedFlexVolumes") or ()):
        if not entry["driver"]:
            path = f"spec.allowedFlexVolumes.allowedFlexVolumes[{index}].driver"
            yield _required(("spec", "allowedFlexVolumes", index, "driver"), "must specify a driver", path)
    for index, entry in enumerate(spec.get("allowedCSIDrivers") or ()):
        pointer = ("spec", "allowedCSIDrivers", index, "name")
        path, name = f"spec.allowedCSIDrivers.allowedCSIDriver[{index}].name", entry["name"]
        if not name:
            yield _required(pointer, "", path)
        if len(name.encode()) > _DRIVER_SIZE:
            yield _problem(pointer, _TOO_LONG, "", f"must have at most {_DRIVER_SIZE} bytes", path)
        for said in subdomain(name.lower()):
            yield _invalid(pointer, name, said, path)


def _sysctls(field: str, names: Sequence[str]) -> Iterator[Problem]:
    from re import compile as compiled

    pattern = compiled(_SYSCTL)
    for index, name in enumerate(names):
        if not name:
            yield _invalid(("spec", field, index), name, "empty sysctl not allowed")
        elif len(name.encode()) > _SYSCTL_SIZE or not pattern.fullmatch(name):
            detail = f"must have at most {_SYSCTL_SIZE} characters and match regex {_SYSCTL}"
            yield _invalid(("spec", field, index), name, detail)
    if "*" in names and len(names) > 1:
        detail = "if '*' is present, must not specify other sysctls"
        yield _problem(("spec", field), words.FORBIDDEN, "", detail, f"spec.{field}.items")


def _overlaps(allowed: Sequence[str], forbidden: Sequence[str]) -> Iterator[Problem]:
    """Each pair of which one covers the other; only names that meet another are compared with all."""
    suspects = _Meets(forbidden)
    left = _OVERLAPS
    for index, name in enumerate(allowed):
        for other_index, other in enumerate(forbidden if name in suspects else ()):
            place = _covered(name, other)
            if not place or not left:
                continue
            left -= 1
            if place == "allowed":
                yield _invalid(("spec", "allowedUnsafeSysctls", index), name, f"sysctl overlaps with {other}")
            else:
                yield _invalid(("spec", "forbiddenSysctls", other_index), other, f"sysctl overlaps with {name}")
        if not left:
            return


def _covered(allowed: str, forbidden: str) -> str:
    """Which of two is within the other, empty if neither is: `allowed` or `forbidden`."""
    body, other = allowed.removesuffix("*"), forbidden.removesuffix("*")
    is_pattern, other_is_pattern = body != allowed, other != forbidden
    if other_is_pattern and body.startswith(other):
        return "allowed"
    if is_pattern and other.startswith(body):
        return "forbidden"
    return "allowed" if allowed == forbidden else ""


class _Meets:
    """Whether a name, or a prefix that ends in `*`, has something in common with one of many."""

    __slots__ = ("_bodies", "_lengths", "_prefixes")

    def __init__(self, names: Iterable[str]) -> None:
        found = [*names]
        self._bodies = sorted({name.removesuffix("*") for name in found})
        self._prefixes = {name[:-1] for name in found if name.endswith("*")}
        self._lengths = sorted({len(prefix) for prefix in self._prefixes})

    def __contains__(self, name: str) -> bool:
        from bisect import bisect_left

        body = name.removesuffix("*")
        if any(body[:length] in self._prefixes for length in self._lengths if length <= len(body)):
            return True
        place = bisect_left(self._bodies, body)
        return place < len(self._bodies) and self._bodies[place].startswith(body)


def _runtime_class(strategy: Mapping[str, Any]) -> Iterator[Problem]:
    allowed: Sequence[str] = strategy.get("allowedRuntimeClassNames") or ()
    pointer = ("spec", "runtimeClass", "allowedRuntimeClassNames")
    seen = set()
    for index, name in enumerate(allowed):
        for said in subdomain(name) if name != ALL else ():
            yield _invalid((*pointer, index), name, said)
        if name in seen:
            yield _problem((*pointer, index), _DUPLICATE, words.shown(name), "")
        seen.add(name)
    default = strategy.get("defaultRuntimeClassName")
    if default is not None:
        for said in subdomain(default):
            yield _invalid(("spec", "runtimeClass", "defaultRuntimeClassName"), default, said)
        if default not in seen and ALL not in seen:
            yield _required(pointer, f"default {words.shown(default)} must be allowed")
    if ALL in seen and len(allowed) > 1:
        detail = "if '*' is present, must not specify other RuntimeClass names"
        yield _problem(pointer, words.INVALID, words.strings("string", allowed), detail)
