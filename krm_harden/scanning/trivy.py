"""Trivy's JSON, schema version 2: of an image, of files, and of a cluster (`trivy k8s --format json`).

Source: github.com/aquasecurity/trivy, pkg/types/report.go, pkg/types/vulnerability.go, pkg/k8s/report/report.go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden.errors import KrmHardenError
from krm_harden.images.names import parse
from krm_harden.scanning.model import (
    ImageReport,
    Place,
    Vulnerability,
    image_report,
    listed,
    mapping,
    objects,
    severity,
    text,
    texts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SCHEMA = 2
IMAGE = "container_image"
NO_PROBLEM = "not_affected"
"""The status of what a vendor says isn't exploitable in its package."""
_OS = "os-pkgs"


def is_report(data: Any) -> bool:
    """Whether data is a report of an image, of files or of a cluster; of schema version 1 too."""
    if isinstance(data, list):
        return bool(data) and all(isinstance(one, dict) and "Target" in one for one in data)
    return isinstance(data, dict) and (
        "ClusterName" in data or ("SchemaVersion" in data and ("ArtifactName" in data or "Results" in data))
    )


def read(data: Any, where: str) -> Iterator[ImageReport]:
    """The images of a report. Raises KrmHardenError that names what isn't understood."""
    if isinstance(data, list) or data.get("SchemaVersion", SCHEMA) not in (0, SCHEMA):
        version = 1 if isinstance(data, list) else data["SchemaVersion"]
        said = f"is Trivy's schema version {version!r}; this release knows version {SCHEMA}"
        raise KrmHardenError(said, where, "scan again with another release of Trivy")
    if "ClusterName" in data:
        yield from _of_cluster(data, where)
    else:
        yield _of_artifact(data, where)


def _of_artifact(data: dict[str, Any], where: str) -> ImageReport:
    metadata = mapping(data.get("Metadata"), Place(where, "Metadata"))
    found = list(_vulnerabilities(objects(data.get("Results"), Place(where, "Results")), where, "Results"))
    name = text(data.get("ArtifactName"))
    kind = text(data.get("ArtifactType"))
    named = [name] if kind in {IMAGE, ""} else []
    made = _report(where, name, metadata, "Metadata", named, found)
    return made if made.is_about_an_image else made._replace(kind=kind or "artifact")


def _report(
    where: str,
    title: str,
    metadata: dict[str, Any],
    path: str,
    names: Iterable[str],
    found: Iterable[Vulnerability],
    error: str = "",
) -> ImageReport:
    place = Place(where, path)
    tags = texts(metadata.get("RepoTags"), place.at("RepoTags"))
    digests = texts(metadata.get("RepoDigests"), place.at("RepoDigests"))
    references = [*names, *tags, *digests]
    title = title or next(iter(references), "")
    return image_report(where, title, references, ids=[text(metadata.get("ImageID"))], found=found, error=error)


def _of_cluster(data: dict[str, Any], where: str) -> Iterator[ImageReport]:
    """The images of a cluster's workloads: a workload of several has the reports of each, one behind the other."""
    field = "Resources" if "Resources" in data else "Findings"
    for index, resource in enumerate(objects(data.get(field), Place(where, field))):
        place = Place(where, f"{field}[{index}]")
        said = resource.get("Metadata")
        # Before 0.49 it was one object.
        known = [said] if isinstance(said, dict) else objects(said, place.at("Metadata"))
        images = [one for one in known if one.get("RepoTags") or one.get("RepoDigests") or one.get("ImageID")]
        results = objects(resource.get("Results"), place.at("Results"))
        parts = _shared_out(images, results)
        title = "/".join(filter(None, (text(resource.get(name)) for name in ("Kind", "Namespace", "Name"))))
        error = text(resource.get("Error"))
        for image, own in zip(images, parts, strict=True):
            found = list(_vulnerabilities(own, where, f"{place.path}.Results"))
            yield _report(where, "", image, f"{place.path}.Metadata", (), found, error)
        if not images and (error or any(result.get("Vulnerabilities") for result in results)):
            names = [text(result.get("Target")).partition(" (")[0] for result in results if result.get("Class") == _OS]
            found = list(_vulnerabilities(results, where, f"{place.path}.Results"))
            made = _report(where, title, {}, "", names, found, error)
            yield made if made.is_about_an_image else made._replace(kind="workload")


def _shared_out(images: list[dict[str, Any]], results: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The results of each image: its packages begin with those of its system, whose target begins with its name.

    What can't be told goes to all that it may be of, for no vulnerability may get lost: an image without a system has
    no beginning, so packages of languages may be of the image before or of such a one.
    """
    by_name: dict[str, list[int]] = {}
    for index, image in enumerate(images):
        for name in _names(image):
            by_name.setdefault(name, []).append(index)
    owners = [by_name.get(_target(result), []) if result.get("Class") == _OS else [] for result in results]
    begun = {index for own in owners for index in own}
    every = list(range(len(images)))
    bare = [index for index in every if index not in begun]
    parts: list[list[dict[str, Any]]] = [[] for _ in images]
    current = every
    for result, own in zip(results, owners, strict=True):
        if result.get("Class") == _OS:
            current = own or every
        for index in current if result.get("Class") == _OS else sorted({*current, *bare}):
            parts[index].append(result)
    return parts


def _names(image: dict[str, Any]) -> set[str]:
    return {str(parse(name)) for name in [*listed(image.get("RepoTags")), *listed(image.get("RepoDigests"))]}


def _target(result: dict[str, Any]) -> str:
    """What a result of system packages is about: `nginx:1.27 (debian 12.5)` is of `nginx:1.27`."""
    return str(parse(text(result.get("Target")).partition(" (")[0]))


def _vulnerabilities(results: Iterable[dict[str, Any]], where: str, path: str) -> Iterator[Vulnerability]:
    for index, result in enumerate(results):
        place = Place(where, f"{path}[{index}].Vulnerabilities")
        for number, one in enumerate(objects(result.get("Vulnerabilities"), place)):
            name = one.get("VulnerabilityID")
            if not isinstance(name, str) or not name:
                raise place.at(number).at("VulnerabilityID").wrong("a text")
            if one.get("Status") == NO_PROBLEM:
                continue
            yield Vulnerability(
                name,
                severity(one.get("Severity")),
                text(one.get("PkgName")),
                text(one.get("InstalledVersion")),
                text(one.get("FixedVersion")).strip(),
                text(one.get("PublishedDate"))[:10],
                text(one.get("PrimaryURL")),
                tuple(listed(one.get("VendorIDs"))),
            )
