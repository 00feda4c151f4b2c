"""What the API server makes of a Pod before Pod Security sees it; pod templates it leaves as they are.

Source: kubernetes 1.37, pkg/apis/core/v1/defaults.go (SetDefaults_Pod, SetDefaults_Volume) and
pkg/registry/core/pod/strategy.go (applyAppArmorVersionSkew).
"""

from __future__ import annotations

from krm_harden.model import (
    ALLOWED_SOURCES,
    APP_ARMOR_ANNOTATION,
    APP_ARMOR_FIELDS,
    RESTRICTED_SOURCES,
    Container,
    mapping,
    sequence,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from krm_harden.model import Pod

_SOURCES = (*ALLOWED_SOURCES, *RESTRICTED_SOURCES)
_EMPTY_DIR: dict[str, Any] = {"emptyDir": {}}


def created(pod: Pod) -> Pod:
    """A pod as the server stores it: the same object where no default matters to the standard.

    Pointers stay those of the text, so a field that only the server adds is at a place where the text has nothing.
    """
    containers = tuple(_container(pod, container) for container in pod.containers)
    volumes = pod.spec.get("volumes")
    bare = [volume for volume in sequence(volumes) if _is_without_source(volume)]
    if not bare and containers == pod.containers:
        return pod
    defaulted = [
        {**mapping(volume), **_EMPTY_DIR} if _is_without_source(volume) else volume for volume in sequence(volumes)
    ]
    return pod.viewed({**pod.spec, "volumes": defaulted} if bare else pod.spec, containers)


def _is_without_source(volume: Any) -> bool:
    return volume is None or (isinstance(volume, dict) and all(volume.get(source) is None for source in _SOURCES))


def _container(pod: Pod, container: Container) -> Container:
    """The same object, unless ports of the host or a profile come in."""
    data: Mapping[str, Any] = container.data
    if pod.spec.get("hostNetwork") is True and container.role != "ephemeral":
        ports = sequence(data.get("ports"))
        if any(_takes_host_port(port) for port in ports):
            data = {**data, "ports": [_with_host_port(port) for port in ports]}
    if _takes_unconfined(pod, container):
        context = {**container.security_context, "appArmorProfile": {"type": "Unconfined"}}
        data = {**data, "securityContext": context}
    return container if data is container.data else Container(container.pointer, data, container.role)


def _takes_host_port(port: Any) -> bool:
    return isinstance(port, dict) and not port.get("hostPort") and bool(port.get("containerPort"))


def _with_host_port(port: Any) -> Any:
    return {**port, "hostPort": port["containerPort"]} if _takes_host_port(port) else port


def _takes_unconfined(pod: Pod, container: Container) -> bool:
    """Whether the legacy annotation becomes the container's field; other values become profiles that are allowed."""
    if pod.annotations.get(APP_ARMOR_ANNOTATION + container.name) != "unconfined":
        return False
    if pod.is_windows or pod.server < APP_ARMOR_FIELDS:
        return False
    of_pod = {
        name: value for name, value in mapping(pod.security_context.get("appArmorProfile")).items() if value is not None
    }
    return container.security_context.get("appArmorProfile") is None and of_pod != {"type": "Unconfined"}
