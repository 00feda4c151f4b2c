"""Random PodSecurityPolicies and pods for them: each a plain one of which a few things are said in addition.

So a failure shrinks to the fields that matter. Values are few, and those of pods lie on both sides of the policies'.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st
from pod_strategies import END, assigned, plain, said, with_said
from psp_judge import a_policy

APP_ARMOR = "apparmor.security.beta.kubernetes.io/"
SECCOMP = "seccomp.security.alpha.kubernetes.io/"
RANGES = [
    [{"min": 1, "max": 65535}],
    [{"min": 1000, "max": 1000}],
    [{"min": 0, "max": 0}, {"min": 2000, "max": 3000}],
    [{"min": 2000, "max": 3000}, {"min": 5, "max": 10}],
    [{"max": 10}],
    [],
    None,
]
IDS = [0, 1, 5, 10, 11, 999, 1000, 1001, 2000, 2500, 3000, 3001, 65535, 65536, None]
CAPABILITIES = ["ALL", "NET_RAW", "CHOWN", "SYS_ADMIN", "NET_BIND_SERVICE", "net_raw", "CAP_CHOWN", "*"]
VOLUMES: dict[str, Any] = {
    "configMap": {"name": "c"},
    "secret": {"secretName": "s"},
    "emptyDir": {},
    "projected": {"sources": [{"configMap": {"name": "c"}}]},
    "downwardAPI": {},
    "persistentVolumeClaim": {"claimName": "p"},
    "nfs": {"server": "s", "path": "/"},
    "ephemeral": {"volumeClaimTemplate": {"spec": {}}},
    "rbd": {"monitors": ["m"], "image": "i"},
    "gitRepo": {"repository": "r"},
    "cephfs": {"monitors": ["m"]},
    "storageos": {},
    "azureFile": {"secretName": "s", "shareName": "n"},
}
TYPES = [*VOLUMES, "hostPath", "flexVolume", "csi", "*", "none", "scaleIO", "portworxVolume"]
PATHS = ["/var", "/var/", "/var/log", "/variable", "/", "/var/log/..", "/etc", "//var", "", "."]
SYSCTLS = ["kernel.shm_rmid_forced", "kernel.msgmax", "kernel.sem", "net.core.somaxconn", "net.ipv4.tcp_syncookies"]
LABELS = [{}, {"level": "s0"}, {"level": "s0:c1,c2"}, {"level": "s0:c2,c1", "type": "t"}, {"user": "u", "role": "r"}]
PROFILES = ["runtime/default", "docker/default", "unconfined", "localhost/a", "localhost/", "", "none"]
BOOLEANS = [True, False, None]


def _ranged(field: str, rules: list[str]) -> list[Any]:
    return said((field,), [{"rule": rule, "ranges": ranges} for rule in rules for ranges in RANGES])


OF_POLICY = [
    *said(("privileged",), [True, False]),
    *(thing for field in ("hostNetwork", "hostPID", "hostIPC") for thing in said((field,), [True, False])),
    *said(("hostPorts", END), [{"min": 80, "max": 80}, {"min": 8000, "max": 9000}, {"max": 5}, {"min": 9, "max": 8}]),
    *said(("volumes", END), TYPES),
    *said(("allowedHostPaths", END), [{"pathPrefix": path} for path in PATHS]),
    *said(("allowedHostPaths", END), [{"pathPrefix": path, "readOnly": True} for path in PATHS[:5]]),
    *said(("allowedFlexVolumes", END), [{"driver": name} for name in ("a/b", "c", "")]),
    *said(("allowedCSIDrivers", END), [{"name": name} for name in ("a.b", "c", "", "-")]),
    *(
        thing
        for field in ("defaultAddCapabilities", "requiredDropCapabilities", "allowedCapabilities")
        for thing in said((field, END), CAPABILITIES)
    ),
    *_ranged("runAsUser", ["MustRunAs", "MustRunAs", "MustRunAsNonRoot", "RunAsAny", "MayRunAs"]),
    *_ranged("runAsGroup", ["MustRunAs", "MayRunAs", "RunAsAny"]),
    *_ranged("fsGroup", ["MustRunAs", "MayRunAs", "RunAsAny"]),
    *_ranged("supplementalGroups", ["MustRunAs", "MayRunAs", "RunAsAny", "MustRunAsNonRoot"]),
    *said(("seLinux",), [{"rule": "MustRunAs", "seLinuxOptions": options} for options in LABELS]),
    *said(("seLinux",), [{"rule": "MustRunAs"}, {"rule": "RunAsAny"}, {"rule": "runAsAny"}]),
    *said(("readOnlyRootFilesystem",), [True, False]),
    *said(("allowPrivilegeEscalation",), BOOLEANS),
    *said(("defaultAllowPrivilegeEscalation",), BOOLEANS),
    *said(("allowedUnsafeSysctls", END), ["kernel.msg*", "kernel.sem", "net.*", "*"]),
    *said(("forbiddenSysctls", END), ["kernel.shm_rmid_forced", "net.ipv4.*", "*", "kernel.sem"]),
    *said(("allowedProcMountTypes", END), ["Default", "Unmasked", "Other"]),
    *said(("runtimeClass",), [{"allowedRuntimeClassNames": names} for names in ([], ["a"], ["*"], ["a", "b"])]),
    *said(("runtimeClass",), [{"allowedRuntimeClassNames": ["a"], "defaultRuntimeClassName": "a"}]),
    *said(("runtimeClass",), [{"allowedRuntimeClassNames": ["*"], "defaultRuntimeClassName": "b"}]),
    *said(("runtimeClass",), [{"allowedRuntimeClassNames": ["a"], "defaultRuntimeClassName": "b"}]),
]
"""What a policy's spec may say: (path, value)."""
ALLOWED = ["*", "runtime/default", "docker/default,localhost/a", "unconfined,", "", "localhost/*", "localhost/a,*"]
ANNOTATIONS = [
    *said((f"{SECCOMP}allowedProfileNames",), ALLOWED),
    *said((f"{SECCOMP}defaultProfileName",), PROFILES),
    *said((f"{APP_ARMOR}allowedProfileNames",), ALLOWED),
    *said((f"{APP_ARMOR}defaultProfileName",), PROFILES),
]
OF_POD = [
    *(thing for field in ("hostNetwork", "hostPID", "hostIPC") for thing in said((field,), [True, False])),
    *said(("securityContext", "runAsUser"), IDS),
    *said(("securityContext", "runAsGroup"), IDS),
    *said(("securityContext", "fsGroup"), IDS),
    *said(("securityContext", "supplementalGroups", END), IDS[:-1]),
    *said(("securityContext", "supplementalGroups"), [[], None]),
    *said(("securityContext", "runAsNonRoot"), BOOLEANS),
    *said(("securityContext", "seLinuxOptions"), [*LABELS, None]),
    *said(("securityContext", "seccompProfile"), [{"type": "RuntimeDefault"}, {"type": "Unconfined"}, None]),
    *said(("securityContext", "seccompProfile"), [{"type": "Localhost", "localhostProfile": "a"}]),
    *((("securityContext", "sysctls", END), {"name": name, "value": "1"}) for name in SYSCTLS),
    *((("volumes", END), {"name": name, name: value}) for name, value in VOLUMES.items()),
    *((("volumes", END), {"name": "data", "hostPath": {"path": path}}) for path in PATHS),
    *((("volumes", END), {"name": "flex", "flexVolume": {"driver": name}}) for name in ("a/b", "c", "d")),
    *((("volumes", END), {"name": "inline", "csi": {"driver": name}}) for name in ("a.b", "c", "d")),
    (("volumes", END), {"name": "nothing"}),
    (
        ("volumes", END),
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": {"path": "token"}}]}},
    ),
    *said(("runtimeClassName",), ["a", "b", "c", None]),
    *said(("automountServiceAccountToken",), [True, False, False, False]),
]
OF_CONTAINER = [
    *said(("securityContext", "privileged"), BOOLEANS),
    *said(("securityContext", "runAsUser"), IDS),
    *said(("securityContext", "runAsGroup"), IDS),
    *said(("securityContext", "runAsNonRoot"), BOOLEANS),
    *said(("securityContext", "readOnlyRootFilesystem"), BOOLEANS),
    *said(("securityContext", "allowPrivilegeEscalation"), BOOLEANS),
    *said(("securityContext", "procMount"), ["Default", "Unmasked", None]),
    *said(("securityContext", "seLinuxOptions"), [*LABELS, None]),
    *said(("securityContext", "seccompProfile"), [{"type": "RuntimeDefault"}, {"type": "Unconfined"}, None]),
    *said(("securityContext", "capabilities", "add", END), CAPABILITIES),
    *said(("securityContext", "capabilities", "drop", END), CAPABILITIES),
    *said(("securityContext", "capabilities"), [{}, None]),
    *said(("ports", END), [{"containerPort": 80, "hostPort": port} for port in (80, 81, 5, 8000, 9000, 9001, 0, None)]),
    *said(("volumeMounts", END), [{"name": "data", "mountPath": "/data", "readOnly": only} for only in (True, False)]),
    *said(("volumeMounts", END), [{"name": "data", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount"}]),
]
OF_METADATA = [
    *said(("annotations", f"{SECCOMP}pod"), PROFILES),
    *said(("annotations", f"container.{SECCOMP}web"), PROFILES),
    *said(("annotations", f"container.{APP_ARMOR}web"), PROFILES),
    *said(("annotations", f"container.{APP_ARMOR}init"), PROFILES),
]
LAYOUTS = [(["web"], [], []), (["web", "db"], [], []), (["web"], ["init"], []), (["web", "web"], ["init"], ["late"])]


@st.composite
def policies(draw: st.DrawFn, name: str = "some") -> dict[str, Any]:
    """A PodSecurityPolicy of which up to eight things are said; many allow all volumes, some are invalid."""
    made = a_policy(name)
    if draw(st.booleans()):
        made["spec"]["volumes"] = ["*"]
    for path, value in draw(st.lists(st.sampled_from(OF_POLICY), max_size=8)):
        assigned(made["spec"], path, deepcopy(value))
    for path, value in draw(st.lists(st.sampled_from(ANNOTATIONS), max_size=2)):
        assigned(made["metadata"], ("annotations", *path), value)
    return made


SAID = st.one_of(
    st.tuples(st.just("spec"), st.sampled_from(OF_POD)),
    st.tuples(st.integers(0, 3), st.sampled_from(OF_CONTAINER)),
    st.tuples(st.integers(0, 3), st.sampled_from(OF_CONTAINER)),
    st.tuples(st.just("metadata"), st.sampled_from(OF_METADATA)),
)


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    """A Pod of which up to eight things are said."""
    made = plain(draw(st.sampled_from(LAYOUTS)), hardened=draw(st.integers(0, 3)) == 0)
    return with_said(made, draw(st.lists(SAID, max_size=8)))
