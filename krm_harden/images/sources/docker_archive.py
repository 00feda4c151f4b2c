"""Archives that `docker save` and `podman save --format docker-archive` write, plain or compressed.

`manifest.json` lists the images: the configuration's file, the layers' files, the names. Older writers keep plain tars,
shared by links; Docker with containerd's store keeps blobs of an OCI layout, maybe compressed. There is no digest of a
manifest: the image's id stands for it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from krm_harden.errors import SourceError
from krm_harden.images.sources import DEFAULT_LIMITS
from krm_harden.images.sources.archive import files
from krm_harden.images.sources.manifests import DOCKER_LAYER, assembled, digest_of, json_value
from krm_harden.images.sources.streams import checked, one_line, short

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

    from krm_harden.images.sources import Image, Limits
    from krm_harden.images.sources.archive import Files

_NAMED_BY_DIGEST = re.compile(r"(?:blobs/sha256/)?([0-9a-f]{64})(?:\.json)?")
_BLOB = re.compile(r"blobs/(sha256)/([0-9a-f]{64})")


def images(path: str, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, Image]:
    """The images of an archive by their names, as it writes them; one without a name by its id, `sha256:...`."""
    archive = files(path, limits)
    if archive.size("manifest.json") < 0:
        what, next_step = "isn't an archive of `docker save`: it has no manifest.json", "write one with docker save"
        if archive.size("index.json") >= 0:
            next_step = f"it is an OCI layout: say oci:{path}"
        elif archive.size("repositories") >= 0:
            next_step = "a Docker before 1.10 wrote it: load it, and save it again"
        raise SourceError(what, path, next_step)
    found: dict[str, Image] = {}
    for entry in _entries(archive, limits):
        image = _image(archive, entry, limits)
        found.update((tag, image) for tag in entry.get("RepoTags") or [image.image_id])
    return found


def _entries(archive: Files, limits: Limits) -> list[dict[str, Any]]:
    """The images of manifest.json, each of the shape that it should have."""
    listed = json_value(archive.read("manifest.json", limits.manifest_bytes), archive.path, "its manifest.json")
    if not isinstance(listed, list):
        raise SourceError("its manifest.json isn't a list", archive.path, "save the image again")
    for entry in listed:
        if not _is_entry(entry):
            raise SourceError("its manifest.json has no Config and Layers", archive.path, "save the image again")
    if not listed:
        raise SourceError("its manifest.json has no image", archive.path, "save the image again")
    return list(listed)


def _is_entry(entry: object) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("Config"), str):
        return False
    lists = [entry.get("Layers"), entry.get("RepoTags")]
    return all(isinstance(each, list | None) and all(isinstance(name, str) for name in each or []) for each in lists)


def _image(archive: Files, entry: dict[str, Any], limits: Limits) -> Image:
    config = archive.read(entry["Config"], limits.config_bytes)
    image_id = digest_of(config)
    named = _NAMED_BY_DIGEST.fullmatch(entry["Config"])
    if named is not None and image_id != f"sha256:{named[1]}":
        what = f"{one_line(entry['Config'])} has other contents than its name says ({short(image_id)})"
        raise SourceError(what, archive.path, "save the image again")
    tags = entry.get("RepoTags") or []
    where = f"{archive.path} ({one_line(tags[0]) if tags else short(image_id)})"
    names = entry.get("Layers") or []
    blobs = [(_blob(name), DOCKER_LAYER, archive.size(name), _opener(archive, name, where)) for name in names]
    for name, (_, _, size, _) in zip(names, blobs, strict=True):
        if size < 0:
            raise SourceError(f"has no {one_line(name)}", where, "save the image again")
    return assembled(where, image_id, image_id, config, blobs, limits)


def _blob(name: str) -> str:
    """A layer's digest where its file's name is one; else empty."""
    found = _BLOB.fullmatch(name)
    return f"{found[1]}:{found[2]}" if found else ""


def _opener(archive: Files, name: str, image: str) -> Callable[[], BinaryIO]:
    return lambda: checked(archive.open(name), _blob(name), image)
