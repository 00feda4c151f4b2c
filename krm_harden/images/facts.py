"""What somebody knows of an image: facts, each with who says so and how sure they are."""

from __future__ import annotations

from krm_harden.model import sequence

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

FIELDS = (
    "defaultUser",
    "uid",
    "gid",
    "fsGroup",
    "anyUid",
    "dependsOnCommand",
    "keepsUser",
    "programs",
    "writablePaths",
    "fileCapabilities",
    "ports",
    "env",
    "ownedFolder",
    "cannotRestrict",
)
IDENTITY = ("gid", "fsGroup")
"""Belong to the uid: a group that goes with another user isn't this one's."""
OF_ENTRYPOINT = ("writablePaths", "ports", "env", "ownedFolder")
"""What is said about the program that an image starts; a command that starts another one says nothing about it."""
OF_IMAGE = ("host-agent", "windows")
"""Reasons why an image can't run restricted that hold whatever it starts."""


class WritablePath:
    """A folder that a program writes.

    `seed`: empty, an emptyDir does; copy, the image ships files there that it needs; data, what is written should
    last. `optional`: written only where a feature is used. `owned`: its permissions in the image let the image's user
    write it, so that only a read-only root stands in the way. `source` is the folder of the image that is copied.
    """

    __slots__ = ("optional", "owned", "path", "seed", "size_limit", "source")

    def __init__(
        self,
        path: str,
        seed: str = "empty",
        size_limit: str = "",
        source: str = "",
        *,
        optional: bool = False,
        owned: bool = False,
    ) -> None:
        self.path = path
        self.seed = seed
        self.size_limit = size_limit
        self.source = source or path
        self.optional = optional
        self.owned = owned

    def __repr__(self) -> str:
        return f"WritablePath({self.path!r}, {self.seed!r})"


class Fact:
    """One thing that is known: its value, who says so, and whether they know it or guess."""

    __slots__ = ("evidence", "sure", "value")

    def __init__(self, value: Any, evidence: str, *, sure: bool = True) -> None:
        self.value = value
        self.evidence = evidence
        self.sure = sure


class ImageFacts:
    """Everything that is known of an image, a Fact by field. Nothing at all for an unknown image."""

    __slots__ = ("_known",)

    def __init__(self, known: Mapping[str, Fact]) -> None:
        self._known = known

    def __bool__(self) -> bool:
        return bool(self._known)

    def said(self) -> list[str]:
        """The fields of which something is known, and not that there is none."""
        return [field for field, fact in self._known.items() if fact.value or fact.value == 0]

    def fact(self, field: str) -> Fact | None:
        return self._known.get(field)

    def value(self, field: str) -> Any:
        found = self._known.get(field)
        return None if found is None else found.value

    def sure(self, field: str) -> bool:
        """Whether somebody knows a field, and doesn't only guess it."""
        found = self._known.get(field)
        return found is not None and found.sure

    def evidence(self, *fields: str) -> str:
        """Who says so, of the first of some fields that is known."""
        known = self._known
        return next((known[field].evidence for field in fields if field in known), "") if known else ""

    def over(self, below: ImageFacts, *, unite: bool = False, any_group: bool = False) -> ImageFacts:
        """These facts, and those of `below` that are missing here or only guessed.

        `unite`: folders that either of them says are written are. A group is taken only with its own user, but for
        `any_group`.
        """
        if not below:
            return self
        if not self:
            return below
        merged = {**below._known, **self._known}
        for field, fact in below._known.items():
            mine = self._known.get(field)
            if mine is not None and fact.sure and not mine.sure:
                merged[field] = fact
        for field in () if any_group else IDENTITY:
            merged.pop(field, None)
            owners = [one for one in (self, below) if one.value("uid") in {None, _value(merged, "uid")}]
            found = next((one._known[field] for one in owners if field in one._known), None)
            if found:
                merged[field] = found
        if unite and "writablePaths" in self._known and "writablePaths" in below._known:
            merged["writablePaths"] = _united(self._known["writablePaths"], below._known["writablePaths"])
        return ImageFacts(merged)

    def without(self, fields: Iterable[str]) -> ImageFacts:
        return ImageFacts({field: fact for field, fact in self._known.items() if field not in fields})


def _value(known: Mapping[str, Fact], field: str) -> Any:
    return known[field].value if field in known else None


NOTHING = ImageFacts({})


def _united(mine: Fact, other: Fact) -> Fact:
    """The folders that either one knows; of one that both know, what mine says, unless the other knows what to copy."""
    copied = {real(path.path): path for path in other.value if path.seed == "copy"}
    found = {real(path.path): path for path in (*other.value, *mine.value)} | copied
    evidence = "; ".join(dict.fromkeys([mine.evidence, other.evidence]))
    return Fact(tuple(found.values()), evidence, sure=mine.sure or other.sure)


def real(path: str) -> str:
    """A folder by one name: in nearly every image `/var/run` is a link to `/run`."""
    return path.removeprefix("/var") if f"{path}/".startswith("/var/run/") else path


def of_entry(
    entry: Mapping[str, Any], evidence: str, unsure: Iterable[str] = (), how: Mapping[str, str] | None = None
) -> ImageFacts:
    """The facts of one entry of a policy, a lock or the catalogue.

    `unsure` names the fields that are guesses; `how` says of a field how it is known.
    """
    known = {}
    for field in FIELDS:
        value = entry.get(field)
        if value is not None:
            value = tuple(map(_path, value)) if field == "writablePaths" else value
            source = f"{evidence} ({how[field]})" if how and field in how else evidence
            known[field] = Fact(value, source, sure=field not in unsure)
    return ImageFacts(known)


def _path(said: Any) -> WritablePath:
    if isinstance(said, str):
        return WritablePath(said)
    return WritablePath(
        said["path"],
        said.get("seed", "empty"),
        said.get("sizeLimit", ""),
        said.get("from", ""),
        optional=said.get("optional") is True,
        owned=said.get("owned") is True,
    )


def capabilities_of(facts: ImageFacts, programs: Iterable[str]) -> list[tuple[str, str]]:
    """(path, capability) of each file capability that one of some programs has."""
    wanted = set(programs)
    found = []
    for binary in sequence(facts.value("fileCapabilities")):
        if binary["path"].rpartition("/")[2] in wanted:
            found += [(binary["path"], name) for name in binary["capabilities"]]
    return found
