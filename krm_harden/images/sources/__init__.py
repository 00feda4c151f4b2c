"""Where images come from: a registry, an archive of `docker save`, an OCI layout. All three give the same records.

    registry         fetch(reference, platform, client=...) -> Image
    docker_archive   images(path) -> {name: Image}
    oci_layout       images(path, platform) -> {name: Image}

Whatever is read is hostile until its digest was seen: layers are streams, sizes have limits, and each failure is one
line, a SourceError.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from krm_harden import limits
from krm_harden.errors import SourceError
from krm_harden.images.sources.streams import LayerFile, LimitedTarInfo, Spent, uncompressed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import BinaryIO

__all__ = ["DEFAULT_LIMITS", "Image", "Layer", "LayerFile", "LimitedTarInfo", "Limits", "SourceError"]

MIB = 1 << 20
GIB = 1 << 30


@dataclass(frozen=True)
class Limits:
    """How much of an image is read at most. An image beyond a limit is refused, never cut."""

    manifest_bytes: int = 4 * MIB
    """Of a manifest or an index: what the distribution specification makes registries accept."""
    config_bytes: int = 8 * MIB
    layers: int = 512
    """Docker makes 127 at most."""
    layer_bytes: int = 16 * GIB
    """Of one layer as it is stored, mostly compressed."""
    image_bytes: int = 32 * GIB
    """Of all layers as they are stored; also of an archive that is itself compressed, unpacked."""
    unpacked_layer_bytes: int = 16 * GIB
    unpacked_image_bytes: int = 32 * GIB
    ratio: int = 200
    """Unpacked bytes for each stored byte, counted from `ratio_from` on."""
    ratio_from: int = GIB
    index_depth: int = 3
    """How deep indexes lie within each other."""
    indexes: int = 16
    """How many of them are read in search of a platform."""
    members: int = 20_000
    """Of an archive. A layer's own files aren't counted."""


DEFAULT_LIMITS = Limits()


def limits_of_run() -> Limits:
    """The limits with those that a command line, the environment or a policy sets. The others are formats' own."""
    held = limits.now()
    return Limits(
        layer_bytes=held["layerBytes"],
        image_bytes=held["imageBytes"],
        unpacked_layer_bytes=held["layerBytes"],
        unpacked_image_bytes=held["imageBytes"],
        ratio=held["layerRatio"],
        members=held["archiveEntries"],
    )


@dataclass(frozen=True)
class Layer:
    """One layer. Two are equal if they have the same bytes."""

    digest: str
    """Of the layer as it is stored; of the plain tar where nothing else is known (docker-archive)."""
    media_type: str
    size: int
    """Stored bytes; -1 where unknown."""
    image: str = field(compare=False, repr=False)
    """The image's name, for messages."""
    diff_id: str = field(compare=False, repr=False)
    """Digest of the uncompressed tar, as the image's configuration has it."""
    stored: Callable[[], BinaryIO] = field(compare=False, repr=False)
    """Opens the stored bytes."""
    spent: Spent = field(compare=False, repr=False)
    """What all layers of the image have unpacked."""

    def open(self) -> LayerFile:
        """The uncompressed tar, as a stream that can't be rewound.

        Read it with `LimitedTarInfo`:

            with layer.open() as stream, tarfile.open(fileobj=stream, mode="r|", tarinfo=LimitedTarInfo) as tar:

        Its digest is verified at its end; leaving the `with` reads to that end. Where it isn't the one that the image's
        configuration names, or a limit is exceeded, SourceError.
        """
        return uncompressed(self)


@dataclass(frozen=True)
class Image:
    """One image of one platform."""

    digest: str
    """Of the index or manifest that was asked for. A docker-archive has none: there it is `image_id`."""
    image_id: str
    """Digest of the configuration: the same wherever the image came from."""
    platform: str
    """As its configuration has it: linux/amd64, linux/arm64/v8."""
    config: dict[str, Any]
    """The configuration: architecture, os, config (User, Env, ...), rootfs, history."""
    layers: tuple[Layer, ...]
    """The lowest first."""
