"""Makes _catalogue.py of the YAML files in catalogue/: `python -m krm_harden.images.compile`, `--check` only compares.

Each file is a family, a product or a vendor: its name, and `images`, a list of entries. Its `registries` are put before
each name of its images, its `defaults` are facts of each of them. What an entry may say is in ENTRY_SCHEMA. Of entries
that share a name the first one whose `tags` match holds, so narrow ones come first. An official image of Docker Hub is
named once: its mirrors are found by their names.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from krm_harden import schema, source
from krm_harden.errors import ConfigError, InputError
from krm_harden.images.facts import FIELDS
from krm_harden.images.known import matches
from krm_harden.images.names import canonical, upstream
from krm_harden.model import mapping, sequence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

HERE = Path(__file__).parent
CATALOGUE = HERE / "catalogue"
TARGET = HERE / "_catalogue.py"
HEAD = '''"""The catalogue of images, made by compile.py from catalogue/*.yaml: generated, do not edit.

Texts, since nothing of it is needed but the entry of an image that is met: known.py reads that one.
"""

'''


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


_TEXT = {"type": "string", "minLength": 1}
_FOLDER = {"type": "string", "format": "folder"}
_SURENESS = {"type": "string", "enum": ["high", "medium", "low"]}
_WRITABLE_PATH = {
    "path": _FOLDER,
    "seed": {"type": "string", "enum": ["empty", "copy", "data"]},
    "sizeLimit": _TEXT,
    "optional": {"type": "boolean"},
    "owned": {"type": "boolean"},
    "from": _FOLDER,
    "why": _TEXT,
}
_BINARY = {
    "path": _FOLDER,
    "capabilities": _list({"type": "string", "enum": ["IPC_LOCK", "NET_ADMIN", "NET_BIND_SERVICE", "NET_RAW"]}),
}
_FACTS: dict[str, Any] = {
    **schema.facts_schema()["properties"],
    "keepsUser": {"type": "boolean"},
    "writablePaths": _list(_object(_WRITABLE_PATH, "path", "seed")),
    "fileCapabilities": _list(_object(_BINARY, "path", "capabilities")),
}
"""As in a policy, but always in the long form, and only with what an entry of the catalogue has a use for."""
ENTRY_SCHEMA = _object(
    {
        "id": _TEXT,
        "names": _list(_TEXT),
        "tags": _list({"type": "string"}),
        **_FACTS,
        "confidence": _object({"user": _SURENESS, "writablePaths": _SURENESS}, "user", "writablePaths"),
        "sources": _list(_TEXT),
        "notes": _list(_TEXT),
    },
    "id",
    "names",
    "confidence",
    "sources",
)
FAMILY_SCHEMA = _object(
    {
        "family": _TEXT,
        "registries": _list(_TEXT),
        "defaults": _object(_FACTS),
    },
    "family",
)
_OF_USER = ("uid", "gid", "fsGroup", "cannotRestrict")
_NAME = re.compile(r"[a-z0-9.-]+\.[a-z]+(:[0-9]+)?(/[a-z0-9._-]+)+(/?\*)?")


class Entry:
    """One entry of the catalogue: the file it is from, and its data with the family's names and defaults filled in."""

    def __init__(self, where: str, data: dict[str, Any]) -> None:
        self.where = where
        self.data = data
        self.id = str(data.get("id"))

    @property
    def tags(self) -> list[str]:
        tags: list[str] = self.data.get("tags", ["*"])
        return tags

    def facts(self) -> dict[str, Any]:
        """What is known, without what only those read who maintain the catalogue."""
        found = {field: self.data[field] for field in FIELDS if field in self.data}
        if "writablePaths" in found:
            found["writablePaths"] = [_short(_without(path, "why")) for path in found["writablePaths"]]
        return found

    def unsure(self) -> tuple[str, ...]:
        """The facts that are only likely."""
        facts = self.facts()
        confidence = self.data["confidence"]
        if facts.get("dependsOnCommand"):
            # Who the image runs as anyway, its command was made for.
            own = facts.get("uid") is not None and facts.get("uid") == facts.get("defaultUser")
            sure = _OF_USER if own and confidence["user"] == "high" else ()
            return tuple(field for field in facts if field not in sure)
        weak = (*_OF_USER * (confidence["user"] == "low"), *("writablePaths",) * (confidence["writablePaths"] == "low"))
        return tuple(field for field in facts if field in weak)


def load(folder: Path = CATALOGUE) -> list[Entry]:
    """The entries of all files of a folder, in their order. Raises ConfigError that names what is wrong and where."""
    entries = [entry for path in sorted(folder.glob("*.yaml")) for entry in _family(path)]
    problems = [*_problems_together(entries)]
    if problems:
        raise ConfigError("\n".join(problems))
    return entries


def _family(path: Path) -> list[Entry]:
    try:
        document = source.read(path.read_text(encoding="utf-8"))
    except InputError as error:
        raise ConfigError(error.message, f"{path.name}:{error.line + 1}") from None
    problems = [f"{path.name}: {name} is written twice" for name, *_ in document.duplicates]
    family = mapping(document.data)
    problems += [f"{path.name}: {problem}" for problem in _problems_of_family(family, path.stem)]
    entries = [_filled_in(path.name, image, family) for image in sequence(family.get("images")) if not problems]
    problems += [problem for entry in entries for problem in _problems_alone(entry)]
    if problems:
        raise ConfigError("\n".join(problems))
    return entries


def _problems_of_family(family: Mapping[str, Any], name: str) -> Iterator[str]:
    yield from schema.problems(_without(family, "images"), FAMILY_SCHEMA, "it")
    if family.get("family") != name:
        yield f"family must be the file's name, not {family.get('family')}"
    images = family.get("images")
    if not isinstance(images, list) or not all(isinstance(image, dict) for image in images):
        yield "images must be a list of entries"


def _filled_in(where: str, image: dict[str, Any], family: Mapping[str, Any]) -> Entry:
    registries = family.get("registries", [])
    names = image.get("names", [])
    if registries and isinstance(names, list):
        image = {**image, "names": [f"{registry}/{name}" for registry in registries for name in names]}
    return Entry(where, {**family.get("defaults", {}), **image})


def _problems_alone(entry: Entry) -> Iterator[str]:
    """What is wrong with one entry, whatever the others say."""
    found = list(schema.problems(entry.data, ENTRY_SCHEMA, "it"))
    if not found:
        found = [*_problems_of_names(entry.data), *_problems_of_lists(entry.data), *_problems_of_paths(entry.data)]
    for problem in found:
        yield f"{entry.where}: {entry.id}: {problem}"


def _problems_of_names(data: dict[str, Any]) -> Iterator[str]:
    for name in data["names"]:
        if not _NAME.fullmatch(name) or canonical(name) != name:
            yield f"{name} isn't a canonical name, as docker.io/library/nginx is"
        if upstream(name) != name:
            yield f"{name} is found by its name on Docker Hub"


def _problems_of_lists(data: dict[str, Any]) -> Iterator[str]:
    for field in ("names", "tags", "programs", "ports", "sources"):
        items = data.get(field, [])
        if len(set(items)) < len(items):
            yield f"{field} says something twice"
        if field in data and not items:
            yield f"{field} is empty; leave it out"
    for program in data.get("programs", []):
        if "/" in program:
            yield f"programs are named without their folder, not {program}"


def _problems_of_paths(data: dict[str, Any]) -> Iterator[str]:
    paths = data.get("writablePaths", [])
    owned = [data["ownedFolder"]] if "ownedFolder" in data else []
    for item in (*paths, *owned, *data.get("fileCapabilities", [])):
        path = item["path"]
        if path.endswith("/") or any(part in {"", ".", ".."} for part in path.split("/")[1:]):
            yield f"{path} isn't written in its shortest form"
    for index, one in enumerate(paths):
        for other in paths[index + 1 :]:
            upper, lower = sorted((one, other), key=lambda item: len(_real(item["path"])))
            if _real(upper["path"]) == _real(lower["path"]):
                yield f"{lower['path']} is listed twice, {upper['path']} is the same"
            elif _real(lower["path"]).startswith(f"{_real(upper['path'])}/") and not upper.get("optional"):
                yield f"{lower['path']} is below {upper['path']}"


def _real(path: str) -> str:
    """A path without the links that /var/run and /var/lock are."""
    for link, target in (("/var/run", "/run"), ("/var/lock", "/run/lock")):
        if path == link or path.startswith(f"{link}/"):
            return target + path.removeprefix(link)
    return path


def _problems_together(entries: Sequence[Entry]) -> Iterator[str]:
    """What is wrong with entries because of each other: one id or one name twice."""
    ids: dict[str, str] = {}
    named: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.id in ids:
            yield f"{entry.where}: {entry.id}: the id is taken, in {ids[entry.id]}"
        ids[entry.id] = entry.where
        for name in entry.data["names"]:
            named.setdefault(name, []).append(entry)
    for name, sharing in named.items():
        for index, entry in enumerate(sharing):
            if entry.where != sharing[0].where:
                yield f"{entry.where}: {entry.id}: {name} belongs to {sharing[0].where}"
            yield from _hidden(name, entry, sharing[:index])


def _hidden(name: str, entry: Entry, earlier: Iterable[Entry]) -> Iterator[str]:
    """The tags of an entry that never get there, as an earlier entry of that name takes them."""
    for first in earlier:
        for tag in entry.tags:
            if any(matches(glob, tag) for glob in first.tags):
                yield f"{entry.where}: {entry.id}: {name}:{tag} is hidden by {first.id}"


def render(entries: Sequence[Entry]) -> str:
    """The text of _catalogue.py: the same for the same entries."""
    exact: dict[str, list[int]] = {}
    globs: dict[str, list[int]] = {}
    for index, entry in enumerate(entries):
        for name in entry.data["names"]:
            (globs if name.endswith("*") else exact).setdefault(name, []).append(index)
    lines = [
        HEAD + "ENTRIES = (",
        *(f"    {_literal(_compiled(entry))!r}," for entry in entries),
        ')\nNAMES = """',
        *(f"{name} {' '.join(map(str, exact[name]))}" for name in sorted(exact)),
        '"""\nPATTERNS = (',
        *(
            f"    ({_literal(name)}, {tuple(globs[name])}),"
            for name in sorted(globs, key=lambda name: (-len(name), name))
        ),
        ")\n",
    ]
    return "\n".join(lines)


def _compiled(entry: Entry) -> dict[str, Any]:
    return {"id": entry.id, "tags": tuple(entry.tags), "facts": entry.facts(), "unsure": entry.unsure()}


def _literal(value: Any) -> str:
    """A value as Python writes it, in double quotes."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_literal(key)}: {_literal(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_literal, value)) + "]"
    if isinstance(value, tuple):
        return (
            "(" + "".join(f"{_literal(item)}, " for item in value).removesuffix(" " if len(value) == 1 else ", ") + ")"
        )
    if isinstance(value, str):
        return '"' + repr("'" + value)[2:-1].replace("\\'", "'") + '"'
    return repr(value)


def _short(path: dict[str, Any]) -> dict[str, Any] | str:
    """A writable path as just its text where nothing else is to be said: a hundred mappings less to make."""
    return str(path["path"]) if path.keys() == {"path", "seed"} and path["seed"] == "empty" else path


def _without(fields: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name != key}


def main(arguments: Sequence[str]) -> int:
    """Writes _catalogue.py, or says whether it is current."""
    try:
        made = render(load())
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    current = TARGET.exists() and TARGET.read_text(encoding="utf-8") == made
    if "--check" in arguments:
        sys.stderr.write("" if current else f"{TARGET.name} is out of date; run python -m krm_harden.images.compile\n")
        return not current
    if not current:
        TARGET.write_text(made, encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
