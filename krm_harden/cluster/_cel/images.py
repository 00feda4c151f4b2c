"""What is known of images, as lines of text that CEL looks things up in.

A line has the columns `WHICH TAGS UID GID RUNS PORTS PATHS STARTS`, with `-` for what isn't known:

    WHICH   a canonical repository, a whole reference, or a regular expression about one
    TAGS    a regular expression about the tag
    UID     a number, or `any` where every user but root does
    RUNS    yes; no: not restricted, or not without what only `fix` writes; agent: not where it asks for its node
    PORTS   low: it listens on a port below 1024
    PATHS   the folders that it writes as `entry` has them, with commas; `none`; `-` where nobody knows; `keep` where
            its root must stay writable
    STARTS  root: as that, where nobody gives it another user
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from krm_harden.cluster._cel.words import regex
from krm_harden.exemptions import glob
from krm_harden.images import known
from krm_harden.images.facts import of_entry, real
from krm_harden.images.names import canonical, parse
from krm_harden.images.obstacles import HOST_AGENT, PRIVILEGED_PORTS
from krm_harden.model import mapping, sequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any

    from krm_harden.images.facts import ImageFacts, WritablePath
    from krm_harden.policy import Policy

LONGEST_END = 32
"""Of a volume's name: before it stand up to 31 letters that say whose it is."""
PLAIN = re.compile("(/[a-z0-9]+)+")
"""A folder whose volume can be called after it: no other one is called so."""
SAYABLE = re.compile("[^\\s,:']+")
"""A folder that can stand in a line; Kubernetes takes no colon in one either."""
SAYABLE_NAME = re.compile("[^\\s']+")
"""A reference that can; no other is an image's."""
ANY = "^"
"""The regular expression that every tag matches."""


def stated(policy: Policy, *, guesses: bool) -> list[str]:
    """The lines of what a policy states, whose WHICH are regular expressions.

    Those of a ceiling stand before those below it, the narrowest first.
    """
    above, below = policy.images[: policy.images_above], policy.images[policy.images_above :]
    entries = [one for some in (above, below) for one in sorted(some, key=lambda one: -len(one.match.replace("*", "")))]
    found = []
    for one in entries:
        patterns = dict.fromkeys([one.match, canonical(one.match)])
        which = "|".join(regex(pattern) for pattern in patterns)
        found.append(_line(_column(which), ANY, one.facts, guesses=guesses))
    return found


def locked(policy: Policy, *, guesses: bool) -> list[str]:
    """The lines of what its locks state, of which WHICH is a whole reference: to compare costs less than to match."""
    names = [(lock, parse(name)) for lock in policy.locks for entry in lock.entries for name in entry["images"]]
    return [
        _line(str(reference), ANY, lock.facts(reference), guesses=guesses)
        for lock, reference in names
        if SAYABLE_NAME.fullmatch(str(reference))
    ]


def catalogue(*, guesses: bool) -> list[str]:
    """The lines of the catalogue: of repositories first, then of patterns, whose WHICH is a regular expression."""
    from krm_harden.images import _catalogue

    named = [line.split() for line in _catalogue.NAMES.strip().splitlines()]
    rows = [(name, index) for name, *indexes in named for index in map(int, indexes)]
    rows += [(regex(f"{pattern}:*"), index) for pattern, indexes in _catalogue.PATTERNS for index in indexes]
    entries = [known._read(text) for text in _catalogue.ENTRIES]
    return [_of_catalogue(which, entries[index], guesses=guesses) for which, index in rows]


def _of_catalogue(which: str, entry: Mapping[str, Any], *, guesses: bool) -> str:
    tags = entry["tags"]
    said = ANY if glob(tags, "") else "|".join(regex(pattern) for pattern in tags)
    return _line(which, said, of_entry(entry["facts"], "", entry["unsure"]), guesses=guesses)


def _line(which: str, tags: str, facts: ImageFacts, *, guesses: bool) -> str:
    def value(field: str) -> Any:
        return facts.value(field) if guesses or facts.sure(field) else None

    uid, gid = value("uid"), value("gid")
    low = any(port in PRIVILEGED_PORTS for port in sequence(value("ports")))
    columns = [
        which,
        tags,
        "any" if uid is None and value("anyUid") and (guesses or not value("dependsOnCommand")) else _number(uid),
        _number(gid),
        _runs(facts),
        "low" if low else "-",
        _paths(value("writablePaths")),
        "root" if facts.value("defaultUser") == 0 else "-",
    ]
    return " ".join(columns)


def _number(value: int | None) -> str:
    return "-" if value is None else str(value)


def _column(said: str) -> str:
    """A regular expression without a blank, which would end its column."""
    return said.replace(" ", "\\x20")


def _runs(facts: ImageFacts) -> str:
    """No for what can't run restricted, or needs variables and capabilities that only `fix` writes."""
    code = mapping(facts.value("cannotRestrict")).get("code")
    return "agent" if code == HOST_AGENT else "no" if code or needed(facts) else "yes"


def needed(facts: ImageFacts) -> str:
    """What an image needs that a pod isn't given: the name of the fact, or empty."""
    for field in ("env", "ownedFolder", "keepsUser"):
        if facts.value(field):
            return field
    files = sequence(facts.value("fileCapabilities"))
    return "fileCapabilities" if any(mapping(one).get("capabilities") for one in files) else ""


def unwritten(policy: Policy) -> Iterator[str]:
    """The images of a policy and its locks that need what a pod isn't given, as sentences."""
    known = [(one.match, one.facts) for one in policy.images]
    known += [
        (name, lock.facts(parse(name))) for lock in policy.locks for one in lock.entries for name in one["images"]
    ]
    for name, facts in known:
        if field := needed(facts):
            yield f"images: {name}: {field}: only `krm-harden fix` writes what it asks for; its pods get what is safe"
        for path in facts.value("writablePaths") or ():
            if not is_sayable(path.path):
                yield f"images: {name}: writablePaths: {path.path!r} can't be said in CEL: its root stays writable"


def _paths(paths: Iterable[WritablePath] | None) -> str:
    if paths is None:
        return "-"
    if any((path.seed == "copy" and not path.optional) or not is_sayable(path.path) for path in paths):
        # An init container would have to fill them; and what can't be said can't be mounted.
        return "keep"
    wanted = [path.path for path in paths if path.seed != "copy"]
    kept = list(dict.fromkeys(path for path in wanted if real(path) == path or real(path) not in wanted))
    return ",".join(map(entry, kept)) or "none"


def is_sayable(path: str) -> bool:
    """Whether a folder can be mounted in a pod that is created."""
    return bool(SAYABLE.fullmatch(path)) and path.isprintable()


def entry(path: str) -> str:
    """A folder, with a colon and how its volume's name ends where the folder itself doesn't say that clearly."""
    if PLAIN.fullmatch(path) and len(path) <= LONGEST_END:
        return path
    from hashlib import sha256

    label = "-".join(re.findall("[a-z0-9]+", path.lower()))[: LONGEST_END - 10].rstrip("-")
    digest = sha256(path.encode()).hexdigest()[:8]
    return f"{path}:{label}-{digest}" if label else f"{path}:{digest}"
