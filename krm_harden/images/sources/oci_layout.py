"""OCI layouts, as a folder or as a tar: what buildx, skopeo, crane, podman and ko write.

`index.json` names the images' manifests or indexes; each blob lies under its digest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden.errors import SourceError
from krm_harden.images.sources import DEFAULT_LIMITS
from krm_harden.images.sources.archive import files
from krm_harden.images.sources.manifests import (
    DEFAULT_PLATFORM,
    Store,
    descriptors,
    fit,
    image_of,
    is_attestation,
    normal,
    parsed,
    verified,
)
from krm_harden.images.sources.streams import checked, one_line, short

if TYPE_CHECKING:
    from typing import BinaryIO

    from krm_harden.images.sources import Image, Limits
    from krm_harden.images.sources.archive import Files
    from krm_harden.images.sources.manifests import Descriptor

NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")
"""The annotations that name an image: the first is a full reference; the second may be a bare tag."""


def images(path: str, platform: str = DEFAULT_PLATFORM, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, Image]:
    """The images of a layout for a platform, by their names as it writes them; one without a name by its digest.

    Where several have one name, the platform chooses.
    """
    layout = files(path, limits)
    if layout.size("index.json") < 0:
        next_step = "write one with docker buildx, skopeo or crane"
        if layout.size("manifest.json") >= 0:
            next_step = f"docker save wrote it: say docker-archive:{path}"
        raise SourceError("isn't an OCI layout: it has no index.json", path, next_step)
    index = parsed(layout.read("index.json", limits.manifest_bytes), path, "its index.json")
    listed = [item for item in descriptors(index, "manifests", path) if not is_attestation(item)]
    if not listed:
        raise SourceError("its index.json names no image", path, "write the layout again")
    found: dict[str, Image] = {}
    for name, item in _named(listed, normal(platform)).items():
        store = _store(layout, f"{path} ({one_line(name)})", limits)
        found[name] = image_of(store.manifest(item), item.digest, platform, store)
    return found


def _named(listed: list[Descriptor], platform: str) -> dict[str, Descriptor]:
    """One descriptor a name. Nameless ones that only differ by platform are one image in some writers' layouts."""
    groups: dict[str, list[Descriptor]] = {}
    for item in listed:
        name = next((item.annotations[key] for key in NAMES if item.annotations.get(key)), "")
        groups.setdefault(name, []).append(item)
    nameless = groups.pop("", [])
    chosen = {name: fit(items, platform) or items[0] for name, items in groups.items()}
    one = fit(nameless, platform) if all(item.platform for item in nameless) else None
    return {**chosen, **{item.digest: item for item in ([one] if one else nameless)}}


def _store(layout: Files, image: str, limits: Limits) -> Store:
    def manifest(item: Descriptor) -> bytes:
        return verified(layout.read(_path(item), limits.manifest_bytes), item.digest, image)

    def config(item: Descriptor) -> bytes:
        return verified(layout.read(_path(item), limits.config_bytes), item.digest, image)

    def layer(item: Descriptor) -> BinaryIO:
        size = layout.size(_path(item))
        if size != item.size:
            what = "isn't in the layout" if size < 0 else f"has {size} bytes instead of {item.size}"
            raise SourceError(f"layer {short(item.digest)} {what}", image, "write the layout again")
        return checked(layout.open(_path(item)), item.digest, image)

    return Store(image, manifest, config, layer, limits)


def _path(item: Descriptor) -> str:
    return "blobs/" + item.digest.replace(":", "/")
