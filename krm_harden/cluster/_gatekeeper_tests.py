"""Tests of the emitted constraints for `gator verify`: a pod that passes, and for each control one that doesn't."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

FOLDER = "tests"
"""Below that of the objects, where `kubectl apply -f` doesn't look."""
GOOD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "good", "namespace": "default"},
    "spec": {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "web",
                "image": "registry.example/web:1",
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "readOnlyRootFilesystem": True,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    },
}
_POD = ("spec", "securityContext")
_CONTAINER = ("spec", "containers", 0)
_CONTEXT = (*_CONTAINER, "securityContext")
_HOST_PATH = (("spec", "volumes"), [{"name": "node", "hostPath": {"path": "/"}}])
_NO_PROFILE = (
    ((*_POD, "seccompProfile"), {"type": "Unconfined"}),
    (("metadata", "annotations"), {"seccomp.security.alpha.kubernetes.io/pod": "unconfined"}),
)
BAD: Mapping[str, tuple[tuple[tuple[str | int, ...], Any], ...]] = {
    "allowPrivilegeEscalation": (((*_CONTEXT, "allowPrivilegeEscalation"), True),),
    "appArmorProfile": (((*_CONTEXT, "appArmorProfile"), {"type": "Unconfined"}),),
    "capabilities_baseline": (((*_CONTEXT, "capabilities"), {"add": ["SYS_ADMIN"], "drop": ["ALL"]}),),
    "capabilities_restricted": (((*_CONTEXT, "capabilities"), {"add": ["CHOWN"], "drop": ["ALL"]}),),
    "hostNamespaces": ((("spec", "hostNetwork"), True),),
    "hostPathVolumes": (_HOST_PATH,),
    "hostPorts": (((*_CONTAINER, "ports"), [{"containerPort": 80, "hostPort": 80}]),),
    "hostProbesAndHostLifecycle": (
        ((*_CONTAINER, "livenessProbe"), {"httpGet": {"host": "169.254.169.254", "port": 80}}),
    ),
    "numericGroup": (((*_POD, "runAsGroup"), None),),
    "numericUser": (((*_POD, "runAsUser"), None),),
    "privileged": (((*_CONTEXT, "privileged"), True),),
    "procMount": (((*_CONTEXT, "procMount"), "Unmasked"),),
    "procMount_restricted": (((*_CONTEXT, "procMount"), "Unmasked"),),
    "readOnlyRootFilesystem": (((*_CONTEXT, "readOnlyRootFilesystem"), False),),
    "restrictedVolumes": (_HOST_PATH,),
    "runAsNonRoot": (((*_POD, "runAsNonRoot"), False),),
    "runAsUser": (((*_CONTEXT, "runAsUser"), 0),),
    "seLinuxOptions": (((*_POD, "seLinuxOptions"), {"type": "spc_t"}),),
    "seccompProfile_baseline": _NO_PROFILE,
    "seccompProfile_restricted": _NO_PROFILE,
    "sysctls": (((*_POD, "sysctls"), [{"name": "kernel.msgmax", "value": "65536"}]),),
    "windowsHostProcess": (((*_POD, "windowsOptions"), {"hostProcess": True}),),
}
"""What a pod says that fails a control: pointers into GOOD and what stands there then, None for nothing."""


def bad(control: str) -> dict[str, Any]:
    """The pod that fails a control."""
    pod: dict[str, Any] = deepcopy(GOOD)
    for (*above, last), value in BAD[control]:
        place: Any = pod
        for step in above:
            place = place[step]
        if value is None:
            del place[last]
        else:
            place[last] = deepcopy(value)
    pod["metadata"]["name"] = f"bad-{control.lower().replace('_', '-')}"
    return pod


def files(prefix: str, checks: Iterable[tuple[str, str, str]]) -> dict[str, tuple[Mapping[str, Any], ...]]:
    """The suite and its pods by their files. A check is a control and the files of its template and its constraint."""
    made: dict[str, tuple[Mapping[str, Any], ...]] = {f"{FOLDER}/good.yaml": (GOOD,)}
    tests = []
    for control, template, constraint in checks:
        cases = [{"name": "allowed", "object": "good.yaml", "assertions": [{"violations": "no"}]}]
        if control in BAD:
            pod = bad(control)
            file = f"{pod['metadata']['name']}.yaml"
            made[f"{FOLDER}/{file}"] = (pod,)
            cases.append({"name": "refused", "object": file, "assertions": [{"violations": 1}]})
        tests.append({"name": control, "template": f"../{template}", "constraint": f"../{constraint}", "cases": cases})
    suite = {"apiVersion": "test.gatekeeper.sh/v1alpha1", "kind": "Suite", "metadata": {"name": prefix}, "tests": tests}
    return {f"{FOLDER}/suite.yaml": (suite,), **made}
