"""The checks of the Pod Security Standard in CEL: the same verdicts and words as krm_harden/controls/.

Source: k8s.io/pod-security-admission, policy/. Each function here makes the variables of one check; the last of them
has the check's id and is what the API server says of a violation, `reason (detail)`, or an empty string.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from krm_harden.cluster._cel.words import containers, joined, listed, literal, quoted, setters, unique
from krm_harden.controls import se_linux_options, sysctls
from krm_harden.controls.restricted_volumes import IMAGE_VOLUMES, UNKNOWN
from krm_harden.decide import DEFAULT_CAPABILITIES
from krm_harden.images.obstacles import KEPT_CAPABILITIES
from krm_harden.model import ALLOWED_SOURCES, APP_ARMOR_ANNOTATION, RESTRICTED_SOURCES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeAlias

    Variables: TypeAlias = "list[tuple[str, str]]"
    """Names and expressions, each after those that it reads."""
    Server: TypeAlias = "tuple[int, int]"

POD: Variables = [
    ("spec", "variables.pod.spec"),
    ("annotations", "variables.pod.?metadata.?annotations.orValue({})"),
    (
        "containers",
        "variables.spec.?initContainers.orValue([])\n"
        "  + variables.spec.?containers.orValue([])\n"
        "  + variables.spec.?ephemeralContainers.orValue([])",
    ),
    ("volumes", "variables.spec.?volumes.orValue([])"),
    ("windows", "variables.spec.?os.?name.orValue('') == 'windows'"),
    ("ownUsers", "!variables.spec.?hostUsers.orValue(true)"),
]
"""What the checks read of `variables.pod`, a mapping with `metadata` and `spec`."""


@dataclass(frozen=True)
class Subjects:
    """What a check is about: a list of containers, and whether the pod itself is, both in CEL.

    `version` is that of the standard, `server` that of the cluster.
    """

    version: tuple[int, int]
    server: Server
    containers: str = "variables.containers"
    pod: str = "true"

    def of_pod(self, condition: str) -> str:
        """A condition of the pod itself, where the pod is a subject."""
        return condition if self.pod == "true" else f"{self.pod} && ({condition})"

    def of_lists(self, values: str) -> str:
        """A list of what is the pod's own, where the pod is a subject."""
        return values if self.pod == "true" else f"({self.pod} ? {values} : [])"


def standard(name: str, subjects: Subjects) -> Variables:
    """The variables of a check of the standard, by the id of its control."""
    return _CHECKS[name](subjects)


def required(name: str, subjects: Subjects) -> Variables | None:
    """Those of a control beyond the standard that a policy requires; None for one that CEL can't check."""
    return _BEYOND[name](subjects) if name in _BEYOND else None


def _who(name: str, bad: str, subjects: Subjects) -> tuple[str, str]:
    """The variable with the names of the containers `c` for which a condition holds."""
    return f"{name}_containers", f"{subjects.containers}.map(c, {bad}, c.name)"


def _says(name: str, none: str, reason: str, detail: str) -> tuple[str, str]:
    """The variable with the words of a check: empty where `none` holds."""
    return name, f"{none} ? '' :\n  {literal(f'{reason} (')} + {detail} + ')'"


def _privileged(subjects: Subjects) -> Variables:
    names = "variables.privileged_containers"
    return [
        _who("privileged", "c.?securityContext.?privileged.orValue(false)", subjects),
        _says(
            "privileged",
            f"{names}.size() == 0",
            "privileged",
            f"{containers(names)} + ' must not set securityContext.privileged=true'",
        ),
    ]


def _host_namespaces(subjects: Subjects) -> Variables:
    found = "\n  + ".join(
        f"({subjects.of_pod(f'variables.spec.?{field}.orValue(false)')} ? ['{field}=true'] : [])"
        for field in ("hostNetwork", "hostPID", "hostIPC")
    )
    used = "variables.hostNamespaces_used"
    return [
        ("hostNamespaces_used", found),
        _says("hostNamespaces", f"{used}.size() == 0", "host namespaces", f"{used}.join(', ')"),
    ]


def _host_ports(subjects: Subjects) -> Variables:
    names, ports = "variables.hostPorts_containers", "variables.hostPorts_used"
    used = "port.?hostPort.orValue(0) != 0"
    of_containers = (
        f"{subjects.containers}\n"
        f"  .map(c, c.?ports.orValue([]).map(port, {used}, string(port.hostPort)))\n"
        "  .filter(some, some.size() > 0)"
    )
    return [
        _who("hostPorts", f"c.?ports.orValue([]).exists(port, {used})", subjects),
        ("hostPorts_used", joined(of_containers, ", ", subjects.server)),
        _says(
            "hostPorts",
            f"{names}.size() == 0",
            "hostPort",
            f"{containers(names)} + ({names}.size() == 1 ? ' uses ' : ' use ')\n"
            f"  + ({ports}.contains(', ') ? 'hostPorts ' : 'hostPort ') + {ports}",
        ),
    ]


def _host_path_volumes(subjects: Subjects) -> Variables:
    names = "variables.hostPathVolumes_used"
    return [
        ("hostPathVolumes_used", subjects.of_lists("variables.volumes.map(v, has(v.hostPath), v.name)")),
        _says("hostPathVolumes", f"{names}.size() == 0", "hostPath volumes", _volumes(names)),
    ]


def _volumes(names: str) -> str:
    return f"({names}.size() == 1 ? 'volume ' : 'volumes ') + {quoted(names)}"


def _restricted_volumes(subjects: Subjects) -> Variables:
    allowed = [name for name in ALLOWED_SOURCES if name != "image" or subjects.server >= IMAGE_VOLUMES]
    is_allowed = f"{listed(allowed)}.exists(source, source in v)"
    bad, types = "variables.restrictedVolumes_used", "variables.restrictedVolumes_types"
    # The first source that a volume has, of those that may not be; all that could come out, in their order.
    source = f"({listed(RESTRICTED_SOURCES)}.filter(source, source in v) + ['{UNKNOWN}'])[0]"
    known = listed(sorted([*RESTRICTED_SOURCES, UNKNOWN]))
    return [
        ("restrictedVolumes_used", subjects.of_lists(f"variables.volumes.filter(v, !{is_allowed})")),
        ("restrictedVolumes_first", f"{bad}.map(v,\n  {source})"),
        ("restrictedVolumes_types", f"{known}\n  .filter(source, source in variables.restrictedVolumes_first)"),
        ("restrictedVolumes_names", f"{bad}.map(v, v.name)"),
        _says(
            "restrictedVolumes",
            f"{bad}.size() == 0",
            "restricted volume types",
            f"{_volumes('variables.restrictedVolumes_names')} + ({bad}.size() == 1 ? ' uses ' : ' use ')\n"
            f"  + ({types}.size() == 1 ? 'restricted volume type ' : 'restricted volume types ') + {quoted(types)}",
        ),
    ]


def _host_probes(subjects: Subjects) -> Variables:
    handlers = "[c.?livenessProbe, c.?readinessProbe, c.?startupProbe, c.?lifecycle.?postStart, c.?lifecycle.?preStop]"
    name = "hostProbesAndHostLifecycle"
    names, hosts, found = f"variables.{name}_containers", f"variables.{name}_hosts", f"variables.{name}_found"
    asked = " + ".join(f"{handlers}\n    .map(h, h.?{way}.?host.orValue(''))" for way in ("httpGet", "tcpSocket"))
    bad = f"{found}.filter(one, one.hosts.size() > 0)"
    return [
        (
            f"{name}_found",
            f"{subjects.containers}.map(c, {{'name': [c.name], 'hosts':\n  ({asked})\n  .filter(host, host != '')}})",
        ),
        (f"{name}_containers", unique(f"{bad}.map(one, one.name[0])", subjects.server)),
        (f"{name}_hosts", joined(f"{bad}.map(one, one.hosts)", '", "', subjects.server)),
        _says(
            name,
            f"{names}.size() == 0",
            "probe or lifecycle host",
            f"{containers(names)} + ({names}.size() == 1 ? ' uses ' : ' use ')\n"
            f"""  + ({hosts}.contains('", "') ? 'probe or lifecycle hosts "' : 'probe or lifecycle host "')"""
            f""" + {hosts} + '"'""",
        ),
    ]


def _proc_mount(name: str, subjects: Subjects) -> Variables:
    names, values = f"variables.{name}_containers", f"variables.{name}_values"
    bad = "c.?securityContext.?procMount.orValue('Default') != 'Default'"
    said = f"{subjects.containers}.map(c, {bad}, c.securityContext.procMount)"
    none = f"{names}.size() == 0"
    if name == "procMount" and subjects.version >= (1, 35):
        none = f"variables.ownUsers || {none}"
    return [
        _who(name, bad, subjects),
        (f"{name}_values", unique(said, subjects.server)),
        _says(
            name,
            none,
            "procMount",
            f"{containers(names)} + ' must not set securityContext.procMount to ' + {quoted(values)}",
        ),
    ]


def _se_linux_options(subjects: Subjects) -> Variables:
    name = "seLinuxOptions"
    types = se_linux_options.TYPES_1_31 if subjects.version >= (1, 31) else se_linux_options.TYPES_1_0
    allowed = listed(sorted(types))
    bad_type = f"!(options.?type.orValue('') in {allowed})"
    is_bad = f"{bad_type}\n  || options.?user.orValue('') != '' || options.?role.orValue('') != ''"
    pod, names = f"variables.{name}_pod.size() > 0", f"variables.{name}_containers"
    found, values, parts = f"variables.{name}_found", f"variables.{name}_types", f"variables.{name}_parts"
    of_pod = f"[variables.spec.?securityContext.?seLinuxOptions].filter(options, {is_bad})"
    of_container = "[c.?securityContext.?seLinuxOptions]"
    return [
        (f"{name}_pod", subjects.of_lists(of_pod)),
        (f"{name}_bad", f"{subjects.containers}.filter(c, {of_container}.exists(options, {is_bad}))"),
        (f"{name}_containers", f"variables.{name}_bad.map(c, c.name)"),
        (f"{name}_found", f"variables.{name}_pod + variables.{name}_bad.map(c, c.?securityContext.?seLinuxOptions)"),
        (f"{name}_types", unique(f"{found}.map(options, {bad_type}, string(options.type.value()))", subjects.server)),
        (
            f"{name}_parts",
            f"({values}.size() == 0 ? [] : [({values}.size() == 1 ? 'type ' : 'types ') + {quoted(values)}])\n"
            f"  + ({found}.exists(options, options.?user.orValue('') != '') ? ['user may not be set'] : [])\n"
            f"  + ({found}.exists(options, options.?role.orValue('') != '') ? ['role may not be set'] : [])",
        ),
        _says(
            name,
            f"{found}.size() == 0",
            name,
            f"{setters(pod, names)}\n  + ' set forbidden securityContext.seLinuxOptions: ' + {parts}.join('; ')",
        ),
    ]


_SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
_SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"


def _seccomp_annotations(subjects: Subjects) -> Variables:
    """Before v1.19 of the standard."""
    name = "seccompProfile_baseline"
    found = f"variables.{name}_found"
    said = "variables.annotations[key]"
    is_bad = f"!({said} in ['runtime/default', 'docker/default'] || {said}.startsWith('localhost/'))"
    keys = (
        f"({subjects.of_lists(f'[{literal(_SECCOMP_POD)}]')} + {subjects.containers}"
        f".map(c, {literal(_SECCOMP_CONTAINER)} + c.name))"
    )
    entries = (
        f"{keys}\n  .filter(key, key in variables.annotations && {is_bad})\n"
        f"  .map(key, key + '=' + strings.quote(variables.annotations[key]))"
    )
    return [
        (f"{name}_found", unique(entries, subjects.server)),
        _says(
            name,
            f"{found}.size() == 0",
            "seccompProfile",
            f"({found}.size() == 1 ? 'forbidden annotation ' : 'forbidden annotations ') + {found}.join(', ')",
        ),
    ]


_GOOD_PROFILE = "in ['RuntimeDefault', 'Localhost']"


def _bad_profile(holder: str, field: str) -> str:
    """Whether a holder has a profile of a type that isn't allowed."""
    path = f"{holder}.?securityContext.?{field}"
    return f"({path}.hasValue() && !({path}.?type.orValue('') {_GOOD_PROFILE}))"


def _explicit_profiles(name: str, field: str, subjects: Subjects) -> Variables:
    """Who has a bad profile of its own, and which types those are."""
    bad, own = _bad_profile("c", field), _bad_profile("variables.spec", field)
    type_of_pod = f"variables.spec.securityContext.{field}.?type.orValue('')"
    values = (
        f"((variables.{name}_pod ? [string({type_of_pod})] : [])\n"
        f"  + {subjects.containers}.map(c, {bad},\n    string(c.securityContext.{field}.?type.orValue(''))))"
    )
    return [
        (f"{name}_pod", subjects.of_pod(own)),
        _who(name, bad, subjects),
        (f"{name}_values", unique(values, subjects.server)),
    ]


def _forbidden_seccomp(name: str) -> str:
    who = setters(f"variables.{name}_pod", f"variables.{name}_containers")
    return f"{who}\n  + ' must not set securityContext.seccompProfile.type to ' + {quoted(f'variables.{name}_values')}"


def _seccomp_baseline(subjects: Subjects) -> Variables:
    name = "seccompProfile_baseline"
    if subjects.version < (1, 19):
        return _seccomp_annotations(subjects)
    return [
        *_explicit_profiles(name, "seccompProfile", subjects),
        _says(name, f"variables.{name}_values.size() == 0", "seccompProfile", _forbidden_seccomp(name)),
    ]


def _seccomp_restricted(subjects: Subjects) -> Variables:
    name = "seccompProfile_restricted"
    without = f"variables.{name}_without"
    implicit = "!c.?securityContext.?seccompProfile.hasValue()"
    explicit = f"variables.{name}_values.size() > 0"
    none = f"!({explicit}) && {without}.size() == 0"
    if subjects.version >= (1, 25):
        none = f"variables.windows || ({none})"
    return [
        *_explicit_profiles(name, "seccompProfile", subjects),
        (
            f"{name}_without",
            f"variables.spec.?securityContext.?seccompProfile.hasValue()\n"
            f"  ? [] : {subjects.containers}.map(c, {implicit}, c.name)",
        ),
        _says(
            name,
            none,
            "seccompProfile",
            f"({explicit} ? {_forbidden_seccomp(name)}\n"
            f"  : 'pod or ' + {containers(without)}\n"
            """  + ' must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost"')""",
        ),
    ]


def _app_armor(subjects: Subjects) -> Variables:
    name = "appArmorProfile"
    prefix = literal(APP_ARMOR_ANNOTATION)
    said = "variables.annotations[key]"
    is_bad = f"!({said} in ['', 'runtime/default'] || {said}.startsWith('localhost/'))"
    kept = _of_subjects(subjects)
    entries = (
        f"variables.annotations\n  .map(key, key.startsWith({prefix}) && {is_bad}{kept},\n"
        f"    key + '=' + strings.quote({said}))"
    )
    annotations, values = f"variables.{name}_annotations", f"variables.{name}_all"
    pod, names = f"variables.{name}_pod", f"variables.{name}_containers"
    fields = f"({pod} || {names}.size() > 0)"
    return [
        *_explicit_profiles(name, "appArmorProfile", subjects),
        (f"{name}_annotations", unique(entries, subjects.server)),
        (f"{name}_all", f"variables.{name}_values + {annotations}"),
        (
            name,
            f"{values}.size() == 0 ? '' :\n"
            f"  ({values}.size() == 1 ? 'forbidden AppArmor profile (' : 'forbidden AppArmor profiles (')\n"
            f"  + ({fields} ? {setters(pod, names)} : '')\n"
            f"  + ({fields} && {annotations}.size() > 0 ? ' and ' : '')\n"
            f"  + ({annotations}.size() == 0 ? '' : {annotations}.size() == 1 ? 'annotation' : 'annotations')\n"
            f"  + ' must not set AppArmor profile type to ' + {quoted(values)} + ')'",
        ),
    ]


def _of_subjects(subjects: Subjects) -> str:
    """The condition that an AppArmor annotation's container is a subject, or the pod where there is no such one."""
    if subjects.pod == "true" and subjects.containers == "variables.containers":
        return ""
    key = f"key == {literal(APP_ARMOR_ANNOTATION)} + c.name"
    stranger = f"({subjects.pod}) && !variables.containers.exists(c, {key})"
    return f"\n    && ({subjects.containers}.exists(c, {key}) || {stranger})"


def _sysctls(subjects: Subjects) -> Variables:
    since = {
        (1, 0): sysctls.NAMES_1_0,
        (1, 27): sysctls.NAMES_1_27,
        (1, 29): sysctls.NAMES_1_29,
        (1, 32): sysctls.NAMES_1_32,
        (1, 37): sysctls.NAMES_1_37,
    }
    allowed = listed(sorted(since[max(version for version in since if version <= subjects.version)]))
    found = "variables.sysctls_found"
    listed_ones = "variables.spec.?securityContext.?sysctls.orValue([])"
    return [
        ("sysctls_found", subjects.of_lists(f"{listed_ones}\n  .map(one, !(one.name in {allowed}), one.name)")),
        _says("sysctls", f"{found}.size() == 0", "forbidden sysctls", f"{found}.join(', ')"),
    ]


def _windows_host_process(subjects: Subjects) -> Variables:
    name = "windowsHostProcess"
    field = "securityContext.?windowsOptions.?hostProcess.orValue(false)"
    pod, names = f"variables.{name}_pod", f"variables.{name}_containers"
    return [
        (f"{name}_pod", subjects.of_pod(f"variables.spec.?{field}")),
        _who(name, f"c.?{field}", subjects),
        _says(
            name,
            f"!{pod} && {names}.size() == 0",
            "hostProcess",
            f"{setters(pod, names)}\n  + ' must not set securityContext.windowsOptions.hostProcess=true'",
        ),
    ]


def _allow_privilege_escalation(subjects: Subjects) -> Variables:
    name = "allowPrivilegeEscalation"
    names = f"variables.{name}_containers"
    none = f"{names}.size() == 0"
    if subjects.version >= (1, 25):
        none = f"variables.windows || {none}"
    return [
        _who(name, "c.?securityContext.?allowPrivilegeEscalation.orValue(true)", subjects),
        _says(
            name,
            none,
            "allowPrivilegeEscalation != false",
            f"{containers(names)} + ' must set securityContext.allowPrivilegeEscalation=false'",
        ),
    ]


def _added(allowed: str) -> str:
    return f"c.?securityContext.?capabilities.?add.orValue([])\n    .filter(one, !(one in {allowed}))"


def _capabilities_baseline(subjects: Subjects) -> Variables:
    name = "capabilities_baseline"
    names = f"variables.{name}_containers"
    added = _added(listed(sorted(DEFAULT_CAPABILITIES)))
    lists = f"{subjects.containers}.map(c,\n  {added}).filter(some, some.size() > 0)"
    return [
        _who(name, f"{added}.size() > 0", subjects),
        (f"{name}_added", joined(lists, '", "', subjects.server)),
        _says(
            name,
            f"{names}.size() == 0",
            "non-default capabilities",
            f"{containers(names)}\n"
            f"""  + ' must not include "' + variables.{name}_added + '" in securityContext.capabilities.add'""",
        ),
    ]


def _capabilities_restricted(subjects: Subjects) -> Variables:
    name = "capabilities_restricted"
    added = _added(listed(sorted(KEPT_CAPABILITIES)))
    lists = f"{subjects.containers}.map(c,\n  {added}).filter(some, some.size() > 0)"
    keeps, adds, parts = f"variables.{name}_keeping", f"variables.{name}_adding", f"variables.{name}_parts"
    none = f"{parts}.size() == 0"
    if subjects.version >= (1, 25):
        none = f"variables.windows || {none}"
    return [
        (
            f"{name}_keeping",
            f"{subjects.containers}\n  .map(c, !('ALL' in c.?securityContext.?capabilities.?drop.orValue([])), c.name)",
        ),
        (f"{name}_adding", f"{subjects.containers}.map(c, {added}.size() > 0, c.name)"),
        (f"{name}_added", joined(lists, '", "', subjects.server)),
        (
            f"{name}_parts",
            f"({keeps}.size() == 0 ? [] :\n"
            f"""    [{containers(keeps)} + ' must set securityContext.capabilities.drop=["ALL"]'])\n"""
            f"  + ({adds}.size() == 0 ? [] :\n"
            f"    [{containers(adds)}\n"
            f"""      + ' must not include "' + variables.{name}_added + '" in securityContext.capabilities.add'])""",
        ),
        _says(name, none, "unrestricted capabilities", f"{parts}.join('; ')"),
    ]


def _run_as_non_root(subjects: Subjects) -> Variables:
    name = "runAsNonRoot"
    pod, names, without = f"variables.{name}_pod", f"variables.{name}_containers", f"variables.{name}_without"
    explicit = f"({pod} || {names}.size() > 0)"
    none = f"!{explicit} && {without}.size() == 0"
    if subjects.version >= (1, 35):
        none = f"variables.ownUsers || ({none})"
    field = "securityContext.?runAsNonRoot"
    return [
        (f"{name}_pod", subjects.of_pod(f"!variables.spec.?{field}.orValue(true)")),
        _who(name, f"!c.?{field}.orValue(true)", subjects),
        (
            f"{name}_without",
            f"variables.spec.?{field}.hasValue()\n"
            f"  ? [] : {subjects.containers}.map(c, !c.?{field}.hasValue(), c.name)",
        ),
        _says(
            name,
            none,
            "runAsNonRoot != true",
            f"({explicit}\n"
            f"  ? {setters(pod, names)}\n  + ' must not set securityContext.runAsNonRoot=false'\n"
            f"  : 'pod or ' + {containers(without)} + ' must set securityContext.runAsNonRoot=true')",
        ),
    ]


def _run_as_user(subjects: Subjects) -> Variables:
    name = "runAsUser"
    pod, names = f"variables.{name}_pod", f"variables.{name}_containers"
    none = f"!{pod} && {names}.size() == 0"
    if subjects.version >= (1, 35):
        none = f"variables.ownUsers || ({none})"
    field = "securityContext.?runAsUser.orValue(1) == 0"
    return [
        (f"{name}_pod", subjects.of_pod(f"variables.spec.?{field}")),
        _who(name, f"c.?{field}", subjects),
        _says(name, none, "runAsUser=0", f"{setters(pod, names)} + ' must not set runAsUser=0'"),
    ]


def _read_only_root_filesystem(subjects: Subjects) -> Variables:
    name = "readOnlyRootFilesystem"
    names = f"variables.{name}_containers"
    return [
        _who(name, f"!c.?securityContext.?{name}.orValue(false)", subjects),
        _says(
            name,
            f"variables.windows || {names}.size() == 0",
            f"{name} != true",
            f"{containers(names)} + ' must set securityContext.{name}=true'",
        ),
    ]


def _numeric(name: str, field: str, subjects: Subjects) -> Variables:
    names = f"variables.{name}_containers"
    without = f"!c.?securityContext.?{field}.hasValue()"
    return [
        (
            f"{name}_containers",
            f"variables.spec.?securityContext.?{field}.hasValue()\n"
            f"  ? [] : {subjects.containers}.map(c, {without}, c.name)",
        ),
        _says(
            name,
            f"variables.windows || {names}.size() == 0",
            f"no {field}",
            f"'pod or ' + {containers(names)} + ' must set securityContext.{field}'",
        ),
    ]


_CHECKS: Mapping[str, Callable[[Subjects], Variables]] = {
    "allowPrivilegeEscalation": _allow_privilege_escalation,
    "appArmorProfile": _app_armor,
    "capabilities_baseline": _capabilities_baseline,
    "capabilities_restricted": _capabilities_restricted,
    "hostNamespaces": _host_namespaces,
    "hostPathVolumes": _host_path_volumes,
    "hostPorts": _host_ports,
    "hostProbesAndHostLifecycle": _host_probes,
    "privileged": _privileged,
    "procMount": lambda subjects: _proc_mount("procMount", subjects),
    "procMount_restricted": lambda subjects: _proc_mount("procMount_restricted", subjects),
    "restrictedVolumes": _restricted_volumes,
    "runAsNonRoot": _run_as_non_root,
    "runAsUser": _run_as_user,
    "seLinuxOptions": _se_linux_options,
    "seccompProfile_baseline": _seccomp_baseline,
    "seccompProfile_restricted": _seccomp_restricted,
    "sysctls": _sysctls,
    "windowsHostProcess": _windows_host_process,
}
_BEYOND: Mapping[str, Callable[[Subjects], Variables]] = {
    "numericGroup": lambda subjects: _numeric("numericGroup", "runAsGroup", subjects),
    "numericUser": lambda subjects: _numeric("numericUser", "runAsUser", subjects),
    "readOnlyRootFilesystem": _read_only_root_filesystem,
}
