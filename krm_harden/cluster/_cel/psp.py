"""The fields of a PodSecurityPolicy in CEL: what each refuses in a pod as it is, as krm_harden/psp/fields/ has it.

Each makes a variable of its name: the words of a refusal, which begin with that name, or an empty string. A field that
refuses nothing under this policy makes none. Conditions are of a container `c`, a volume `v`, or the pod itself.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from krm_harden.cluster._cel.words import containers, listed, literal, quoted
from krm_harden.model import APP_ARMOR_ANNOTATION
from krm_harden.psp import ranges
from krm_harden.psp.fields import app_armor, seccomp, sysctls
from krm_harden.psp.fields.volumes import ALL, TYPES
from krm_harden.psp.words import ports
from krm_harden.psp.words import ranges as printed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from typing import Any, TypeAlias

    from krm_harden.cluster._cel.checks import Variables
    from krm_harden.psp.model import PodSecurityPolicy

    Condition: TypeAlias = "tuple[str, str, str]"
    """What is bad (`pod`, `containers` or `volumes`), when, and what is said of it."""

POD: Variables = [
    ("spec", "object.spec"),
    ("annotations", "object.metadata.?annotations.orValue({})"),
    (
        "containers",
        "variables.spec.?initContainers.orValue([])\n"
        "  + variables.spec.?containers.orValue([])\n"
        "  + variables.spec.?ephemeralContainers.orValue([])",
    ),
    ("podVolumes", "variables.spec.?volumes.orValue([])"),
]
_OF_POD = "variables.spec.?securityContext"
_OF_CONTAINER = "c.?securityContext"


def refusals(policy: PodSecurityPolicy, skip: Iterable[str] = ()) -> dict[str, Variables]:
    """Of each field that can refuse something its variables, the last of which has the field's name; without `skip`."""
    left_out = {*skip}
    found = {field: _variables(field, [*of(policy)]) for field, of in _FIELDS.items() if field not in left_out}
    return {field: variables for field, variables in found.items() if variables}


def _variables(field: str, conditions: list[Condition]) -> Variables:
    """The names of what is bad, for each condition on containers or volumes, then the words of the first that holds."""
    made: Variables = []
    words: list[str] = []
    for index, (where, bad, detail) in enumerate(conditions):
        said = f"{field}: {detail}"
        if where == "pod":
            words.append(f"{bad} ? {literal(said)}")
            continue
        name = f"{field}_{where}{index or ''}"
        each, of = ("c", "containers") if where == "containers" else ("v", "podVolumes")
        made.append((name, f"variables.{of}.filter({each}, {bad}).map({each}, {each}.name)"))
        names = f"variables.{name}"
        who = containers(names) if where == "containers" else f"'volumes ' + {quoted(names)}"
        words.append(f"{names}.size() > 0 ?\n  {literal(f'{said} (')} + {who} + ')'")
    return [*made, (field, " :\n".join([*words, "''"]))] if words else []


def _effective(name: str) -> str:
    """What holds for a container: its own value over the pod's, as an optional."""
    return f"{_OF_CONTAINER}.?{name}.or({_OF_POD}.?{name})"


def _only(allowed: Iterable[str]) -> str:
    """What is allowed, behind what isn't."""
    shown = ", ".join(allowed)
    return f", only {shown}" if shown else ""


def _switch(name: str, detail: str) -> Callable[[PodSecurityPolicy], Iterator[Condition]]:
    def conditions(policy: PodSecurityPolicy) -> Iterator[Condition]:
        if not policy.spec.get(name):
            yield "pod", f"variables.spec.?{name}.orValue(false)", detail

    return conditions


def _privileged(policy: PodSecurityPolicy) -> Iterator[Condition]:
    if not policy.spec.get("privileged"):
        bad = f"{_OF_CONTAINER}.?privileged.orValue(false)"
        yield "containers", bad, "Privileged containers are not allowed"


def _host_ports(policy: PodSecurityPolicy) -> Iterator[Condition]:
    found = ranges.of(policy.spec.get("hostPorts"))
    used = "port.?hostPort.orValue(0) > 0"
    if found:
        used += f" && {_outside('port.hostPort', found)}"
    detail = f"Host port is not allowed to be used. Allowed ports: [{ports(found)}]"
    yield "containers", f"c.?ports.orValue([]).exists(port, {used})", detail


def _outside(number: str, found: ranges.Ranges) -> str:
    """Whether a number lies in none of some ranges."""
    merged = ranges.merged(found)
    parts = [
        f"{number} != {low}" if low == high else f"({number} < {low} || {number} > {high})" for low, high in merged
    ]
    return f"({' && '.join(parts)})" if parts else "true"


# Volumes


def _volumes(policy: PodSecurityPolicy) -> Iterator[Condition]:
    allowed = policy.spec.get("volumes") or ()
    if ALL in allowed:
        return
    keys = [key for key, name in TYPES.items() if name in allowed]
    bad = f"!{listed(keys)}.exists(key, key in v)"
    if "secret" in allowed and "projected" not in allowed:
        bad += f" &&\n  !({_IS_ACCOUNTS})"
    yield "volumes", bad, f"volumes of this type are not allowed to be used{_only(allowed)}"


_OF_ACCOUNT = """\
(has(s.serviceAccountToken) || has(s.configMap) || has(s.downwardAPI)) &&
    (!has(s.serviceAccountToken) ||
      s.serviceAccountToken.?path.orValue('') == 'token' && s.serviceAccountToken.?audience.orValue('') == '') &&
    (!has(s.configMap) || s.configMap.?name.orValue('') == 'kube-root-ca.crt') &&
    s.?downwardAPI.?items.orValue([]).all(item, item.?path.orValue('') == 'namespace' &&
      item.?fieldRef.?fieldPath.orValue('') == 'metadata.namespace' &&
      item.?fieldRef.?apiVersion.orValue('v1') == 'v1')"""
_IS_ACCOUNTS = f"has(v.projected) && v.projected.?sources.orValue([]).all(s,\n    {_OF_ACCOUNT})"
"""A projected volume with nothing but what the API server mounts for a service account: as good as a secret."""


def _allows(policy: PodSecurityPolicy, kind: str) -> bool:
    """Whether volumes of a type get as far as what their own field says of them."""
    return not {kind, ALL}.isdisjoint(policy.spec.get("volumes") or ())


def _host_paths(policy: PodSecurityPolicy) -> Iterator[Condition]:
    entries = policy.spec.get("allowedHostPaths") or ()
    if not entries or not _allows(policy, "hostPath"):
        return
    any_of = [entry["pathPrefix"] for entry in entries]
    writable = [entry["pathPrefix"] for entry in entries if not entry["readOnly"]]
    detail = f"the host path is not allowed to be used, only what is below {', '.join(any_of)}"
    yield "volumes", f"has(v.hostPath) && !{_below(any_of)}", detail
    if len(writable) < len(any_of):
        only = f"v.name == mount.name && has(v.hostPath) && {_below(any_of)}"
        if writable:
            only += f" && !{_below(writable)}"
        bad = f"!mount.?readOnly.orValue(false) && variables.podVolumes.exists(v, {only})"
        yield (
            "containers",
            f"c.?volumeMounts.orValue([]).exists(mount, {bad})",
            "the host path must be mounted read-only",
        )


def _below(prefixes: Iterable[str]) -> str:
    """Whether the path of `v` is one of some prefixes, or in a folder below one."""
    found = dict.fromkeys(prefix.removesuffix("/") for prefix in prefixes)
    parts = [f"path == {literal(prefix)} || path.startsWith({literal(prefix + '/')})" for prefix in found]
    return f"[v.hostPath.?path.orValue('')].exists(path, {' || '.join(parts)})" if parts else "false"


def _drivers(field: str, kind: str, key: str, detail: str) -> Callable[[PodSecurityPolicy], Iterator[Condition]]:
    def conditions(policy: PodSecurityPolicy) -> Iterator[Condition]:
        allowed = [entry[key] for entry in policy.spec.get(field) or ()]
        if allowed and _allows(policy, kind):
            bad = f"has(v.{kind}) && !(v.{kind}.?driver.orValue('') in {listed(allowed)})"
            yield "volumes", bad, f"{detail}{_only(allowed)}"

    return conditions


# Capabilities


def _required_drop(policy: PodSecurityPolicy) -> Iterator[Condition]:
    required = policy.spec.get("requiredDropCapabilities") or ()
    if not required:
        return
    bad = f"!{_OF_CONTAINER}.?capabilities.hasValue()"
    if ALL not in (policy.spec.get("allowedCapabilities") or ()):
        dropped = f"{_OF_CONTAINER}.?capabilities.?drop.orValue([])"
        bad += f" ||\n  !{listed(required)}.all(name, name in {dropped})"
    yield "containers", bad, f"capabilities must be dropped: {', '.join(required)}"


def _allowed_capabilities(policy: PodSecurityPolicy) -> Iterator[Condition]:
    allowed = policy.spec.get("allowedCapabilities") or ()
    if ALL in allowed:
        return
    known = [*dict.fromkeys([*allowed, *(policy.spec.get("defaultAddCapabilities") or ())])]
    bad = f"{_OF_CONTAINER}.?capabilities.?add.orValue([]).exists(name, !(name in {listed(known)}))"
    yield "containers", bad, f"capability may not be added{_only(known)}"


# Users, groups and labels


def _user(policy: PodSecurityPolicy) -> Iterator[Condition]:
    strategy = policy.spec.get("runAsUser") or {}
    user, non_root = _effective("runAsUser"), _effective("runAsNonRoot")
    if strategy.get("rule") == "MustRunAs":
        found = ranges.of(strategy.get("ranges"))
        yield (
            "containers",
            f"[{user}.orValue(-1)].exists(id, {_outside('id', found)})",
            f"must be in the ranges: {printed(found)}",
        )
    elif strategy.get("rule") == "MustRunAsNonRoot":
        yield "containers", f"!{non_root}.hasValue() && !{user}.hasValue()", "runAsNonRoot must be true"
        yield "containers", f"!{non_root}.orValue(true)", "runAsNonRoot must be true"
        yield "containers", f"{user}.orValue(-1) == 0", "running with the root UID is forbidden"


def _ranged(strategy: Mapping[str, Any], groups: str) -> tuple[str, str] | None:
    """When groups, a list in CEL, aren't within a strategy's ranges, and what is said of it."""
    if strategy.get("rule") not in {"MustRunAs", "MayRunAs"}:
        return None
    found = ranges.of(strategy.get("ranges"))
    bad = f"{groups}.exists(id, {_outside('id', found)})"
    if strategy["rule"] == "MustRunAs":
        bad = f"{groups}.size() == 0 || {bad}"
    return bad, f"group must be in the ranges: {printed(found)}"


def _one(value: str) -> str:
    """An optional as a list."""
    return f"({value}.hasValue() ? [{value}.value()] : [])"


def _group(field: str, where: str, groups: str) -> Callable[[PodSecurityPolicy], Iterator[Condition]]:
    def conditions(policy: PodSecurityPolicy) -> Iterator[Condition]:
        made = _ranged(policy.spec.get(field) or {}, groups)
        if made:
            yield where, *made

    return conditions


_PARTS = ("level", "role", "type", "user")


def _se_linux(policy: PodSecurityPolicy) -> Iterator[Condition]:
    strategy = policy.spec.get("seLinux") or {}
    if strategy.get("rule") != "MustRunAs":
        return
    wanted = strategy.get("seLinuxOptions") or {}
    shown = ", ".join(f"{part} {wanted.get(part) or 'empty'}" for part in _PARTS)
    for where, said in (("pod", f"{_OF_POD}.?seLinuxOptions"), ("containers", _effective("seLinuxOptions"))):
        differs = " || ".join(
            _other_level(f"options.?{part}.orValue('')", wanted.get(part) or "")
            if part == "level"
            else f"options.?{part}.orValue('') != {literal(wanted.get(part) or '')}"
            for part in _PARTS
        )
        yield where, f"!{said}.hasValue() || [{said}.orValue({{}})].exists(options, {differs})", f"must be {shown}"


def _other_level(said: str, wanted: str) -> str:
    """Whether a level has another sensitivity or other categories; their order doesn't matter."""
    low, colon, categories = wanted.partition(":")
    if not colon:
        return f"{said} != {literal(wanted)}"
    counts = Counter(categories.split(","))
    same = " && ".join(f"some.filter(one, one == {literal(one)}).size() == {count}" for one, count in counts.items())
    beginning = literal(f"{low}:")
    split = f"{said}.substring({len(low) + 1}).split(',')"
    return f"!({said}.startsWith({beginning}) && [{split}].exists(some, some.size() == {counts.total()} && {same}))"


# Profiles


def _named(profile: str) -> str:
    """The annotation's value for a field's profile, an optional in CEL; empty for none."""
    return (
        f"[{profile}.orValue({{}})].map(p, p.?type.orValue('') == 'RuntimeDefault' ? 'runtime/default' :\n"
        "    p.?type.orValue('') == 'Unconfined' ? 'unconfined' :\n"
        "    p.?type.orValue('') == 'Localhost' && has(p.localhostProfile) ? 'localhost/' + p.localhostProfile : '')[0]"
    )


def _annotation(key: str) -> str:
    return f"variables.annotations[?{key}].orValue('')"


def _app_armor(policy: PodSecurityPolicy) -> Iterator[Condition]:
    said = policy.annotations.get(app_armor.ALLOWED)
    if said is None:
        return
    annotation = _annotation(f"{literal(APP_ARMOR_ANNOTATION)} + c.name")
    name = f"({annotation} != '' ? {annotation} :\n    {_named(_effective('appArmorProfile'))})"
    allowed = [one for one in said.split(",") if one]
    yield "containers", f"!({name} in {listed(allowed)})", f"AppArmor profile must be one of {said}"


def _seccomp(policy: PodSecurityPolicy) -> Iterator[Condition]:
    said = policy.annotations.get(seccomp.ALLOWED)
    allowed = [] if said is None else said.split(",")
    if "*" in allowed:
        return
    if not {*allowed}.isdisjoint(seccomp.RUNTIME):
        allowed += seccomp.RUNTIME
    bad = f"!(name in {listed(allowed)})" if allowed else "name != ''"
    detail = f"seccomp profile must be one of {said}" if allowed else "seccomp may not be set"
    annotation = _annotation(literal(seccomp.OF_POD))
    of_pod = _named(f"{_OF_POD}.?seccompProfile")
    yield "pod", f"[{annotation} != '' ? {annotation} :\n    {of_pod}].exists(name, {bad})", detail
    own = f"{_OF_CONTAINER}.?seccompProfile"
    key = f"{literal(seccomp.OF_CONTAINER)} + c.name"
    name = (
        f"{own}.hasValue() ? {_named(own)} :\n"
        f"    ({key}) in variables.annotations ? {_annotation(key)} :\n"
        f"    {_OF_POD}.?seccompProfile.hasValue() ? {of_pod} : {annotation}"
    )
    yield "containers", f"[{name}].exists(name, {bad})", detail


# The rest


def _sysctls(policy: PodSecurityPolicy) -> Iterator[Condition]:
    forbidden = _like(policy.spec.get("forbiddenSysctls") or ())
    allowed = _like([*sysctls.SAFE, *(policy.spec.get("allowedUnsafeSysctls") or ())])
    bad = f"[sysctl.?name.orValue('')].exists(name, {forbidden} || !({allowed}))"
    yield "pod", f"{_OF_POD}.?sysctls.orValue([]).exists(sysctl, {bad})", "a sysctl is not allowed"


def _like(patterns: Iterable[str]) -> str:
    """Whether `name` is one of some names, or begins with what stands before a `*` at the end of one."""
    found = list(dict.fromkeys(patterns))
    prefixes = [f"name.startsWith({literal(one[:-1])})" for one in found if one.endswith("*")]
    return " || ".join([f"name in {listed(found)}", *prefixes])


def _proc_mounts(policy: PodSecurityPolicy) -> Iterator[Condition]:
    allowed = policy.spec.get("allowedProcMountTypes") or ("Default",)
    bad = f"!({_OF_CONTAINER}.?procMount.orValue('Default') in {listed(allowed)})"
    yield "containers", bad, "ProcMountType is not allowed"


def _runtime_class(policy: PodSecurityPolicy) -> Iterator[Condition]:
    strategy = policy.spec.get("runtimeClass")
    if strategy is None:
        return
    allowed = strategy.get("allowedRuntimeClassNames") or ()
    if "*" not in allowed:
        said = "variables.spec.?runtimeClassName"
        bad = f"{said}.hasValue() && !({said}.orValue('') in {listed(allowed)})"
        yield "pod", bad, f"runtime class is not allowed{_only(allowed)}"


def _read_only(policy: PodSecurityPolicy) -> Iterator[Condition]:
    if policy.spec.get("readOnlyRootFilesystem"):
        bad = f"!{_OF_CONTAINER}.?readOnlyRootFilesystem.orValue(false)"
        yield "containers", bad, "ReadOnlyRootFilesystem must be set to true"


def _escalation(policy: PodSecurityPolicy) -> Iterator[Condition]:
    if not policy.spec["allowPrivilegeEscalation"]:
        bad = f"{_OF_CONTAINER}.?allowPrivilegeEscalation.orValue(true)"
        yield "containers", bad, "Allowing privilege escalation for containers is not allowed"


_FIELDS: dict[str, Callable[[PodSecurityPolicy], Iterator[Condition]]] = {
    "privileged": _privileged,
    "hostNetwork": _switch("hostNetwork", "Host network is not allowed to be used"),
    "hostPID": _switch("hostPID", "Host PID is not allowed to be used"),
    "hostIPC": _switch("hostIPC", "Host IPC is not allowed to be used"),
    "hostPorts": _host_ports,
    "volumes": _volumes,
    "allowedHostPaths": _host_paths,
    "allowedFlexVolumes": _drivers(
        "allowedFlexVolumes", "flexVolume", "driver", "Flexvolume driver is not allowed to be used"
    ),
    "allowedCSIDrivers": _drivers("allowedCSIDrivers", "csi", "name", "Inline CSI driver is not allowed to be used"),
    "requiredDropCapabilities": _required_drop,
    "allowedCapabilities": _allowed_capabilities,
    "runAsUser": _user,
    "runAsGroup": _group("runAsGroup", "containers", _one(_effective("runAsGroup"))),
    "fsGroup": _group("fsGroup", "pod", _one(f"{_OF_POD}.?fsGroup")),
    "supplementalGroups": _group("supplementalGroups", "pod", f"{_OF_POD}.?supplementalGroups.orValue([])"),
    "seLinux": _se_linux,
    "readOnlyRootFilesystem": _read_only,
    "allowPrivilegeEscalation": _escalation,
    "sysctls": _sysctls,
    "allowedProcMountTypes": _proc_mounts,
    "runtimeClass": _runtime_class,
    "seccomp": _seccomp,
    "appArmor": _app_armor,
}
"""In the order of the documentation. `defaultAddCapabilities` refuses nothing."""
