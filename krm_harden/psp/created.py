"""The pod that PodSecurityPolicies were asked about: a template with what the API server of 1.24 had added before.

Source: kubernetes 1.24, pkg/apis/core/v1/defaults.go (SetDefaults_Volume, SetDefaults_PodSpec) and
plugin/pkg/admission/serviceaccount, the only plugin before PodSecurityPolicy whose additions a policy looks at.
Nothing of this is ever written.
"""

from __future__ import annotations

from krm_harden.model import mapping, sequence, text
from krm_harden.psp.fields.volumes import has_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from krm_harden.model import Resource

TOKEN_VOLUME = "kube-api-access-"  # noqa: S105 - a name
"""Before five letters of chance. A volume whose name begins so is taken for the token's."""
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105 - a folder
_MIRROR = "kubernetes.io/config.mirror"
"""The annotation of pods that a kubelet has from a file: no account is given to them."""
_TOKEN: Mapping[str, Any] = {
    "defaultMode": 420,
    "sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [{"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}}]
            }
        },
    ],
}


def created(
    pod: Mapping[str, Any], *, account_automounts: bool | None = None, is_template: bool = False
) -> Mapping[str, Any]:
    """A pod {metadata, spec} as the admission saw it. What was there stays at its place; additions stand behind.

    `account_automounts` is what the pod's ServiceAccount says of `automountServiceAccountToken`, None for nothing.
    `is_template`: a controller makes the pod of what the API server had stored, where an empty list is none.
    """
    metadata, spec = mapping(pod.get("metadata")), dict(mapping(pod.get("spec")))
    context = mapping(spec.get("securityContext"))
    if is_template and context.get("supplementalGroups") == []:
        spec["securityContext"] = {**context, "supplementalGroups": None}
    if "volumes" in spec:
        spec["volumes"] = [_with_source(volume) for volume in sequence(spec["volumes"])]
    if spec.get("hostNetwork") is True:
        for name in ("initContainers", "containers"):
            if name in spec:
                spec[name] = [_with_host_ports(container) for container in sequence(spec[name])]
    if _MIRROR not in mapping(metadata.get("annotations")):
        spec["serviceAccountName"] = account(spec)
        if _automounts(spec, account_automounts):
            _mount_token(spec)
    return {**pod, "metadata": metadata, "spec": spec}


def claims_of(resource: Resource) -> list[str]:
    """The names of the claims that a StatefulSet's controller adds to its pods as volumes of the same names.

    Source: pkg/controller/statefulset, updateStorage: a claim takes the place of a volume of its name.
    """
    if (resource.group, resource.kind) != ("apps", "StatefulSet"):
        return []
    templates = sequence(mapping(resource.data.get("spec")).get("volumeClaimTemplates"))
    return [text(mapping(mapping(one).get("metadata")).get("name")) for one in templates]


def of_claim(name: str) -> dict[str, Any]:
    """The volume of a claim. Each replica has one of its own, which no policy looks at."""
    return {"name": name, "persistentVolumeClaim": {"claimName": name}}


def account(spec: Mapping[str, Any]) -> str:
    """The name of a pod's ServiceAccount, `serviceAccount` being the older name of its field."""
    return text(spec.get("serviceAccountName")) or text(spec.get("serviceAccount")) or "default"


def _automounts(spec: Mapping[str, Any], account_automounts: bool | None) -> bool:
    """The pod's word counts before the account's; without any the token is mounted."""
    own = spec.get("automountServiceAccountToken")
    return next((said for said in (own, account_automounts) if isinstance(said, bool)), True)


def _with_source(volume: Any) -> Any:
    return volume if has_source(mapping(volume)) else {**mapping(volume), "emptyDir": {}}


def _with_host_ports(container: Any) -> Any:
    ports = mapping(container).get("ports")
    return {**container, "ports": [_with_host_port(port) for port in ports]} if isinstance(ports, list) else container


def _with_host_port(port: Any) -> Any:
    found = mapping(port)
    return port if found.get("hostPort") or not found else {**found, "hostPort": found.get("containerPort")}


def _mount_token(spec: dict[str, Any]) -> None:
    """Mount the token where nothing else is mounted, and add its volume if somebody needs it."""
    names = (text(mapping(volume).get("name")) for volume in sequence(spec.get("volumes")))
    there = next((name for name in names if name.startswith(TOKEN_VOLUME)), "")
    mount = {"name": there or f"{TOKEN_VOLUME}xxxxx", "readOnly": True, "mountPath": TOKEN_PATH}
    is_needed = False
    for kind in ("initContainers", "containers"):
        if kind in spec:
            before = sequence(spec[kind])
            spec[kind] = [_with_mount(container, mount) for container in before]
            is_needed |= any(new is not old for new, old in zip(spec[kind], before, strict=True))
    if is_needed and not there:
        spec["volumes"] = [*sequence(spec.get("volumes")), {"name": mount["name"], "projected": _TOKEN}]


def _with_mount(container: Any, mount: Mapping[str, Any]) -> Any:
    mounts = sequence(mapping(container).get("volumeMounts"))
    if any(mapping(there).get("mountPath") == TOKEN_PATH for there in mounts):
        return container
    return {**mapping(container), "volumeMounts": [*mounts, mount]}
