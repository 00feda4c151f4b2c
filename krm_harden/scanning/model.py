"""What scanners say, whichever they are: vulnerabilities of packages, and the images in which they were found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden.errors import KrmHardenError
from krm_harden.images.names import parse

if TYPE_CHECKING:
    from collections.abc import Iterable

SEVERITIES = ("critical", "high", "medium", "low", "negligible", "unknown")
"""From bad to not so bad; unknown may be anything, and is last as scanners have it."""
_PLACES = {name: index for index, name in enumerate(SEVERITIES)}
_OTHER_WORDS = {"important": "high", "moderate": "medium", "minor": "low", "none": "negligible"}
"""Severities of vendors."""
NEWER = "a newer version"
"""What has a fix, though a report doesn't say which version it is."""
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".sif")


class Vulnerability(NamedTuple):
    """One vulnerability of one package. `aliases` are its other ids; `published` is a date such as 2024-06-30.

    `fixed` are the versions that have it no more, empty where there is none. What a report doesn't say is empty.
    """

    id: str
    severity: str
    package: str = ""
    installed: str = ""
    fixed: str = ""
    published: str = ""
    url: str = ""
    aliases: tuple[str, ...] = ()


class ImageReport(NamedTuple):
    """What one report says of one image.

    `where` is the report's file, `title` what it calls the image. `names` are `repository:tag`, spelled out; `digests`
    those of its manifest; `ids` those of its configuration. `error` is why the scanner couldn't look. One without
    names, digests and ids is about no image; then `kind` says what it is about.
    """

    where: str
    title: str
    names: frozenset[str]
    digests: frozenset[str]
    ids: frozenset[str]
    found: tuple[Vulnerability, ...] = ()
    error: str = ""
    kind: str = "image"

    @property
    def is_about_an_image(self) -> bool:
        """Whether it says which image it is about."""
        return bool(self.names or self.digests or self.ids)


def place(severity: str) -> int:
    """A severity's place among them all, the worst first."""
    return _PLACES.get(severity, len(SEVERITIES) - 1)


def severity(said: Any) -> str:
    """A severity as scanners write it; what nobody knows is unknown."""
    word = said.strip().lower() if isinstance(said, str) else ""
    word = _OTHER_WORDS.get(word, word)
    return word if word in _PLACES else "unknown"


def image_report(
    where: str,
    title: str,
    references: Iterable[str],
    digests: Iterable[str] = (),
    ids: Iterable[str] = (),
    found: Iterable[Vulnerability] = (),
    error: str = "",
) -> ImageReport:
    """The report of an image with some names, each `repository:tag`, `repository@digest` or both."""
    names, known = set(), {one for one in digests if is_digest(one)}
    for reference in references:
        if not _may_be_a_name(reference):
            continue
        parsed = parse(reference)
        if parsed.digest:
            known.add(parsed.digest)
        if parsed.tag_or_latest:
            names.add(f"{parsed.repository}:{parsed.tag_or_latest}")
    configurations = frozenset(one for one in ids if is_digest(one))
    return ImageReport(where, title, frozenset(names), frozenset(known), configurations, tuple(found), error)


def as_pattern(name: str) -> str:
    """The pattern of an exemption that means one id, whatever a report calls it."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def is_digest(said: str) -> bool:
    """Whether a text is a digest, and not an image's name."""
    return said.startswith(("sha256:", "sha512:"))


def _may_be_a_name(said: str) -> bool:
    """Whether a text may be an image's name, and isn't a file's."""
    return bool(said) and said[0] not in "./" and not said.endswith(_ARCHIVES) and not is_digest(said)


# Reading: a gate must not take what it doesn't understand for nothing.


class Place(NamedTuple):
    """A place in a report, for messages."""

    file: str
    path: str = ""

    def at(self, step: str | int) -> Place:
        """A place below it."""
        more = f"[{step}]" if isinstance(step, int) else f".{step}" if self.path else step
        return Place(self.file, f"{self.path}{more}")

    def wrong(self, wanted: str) -> KrmHardenError:
        """The error for what is there."""
        return KrmHardenError(f"{self.path or 'it'} must be {wanted}", self.file, "let the scanner write it anew")


def mapping(data: Any, place: Place) -> dict[str, Any]:
    """A mapping of a report, empty where it has none. Raises KrmHardenError for anything else."""
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise place.wrong("an object")
    return data


def entries(data: Any, place: Place) -> list[Any]:
    """A list of a report, empty where it has none. Raises KrmHardenError for anything else."""
    if data is None:
        return []
    if not isinstance(data, list):
        raise place.wrong("a list")
    return data


def objects(data: Any, place: Place) -> list[dict[str, Any]]:
    """A list of objects of a report, empty where it has none. Raises KrmHardenError for anything else."""
    found = entries(data, place)
    for index, one in enumerate(found):
        if not isinstance(one, dict):
            raise place.at(index).wrong("an object")
    return found


def texts(data: Any, place: Place) -> list[str]:
    """A list of texts of a report, empty where it has none. Raises KrmHardenError for anything else."""
    found = entries(data, place)
    for index, one in enumerate(found):
        if not isinstance(one, str):
            raise place.at(index).wrong("a text")
    return found


def part(said: Any) -> dict[str, Any]:
    """A mapping of what a report may say in passing; empty for anything else."""
    return said if isinstance(said, dict) else {}


def listed(said: Any) -> list[str]:
    """The texts among what a report may list in passing."""
    return [one for one in said if isinstance(one, str)] if isinstance(said, list) else []


def text(said: Any) -> str:
    """A text of a report; empty for what isn't one."""
    return said if isinstance(said, str) else ""
