"""The standard's own judges, and our verdict in the same form.

`psa` is the evaluator of k8s.io/pod-security-admission v0.37.2, without any defaulting; `admission` is the path by
which the API server 1.37 creates an object. CONTRIBUTING.md, Set-up, says where they come from.
"""

from __future__ import annotations

import json
import subprocess
from copy import deepcopy

from conftest import require

from krm_harden import Policy, Result, check

APPARMOR = "container.apparmor.security.beta.kubernetes.io/"
FORBIDDEN = "is forbidden: violates PodSecurity "


def policy(level: str, version: str = "latest", **spec) -> Policy:
    envelope = {"apiVersion": "krm-harden.dev/v1alpha1", "kind": "HardeningPolicy", "metadata": {"name": "test"}}
    return Policy.from_dict({**envelope, "spec": {"level": level, "version": version, **spec}})


def as_json(document) -> str:
    return json.dumps(document, ensure_ascii=False)


def _asked(judge: str, texts, level: str, version: str, *more: str) -> list[dict]:
    """A judge's answer to each text: JSON lines, or YAML documents."""
    between = "\n" if texts and texts[0].startswith("{") else "\n---\n"
    done = subprocess.run(
        [require(judge), "-level", level, "-version", version, *more],
        input=between.join(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(texts)
    return found


def psa(texts, level: str, version: str, *more: str) -> list[dict]:
    """What the evaluator says about each text, as it is written."""
    return _asked("psa", texts, level, version, *more)


def admission(texts, level: str, version: str, *more: str) -> list[dict]:
    """What the API server answers when each text is created."""
    return _asked("admission", texts, level, version, *more)


def of_psa(found: dict) -> tuple[bool, str]:
    assert not found.get("error"), found
    return found["allowed"], found.get("message", "")


def of_admission(found: dict) -> tuple[bool, str]:
    """The verdict on a Pod that the API server could read and found valid."""
    assert found["code"] in {201, 403}, found
    if found["code"] == 201:
        return True, ""
    return False, found["message"].split(FORBIDDEN, 1)[1].split('": ', 1)[1]


def ours(text: str, held: Policy) -> tuple[bool, str] | None:
    """Our verdict on one object; None where it can't be read."""
    result = check(text, held)
    return None if result.errors else verdict_of(result)


def verdict_of(result: Result) -> tuple[bool, str]:
    """The verdict on the one object of a text; what isn't judged, because it makes no pod, is allowed."""
    assert len(result.resources) <= 1
    return next(((found.allowed, found.message) for found in result.resources), (True, ""))


def templated(pod: dict, kind: str = "Deployment") -> dict:
    """An object of a kind whose template is the pod."""
    template = {"metadata": pod.get("metadata"), "spec": pod.get("spec")}
    if kind == "PodTemplate":
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "a"}, "template": template}
    spec = {"template": template}
    if kind == "CronJob":
        spec = {"schedule": "0 0 * * *", "jobTemplate": {"spec": spec}}
    return {"apiVersion": TEMPLATES[kind], "kind": kind, "metadata": {"name": "a"}, "spec": spec}


TEMPLATES = {
    "Deployment": "apps/v1",
    "CronJob": "batch/v1",
    "Job": "batch/v1",
    "StatefulSet": "apps/v1",
    "DaemonSet": "apps/v1",
    "ReplicaSet": "apps/v1",
    "ReplicationController": "v1",
    "PodTemplate": "v1",
}
"""The kinds that the API server evaluates beside Pods, and their versions."""


def defaulted(pod: dict) -> dict:
    """A Pod as the API server evaluates it, as far as the standard reads it; templates aren't changed so.

    Written from kubernetes 1.37.1: SetDefaults_Volume, defaultHostNetworkPorts (pkg/apis/core/v1/defaults.go) and
    applyAppArmorVersionSkew (pkg/registry/core/pod/strategy.go). What is of the wrong type stays.
    """
    pod = deepcopy(pod)
    spec = _map(pod.get("spec"))
    for volume in _maps(spec, "volumes"):
        if all(volume.get(name) is None for name in VOLUME_SOURCES):
            volume["emptyDir"] = {}
    if spec.get("hostNetwork"):
        for container in [*_maps(spec, "initContainers"), *_maps(spec, "containers")]:
            for port in _maps(container, "ports"):
                port["hostPort"] = port.get("hostPort") or port.get("containerPort")
    if _map(spec.get("os")).get("name") != "windows":
        annotations = _map(_map(pod.get("metadata")).get("annotations"))
        of_pod = _map(_map(spec.get("securityContext")).get("appArmorProfile"))
        for name in ("initContainers", "containers", "ephemeralContainers"):
            for container in _maps(spec, name):
                _sync_app_armor(container, annotations, of_pod)
    return pod


def _sync_app_armor(container: dict, annotations: dict, of_pod: dict) -> None:
    said = annotations.get(APPARMOR + str(container.get("name") or ""))
    profile = PROFILES.get(said) if isinstance(said, str) else None
    own = _map(container.get("securityContext")).get("appArmorProfile")
    if profile and own is None and profile != {name: value for name, value in of_pod.items() if value is not None}:
        container["securityContext"] = {**_map(container.get("securityContext")), "appArmorProfile": profile}


def _map(value) -> dict:
    return value if isinstance(value, dict) else {}


def _maps(data: dict, name: str) -> list[dict]:
    """The mappings of a list; its nulls become mappings first, as Go reads them."""
    found = data.get(name)
    if not isinstance(found, list):
        return []
    found[:] = [{} if item is None else item for item in found]
    return [item for item in found if isinstance(item, dict)]


PROFILES = {"unconfined": {"type": "Unconfined"}, "runtime/default": {"type": "RuntimeDefault"}}
"""What AppArmor's annotation becomes; `localhost/NAME` becomes a profile to which the standard has no objection."""
# Written out again: a judge doesn't take the list that it judges.
VOLUME_SOURCES = frozenset(
    [
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
        "hostPath",
        "gcePersistentDisk",
        "awsElasticBlockStore",
        "gitRepo",
        "nfs",
        "iscsi",
        "glusterfs",
        "rbd",
        "flexVolume",
        "cinder",
        "cephfs",
        "flocker",
        "fc",
        "azureFile",
        "vsphereVolume",
        "quobyte",
        "azureDisk",
        "photonPersistentDisk",
        "portworxVolume",
        "scaleIO",
        "storageos",
    ]
)
