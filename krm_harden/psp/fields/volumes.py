"""Which types of volumes pods may have.

**Field**: `spec.volumes`, names of types, `*` for all; none if absent.

**Sets**: nothing.

**Refuses**: a volume of another type. Who allows `secret` allows the projected volume with the service account's token,
too. A volume without a source is an emptyDir. The type `image`, newer than this policy, is allowed by `*` alone.

**Today**: level restricted of the Pod Security Standards allows configMap, csi, downwardAPI, emptyDir, ephemeral,
image, persistentVolumeClaim, projected and secret (control `restrictedVolumes`); baseline refuses hostPath. Other lists
need an admission policy.
"""

from __future__ import annotations

from krm_harden.model import mapping, sequence, text
from krm_harden.psp.fields import Field
from krm_harden.psp.words import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.psp.draft import PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "volumes"
ALL = "*"
TYPES = {
    "hostPath": "hostPath",
    "emptyDir": "emptyDir",
    "gcePersistentDisk": "gcePersistentDisk",
    "awsElasticBlockStore": "awsElasticBlockStore",
    "gitRepo": "gitRepo",
    "secret": "secret",
    "nfs": "nfs",
    "iscsi": "iscsi",
    "glusterfs": "glusterfs",
    "persistentVolumeClaim": "persistentVolumeClaim",
    "rbd": "rbd",
    "flexVolume": "flexVolume",
    "cinder": "cinder",
    "cephfs": "cephFS",
    "flocker": "flocker",
    "downwardAPI": "downwardAPI",
    "fc": "fc",
    "azureFile": "azureFile",
    "configMap": "configMap",
    "vsphereVolume": "vsphereVolume",
    "quobyte": "quobyte",
    "azureDisk": "azureDisk",
    "photonPersistentDisk": "photonPersistentDisk",
    "storageos": "storageos",
    "projected": "projected",
    "portworxVolume": "portworxVolume",
    "scaleIO": "scaleIO",
    "csi": "csi",
    "ephemeral": "ephemeral",
}
"""A volume's key and the policy's name of its type. Of several sources the first counts."""
_NEWER = "image"


def type_of(volume: Mapping[str, Any]) -> str:
    """The type of a volume as policies name it."""
    for key, name in TYPES.items():
        if volume.get(key) is not None:
            return name
    return _NEWER if volume.get(_NEWER) is not None else "emptyDir"


def has_source(volume: Mapping[str, Any]) -> bool:
    return any(volume.get(key) is not None for key in (*TYPES, _NEWER))


def refuses(policy: PodSecurityPolicy, _pod: PodDraft, index: int, volume: Mapping[str, Any]) -> Iterator[FieldError]:
    allowed = sequence(policy.spec.get("volumes"))
    kind = type_of(volume)
    if ALL in allowed or kind in allowed or (kind == "projected" and "secret" in allowed and _is_token(volume)):
        return
    path = f"spec.volumes[{index}]"
    yield refused(ID, path, kind, f"{kind} volumes are not allowed to be used", ("spec", "volumes", index))


def _is_token(volume: Mapping[str, Any]) -> bool:
    """Whether a projected volume has nothing but what the API server mounts for a service account."""
    return all(_is_token_source(mapping(source)) for source in sequence(mapping(volume["projected"]).get("sources")))


def _is_token_source(source: Mapping[str, Any]) -> bool:
    token, config, downward = (source.get(name) for name in ("serviceAccountToken", "configMap", "downwardAPI"))
    if token is None and config is None and downward is None:
        return False
    if token is not None and (mapping(token).get("path") != "token" or mapping(token).get("audience")):
        return False
    if config is not None and mapping(config).get("name") != "kube-root-ca.crt":
        return False
    return all(_is_namespace(mapping(item)) for item in sequence(mapping(downward).get("items")))


def _is_namespace(item: Mapping[str, Any]) -> bool:
    field = item.get("fieldRef")
    if item.get("path") != "namespace" or field is None:
        return False
    # The API's default of apiVersion is v1.
    return (text(mapping(field).get("apiVersion")) or "v1", mapping(field).get("fieldPath")) == (
        "v1",
        "metadata.namespace",
    )


FIELD = Field(ID, refuses_volume=refuses)
