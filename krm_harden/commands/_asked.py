"""What `check` and `fix` are asked: levels and versions, ranges of them, and a change of a namespace's label."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from krm_harden.errors import ConfigError
from krm_harden.model import LATEST, LEVELS, parse_version
from krm_harden.namespaces import PREFIX
from krm_harden.schema import similar

if TYPE_CHECKING:
    from collections.abc import Iterable


def levels(said: Iterable[str]) -> list[str]:
    """The levels of `--level`, each once, in the order asked: comma lists and repeated options alike."""
    found = [level.strip() for one in said for level in one.split(",")]
    for level in found:
        if level not in LEVELS:
            raise ConfigError(f"--level must be one of {', '.join(LEVELS)}, not {level!r}{similar(level, LEVELS)}")
    return list(dict.fromkeys(found))


def versions(said: str, newest: tuple[int, int] = LATEST) -> list[str]:
    """The versions of `--version`, ascending: `latest`, `v1.34`, a comma list, or a range `v1.20..latest`.

    A range ends at the newest version that the target has.
    """
    found: list[str] = []
    for part in said.split(","):
        first, dots, last = part.strip().partition("..")
        start = _version(first)
        if not dots:
            found.append(first)
            continue
        end = min(_version(last or "latest"), max(newest, start))
        if end < start:
            raise ConfigError(f"--version {part}: {last} comes before {first}")
        found += [f"v1.{minor}" for minor in range(start[1], end[1] + 1)]
    return sorted(dict.fromkeys(found), key=lambda label: (_version(label), label))


def version(said: str) -> str:
    """One version as written, checked."""
    _version(said)
    return said


def _version(text: str) -> tuple[int, int]:
    found = parse_version(text)
    if found is None:
        raise ConfigError(f'--version must be "latest" or "v1.x", or a range v1.x..latest, not {text!r}')
    return found


class Change(NamedTuple):
    """Other labels for a namespace. `labels` are those given, version included if one was."""

    namespace: str
    labels: dict[str, str]


def change(said: str) -> Change:
    """The change of `--what-breaks NAMESPACE=LEVEL[:VERSION]`."""
    namespace, equals, asked = said.partition("=")
    level, colon, version = asked.partition(":")
    if not (namespace and equals):
        raise ConfigError(f"--what-breaks must be NAMESPACE=LEVEL[:VERSION], not {said!r}")
    given = {f"{PREFIX}enforce": level}
    return Change(namespace, given | ({f"{PREFIX}enforce-version": version} if colon else {}))
