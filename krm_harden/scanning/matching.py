"""Which reports are about the image of a container: by its digest, else by its tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from krm_harden.images.names import parse
from krm_harden.model import mapping, sequence, text
from krm_harden.scanning.model import is_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from krm_harden.images.lock import Lock
    from krm_harden.model import Container, Resource
    from krm_harden.scanning.model import ImageReport

_STATUSES = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")


class Image(NamedTuple):
    """A container's image: `name` as `repository:tag`, empty where only a digest says what it is.

    `pinned` are the digests that are certain, of the manifest or of a running pod; `registered` those that image locks
    know of its registry, `ids` those of its configuration.
    """

    name: str
    pinned: frozenset[str]
    registered: frozenset[str]
    ids: frozenset[str]


class Match(NamedTuple):
    """The reports about an image. `doubt` is why none of some that name it counts, or why one may be of another."""

    reports: tuple[ImageReport, ...]
    doubt: str = ""


def image_of(resource: Resource, container: Container, locks: Iterable[Lock]) -> Image:
    """What is known of which image a container runs."""
    reference = parse(container.image)
    running = "" if reference.digest else _running(resource, container)
    pinned = {reference.digest or parse(running).digest} - {""}
    entries = [entry for lock in locks if (entry := lock.entry(reference)) is not None]
    if pinned and not reference.digest:
        entries = [entry for entry in entries if entry["digest"] in pinned]
    configuration = {running} if is_digest(running) else set()
    ids = frozenset(str(entry["imageID"]) for entry in entries if entry.get("imageID")) | configuration
    registered = frozenset(str(entry["digest"]) for entry in entries) - ids
    tag = reference.tag_or_latest
    return Image(f"{reference.repository}:{tag}" if tag else "", frozenset(pinned), registered, ids)


def _running(resource: Resource, container: Container) -> str:
    """What a kubelet says of the image of a pod's container: its name with its digest, or the id of its configuration.

    Empty for one that doesn't run yet.
    """
    status = mapping(resource.data.get("status")) if resource.kind == "Pod" else {}
    for one in (one for field in _STATUSES for one in sequence(status.get(field))):
        if mapping(one).get("name") == container.name:
            name = text(mapping(one).get("imageID"))
            return name.partition("://")[2] or name
    return ""


class Index:
    """Reports, found by what they are about."""

    def __init__(self, reports: Iterable[ImageReport]) -> None:
        self._by_digest: dict[str, list[ImageReport]] = {}
        self._by_name: dict[str, list[ImageReport]] = {}
        for report in reports:
            for digest in report.digests | report.ids:
                self._by_digest.setdefault(digest, []).append(report)
            for name in report.names:
                self._by_name.setdefault(name, []).append(report)

    def find(self, image: Image) -> Match:
        """The reports of an image; where one has its digest, or it is pinned, none that was made of another digest.

        One that says no digest, as SARIF of Grype, counts by its tag.
        """
        known = image.pinned | image.registered | image.ids
        same = {id(report): report for digest in sorted(known) for report in self._by_digest.get(digest, ())}
        named = self._by_name.get(image.name, []) if image.name else []
        if same or image.pinned:
            same |= {id(report): report for report in named if not report.digests}
            return Match(tuple(same.values()), "" if same else _doubt(named, image.pinned))
        return Match(tuple(named), _doubt(named, image.registered) if image.registered else "")


def _doubt(reports: Sequence[ImageReport], wanted: Iterable[str]) -> str:
    """Why a report that has an image's tag is of another image."""
    first = next((report for report in reports if report.digests), None)
    if first is None:
        return ""
    return f"{first.where} is about {min(first.digests)}, and not about {min(wanted)}: scan it again"
