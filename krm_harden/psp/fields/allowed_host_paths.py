"""Which folders of their node pods may mount.

**Field**: `spec.allowedHostPaths`, each a `pathPrefix`, with `readOnly: true` for mounts that may not write. Any folder
if absent or empty, so it only matters next to `volumes` with hostPath.

**Sets**: nothing.

**Refuses**: a hostPath under none of the prefixes (`/var/log` covers `/var/log/pods`, not `/var/logs`), and a mount
without `readOnly: true` of one that is only under prefixes to read. Dots aren't resolved, and links on the node lead
anywhere: that was never a boundary.

**Today**: the Pod Security Standards allow no hostPath from level baseline on (control `hostPathVolumes`). Prefixes
need an admission policy.
"""

from __future__ import annotations

from krm_harden.model import mapping, sequence, text
from krm_harden.psp.fields import Field
from krm_harden.psp.fields.volumes import type_of
from krm_harden.psp.words import refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from krm_harden.psp.draft import PodDraft
    from krm_harden.psp.model import FieldError, PodSecurityPolicy

ID = "allowedHostPaths"


def refuses(policy: PodSecurityPolicy, pod: PodDraft, index: int, volume: Mapping[str, Any]) -> Iterator[FieldError]:
    allowed = sequence(policy.spec.get("allowedHostPaths"))
    if not allowed or type_of(volume) != "hostPath":
        return
    path = text(mapping(volume["hostPath"]).get("path"))
    matching = [entry for entry in allowed if is_under(path, entry["pathPrefix"])]
    if not matching:
        pointer = ("spec", "volumes", index, "hostPath", "path")
        yield refused(ID, f"spec.volumes[{index}].hostPath.pathPrefix", path, "is not allowed to be used", pointer)
    elif all(entry["readOnly"] for entry in matching):
        yield from _writable_mounts(pod, text(volume.get("name")))


def is_under(path: str, prefix: str) -> bool:
    """Whether a path is a prefix, or in a folder below it: `/foo` has `/foo/bar`, not `/foobar`."""
    path, prefix = path.removesuffix("/"), prefix.removesuffix("/")
    return path == prefix or path.startswith(prefix + "/")


def _writable_mounts(pod: PodDraft, name: str) -> Iterator[FieldError]:
    for container, index, is_read_only in pod.mounts(name):
        if not is_read_only:
            path = f"{container.path}.volumeMounts[{index}].readOnly"
            pointer = (*container.pointer, "volumeMounts", index, "readOnly")
            yield refused(ID, path, False, "must be read-only", pointer, container)


FIELD = Field(ID, refuses_volume=refuses)
