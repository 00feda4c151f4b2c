"""What scanners' reports mean for the containers of an object: findings like those of any other control."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import decide, exemptions
from krm_harden.controls import VULNERABILITIES
from krm_harden.images.names import parse
from krm_harden.model import Finding
from krm_harden.scanning import gate
from krm_harden.scanning.matching import Index, Match, image_of
from krm_harden.scanning.model import NEWER, as_pattern, place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from krm_harden.exemptions import Exemption
    from krm_harden.images.lock import Lock
    from krm_harden.model import Container, Pointer, Resource
    from krm_harden.policy import Policy, Settings
    from krm_harden.scanning.gate import Gate
    from krm_harden.scanning.model import ImageReport, Vulnerability

TEMPLATES = ("{{", "{%", "${", "$(", "%(", "://")
"""What somebody else fills in later: no image yet."""
LATER = "somebody fills it in later, so check what is rendered"
MANY = 5
"""Images of one file that are named where nothing runs them: a cluster's report has hundreds."""
_ANY_ID = "ID-OF-A-VULNERABILITY"


class Group(NamedTuple):
    """One vulnerability of an image, in each of the packages that have it; the worst first. `where` are its reports."""

    id: str
    found: tuple[Vulnerability, ...]
    where: str

    @property
    def ids(self) -> list[str]:
        """All names that it has."""
        return list(dict.fromkeys([self.id, *(alias for one in self.found for alias in one.aliases)]))


class Asked(NamedTuple):
    """A container, the settings that hold for it, and what exempts it from something."""

    resource: Resource
    container: Container
    pointer: Pointer
    settings: Settings
    gate: Gate
    exempting: Sequence[Exemption]
    exemption: str


class Scan:
    """Reports at work. It notes what was used of them, of the exemptions, and which images nobody looked into.

    `today` is a date such as 2027-06-30.
    """

    def __init__(self, reports: Iterable[ImageReport], today: str) -> None:
        self._reports = list(reports)
        self._index = Index(one for one in self._reports if one.is_about_an_image)
        self._today = today
        self._groups: dict[tuple[int, ...], list[Group]] = {}
        self._used: set[int] = set()
        self._missing: dict[str, tuple[str, list[str]]] = {}
        self._doubts: dict[str, str] = {}
        self.exemptions: set[str] = set()

    def images(self, policy: Policy, resource: Resource, locks: Iterable[Lock]) -> Iterator[tuple[Container, Match]]:
        """The containers of an object that name an image, each with the reports that are about it."""
        for container in self._containers(policy, resource):
            if not _is_template(container.image):
                yield container, self._index.find(image_of(resource, container, locks))

    def _containers(self, policy: Policy, resource: Resource) -> Iterator[Container]:
        every = (container for pod in policy.pods_of(resource) for container in pod.containers)
        return (container for container in every if container.image.strip())

    def findings(self, policy: Policy, resource: Resource, locks: Sequence[Lock]) -> Iterator[Finding]:
        """The findings about an object's images, their lines not yet known."""
        settings = policy.settings_for(resource)
        control = settings.control(VULNERABILITIES)
        if not control.get("enabled", True):
            return
        for container in self._containers(policy, resource):
            if _is_template(container.image):
                self._note(resource, container, Match((), LATER))
        known = [*settings.exemptions, *(exemptions.of_object(resource) if settings.exemption_annotations else ())]
        for container, match in self.images(policy, resource, locks):
            self._note(resource, container, match)
            asked = Asked(
                resource,
                container,
                (*container.pointer[len(resource.base) :], "image"),
                settings,
                gate.of(control, self._today),
                [one for one in known if one.covers(VULNERABILITIES, resource, container)],
                _exemption(resource, container),
            )
            yield from (self._finding(asked, group) for group in self._of(match.reports))

    def _note(self, resource: Resource, container: Container, match: Match) -> None:
        image = container.image.strip()
        self._used.update(map(id, match.reports))
        seen = [one for one in match.reports if not one.error]
        if not seen:
            failed = next((f"{one.where}: {one.error}" for one in match.reports), "")
            who = f'{resource}, container "{container.name}"'
            self._missing.setdefault(image, (failed or match.doubt, []))[1].append(who)
        elif match.doubt:
            self._doubts.setdefault(image, match.doubt)

    def _of(self, reports: Sequence[ImageReport]) -> list[Group]:
        """The vulnerabilities that some reports of the same image have together, the worst first."""
        key = tuple(map(id, reports))
        if key not in self._groups:
            self._groups[key] = _grouped(reports)
        return self._groups[key]

    def _finding(self, asked: Asked, group: Group) -> Finding:
        exempting = [one for one in asked.exempting if one.excuses(group.ids)] if asked.exempting else []
        self.exemptions.update(one.where for one in exempting)
        failing = [one for one in group.found if not asked.gate.tolerates(one)]
        shown = failing[0] if failing else group.found[0]
        if exempting:
            state, severity, reason = "exempt", *_excused(exempting[0])
        elif failing:
            state, reason = "manual", _advice(shown)
            severity = "error" if asked.settings.on_violation == "Fail" else "warning"
        else:
            tolerated = [one for one in group.found if not asked.gate.is_below(one)]
            shown = tolerated[0] if tolerated else shown
            state, reason, severity = "deferred", asked.gate.tolerates(shown), "warning" if tolerated else "info"
        made = Finding(
            VULNERABILITIES,
            "",
            state,
            severity,
            asked.pointer,
            f"{_who(asked.container)} with {_words(group, shown)}: {reason}",
            current=asked.container.image,
            reason=reason,
            evidence=group.where,
            exemption=_with_id(asked.exemption, group.id) if state == "manual" else "",
            container=asked.container.name,
        )
        made.vulnerability = _data(group, shown)
        return made

    def target(self, resource: Resource, container: Container, locks: Iterable[Lock]) -> tuple[str, str]:
        """What a scanner is to look into for a container: the image's name, and its digest where it is known."""
        image = image_of(resource, container, locks)
        reference = parse(container.image)
        digest = min(image.pinned or image.registered, default="")
        name = f"{reference.repository}@{digest}" if digest else image.name
        return name, digest

    def missing(self) -> list[str]:
        """The images that no report is about, a line each."""
        return [
            f"no scanner's report is about {image} ({users[0]}{f' and {len(users) - 1} more' if users[1:] else ''})"
            + (f": {why}" if why else "")
            for image, (why, users) in self._missing.items()
        ]

    def warnings(self, policy: Policy) -> Iterator[str]:
        """What there is to say of the reports and of the exemptions that only they could use, a line each."""
        yield from (f"{image}: {doubt}" for image, doubt in self._doubts.items())
        by_file: dict[str, list[str]] = {}
        for report in self._reports:
            if id(report) not in self._used:
                by_file.setdefault(report.where, []).append(_unused(report))
        for where, said in by_file.items():
            yield from (f"{where}: {line}" for line in said[:MANY])
            if len(said) > MANY:
                yield f"{where}: {len(said) - MANY} more of its images aren't used here"
        for exemption in policy.exemptions:
            if exemption.is_for_scans and exemption.where not in self.exemptions:
                yield policy.is_unused(exemption)


def _is_template(image: str) -> bool:
    return any(mark in image for mark in TEMPLATES)


def _unused(report: ImageReport) -> str:
    """What a report says that concerns no container."""
    count = len({one.id for one in report.found})
    said = f"{count} vulnerabilit{'y' if count == 1 else 'ies'}"
    if not report.is_about_an_image:
        named = f" {report.title}" if report.title else ""
        return f"the report of the {report.kind}{named} is about no image ({said})"
    return f"nothing here runs {report.title or min(report.digests | report.ids)} ({said})"


def _grouped(reports: Sequence[ImageReport]) -> list[Group]:
    by_id: dict[str, dict[tuple[str, str, str], Vulnerability]] = {}
    wheres: dict[str, dict[str, None]] = {}
    for report in reports:
        for one in report.found:
            known = by_id.setdefault(one.id, {})
            key = (one.package, one.installed, one.fixed)
            known[key] = _united(known[key], one) if key in known else one
            wheres.setdefault(one.id, {})[report.where] = None
    groups = [
        Group(name, tuple(sorted(found.values(), key=_badness)), ", ".join(wheres[name]))
        for name, found in by_id.items()
    ]
    return sorted(groups, key=lambda group: (*_badness(group.found[0])[:2], group.id))


def _united(one: Vulnerability, other: Vulnerability) -> Vulnerability:
    """What two reports say of one vulnerability of one package: the worse severity, and all its names."""
    worse, rest = sorted((one, other), key=lambda each: place(each.severity))
    aliases = dict.fromkeys([*worse.aliases, *rest.aliases])
    dates = filter(None, (worse.published, rest.published))
    return worse._replace(aliases=tuple(aliases), published=min(dates, default=""), url=worse.url or rest.url)


def _badness(one: Vulnerability) -> tuple[int, bool, str, str]:
    """The worst first, then what can be mended."""
    return place(one.severity), not one.fixed, one.package, one.installed


def _who(container: Container) -> str:
    return f'container "{container.name}" runs {container.image.strip()}'


def _words(group: Group, shown: Vulnerability) -> str:
    """`CVE-2024-1 (critical) in openssl 3.0.1 and 2 more packages`."""
    others = len({one.package for one in group.found} - {shown.package})
    more = f" and {others} more package{'' if others == 1 else 's'}" if others else ""
    package = " ".join(filter(None, (shown.package, shown.installed)))
    return f"{group.id} ({shown.severity})" + (f" in {package}{more}" if package else "")


def _advice(shown: Vulnerability) -> str:
    if shown.fixed == NEWER and shown.package:
        return f"take an image with {NEWER} of {shown.package}"
    if shown.fixed:
        return f"take an image with {shown.package} {shown.fixed}" if shown.package else f"it is fixed in {shown.fixed}"
    return "it has no fix yet: take another image, or exempt it"


def _excused(exemption: Exemption) -> tuple[str, str]:
    """The severity and the reason of what an exemption excuses."""
    if exemption.expired:
        return "warning", f"{exemption.reason} (expired on {exemption.expired})"
    return "info", exemption.reason


def _exemption(resource: Resource, container: Container) -> str:
    """The exemption to paste, for any vulnerability."""
    made = decide.exemption_of(VULNERABILITIES, resource, [container.name], "TODO")
    made["match"]["vulnerabilities"] = [_ANY_ID]
    return decide.written(made)


def _with_id(exemption: str, name: str) -> str:
    return exemption.replace(f"[{_ANY_ID}]", decide.written([as_pattern(name)]))


def _data(group: Group, shown: Vulnerability) -> dict[str, Any]:
    """What the JSON report has of it."""
    return {
        "id": group.id,
        "aliases": group.ids[1:],
        "severity": shown.severity,
        "packages": [{"name": one.package, "installed": one.installed, "fixed": one.fixed} for one in group.found],
        "published": shown.published,
        "url": shown.url,
        "report": group.where,
    }
