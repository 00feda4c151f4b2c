"""What is left alone, and why: a policy's exemptions, and those that an object claims for itself."""

from __future__ import annotations

from krm_harden.controls import VULNERABILITIES, named
from krm_harden.model import mapping, one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from krm_harden.model import Container, Resource

ANNOTATION = "krm-harden.dev/exempt"
"""On the object, one exemption a line: `hostNamespaces, hostPorts: reads the host's metrics`."""

MAX_SHOWN = 5
MAX_LENGTH = 100
"""How many lines of the annotation a report shows, and how much of each: whoever wrote it may mean no good."""


def glob(patterns: Iterable[str], value: str) -> bool:
    """Whether a value matches one of the shell patterns, case included."""
    for pattern in patterns:
        if pattern in {value, "*"}:
            return True
        if "*" in pattern or "?" in pattern or "[" in pattern:
            from fnmatch import fnmatchcase

            if fnmatchcase(value, pattern):
                return True
    return False


def matches(match: Mapping[str, Any], resource: Resource) -> bool:
    """Whether a resource has the kind, namespace, name and labels that a `match` asks for; a Namespace is in itself."""
    namespace = resource.name if resource.kind == "Namespace" else resource.namespace
    for field, value in (("kinds", resource.kind), ("namespaces", namespace), ("names", resource.name)):
        if field in match and not glob(match[field], value):
            return False
    labels = mapping(resource.metadata.get("labels"))
    wanted = mapping(match.get("labels")).items()
    return all(name in labels and glob([pattern], str(labels[name])) for name, pattern in wanted)


class Exemption:
    """What is left alone, and why.

    `where` names it for people; `expired` is the date when it has passed, else empty.
    """

    __slots__ = ("controls", "expired", "match", "reason", "where")

    def __init__(
        self, where: str, controls: Iterable[str], reason: str, match: Mapping[str, Any], expired: str = ""
    ) -> None:
        self.where = where
        self.match = match
        self.controls = frozenset(one for name in controls for one in named(name))
        self.reason = reason
        self.expired = expired

    def covers(self, control: str, resource: Resource, container: Container | None) -> bool:
        """Whether it holds for a control in a container, or in the pod itself where `container` is None."""
        if control not in self.controls and "*" not in self.controls:
            return False
        if "vulnerabilities" in self.match and control != VULNERABILITIES:
            return False
        if not matches(self.match, resource):
            return False
        names = self.match.get("containers")
        if names is not None and not glob(names, container.name if container else ""):
            return False
        images = self.match.get("images")
        return images is None or (container is not None and glob(images, container.image))

    @property
    def is_for_scans(self) -> bool:
        """Whether only a scanner's report can say that it is needed."""
        return self.controls == {VULNERABILITIES} or "vulnerabilities" in self.match

    def excuses(self, ids: Iterable[str]) -> bool:
        """Whether it holds for a vulnerability with some ids, as far as it says for which it does."""
        wanted = self.match.get("vulnerabilities")
        return wanted is None or any(glob(wanted, name) for name in ids)


def of_policy(entries: Iterable[Mapping[str, Any]], today: str) -> Iterator[Exemption]:
    """The exemptions of a validated policy. `today` is a date such as 2027-06-30."""
    for index, entry in enumerate(entries):
        expires = entry.get("expires", "")
        past = expires if expires and expires < today else ""
        where = entry.get("where") or f"exemptions[{index}]"
        yield Exemption(where, entry["controls"], entry["reason"], mapping(entry["match"]), past)


def of_object(resource: Resource) -> list[Exemption]:
    """The exemptions that an object's annotation claims; lines that aren't understood are none."""
    return [
        Exemption(line, controls, reason, {})
        for line, controls, reason in _lines(resource)
        if reason and controls and not _unknown(controls)
    ]


def problems(resource: Resource) -> list[str]:
    """What is wrong with the lines of the annotation that aren't understood, the first few one by one."""
    found = list(_problems(resource))
    more = [f"{len(found) - MAX_SHOWN} more lines"] if len(found) > MAX_SHOWN else []
    return found[:MAX_SHOWN] + more


def _problems(resource: Resource) -> Iterator[str]:
    for line, controls, reason in _lines(resource):
        unknown = _unknown(controls)
        if not reason or not controls:
            yield f"{_short(line)!r} isn't CONTROL[, CONTROL...]: REASON"
        elif unknown:
            yield f"{_short(unknown[0])!r} isn't a control"


def _short(text: str) -> str:
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]}..."


def _lines(resource: Resource) -> Iterator[tuple[str, list[str], str]]:
    said = resource.annotations.get(ANNOTATION)
    for text in str(said).splitlines() if said is not None else ():
        line = one_line(text)
        if line.strip():
            names, _, reason = line.partition(":")
            yield line.strip(), [name.strip() for name in names.split(",") if name.strip()], reason.strip()


def _unknown(controls: Iterable[str]) -> list[str]:
    from krm_harden.controls import exemptible

    known = {*exemptible(), "*"}
    return [name for name in controls if name not in known]
