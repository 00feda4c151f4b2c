"""Grype's JSON (`grype IMAGE -o json`).

Source: github.com/anchore/grype, grype/presenter/models (document.go, match.go, vulnerability.go, source.go). What it
was told to ignore (`ignoredMatches`) isn't read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden.scanning.model import (
    NEWER,
    ImageReport,
    Place,
    Vulnerability,
    image_report,
    mapping,
    objects,
    severity,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

FETCHED = ("docker:", "podman:", "containerd:", "registry:")
"""What a user may put before an image's name to say where it is from."""
FIXED = "fixed"
NO_IMAGES = ("docker-archive:", "oci-archive:", "oci-dir:", "singularity:", "dir:", "file:", "sbom:")


def is_report(data: Any) -> bool:
    """Whether data is such a report."""
    return isinstance(data, dict) and "matches" in data and ("source" in data or "descriptor" in data)


def read(data: Any, where: str) -> Iterator[ImageReport]:
    """The image of a report. Raises KrmHardenError that names what isn't understood."""
    found = list(_vulnerabilities(data, where))
    source = mapping(data.get("source"), Place(where, "source"))
    kind = text(source.get("type"))
    target = source.get("target")
    if kind != "image" or not isinstance(target, dict):
        title = target if isinstance(target, str) else kind
        yield image_report(where, title, (), found=found)._replace(kind=kind or "artifact")
        return
    place = Place(where, "source.target")
    asked = text(target.get("userInput"))
    tags = texts(target.get("tags"), place.at("tags"))
    digests = texts(target.get("repoDigests"), place.at("repoDigests"))
    yield image_report(
        where,
        asked or next(iter(tags), ""),
        [*named(asked), *tags, *digests],
        [text(target.get("manifestDigest"))],
        [text(target.get("imageID"))],
        found,
    )


def named(asked: str) -> list[str]:
    """The image that a user named to Grype; none where it is a file."""
    if asked.startswith(NO_IMAGES):
        return []
    scheme = next((one for one in FETCHED if asked.startswith(one)), "")
    # An image may be called registry:2.
    rest = asked[len(scheme) :]
    return [rest if scheme and not rest[:1].isdigit() else asked]


def _vulnerabilities(data: dict[str, Any], where: str) -> Iterator[Vulnerability]:
    place = Place(where, "matches")
    for index, match in enumerate(objects(data["matches"], place)):
        one = mapping(match.get("vulnerability"), place.at(index).at("vulnerability"))
        artifact = mapping(match.get("artifact"), place.at(index).at("artifact"))
        name = one.get("id")
        if not isinstance(name, str) or not name:
            raise place.at(index).at("vulnerability.id").wrong("a text")
        others = _related(match, place.at(index))
        shown = others[0] if len(others) == 1 and not name.startswith("CVE-") else name
        fix = mapping(one.get("fix"), place.at(index).at("vulnerability.fix"))
        yield Vulnerability(
            shown,
            severity(one.get("severity")),
            text(artifact.get("name")),
            text(artifact.get("version")),
            _versions(fix, place.at(index).at("vulnerability.fix")),
            _since(fix, place.at(index).at("vulnerability.fix")),
            text(one.get("dataSource")),
            tuple(other for other in dict.fromkeys([name, *others]) if other != shown),
        )


def _related(match: dict[str, Any], place: Place) -> list[str]:
    """The CVEs that an advisory is about."""
    related = objects(match.get("relatedVulnerabilities"), place.at("relatedVulnerabilities"))
    return list(dict.fromkeys(name for one in related if (name := text(one.get("id"))).startswith("CVE-")))


def _versions(fix: dict[str, Any], place: Place) -> str:
    versions = texts(fix.get("versions"), place.at("versions"))
    return ", ".join(filter(None, versions)) or NEWER if fix.get("state") == FIXED else ""


def _since(fix: dict[str, Any], place: Place) -> str:
    """The date of the first fix: when a vulnerability was published Grype doesn't say."""
    dates = (text(one.get("date"))[:10] for one in objects(fix.get("available"), place.at("available")))
    return min(filter(None, dates), default="")
