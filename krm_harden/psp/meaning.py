"""A PodSecurityPolicy without its name, order and spelling: equal for policies that mean the same."""

from __future__ import annotations

from krm_harden.model import mapping, text
from krm_harden.psp import ranges
from krm_harden.psp.fields import app_armor, seccomp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from krm_harden.psp.model import PodSecurityPolicy

_FLAGS = ("privileged", "hostNetwork", "hostPID", "hostIPC", "readOnlyRootFilesystem", "allowPrivilegeEscalation")
_NAMES = (
    "defaultAddCapabilities",
    "requiredDropCapabilities",
    "allowedCapabilities",
    "allowedUnsafeSysctls",
    "forbiddenSysctls",
)
_DRIVERS = {"allowedFlexVolumes": "driver", "allowedCSIDrivers": "name"}
_PARTS = ("level", "role", "type", "user")
_DEFAULT_ESCALATION = "defaultAllowPrivilegeEscalation"


def meaning(policy: PodSecurityPolicy) -> Mapping[str, Any]:
    """The meaning by field: flags, sets, ranges without overlaps."""
    spec = policy.spec
    made: dict[str, Any] = {name: bool(spec.get(name)) for name in _FLAGS}
    made |= {name: frozenset(spec.get(name) or ()) for name in _NAMES}
    made |= {name: frozenset(item[key] for item in spec.get(name) or ()) for name, key in _DRIVERS.items()}
    made |= {name: _strategy(spec.get(name)) for name in ("runAsUser", "runAsGroup", "fsGroup", "supplementalGroups")}
    volumes = frozenset(spec.get("volumes") or ())
    made["volumes"] = frozenset("*") if "*" in volumes else volumes
    made["hostPorts"] = tuple(ranges.merged(ranges.of(spec.get("hostPorts"))))
    made["allowedHostPaths"] = frozenset(
        (item["pathPrefix"].removesuffix("/"), item["readOnly"]) for item in spec.get("allowedHostPaths") or ()
    )
    made["seLinux"] = _label(mapping(spec.get("seLinux")))
    made["allowedProcMountTypes"] = frozenset(spec.get("allowedProcMountTypes") or ("Default",))
    made["runtimeClass"] = _runtime_class(spec.get("runtimeClass"))
    made[_DEFAULT_ESCALATION] = spec.get(_DEFAULT_ESCALATION)
    if not made["allowPrivilegeEscalation"]:
        made[_DEFAULT_ESCALATION] = False
    return made | _profiles(policy.annotations)


def _strategy(strategy: Any) -> Any:
    """The rule, what it sets, and what it takes; no strategy is that of any id."""
    rule, listed = mapping(strategy).get("rule", "RunAsAny"), ranges.of(mapping(strategy).get("ranges"))
    if rule not in {"MustRunAs", "MayRunAs"}:
        return rule
    return rule, listed[0][0] if rule == "MustRunAs" and listed else None, tuple(ranges.merged(listed))


def _label(strategy: Mapping[str, Any]) -> Any:
    options = strategy.get("seLinuxOptions")
    if strategy["rule"] != "MustRunAs" or options is None:
        return strategy["rule"], None
    return strategy["rule"], tuple(text(options.get(part)) for part in _PARTS)


def _runtime_class(strategy: Any) -> Any:
    if strategy is None:
        return None
    return frozenset(strategy.get("allowedRuntimeClassNames") or ()), strategy.get("defaultRuntimeClassName")


def _profiles(annotations: Mapping[str, str]) -> dict[str, Any]:
    """Seccomp without allowed profiles takes none at all, AppArmor any."""
    allowed = frozenset(annotations.get(seccomp.ALLOWED, "").split(",")) - {""}
    app_armors = annotations.get(app_armor.ALLOWED)
    return {
        seccomp.ALLOWED: frozenset("*") if "*" in allowed else frozenset(map(_spelled, allowed)),
        seccomp.DEFAULT: _spelled(annotations.get(seccomp.DEFAULT, "")),
        app_armor.ALLOWED: None if app_armors is None else frozenset(app_armors.split(",")),
        app_armor.DEFAULT: annotations.get(app_armor.DEFAULT, ""),
    }


def _spelled(profile: str) -> str:
    return "runtime/default" if profile == "docker/default" else profile
