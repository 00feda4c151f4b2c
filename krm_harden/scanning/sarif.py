"""SARIF 2.1.0 as Trivy and Grype write it, and of any tool whose log says which image it is about.

Source: OASIS, SARIF 2.1.0; github.com/aquasecurity/trivy, pkg/report/sarif.go; github.com/anchore/grype,
grype/presenter/sarif/presenter.go.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from krm_harden.scanning import grype
from krm_harden.scanning.model import (
    ImageReport,
    Place,
    Vulnerability,
    image_report,
    listed,
    mapping,
    objects,
    part,
    severity,
    text,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    Run = dict[str, Any]

VERSION = "2.1."
OTHERS = {"misconfiguration", "secret", "license"}
"""What Trivy tags a rule with that isn't about a vulnerability."""
NAMES = ("imageName", "image", "imageRef", "image_name")
"""Where logs have the image's name, in the properties of a run or of a result."""
LEVELS = {"error": "high", "warning": "medium", "note": "low"}
DEFAULT_LEVEL = "warning"
"""Of a result that says none, nor does its rule (SARIF 2.1.0, 3.27.10)."""
NO_FAILURES = {"pass", "notApplicable", "informational"}
OPEN_SUPPRESSIONS = {"rejected", "underReview"}
SCORES = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"), (0.1, "low"))
"""What GitHub takes a score for, and CVSS 3 too."""
_ID = re.compile(
    r"\b(?:CVE-\d{4}-\d{4,}|GHSA(?:-[0-9a-z]{4}){3}|(?:ALAS|DLA|DSA|ELSA|RHSA|USN|TEMP|GO|RUSTSEC)-[\w.:-]+)"
)
_IN_IMAGE = re.compile(r" was found in image (\S+) at: ")
_PACKAGE = re.compile(r"(?:^|\n)Package: (\S+)| package: ([^,\s]+), version ")
_INSTALLED = re.compile(r"(?:^|\n)(?:Installed )?Version: (\S+)|, version (\S+) was found")
_FIXED = re.compile(r"(?:^|\n)Fix(?:ed)? Version: ([^\n]*)")
_SEVERITY = re.compile(r"(?:^|\n)Severity: (\w+)|^A (\w+) vulnerability in ")


def is_report(data: Any) -> bool:
    """Whether data is a SARIF log."""
    return isinstance(data, dict) and isinstance(data.get("runs"), list) and "version" in data


def read(data: Any, where: str) -> Iterator[ImageReport]:
    """The images of a log. Raises KrmHardenError that names what isn't understood."""
    if not text(data["version"]).startswith(VERSION):
        raise Place(where, "version").wrong("2.1.0")
    for index, run in enumerate(objects(data["runs"], Place(where, "runs"))):
        yield from _of_run(run, Place(where, f"runs[{index}]"))


def _of_run(run: Run, place: Place) -> Iterator[ImageReport]:
    tool = mapping(run.get("tool"), place.at("tool"))
    driver = mapping(tool.get("driver"), place.at("tool.driver"))
    components = [driver, *objects(tool.get("extensions"), place.at("tool.extensions"))]
    rules = [objects(one.get("rules"), place.at("tool.driver.rules")) for one in components]
    properties = mapping(run.get("properties"), place.at("properties"))
    own = _named_by(properties)
    found: dict[tuple[str, ...], list[Vulnerability]] = {tuple(own): []} if own else {}
    by_id = {text(rule.get("id")): rule for some in reversed(rules) for rule in some}
    for index, result in enumerate(objects(run.get("results"), place.at("results"))):
        rule = _rule(result, rules, by_id)
        if _is_about_something_else(rule) or _is_no_failure(result):
            continue
        known = own or _names(result, place.at("results").at(index))
        found.setdefault(tuple(known), []).append(_vulnerability(result, rule, place.at("results").at(index)))
    others = [*listed(properties.get("repoTags")), *listed(properties.get("repoDigests"))] if own else []
    for names, vulnerabilities in found.items():
        references = [*names, *others]
        ids = [text(properties.get("imageID"))] if own else []
        title = next(iter(names), text(driver.get("name")))
        made = image_report(place.file, title, references, ids=ids, found=vulnerabilities)
        yield made if made.is_about_an_image else made._replace(kind="log without an image")
    if not found:
        yield image_report(place.file, text(driver.get("name")), ())._replace(kind="log without an image")


def _rule(result: Run, rules: list[list[Run]], by_id: dict[str, Run]) -> Run:
    """A result's rule, of the tool or of its extensions: by its index, else by its id."""
    reference = part(result.get("rule"))
    component = _index(part(reference.get("toolComponent")).get("index"))
    # The first of the extensions is behind the tool itself.
    known = rules[0] if component is None else rules[component + 1] if component + 1 < len(rules) else []
    index = _index(result.get("ruleIndex", reference.get("index")))
    if index is not None and index < len(known):
        return known[index]
    return by_id.get(text(result.get("ruleId")) or text(reference.get("id")), {})


def _index(said: Any) -> int | None:
    return said if isinstance(said, int) and said >= 0 else None


def _is_no_failure(result: Run) -> bool:
    """Whether a result says that all is well, or somebody put up with it, or it is only what a log before had."""
    if text(result.get("kind")) in NO_FAILURES or result.get("baselineState") == "absent":
        return True
    said = result.get("suppressions")
    suppressions = [text(part(one).get("status")) for one in said] if isinstance(said, list) else []
    return bool(suppressions) and OPEN_SUPPRESSIONS.isdisjoint(suppressions)


def _is_about_something_else(rule: Run) -> bool:
    return not OTHERS.isdisjoint(listed(part(rule.get("properties")).get("tags")))


def _named_by(properties: Run) -> list[str]:
    """The image that properties name."""
    name = next((said for field in NAMES if (said := text(properties.get(field)))), "")
    return [name] if name else listed(properties.get("repoTags"))[:1] or listed(properties.get("repoDigests"))[:1]


def _names(result: Run, place: Place) -> list[str]:
    """The image of one result: its own property, the words of Grype, or a location that is an image's name."""
    own = _named_by(mapping(result.get("properties"), place.at("properties")))
    if own:
        return own
    said = _IN_IMAGE.search(_message(result))
    if said:
        return grype.named(said[1])
    for location in objects(result.get("locations"), place.at("locations")):
        artifact = part(part(location.get("physicalLocation")).get("artifactLocation"))
        scheme, _, name = text(artifact.get("uri")).rpartition("://")
        if scheme in {"image", "docker"} or (not scheme and _is_image(name)):
            return [name]
    return []


def _is_image(uri: str) -> bool:
    """Whether a location can only be an image: `src/app.py:12` is a line, `library/nginx` lacks its tag."""
    host, slash, _ = uri.partition("/")
    tag = uri.rpartition("/")[2].partition(":")[2]
    return "@sha256:" in uri or (bool(tag) and (not tag.isdigit() or (bool(slash) and "." in host)))


def _message(result: Run) -> str:
    return text(part(result.get("message")).get("text"))


def _help(rule: Run) -> str:
    return text(part(rule.get("help")).get("text"))


def _vulnerability(result: Run, rule: Run, place: Place) -> Vulnerability:
    name = text(result.get("ruleId")) or text(rule.get("id")) or text(part(result.get("rule")).get("id"))
    if not name:
        raise place.at("ruleId").wrong("a text")
    words, more = _message(result), _help(rule)
    known = _ID.search(name)
    url = text(rule.get("helpUri"))
    return Vulnerability(
        _of_rule(name, _first(_PACKAGE, words, more)) if known else name,
        _severity(result, rule, words, more),
        _first(_PACKAGE, words, more),
        _first(_INSTALLED, words, more),
        _first(_FIXED, words, more).strip(),
        "",
        url,
    )


def _of_rule(name: str, package: str) -> str:
    """The vulnerability of a rule: Grype's have the package's name behind it."""
    known = _ID.search(name)
    shown = known[0] if known else name
    return shown.removesuffix(f"-{package}") if package else shown


def _first(pattern: re.Pattern[str], *texts: str) -> str:
    for said in texts:
        found = pattern.search(said)
        if found:
            return next((group for group in found.groups() if group), "")
    return ""


def _severity(result: Run, rule: Run, words: str, more: str) -> str:
    """What the tool says in words, else its score, else its level."""
    properties = part(rule.get("properties"))
    said = [*listed(properties.get("tags")), _first(_SEVERITY, words, more), text(properties.get("severity"))]
    known = next((found for one in said if (found := severity(one)) != "unknown" or one.lower() == "unknown"), "")
    level = text(result.get("level")) or text(part(rule.get("defaultConfiguration")).get("level")) or DEFAULT_LEVEL
    return known or _scored(properties.get("security-severity")) or LEVELS.get(level, "unknown")


def _scored(said: Any) -> str:
    try:
        score = float(said)
    except (TypeError, ValueError):
        return ""
    return next((name for least, name in SCORES if score >= least), "")
