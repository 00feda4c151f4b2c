"""Manifests, indexes and configurations: from a document and its digest to an Image, the same for all sources."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from krm_harden.errors import SourceError
from krm_harden.images.sources import Image, Layer
from krm_harden.images.sources.streams import Hash, Spent, exceeded, one_line, short

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import BinaryIO

    from krm_harden.images.sources import Limits

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar"
ACCEPTED = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")

DEFAULT_PLATFORM = "linux/amd64"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_ARCHITECTURES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64", "armhf": "arm", "i386": "386"}
_DEFAULT_VARIANTS = {"amd64": "v1", "arm64": "v8", "arm": "v7"}
_ATTESTATION = "vnd.docker.reference.type"


@dataclass(frozen=True)
class Descriptor:
    """A blob as a manifest or an index names it."""

    media_type: str
    digest: str
    size: int
    platform: str
    """os/architecture[/variant], or empty."""
    annotations: dict[str, str]


@dataclass(frozen=True)
class Store:
    """One image's blobs. What `manifest` and `config` return has the digest that was asked for."""

    image: str
    manifest: Callable[[Descriptor], bytes]
    config: Callable[[Descriptor], bytes]
    layer: Callable[[Descriptor], BinaryIO]
    limits: Limits


def is_digest(text: object) -> bool:
    """Whether this is a digest of an algorithm that is known."""
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def verified(data: bytes, digest: str, image: str) -> bytes:
    """The bytes, if they have that digest."""
    check = Hash(digest)
    check.update(data)
    if not check.fits():
        raise SourceError(f"{short(digest)} has other contents than its digest says", image, "build or pull it again")
    return data


def parsed(data: bytes, image: str, what: str) -> dict[str, Any]:
    """A JSON object of others."""
    value = json_value(data, image, what)
    if not isinstance(value, dict):
        raise SourceError(f"{what} isn't a JSON object", image, "build or push the image again")
    return value


def json_value(data: bytes, image: str, what: str) -> Any:
    """JSON of others, which can be written again: nothing too deep, no half characters."""
    try:
        value = json.loads(data.decode("utf-8-sig"))
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as failure:
        what = f"{what} isn't JSON ({one_line(failure, 80)})"
        raise SourceError(what, image, "build or push the image again") from failure
    return value


def image_of(document: bytes, digest: str, platform: str, store: Store) -> Image:
    """The image of a manifest, or of the manifest that an index holds for the platform."""
    wanted = normal(platform)
    if wanted.count("/") < 1:
        raise SourceError(f"{one_line(platform)!r} isn't a platform", store.image, "write os/architecture: linux/amd64")
    manifest = parsed(document, store.image, "its manifest")
    if _is_index(manifest, store.image):
        chosen = choose(descriptors(manifest, "manifests", store.image), wanted, store)
        manifest = parsed(store.manifest(chosen), store.image, "its manifest")
        if _is_index(manifest, store.image):
            raise SourceError("its index names an index as if it were a manifest", store.image, "build it again")
    return _image(manifest, digest, store)


def _is_index(manifest: dict[str, Any], image: str) -> bool:
    """Whether it is an index; or else a manifest that can be read."""
    if manifest.get("schemaVersion") == 1 or "fsLayers" in manifest:
        raise SourceError("has a manifest of Docker's schema 1", image, "push it again with Docker 1.10 or newer")
    index, single = "manifests" in manifest, "layers" in manifest or "config" in manifest
    if index == single:
        what = "both an index and a manifest" if index else "neither an index nor a manifest"
        raise SourceError(f"its manifest is {what}", image, "build or push the image again")
    return index


def descriptors(document: dict[str, Any], field: str, image: str) -> tuple[Descriptor, ...]:
    """The descriptors of a list of a manifest or index."""
    found = document.get(field)
    if not isinstance(found, list):
        raise SourceError(f"its manifest's {field} isn't a list", image, "build or push the image again")
    return tuple(descriptor(item, field, image) for item in found)


def descriptor(item: object, field: str, image: str) -> Descriptor:
    """A descriptor, checked."""
    if isinstance(item, dict):
        digest, size = item.get("digest"), item.get("size")
        media_type, annotations = item.get("mediaType"), item.get("annotations")
        if is_digest(digest) and isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 1 << 62:
            return Descriptor(
                media_type if isinstance(media_type, str) else "",
                str(digest),
                size,
                _platform(item.get("platform")),
                {key: text for key, text in annotations.items() if isinstance(text, str)}
                if isinstance(annotations, dict)
                else {},
            )
    raise SourceError(f"its manifest's {field} has no digest and size", image, "build or push the image again")


def choose(found: Sequence[Descriptor], wanted: str, store: Store) -> Descriptor:
    """The manifest for a platform, looked for in the index and in the indexes within it."""
    level, read = list(found), 0
    seen: set[str] = set()
    for _ in range(store.limits.index_depth):
        manifests = [item for item in level if item.media_type not in {OCI_INDEX, DOCKER_LIST}]
        indexes = [item for item in level if item.media_type in {OCI_INDEX, DOCKER_LIST}]
        fitting = fit([item for item in manifests if not is_attestation(item)], wanted)
        if fitting is not None:
            return fitting
        seen.update(item.platform for item in level if item.platform and not is_attestation(item))
        read += len(indexes)
        if read > store.limits.indexes:
            raise SourceError("its index names too many indexes", store.image, "resolve one of them by its digest")
        level = [
            inner
            for item in indexes
            for inner in descriptors(parsed(store.manifest(item), store.image, "its index"), "manifests", store.image)
        ]
        if not level:
            break
    if level:
        raise SourceError("its indexes lie too deep within each other", store.image, "resolve one by its digest")
    has = ", ".join(sorted(one_line(platform, 40) for platform in seen)[:20]) or "nothing that runs"
    raise SourceError(
        f"isn't there for {wanted}: its index has {has}", store.image, "say --platform, or push it for this one"
    )


def fit(found: Sequence[Descriptor], wanted: str) -> Descriptor | None:
    """The best for a platform: the same variant, or the highest lower one. One without a platform is taken if alone."""
    fitting = [(rank, item) for item in found if (rank := variant_rank(item.platform, wanted)) >= 0]
    if fitting:
        best = max(rank for rank, _ in fitting)
        return next(item for rank, item in fitting if rank == best)
    return found[0] if len(found) == 1 and not found[0].platform else None


def variant_rank(platform: str, wanted: str) -> int:
    """How well a platform's variant serves; below 0 not at all. A v7 machine runs v6 and v5."""
    system, architecture, variant = _parts(platform)
    wanted_system, wanted_architecture, wanted_variant = _parts(wanted)
    if (system, architecture) != (wanted_system, wanted_architecture):
        return -1
    if variant == wanted_variant:
        return 1000
    has, may = variant.removeprefix("v"), wanted_variant.removeprefix("v")
    if has.isascii() and may.isascii() and has.isdecimal() and may.isdecimal() and len(has) < 3 and int(has) < int(may):
        return int(has)
    return -1


def normal(platform: str) -> str:
    """A platform as people write it, in the words of manifests and without the default variant."""
    system, architecture, variant = _parts(platform.lower())
    if not system or not architecture:
        return ""
    plain = variant in {"", _DEFAULT_VARIANTS.get(architecture)} and architecture != "arm"
    return f"{system}/{architecture}" if plain or not variant else f"{system}/{architecture}/{variant}"


def _parts(platform: str) -> tuple[str, str, str]:
    system, architecture, variant = (*platform.split("/"), "", "")[:3]
    architecture = _ARCHITECTURES.get(architecture, architecture)
    return system, architecture, variant or _DEFAULT_VARIANTS.get(architecture, "")


def _platform(value: object) -> str:
    """The platform of a descriptor or of a configuration."""
    if not isinstance(value, dict):
        return ""
    words = [value.get(name) for name in ("os", "architecture", "variant")]
    return "/".join(word for word in words if isinstance(word, str) and word)


def is_attestation(item: Descriptor) -> bool:
    """Whether this describes an image (provenance, SBOM) and isn't one."""
    return item.platform.startswith("unknown/") or _ATTESTATION in item.annotations


def _image(manifest: dict[str, Any], digest: str, store: Store) -> Image:
    image = store.image
    config = descriptor(manifest.get("config"), "config", image)
    if config.media_type not in CONFIGS:
        what = one_line(config.media_type, 80) or "nothing"
        raise SourceError(f"isn't a container image: its configuration is {what}", image, "leave it out")
    blobs = descriptors(manifest, "layers", image)
    return assembled(
        image,
        digest,
        config.digest,
        store.config(config),
        [(blob.digest, blob.media_type, blob.size, _opener(store, blob)) for blob in blobs],
        store.limits,
    )


def _opener(store: Store, blob: Descriptor) -> Callable[[], BinaryIO]:
    return lambda: store.layer(blob)


def assembled(
    image: str,
    digest: str,
    image_id: str,
    config_bytes: bytes,
    blobs: Sequence[tuple[str, str, int, Callable[[], BinaryIO]]],
    limits: Limits,
) -> Image:
    """An image of its configuration and its layers: digest (or empty: the plain tar's), media type, size, opener."""
    config = parsed(config_bytes, image, "its configuration")
    again = "build or push the image again"
    if not isinstance(config.get("config"), dict | None):
        raise SourceError("its configuration's `config` isn't an object", image, again)
    root = config.get("rootfs")
    diff_ids = root.get("diff_ids") if isinstance(root, dict) else None
    diff_ids = [] if diff_ids is None else diff_ids
    if not isinstance(diff_ids, list) or not all(map(is_digest, diff_ids)):
        raise SourceError("its configuration's diff_ids aren't digests", image, again)
    if len(diff_ids) != len(blobs):
        raise SourceError(f"has {len(blobs)} layers, its configuration {len(diff_ids)}", image, again)
    stored = sum(max(size, 0) for _, _, size, _ in blobs)
    largest = max((size for _, _, size, _ in blobs), default=0)
    _must_be_read(image, len(blobs), largest, stored, limits)
    spent = Spent(limits)
    return Image(
        digest,
        image_id,
        normal(_platform(config)) or "unknown/unknown",
        config,
        tuple(
            Layer(blob or diff_id, media_type, size, image, diff_id, stored, spent)
            for (blob, media_type, size, stored), diff_id in zip(blobs, diff_ids, strict=True)
        ),
    )


def _must_be_read(image: str, count: int, largest: int, stored: int, limits: Limits) -> None:
    """Raises SourceError for layers that are more, as they are stored, than is read."""
    what = f"has {count} layers of {stored} bytes, the largest {largest}"
    step = "that is more than is read: resolve it without its layers"
    if count > limits.layers:
        raise SourceError(what, image, step)
    for name, size, most in (
        ("layerBytes", largest, limits.layer_bytes),
        ("imageBytes", stored, limits.image_bytes),
    ):
        if size > most:
            said, advice = exceeded(name, most, what, step)
            raise SourceError(said, image, advice)
