"""OCI artifacts of rendered manifests, as `flux push artifact`, `oras push` and `crane append` make them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from krm_harden import limits
from krm_harden.errors import SourceError
from krm_harden.fleet import limits as bounds
from krm_harden.fleet import names, trees
from krm_harden.fleet.archives import Contents
from krm_harden.images.names import parse
from krm_harden.images.sources import DEFAULT_LIMITS, registry
from krm_harden.images.sources.cache import Cache
from krm_harden.images.sources.manifests import descriptors
from krm_harden.images.sources.streams import one_line
from krm_harden.images.sources.transport import Timeouts

if TYPE_CHECKING:
    from collections.abc import Iterable

TITLE = "org.opencontainers.image.title"
CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
IMAGE_LAYERS = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar")
_TAR = ("tar", "tar+gzip", "tar+zstd", "tar.gzip", "tar.zstd", "x-tar", "gzip", "x-gzip", "x-gtar")
_TEXT = ("yaml", "x-yaml", "json")


def contents(url: str, seconds: float, insecure: Iterable[str] = ()) -> tuple[Contents, str, list[tuple[str, str]]]:
    """The files of an artifact, its digest, and the layers that aren't manifests: title and why. Raises SourceError."""
    where = names.shown(url)
    reference = parse(where.partition("://")[2])
    client = registry.Client(Cache(""), frozenset(insecure), timeouts=Timeouts(image=seconds))
    manifest, digest, store = registry.artifact(reference, client=client)
    layers = descriptors(manifest, "layers", where)
    if len(layers) > DEFAULT_LIMITS.layers:
        raise SourceError(f"has {len(layers)} layers", where, "look at what it holds")
    found, others = Contents(where), []
    for number, layer in enumerate(layers, 1):
        title = one_line(layer.annotations.get(TITLE, ""), 200)
        kind = _kind(layer.media_type, title)
        if kind == "chart":
            raise SourceError("is a Helm chart, not rendered", where, "helm template ... | krm-harden check -")
        if kind == "other":
            said = one_line(layer.media_type, 80) or "(none)"
            others.append((title or f"layer-{number}", f"a layer of the media type {said}"))
            continue
        (bounds.must_be_source if kind == "tar" else bounds.must_be_file)(layer.size, where)
        with store.layer(layer) as stored:
            if kind == "tar":
                found.take(stored, whiteouts=layer.media_type.startswith(IMAGE_LAYERS))
            else:
                found.add(_named(title, number, where), limits.read(stored))
    return found, digest, others


def _kind(media_type: str, title: str) -> str:
    """What a layer is: `tar`, `text`, `chart` or `other`. Tools differ in their media types, less so in names."""
    if media_type == CHART:
        return "chart"
    subtype = media_type.lower().partition("/")[2].partition(";")[0]
    if any(subtype == end or subtype.endswith((f".{end}", f"+{end}")) for end in _TAR):
        return "tar"
    if any(subtype == end or subtype.endswith((f".{end}", f"+{end}")) for end in _TEXT):
        return "text"
    if title.endswith(trees.ARCHIVES):
        return "tar"
    return "text" if trees.may_matter(title) else "other"


def _named(title: str, number: int, where: str) -> str:
    """The path of a layer that is a file itself."""
    path = "/".join(part for part in title.split("/") if part not in {"", "."}) or f"layer-{number}"
    # Its media type says that it is one; the rules for a folder go by names.
    path = path if trees.may_matter(path) else f"{path}.yaml"
    if title.startswith("/") or not trees.is_safe(path):
        raise SourceError(f"holds a file outside of itself ({one_line(title, 60)})", where, "look at what it holds")
    return path
