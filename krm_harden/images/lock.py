"""The ImageLock: what `images resolve` found out about images, an object that travels with the manifests."""

from __future__ import annotations

from krm_harden import schema
from krm_harden.errors import ConfigError
from krm_harden.images.facts import NOTHING, of_entry
from krm_harden.images.names import parse
from krm_harden.model import mapping, sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from krm_harden.images.facts import ImageFacts
    from krm_harden.images.names import Reference

GUESS = "guess"
"""The evidence of a fact that nobody saw."""


def entries(data: Any, where: str) -> list[dict[str, Any]]:
    """The images of an ImageLock's data. Raises ConfigError that names what is wrong."""
    if not isinstance(data, dict) or data.get("kind") != schema.LOCK_KIND:
        raise ConfigError(f"kind must be {schema.LOCK_KIND}", where)
    if data.get("apiVersion") not in schema.API_VERSIONS:
        from krm_harden.versions import unread

        raise ConfigError(unread(data.get("apiVersion")), where)
    problems = list(schema.wrong(data.get("spec"), schema.lock_spec_schema(), ("spec",)))
    if problems:
        raise ConfigError("; ".join(problem.text for problem in problems), where, problems=problems)
    found = list(sequence(mapping(data["spec"]).get("images")))
    seen: set[str] = set()
    # One entry may have the same image under several of its names.
    names = [{str(parse(name)) for name in entry["images"]} for entry in found]
    for name in (name for spelled_out in names for name in sorted(spelled_out)):
        if name in seen:
            raise ConfigError(f"spec.images names {name} twice", where, "run `krm-harden images resolve` again")
        seen.add(name)
    return found


class Lock:
    """The entries of one ImageLock, found by the names that manifests use, or by digest. `where` is its file."""

    __slots__ = ("_by_digest", "_by_name", "entries", "where")

    def __init__(self, entries: Iterable[Mapping[str, Any]], where: str) -> None:
        self.entries = tuple(entries)
        self.where = where
        self._by_name = {str(parse(name)): entry for entry in self.entries for name in entry["images"]}
        self._by_digest = {entry["digest"]: entry for entry in self.entries}

    def entry(self, reference: Reference) -> Mapping[str, Any] | None:
        """The entry of an image. One named by digest is only that very image."""
        named = self._by_name.get(str(reference))
        return named or (self._by_digest.get(reference.digest) if reference.digest else None)

    def must_not_be_root(self, ceiling: str) -> None:
        """Raises ConfigError where an entry says that an image runs as root."""
        for entry in self.entries:
            if mapping(entry.get("facts")).get("uid") == 0:
                raise ConfigError(f"{_name(entry)}: uid must not be 0 below the policy {ceiling}", self.where)

    def facts(self, reference: Reference) -> ImageFacts:
        """What the lock says of an image."""
        entry = self.entry(reference)
        if entry is None:
            return NOTHING
        found = mapping(entry.get("facts"))
        evidence = mapping(entry.get("evidence"))
        unsure = [field for field in found if evidence.get(field) == GUESS]
        return of_entry(found, f"{self.where}: {_name(entry)}", unsure, evidence)


def _name(entry: Mapping[str, Any]) -> str:
    """What messages call an image of a lock."""
    return str(parse(entry["images"][0])) if entry["images"] else str(entry["digest"])
