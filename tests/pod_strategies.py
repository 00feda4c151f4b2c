"""Random pods, as odd as the API lets them be and a little odder: what the standard's checks read, and mistakes there.

A pod is a plain one, hardened or bare, of which a few things are said in addition; so a failure shrinks to the one
field that matters. JSON data: how it is written is the business of `strategies`.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

LEVELS = st.sampled_from(["restricted", "restricted", "restricted", "baseline", "baseline", "privileged"])
VERSIONS = st.sampled_from(["latest", *(f"v1.{minor}" for minor in range(40, -1, -1))])

END = "-"
"""Of a path: the end of a list."""
NAMES = ["web", "db-0", "web", "sidecar", 'a"b', "é", "a\tb", "", None]
LETTERS = 'ab/.-_ "\\\t\n\x07' + "é\u00ad\u00a0\u0300\u200b\u2028\ue000\ufeff😀"
TEXTS = st.text(LETTERS, max_size=4)
BOOLEANS = [True, False, None]
PROFILE_TYPES = ["RuntimeDefault", "Localhost", "Unconfined", "runtimeDefault", "runtime/default", "", None]
SE_LINUX_TYPES = ["container_t", "container_init_t", "container_kvm_t", "container_engine_t", "spc_t", "", None]
CAPABILITIES = [
    *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
    *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT", "SYS_ADMIN", "NET_RAW", "ALL", "all", "All", "CAP_ALL", "chown"),
    *("CAP_CHOWN", "CAP_NET_BIND_SERVICE", "net_bind_service", "CAP_SYS_ADMIN", "", None),
]
SYSCTLS = [
    *("kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.tcp_syncookies"),
    *("net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start", "net.ipv4.ip_local_reserved_ports"),
    *("net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl"),
    *("net.ipv4.tcp_keepalive_probes", "net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    *("net.ipv4.tcp_slow_start_after_idle", "net.ipv4.tcp_notsent_lowat", "net/ipv4/tcp_syncookies"),
    *("kernel.msgmax", "net.core.somaxconn", "NET.ipv4.tcp_rmem", "", None),
]
SOURCES = [
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected"),
    *("secret", "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "gitRepo", "nfs", "iscsi", "glusterfs", "rbd"),
    *("flexVolume", "cinder", "cephfs", "flocker", "fc", "azureFile", "vsphereVolume", "quobyte", "azureDisk"),
    *("photonPersistentDisk", "portworxVolume", "scaleIO", "storageos", "fooDisk", "HostPath"),
]
ANNOTATIONS = [
    "seccomp.security.alpha.kubernetes.io/pod",
    *(f"container.seccomp.security.alpha.kubernetes.io/{name}" for name in ("web", "db-0", "absent", "")),
    *(f"container.apparmor.security.beta.kubernetes.io/{name}" for name in ("web", "db-0", "sidecar", "absent", "")),
    "prometheus.io/scrape",
]
ANNOTATION_VALUES = [
    *("runtime/default", "docker/default", "localhost/", "localhost/web", "localhost/ web", "unconfined", "Unconfined"),
    *("", "true", 'x"\\', None),
]
HANDLERS = [
    *(("livenessProbe",), ("readinessProbe",), ("startupProbe",), ("lifecycle", "postStart"), ("lifecycle", "preStop")),
]


def said(path: tuple[str, ...], values: list[Any]) -> list[tuple[tuple[str, ...], Any]]:
    return [(path, value) for value in values]


BOTH = [
    *said(("securityContext",), [None, {}]),
    *said(("securityContext", "runAsNonRoot"), BOOLEANS),
    *said(("securityContext", "runAsUser"), [0, 1, 1000, -1, None]),
    *said(("securityContext", "seccompProfile"), [None, {}]),
    *said(("securityContext", "seccompProfile", "type"), PROFILE_TYPES),
    *said(("securityContext", "appArmorProfile"), [None, {}]),
    *said(("securityContext", "appArmorProfile", "type"), PROFILE_TYPES),
    *said(("securityContext", "appArmorProfile", "localhostProfile"), ["web", "", None]),
    *said(("securityContext", "seLinuxOptions"), [None, {}]),
    *said(("securityContext", "seLinuxOptions", "type"), SE_LINUX_TYPES),
    *said(("securityContext", "seLinuxOptions", "user"), ["system_u", "", None]),
    *said(("securityContext", "seLinuxOptions", "role"), ["system_r", "", None]),
    *said(("securityContext", "seLinuxOptions", "level"), ["s0", None]),
    *said(("securityContext", "windowsOptions"), [None, {}]),
    *said(("securityContext", "windowsOptions", "hostProcess"), BOOLEANS),
]
"""What pods and containers may both say: (path, value)."""
POD = [
    *BOTH,
    *said(("hostNetwork",), [True, *BOOLEANS]),
    *said(("hostPID",), BOOLEANS),
    *said(("hostIPC",), BOOLEANS),
    *said(("hostUsers",), [False, *BOOLEANS]),
    *said(("os",), [{}, None]),
    *said(("os", "name"), ["windows", "windows", "linux", "Windows", "", None]),
    *said(("volumes",), [[], None, [None]]),
    (("volumes", END), None),
    *said(("containers",), [[], None]),
    *said(("initContainers",), [[], None]),
    *said(("ephemeralContainers",), [[], None]),
    *said(("containers", END), [{"image": "i"}, {"image": None}]),
    *said(("securityContext", "sysctls"), [[], None, [None]]),
    *((("securityContext", "sysctls", END), {"name": name, "value": "1"}) for name in SYSCTLS),
]
CONTAINER = [
    *BOTH,
    *said(("name",), NAMES),
    *said(("securityContext", "allowPrivilegeEscalation"), [False, *BOOLEANS]),
    *said(("securityContext", "privileged"), BOOLEANS),
    *said(("securityContext", "procMount"), ["Default", "Unmasked", "default", "", None]),
    *said(("securityContext", "capabilities"), [None, {}]),
    *said(("securityContext", "capabilities", "add"), [[], None]),
    *said(("securityContext", "capabilities", "drop"), [[], None]),
    *said(("securityContext", "capabilities", "add", END), CAPABILITIES),
    *said(("securityContext", "capabilities", "drop", END), CAPABILITIES),
    *said(("ports",), [[], None, [None]]),
    *said(("ports", END), [{"containerPort": port} for port in (80, 8080, 0, None)]),
    *said(("ports", END), [{"containerPort": 80, "hostPort": port} for port in (80, 9090, 10000, 0, -1, 65536, None)]),
    *said(("ports", END), [{"hostPort": 7}]),
    *said(("restartPolicy",), ["Always", None]),
    *((path, value) for path in HANDLERS for value in (None, {}, {"exec": {"command": ["true"]}})),
    *(
        ((*path, way, "host"), host)
        for path in HANDLERS
        for way in ("httpGet", "tcpSocket")
        for host in ("127.0.0.1", "db.example", "", None)
    ),
]
VALID_POD = [
    *said(("securityContext", "runAsNonRoot"), BOOLEANS),
    *said(("securityContext", "runAsUser"), [0, 1000]),
    *said(("securityContext", "seccompProfile"), [{"type": name} for name in ("RuntimeDefault", "Unconfined")]),
    *said(("securityContext", "appArmorProfile"), [{"type": name} for name in ("RuntimeDefault", "Unconfined")]),
    *said(("securityContext", "seLinuxOptions", "type"), SE_LINUX_TYPES),
    *said(("hostNetwork",), [True, True, True, True, True, True, None]),
    *said(("hostPID",), [True]),
    *said(("hostIPC",), [True]),
    *said(("hostUsers",), BOOLEANS),
    *((("securityContext", "sysctls"), [{"name": name, "value": "1"}]) for name in SYSCTLS[:16]),
    *((("volumes",), [{"name": "a"} | source]) for source in ({}, {"emptyDir": None}, {"hostPath": {"path": "/"}})),
    (("volumes",), [{"name": "a", "image": {"reference": "i"}}, {"name": "b", "nfs": {"server": "s", "path": "/"}}]),
    (("volumes",), [{"name": "b", "fooDisk": {}}, {"name": "a", "configMap": {"name": "c"}, "hostPath": None}]),
]
VALID_CONTAINER = [
    *said(("securityContext", "runAsNonRoot"), BOOLEANS),
    *said(("securityContext", "runAsUser"), [0, 1000]),
    *said(("securityContext", "seccompProfile"), [{"type": name} for name in ("RuntimeDefault", "Unconfined")]),
    *said(
        ("securityContext", "appArmorProfile"), [None, *({"type": name} for name in ("RuntimeDefault", "Unconfined"))]
    ),
    *said(("securityContext", "seLinuxOptions", "user"), ["system_u"]),
    *said(("securityContext", "allowPrivilegeEscalation"), [True, None]),
    *said(("securityContext", "privileged"), [True, False]),
    *said(("securityContext", "procMount"), ["Default", "Unmasked"]),
    *said(("securityContext", "capabilities", "add", END), CAPABILITIES[:-2]),
    *said(("securityContext", "capabilities", "drop", END), CAPABILITIES[:-2]),
    *said(("ports",), [[{"containerPort": port, "protocol": "TCP"}] for port in (80, 81, 8080, 10000, 9090)]),
    *said(("ports",), [[{"containerPort": 80, "hostPort": port}] for port in (80, 0, None)]),
    *said(("livenessProbe",), [{"httpGet": {"port": 80, "host": host}} for host in ("127.0.0.1", "", "a")]),
    *said(("lifecycle", "preStop"), [{"tcpSocket": {"port": 80, "host": host}} for host in ("127.0.0.1", "", "a")]),
]
VALID_ANNOTATIONS = [
    *((("annotations", ANNOTATIONS[1]), value) for value in ("runtime/default", "unconfined")),
    *((("annotations", ANNOTATIONS[5]), value) for value in ("runtime/default", "unconfined", "localhost/a")),
    *((("annotations", ANNOTATIONS[6]), value) for value in ("runtime/default", "unconfined", "localhost/a")),
]
"""What is valid by itself."""
WORDED = [
    ("securityContext", "appArmorProfile", "type"),
    ("securityContext", "seccompProfile", "type"),
    ("securityContext", "seLinuxOptions", "type"),
    ("securityContext", "procMount"),
    ("securityContext", "capabilities", "add", END),
    ("livenessProbe", "httpGet", "host"),
    ("name",),
]
"""Strings of containers that messages repeat."""
WRONG: list[Any] = [True, False, 0, 1, 1.5, "", "1", "none", [], ["a"], [1], {}, {"a": 1}]
"""Values, each of the wrong type somewhere."""
NOT_TEXT: list[Any] = [[], ["a"], {}, {"a": "b"}]
"""What can't be a string, however it is quoted."""
IN_POD = [
    *(("hostNetwork",), ("hostPID",), ("hostIPC",), ("hostUsers",), ("os",), ("os", "name"), ("securityContext",)),
    *(("containers",), ("initContainers",), ("ephemeralContainers",), ("volumes",)),
    *(("volumes", END), ("securityContext", "sysctls"), ("securityContext", "sysctls", END)),
    ("securityContext", "sysctls", END, "name"),
    *(("volumes", END, source) for source in ["name", *SOURCES[:-2]]),
]
IN_CONTAINER = [
    *(("name",), ("image",), ("ports",), ("ports", END), ("ports", END, "hostPort"), ("securityContext",)),
    *(("securityContext", field) for field in ("allowPrivilegeEscalation", "privileged", "procMount", "capabilities")),
    *(("securityContext", "capabilities", field) for field in ("add", "drop")),
    *(("securityContext", "capabilities", field, END) for field in ("add", "drop")),
    *(("lifecycle",), *HANDLERS),
    *((*path, way) for path in HANDLERS for way in ("httpGet", "tcpSocket")),
    *((*path, way, "host") for path in HANDLERS for way in ("httpGet", "tcpSocket")),
]
IN_BOTH = [
    *(("securityContext", field) for field in ("runAsNonRoot", "runAsUser", "seccompProfile", "appArmorProfile")),
    *(("securityContext", "seccompProfile", "type"), ("securityContext", "appArmorProfile", "type")),
    *(("securityContext", "seLinuxOptions"), ("securityContext", "windowsOptions")),
    *(("securityContext", "seLinuxOptions", field) for field in ("type", "user", "role")),
    ("securityContext", "windowsOptions", "hostProcess"),
]
MISTAKES = [
    *(("spec", (path, value)) for path in [*IN_POD, *IN_BOTH] for value in WRONG),
    *((0, (path, value)) for path in [*IN_CONTAINER, *IN_BOTH] for value in WRONG),
    *(("metadata", (("annotations", name), value)) for name in ANNOTATIONS for value in NOT_TEXT),
    *(("metadata", (("annotations",), value)) for value in (1, "a", ["a"])),
    *(("spec", (("containers", END), value)) for value in WRONG if not isinstance(value, dict)),
]
"""Each field that a check reads, with each value that may be of the wrong type: (whose, (path, value))."""


def assigned(data: Any, path: tuple[str, ...], value: Any) -> None:
    """Write a value at a path within a mapping, the mappings and lists on the way included."""
    for step, after in zip(path, path[1:], strict=False):
        empty: Any = [] if after == END else {}
        if isinstance(data, list):
            data.append(empty)
            data = data[-1]
        else:
            if not isinstance(data.get(step), type(empty)):
                data[step] = empty
            data = data[step]
    if path[-1] == END:
        data.append(deepcopy(value))
    else:
        data[path[-1]] = deepcopy(value)


def plain(names: tuple[list[Any], list[Any], list[Any]], *, hardened: bool) -> dict[str, Any]:
    """A pod whose containers have these names: restricted allows it, or it says nothing at all."""
    context = {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    lists = {
        field: [{"name": name, "image": "i"} | (deepcopy(context) if hardened else {}) for name in found]
        for field, found in zip(("containers", "initContainers", "ephemeralContainers"), names, strict=True)
        if found
    }
    of_pod = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {**lists, **({"securityContext": of_pod} if hardened else {})}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec}


LAYOUTS = [
    *(((["web"], [], [])), (["web", "db-0"], [], []), (["web"], ["init"], []), (["web"], [], ["late"])),
    *((["web", "web"], [], []), (["db-0", "web"], ["web", "init"], ["web"]), (["sidecar"], ["db-0"], ["web", "late"])),
    (["web", "db-0", "sidecar"], ["init", "web"], ["late", "late"]),
]
"""The names of containers, init containers and ephemeral containers."""
SAID = [
    *(("spec", thing) for thing in POD),
    *((number, thing) for number in range(6) for thing in CONTAINER),
    *(("metadata", (("annotations", name), value)) for name in ANNOTATIONS for value in ANNOTATION_VALUES),
    *(("spec", (("volumes", END), {"name": "data", name: value})) for name in SOURCES for value in ({}, None)),
]
"""All that may be said: (whose, (path, value)); a number is a container's, of those that there are."""
VALID = [
    *(("spec", thing) for thing in VALID_POD),
    *((number, thing) for number in range(3) for thing in VALID_CONTAINER),
    *(("metadata", thing) for thing in VALID_ANNOTATIONS),
]
VOLUMES = st.builds(
    lambda name, sources: ("spec", (("volumes", END), {"name": name, **{source: {} for source in sources}})),
    st.sampled_from(NAMES),
    st.lists(st.sampled_from(SOURCES), max_size=2),
)
WORDS = st.tuples(st.integers(0, 5), st.tuples(st.sampled_from(WORDED), TEXTS)) | st.tuples(
    st.just("metadata"), st.tuples(st.sampled_from([("annotations", name) for name in ANNOTATIONS]), TEXTS)
)
ODD = st.sampled_from(SAID)


@st.composite
def odd_pods(draw: st.DrawFn) -> dict[str, Any]:
    """A Pod of which anything may be said; about one of eight holds a mistake."""
    made = plain(draw(st.sampled_from(LAYOUTS)), hardened=draw(st.booleans()))
    found = draw(st.lists(ODD | ODD | ODD | ODD | VOLUMES | WORDS, max_size=12))
    if draw(st.integers(0, 7)) == 7:
        found.append(draw(st.sampled_from(MISTAKES)))
    return with_said(made, found)


@st.composite
def valid_pods(draw: st.DrawFn) -> dict[str, Any]:
    """A Pod that the API server probably finds valid, so that it says itself what the standard makes of it."""
    made = plain(draw(st.sampled_from(LAYOUTS[:3])), hardened=draw(st.booleans()))
    return with_said(made, draw(st.lists(st.sampled_from(VALID), max_size=6)))


def some_pods(most: int) -> st.SearchStrategy[list[dict[str, Any]]]:
    """From one pod to so many, each number as likely: `lists` alone would make few."""
    pods = odd_pods() | valid_pods()
    return st.integers(1, most).flatmap(lambda count: st.lists(pods, min_size=count, max_size=count))


def with_said(made: dict[str, Any], found: list[Any]) -> dict[str, Any]:
    """A pod of which these things are said in addition."""
    spec = made["spec"]
    containers = [
        item for field in ("containers", "initContainers", "ephemeralContainers") for item in spec.get(field, ())
    ]
    for whose, (path, value) in found:
        assigned(containers[whose % len(containers)] if isinstance(whose, int) else made[whose], path, value)
    return made
