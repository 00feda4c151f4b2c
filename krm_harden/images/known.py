"""What is known of an image by its name: the catalogue's entry, or the likely one of a private mirror."""

from __future__ import annotations

from krm_harden.images.facts import NOTHING, of_entry
from krm_harden.images.names import likely_upstream, upstream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from krm_harden.images.facts import ImageFacts
    from krm_harden.images.names import Reference


def of_catalogue(reference: Reference) -> ImageFacts:
    """What the catalogue says of an image; a guess where only the end of a mirror's path says which image it is."""
    found = _entry(upstream(reference.repository), reference.tag_or_latest)
    if found:
        return of_entry(_complete(found["facts"]), f"catalogue: {found['id']}", found["unsure"])
    likely = likely_upstream(reference.repository)
    found = _entry(likely, reference.tag_or_latest) if likely else None
    if found:
        evidence = f"catalogue: {found['id']}, if it is a mirror of {likely}"
        return of_entry(found["facts"], evidence, found["facts"])
    return NOTHING


def _complete(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Facts with what they leave unsaid: a program whose file capabilities aren't named has none."""
    return facts if facts.get("dependsOnCommand") else {"fileCapabilities": [], **facts}


def _entry(repository: str, tag: str) -> Mapping[str, Any] | None:
    for index in _indexes(repository):
        entry = _at(index)
        if any(matches(pattern, tag) for pattern in entry["tags"]):
            return entry
    return None


def _indexes(repository: str) -> tuple[int, ...]:
    """The indexes of the entries of a repository: those that name it, else those of a pattern that it matches."""
    known = _met.get(repository)
    if known is None:
        # Loaded only where an image is met that nobody else described.
        from krm_harden.images import _catalogue

        known = _named(repository, _catalogue.NAMES) or _by_pattern(repository, _catalogue.PATTERNS)
        if len(_met) < _MEMORY:
            _met[repository] = known
    return known


_met: dict[str, tuple[int, ...]] = {}
"""Many images of a few repositories, in one workload after the other."""
_entries: dict[int, Mapping[str, Any]] = {}
_MEMORY = 4096


def _at(index: int) -> Mapping[str, Any]:
    """An entry of the catalogue by its index, read once."""
    found = _entries.get(index)
    if found is None:
        from krm_harden.images import _catalogue

        found = _entries[index] = _read(_catalogue.ENTRIES[index])
    return found


def _read(text: str) -> Mapping[str, Any]:
    """An entry of the catalogue: literals of Python, from our own module."""
    found: Mapping[str, Any] = eval(text, {"__builtins__": {}})  # noqa: S307 - text of a module that is executed anyway
    return found


def _named(repository: str, names: str) -> tuple[int, ...]:
    """The indexes of the entries of a repository: `names` has a line for each, `REPOSITORY INDEX...`."""
    at = names.find(f"\n{repository} ") if repository else -1
    if at < 0:
        return ()
    end = names.index("\n", at + 1)
    return tuple(map(int, names[at + len(repository) + 2 : end].split()))


def _by_pattern(repository: str, patterns: Iterable[tuple[str, tuple[int, ...]]]) -> tuple[int, ...]:
    return next((indexes for pattern, indexes in patterns if matches(pattern, repository)), ())


def matches(pattern: str, text: str) -> bool:
    """Whether a text matches a glob whose only wildcard is `*`."""
    first, star, after = pattern.partition("*")
    if not star:
        return pattern == text
    if not text.startswith(first):
        return False
    *rest, last = after.split("*")
    if len(text) < len(first) + len(last) or not text.endswith(last):
        return False
    place, end = len(first), len(text) - len(last)
    for part in rest:
        at = text.find(part, place, end)
        if at < 0:
            return False
        place = at + len(part)
    return True
