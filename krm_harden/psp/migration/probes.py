"""What gets looser or stricter where a policy gives way to a level, shown by pods that differ in one thing.

For each field of the policy there are pods made of its own values: the edges of its ranges, its list and what isn't in
it, what says nothing. Each is judged by the policy's field and by the level: no table says what covers what, the two
rules do. A pod begins as one that restricted allows.
"""

from __future__ import annotations

import marshal
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from krm_harden import workloads
from krm_harden.controls.sysctls import NAMES_1_0, NAMES_1_37
from krm_harden.model import LATEST, LevelVersion, Resource, mapping, sequence
from krm_harden.psp.admission import admit, validate
from krm_harden.psp.created import created
from krm_harden.psp.fields import IDS as FIELDS
from krm_harden.standard import Evaluator

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from krm_harden.psp.model import PodSecurityPolicy

ADDABLE = (
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
)
"""The capabilities that level baseline lets containers add."""
SOURCES: Mapping[str, Any] = {
    "azureFile": {"secretName": "a", "shareName": "a"},
    "azureDisk": {"diskName": "a", "diskURI": "a"},
    "flocker": {"datasetName": "a"},
    "flexVolume": {"driver": "example.com/other"},
    "hostPath": {"path": "/srv"},
    "emptyDir": {},
    "gcePersistentDisk": {"pdName": "a"},
    "awsElasticBlockStore": {"volumeID": "a"},
    "gitRepo": {"repository": "a"},
    "secret": {"secretName": "a"},
    "nfs": {"server": "a", "path": "/"},
    "iscsi": {"targetPortal": "a", "iqn": "a", "lun": 0},
    "glusterfs": {"endpoints": "a", "path": "a"},
    "persistentVolumeClaim": {"claimName": "a"},
    "rbd": {"monitors": ["a"], "image": "a"},
    "cinder": {"volumeID": "a"},
    "cephfs": {"monitors": ["a"]},
    "downwardAPI": {},
    "fc": {"targetWWNs": ["a"], "lun": 0},
    "configMap": {"name": "a"},
    "vsphereVolume": {"volumePath": "a"},
    "quobyte": {"registry": "a", "volume": "a"},
    "photonPersistentDisk": {"pdID": "a"},
    "projected": {"sources": []},
    "portworxVolume": {"volumeID": "a"},
    "scaleIO": {"gateway": "a", "system": "a", "secretRef": {"name": "a"}},
    "storageos": {"volumeName": "a"},
    "csi": {"driver": "example.com/other"},
    "ephemeral": {"volumeClaimTemplate": {"spec": {}}},
}
"""A volume of each source that Kubernetes 1.24 knew."""
REMOVED = None
NEW_SYSCTLS = "counts as safe since a later Kubernetes"
SECCOMP_SET = "the policy let no pod set a profile: to set one makes a pod no weaker"
USER_NAMESPACE = "in a user namespace of its own, which no policy knew, the level allows it"
WINDOWS = "on Windows the setting has no meaning, and the level doesn't ask for it"


@dataclass(frozen=True)
class Probe:
    """A pod that differs in one thing. `label` says in what; `harmless` why no rule of ours is worth it, or empty."""

    label: str
    pod: Mapping[str, Any]
    harmless: str = ""


@dataclass(frozen=True)
class Difference:
    """A pod of which something else becomes: `was` allowed, refused or set, `now` allowed or refused."""

    pod: str
    was: str
    now: str
    note: str = ""


@dataclass(frozen=True)
class Shift:
    """What changes for a field where a policy gives way to a level and, maybe, an admission policy.

    `where` says what holds it now: `level`, `admission policy`, `manifest only`, `nowhere`, or empty where the policy
    asked for nothing.
    """

    field: str
    looser: tuple[Difference, ...]
    stricter: tuple[Difference, ...]
    where: str

    @property
    def state(self) -> str:
        return "looser" if self.looser else "stricter" if self.stricter else "same"


def pod(
    container: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    spec: Mapping[str, Any] | None = None,
    own: Mapping[str, Any] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A pod that restricted allows, but for what is said; None takes a field away. `own` is the container's context."""
    of_container = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }
    of_pod = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    base = {"name": "probe", "image": "probe", "securityContext": _changed(of_container, own)}
    made = {"securityContext": _changed(of_pod, context), "containers": [_changed(base, container)]}
    metadata: dict[str, Any] = {"name": "probe", "namespace": "probe"}
    if annotations:
        metadata["annotations"] = dict(annotations)
    return {"metadata": metadata, "spec": _changed(made, spec)}


def _changed(data: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    made = {**data, **(changes or {})}
    return {name: value for name, value in made.items() if value is not REMOVED}


def of_field(field: str, policy: PodSecurityPolicy) -> Iterator[Probe]:
    """The pods that show what a field of a policy does."""
    yield from _MAKERS[field](policy)


def _privileged(_policy: PodSecurityPolicy) -> Iterator[Probe]:
    yield Probe("privileged: true", pod(own={"privileged": True, "allowPrivilegeEscalation": REMOVED}))


def _host(field: str) -> Any:
    def made(_policy: PodSecurityPolicy) -> Iterator[Probe]:
        yield Probe(f"{field}: true", pod(spec={field: True}))

    return made


def _host_ports(policy: PodSecurityPolicy) -> Iterator[Probe]:
    ports = {1, 80, 443, 8080, 30000, 65535}
    for low, high in _ranges(policy.spec.get("hostPorts")):
        ports |= {low - 1, low, high, high + 1}
    for port in sorted(port for port in ports if 0 < port < 65536):
        yield Probe(f"hostPort: {port}", pod(container={"ports": [{"containerPort": port, "hostPort": port}]}))


def _volumes(_policy: PodSecurityPolicy) -> Iterator[Probe]:
    for name, source in SOURCES.items():
        yield Probe(f"volume {name}", _with_volume({name: source}))


def _with_volume(source: Mapping[str, Any], *, read_only: bool = False) -> dict[str, Any]:
    mount = {"name": "probe", "mountPath": "/probe", "readOnly": read_only}
    return pod(container={"volumeMounts": [mount]}, spec={"volumes": [{"name": "probe", **source}]})


def _lets_mount(policy: PodSecurityPolicy, source: str) -> bool:
    """Whether a type of volumes is allowed at all: else its own field has nothing to say."""
    return bool({"*", source}.intersection(map(str, _list(policy, "volumes"))))


def _host_paths(policy: PodSecurityPolicy) -> Iterator[Probe]:
    if not _lets_mount(policy, "hostPath"):
        return
    prefixes = [str(entry.get("pathPrefix", "")) for entry in map(mapping, _list(policy, "allowedHostPaths"))]
    paths = {"/", "/etc", "/var/run/docker.sock"}
    for prefix in prefixes:
        paths |= {prefix, f"{prefix.rstrip('/')}/below", f"{prefix.rstrip('/')}-beside"}
    for path in sorted(paths):
        for read_only in (True, False):
            how = "read-only" if read_only else "to write"
            yield Probe(f"hostPath {path}, {how}", _with_volume({"hostPath": {"path": path}}, read_only=read_only))


def _drivers(field: str, source: str) -> Any:
    name = "driver" if source == "flexVolume" else "name"

    def made(policy: PodSecurityPolicy) -> Iterator[Probe]:
        known = [str(mapping(entry).get(name)) for entry in _list(policy, field)]
        for driver in [*known, "example.com/other"] if _lets_mount(policy, source) else ():
            yield Probe(f"{source} {driver}", _with_volume({source: {"driver": driver}}))

    return made


def _default_add(_policy: PodSecurityPolicy) -> Iterator[Probe]:
    yield Probe("no capabilities", pod(own={"capabilities": REMOVED}))
    yield Probe("drop: [ALL]", pod())


def _required_drop(policy: PodSecurityPolicy) -> Iterator[Probe]:
    required = [str(name) for name in _list(policy, "requiredDropCapabilities")]
    yield Probe("no capabilities", pod(own={"capabilities": REMOVED}))
    yield Probe("drop: [ALL]", pod())
    yield Probe("drop: [NET_RAW]", pod(own={"capabilities": {"drop": ["NET_RAW"]}}))
    yield Probe("no drop on Windows", pod(own={"capabilities": REMOVED}, spec={"os": {"name": "windows"}}), WINDOWS)
    for name in required:
        others = [other for other in required if other != name]
        yield Probe(f"drop without {name}", pod(own={"capabilities": {"drop": others}}))


def _allowed_capabilities(policy: PodSecurityPolicy) -> Iterator[Probe]:
    said = {str(name) for field in ("allowedCapabilities", "defaultAddCapabilities") for name in _list(policy, field)}
    for name in sorted({*ADDABLE, "SYS_ADMIN", "NET_RAW", "NET_ADMIN", "SYS_PTRACE", *said} - {"*"}):
        yield Probe(f"add: [{name}]", pod(own={"capabilities": {"add": [name], "drop": ["ALL"]}}))


def _run_as_user(policy: PodSecurityPolicy) -> Iterator[Probe]:
    nothing = {"runAsUser": REMOVED, "runAsNonRoot": REMOVED}
    yield Probe("no runAsUser", pod(context={"runAsUser": REMOVED}))
    yield Probe("neither runAsUser nor runAsNonRoot", pod(context=nothing))
    yield Probe("runAsNonRoot: false", pod(context={"runAsUser": REMOVED, "runAsNonRoot": False}))
    for user in sorted({0, 1, 1000, 65534, *_edges(policy, "runAsUser")}):
        yield Probe(f"runAsUser: {user}", pod(context={"runAsUser": user, "runAsNonRoot": user != 0}))
    in_namespace = {"hostUsers": False}
    yield Probe("runAsUser: 0 with hostUsers: false", pod(context={"runAsUser": 0}, spec=in_namespace), USER_NAMESPACE)
    yield Probe("no runAsNonRoot with hostUsers: false", pod(context=nothing, spec=in_namespace), USER_NAMESPACE)


def _group(field: str) -> Any:
    def made(policy: PodSecurityPolicy) -> Iterator[Probe]:
        yield Probe(f"no {field}", pod())
        for group in sorted({0, 1, 1000, 65534, *_edges(policy, field)}):
            value = [group] if field == "supplementalGroups" else group
            yield Probe(f"{field}: {value}", pod(context={field: value}))

    return made


def _se_linux(policy: PodSecurityPolicy) -> Iterator[Probe]:
    own = mapping(mapping(policy.spec.get("seLinux")).get("seLinuxOptions"))
    yield Probe("no seLinuxOptions", pod())
    yield Probe("seLinuxOptions of the policy", pod(context={"seLinuxOptions": dict(own)}))
    for name in ("container_t", "container_init_t", "container_kvm_t", "spc_t"):
        yield Probe(f"seLinuxOptions type {name}", pod(context={"seLinuxOptions": {"type": name}}))
    yield Probe("seLinuxOptions level s0:c1,c2", pod(context={"seLinuxOptions": {"level": "s0:c1,c2"}}))
    yield Probe("seLinuxOptions user a_u", pod(context={"seLinuxOptions": {"user": "a_u"}}))


def _read_only(_policy: PodSecurityPolicy) -> Iterator[Probe]:
    yield Probe("no readOnlyRootFilesystem", pod())
    for value in (True, False):
        yield Probe(f"readOnlyRootFilesystem: {_word(value)}", pod(own={"readOnlyRootFilesystem": value}))


def _escalation(_policy: PodSecurityPolicy) -> Iterator[Probe]:
    nothing = {"allowPrivilegeEscalation": REMOVED}
    yield Probe("no allowPrivilegeEscalation", pod(own=nothing))
    yield Probe("allowPrivilegeEscalation: true", pod(own={"allowPrivilegeEscalation": True}))
    windows = {"os": {"name": "windows"}}
    on_windows = pod(own={"allowPrivilegeEscalation": True}, spec=windows)
    yield Probe("allowPrivilegeEscalation: true on Windows", on_windows, WINDOWS)


def _sysctls(policy: PodSecurityPolicy) -> Iterator[Probe]:
    forbidden = [str(name) for name in _list(policy, "forbiddenSysctls")]
    said = {str(name) for field in ("allowedUnsafeSysctls", "forbiddenSysctls") for name in _list(policy, field)}
    named = {name.replace("*", "any") for name in said}
    for name in sorted({*NAMES_1_37, "kernel.msgmax", "net.core.somaxconn", *named}):
        is_new = name in NAMES_1_37 - NAMES_1_0 and not _matches(forbidden, name)
        made = pod(context={"sysctls": [{"name": name, "value": "1"}]})
        yield Probe(f"sysctl {name}", made, NEW_SYSCTLS if is_new else "")


def _matches(patterns: Iterable[str], name: str) -> bool:
    return any(name.startswith(one[:-1]) if one.endswith("*") else name == one for one in patterns)


def _proc_mount(_policy: PodSecurityPolicy) -> Iterator[Probe]:
    yield Probe("procMount: Unmasked", pod(own={"procMount": "Unmasked"}))
    in_namespace = pod(own={"procMount": "Unmasked"}, spec={"hostUsers": False})
    yield Probe("procMount: Unmasked with hostUsers: false", in_namespace, USER_NAMESPACE)


def _runtime_class(policy: PodSecurityPolicy) -> Iterator[Probe]:
    said = mapping(policy.spec.get("runtimeClass"))
    yield Probe("no runtimeClassName", pod())
    for name in sorted({*(str(one) for one in sequence(said.get("allowedRuntimeClassNames"))), "other"} - {"*"}):
        yield Probe(f"runtimeClassName: {name}", pod(spec={"runtimeClassName": name}))


def _seccomp(policy: PodSecurityPolicy) -> Iterator[Probe]:
    silent = not policy.annotations.get("seccomp.security.alpha.kubernetes.io/allowedProfileNames")
    note = SECCOMP_SET if silent else ""
    yield Probe("no seccompProfile", pod(context={"seccompProfile": REMOVED}))
    yield Probe("seccompProfile RuntimeDefault", pod(), note)
    local = {"type": "Localhost", "localhostProfile": "probe.json"}
    yield Probe("seccompProfile Localhost", pod(context={"seccompProfile": local}), note)
    yield Probe("seccompProfile Unconfined", pod(context={"seccompProfile": {"type": "Unconfined"}}), note)


def _app_armor(_policy: PodSecurityPolicy) -> Iterator[Probe]:
    yield Probe("no appArmorProfile", pod())
    yield Probe("appArmorProfile RuntimeDefault", pod(own={"appArmorProfile": {"type": "RuntimeDefault"}}))
    local = {"type": "Localhost", "localhostProfile": "probe"}
    yield Probe("appArmorProfile Localhost", pod(own={"appArmorProfile": local}))
    yield Probe("appArmorProfile Unconfined", pod(own={"appArmorProfile": {"type": "Unconfined"}}))


_MAKERS = {
    "privileged": _privileged,
    "hostNetwork": _host("hostNetwork"),
    "hostPID": _host("hostPID"),
    "hostIPC": _host("hostIPC"),
    "hostPorts": _host_ports,
    "volumes": _volumes,
    "allowedHostPaths": _host_paths,
    "allowedFlexVolumes": _drivers("allowedFlexVolumes", "flexVolume"),
    "allowedCSIDrivers": _drivers("allowedCSIDrivers", "csi"),
    "defaultAddCapabilities": _default_add,
    "requiredDropCapabilities": _required_drop,
    "allowedCapabilities": _allowed_capabilities,
    "runAsUser": _run_as_user,
    "runAsGroup": _group("runAsGroup"),
    "fsGroup": _group("fsGroup"),
    "supplementalGroups": _group("supplementalGroups"),
    "seLinux": _se_linux,
    "readOnlyRootFilesystem": _read_only,
    "allowPrivilegeEscalation": _escalation,
    "sysctls": _sysctls,
    "allowedProcMountTypes": _proc_mount,
    "runtimeClass": _runtime_class,
    "seccomp": _seccomp,
    "appArmor": _app_armor,
}


def _list(policy: PodSecurityPolicy, field: str) -> list[Any]:
    return list(sequence(policy.spec.get(field)))


def _ranges(value: object) -> Iterator[tuple[int, int]]:
    for entry in map(mapping, sequence(value)):
        low, high = entry.get("min"), entry.get("max")
        if isinstance(low, int) and isinstance(high, int):
            yield low, high


def _edges(policy: PodSecurityPolicy, field: str) -> set[int]:
    """The edges of a strategy's ranges, and what lies beside them."""
    found: set[int] = set()
    for low, high in _ranges(mapping(policy.spec.get(field)).get("ranges")):
        found |= {low - 1, low, high, high + 1}
    return {number for number in found if 0 <= number < 2**31}


def _word(value: bool) -> str:
    return "true" if value else "false"


class Judged:
    """What a policy made of each probe of its fields: `allowed`, `refused`, or `set` where it wrote its own value."""

    def __init__(self, policy: PodSecurityPolicy, server: tuple[int, int] = LATEST) -> None:
        self.policy = policy
        self.server = server
        self.probes = {field: list(of_field(field, policy)) for field in FIELDS}
        self._made: dict[tuple[str, bytes], str] = {}

    def was(self, field: str, probe: Probe) -> str:
        key = (field, _bytes(probe.pod))
        if key not in self._made:
            outcome = admit(self.policy, created(probe.pod, account_automounts=False), self.server)
            refused = any(error.field == field for error in outcome.errors)
            is_set = any(change.field == field for change in outcome.changes)
            self._made[key] = REFUSED if refused else SET if is_set else ADMITTED
        return self._made[key]

    def refuses(self, field: str, probe: Probe) -> bool:
        """Whether the field refuses a pod as it is: nothing sets anything any more."""
        found = validate(self.policy, created(probe.pod, account_automounts=False), self.server)
        return any(error.field == field for error in found)

    def escaping(self, asked: LevelVersion) -> tuple[str, ...]:
        """The fields that a level doesn't hold: those that are worth a rule of their own.

        What a policy sets it may ask for, too: without it nobody does, so its rule refuses what doesn't say it.
        """
        return tuple(field for field, probes in self.probes.items() if any(self._escapes(field, asked, probes)))

    def _escapes(self, field: str, asked: LevelVersion, probes: Iterable[Probe]) -> Iterator[bool]:
        for probe in probes:
            if not probe.harmless and allows(asked, probe, self.server):
                was = self.was(field, probe)
                yield was == REFUSED or (was == SET and self.refuses(field, probe))

    def shift(self, field: str, asked: LevelVersion | None, kept: Judged | None = None) -> Shift:
        """What changes for a field at a level. `kept` is whose field an admission policy holds, None for none."""
        looser: list[Difference] = []
        stricter: list[Difference] = []
        by: set[str] = set()
        for probe in self.probes[field]:
            was = self.was(field, probe)
            by_level = asked is not None and not allows(asked, probe, self.server)
            by_rule = kept is not None and kept.refuses(field, probe)
            if was != ADMITTED:
                by |= {word for word, refuses in ((LEVEL, by_level), (RULE, by_rule)) if refuses}
            now = by_level or by_rule
            if was != SET and now == (was == REFUSED):
                continue
            note = "" if now else probe.harmless
            differs = Difference(probe.label, was, REFUSED if now else ADMITTED, note)
            (stricter if now else looser).append(differs)
        return Shift(field, tuple(looser), tuple(stricter), self._where(field, by))

    def _where(self, field: str, by: set[str]) -> str:
        if by:
            return " and ".join(word for word in (LEVEL, RULE) if word in by)
        states = {self.was(field, probe) for probe in self.probes[field]}
        return "nowhere" if REFUSED in states else "manifest only" if SET in states else ""

    def takes(self, other: Judged) -> bool:
        """Whether the policy admits each probe, its own and the other's, that the other admits."""
        return all(self.takes_in(field, other) for field in FIELDS)

    def takes_in(self, field: str, other: Judged) -> bool:
        """The same of one field alone."""
        return not any(
            self.was(field, probe) == REFUSED and other.was(field, probe) != REFUSED
            for probe in (*self.probes[field], *other.probes[field])
        )


ADMITTED, REFUSED, SET = "allowed", "refused", "set"
LEVEL, RULE = "level", "admission policy"


def allows(asked: LevelVersion, probe: Probe, server: tuple[int, int]) -> bool:
    """Whether a level allows a probe's pod."""
    return _allows(asked.level, asked.label, server, _bytes(probe.pod))


def _bytes(data: Any) -> bytes:
    """Of our own data, and so a key of a cache."""
    return marshal.dumps(data, 2)


@lru_cache(maxsize=20_000)
def _allows(level: str, label: str, server: tuple[int, int], written: bytes) -> bool:
    data = {"apiVersion": "v1", "kind": "Pod", **marshal.loads(written)}  # noqa: S302
    resource = Resource((), data)
    pods = list(workloads.created_pods(resource, workloads.shapes_of(resource, {}), server))
    return Evaluator(pods).verdict(LevelVersion(level, label, server)).allowed
