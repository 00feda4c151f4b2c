"""The inventory of a fleet: entries with a name and a source, as YAML, JSON or JSON lines.

apiVersion: krm-harden.dev/v1alpha1
kind: Inventory
spec:
  entries:
  - name: shop
    source: s3://manifests/shop/        # a URL, or a path beside the inventory
    cluster: eu-1
"""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

from krm_harden import limits, schema, source, split
from krm_harden.errors import ConfigError, InputError, SourceError
from krm_harden.fleet import names, trees
from krm_harden.fleet.units import Unit
from krm_harden.versions import unread

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

KIND = "Inventory"
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,251}[A-Za-z0-9])?")


def inventory_schema() -> dict[str, Any]:
    """The JSON Schema (draft 7) of a whole Inventory."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "$id": f"https://krm-harden.dev/schemas/{KIND.lower()}_v1alpha1.json",
        "title": KIND,
        "description": "The repositories and clusters whose manifests are judged in one run.",
        "type": "object",
        "required": ["apiVersion", "kind", "spec"],
        "properties": {
            "apiVersion": {"enum": [*schema.API_VERSIONS], "description": "The version of the inventory's fields."},
            "kind": {"const": KIND, "description": "What this object is."},
            "metadata": {"type": "object", "description": "Its name, for people."},
            "spec": spec_schema(),
        },
        "additionalProperties": False,
    }


def spec_schema() -> dict[str, Any]:
    """The schema of an inventory's `spec`."""
    entry = schema._object(
        "What is rendered for one application, repository or cluster.",
        {
            "name": schema._text("What reports call it: its files are `name/path`."),
            "source": schema._text(
                "Where its manifests are: a URL (s3://, gs://, https://, oci://, ...) or a path beside the inventory; "
                "a file, a folder, or a tar."
            ),
            "cluster": schema._text(
                "Where it is applied. What depends on the whole input is decided among the entries of one cluster."
            ),
            "namespace": schema._text("Where it is applied, for those who read the report."),
            "size": {"type": "integer", "minimum": 0, "maximum": 1 << 50, "description": "Bytes, to cut even shards."},
        },
        ("name", "source"),
    )
    return schema._object("What there is.", {"entries": schema._list("One block an entry.", entry)}, ("entries",))


def entries(data: bytes, where: str) -> list[Unit]:
    """The units of an inventory that is called `where`. Raises ConfigError that names what is wrong."""
    try:
        text = split.decode(data)[0].decode()
        found = _lines(text) if _is_lines(text) else _spec(source.read(text).data, where)
    except InputError as error:
        at = f"{names.shown(where)}:{error.line + 1}" if error.line >= 0 else names.shown(where)
        raise ConfigError(f"isn't an inventory: {error}", at, "docs/fleet.md shows one") from None
    problems = list(schema.wrong(found, spec_schema(), ("spec",)))
    if problems:
        raise ConfigError(problems[0].text, names.shown(where), problems=problems)
    units = [_unit(entry, index, where) for index, entry in enumerate(found["entries"])]
    _must_differ([unit.name for unit in units], names.shown(where))
    return units


def _is_lines(text: str) -> bool:
    """Whether a text is an entry on each line, as JSON."""
    first = text.lstrip().partition("\n")[0]
    try:
        entry = json.loads(first) if first.startswith("{") else None
    except (ValueError, RecursionError):
        return False
    return isinstance(entry, dict) and "kind" not in entry


def _lines(text: str) -> dict[str, Any]:
    return {"entries": [_line(line, number) for number, line in enumerate(text.splitlines()) if line.strip()]}


def _line(line: str, number: int) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise InputError("isn't JSON", number) from None


def _spec(data: Any, where: str) -> Any:
    if not isinstance(data, dict) or data.get("kind") != KIND:
        raise ConfigError(f"kind must be {KIND}", names.shown(where), "docs/fleet.md shows one")
    if data.get("apiVersion") not in schema.API_VERSIONS:
        raise ConfigError(unread(data.get("apiVersion")), names.shown(where))
    unknown = sorted(data.keys() - {"apiVersion", "kind", "metadata", "spec"})
    if unknown:
        raise ConfigError(schema.unknown((unknown[0],), unknown[0], ("metadata", "spec")).text, names.shown(where))
    return data.get("spec")


def _unit(entry: dict[str, Any], index: int, where: str) -> Unit:
    name = entry["name"]
    if not _NAME.fullmatch(name) or not trees.is_safe(name):
        said = f"spec.entries[{index}].name must be letters, digits and . _ - /, not {name[:80]!r}"
        raise ConfigError(said, names.shown(where), "it is the folder of its files in reports")
    place = _place(entry["source"], where)
    if not place:
        said = f"spec.entries[{index}].source must be a URL, or a path below an inventory that is elsewhere itself"
        raise ConfigError(said, names.shown(where), "an inventory that isn't here names no files of this machine")
    cluster = entry.get("cluster", "")
    world = f"cluster {cluster}" if cluster else f"entry {name}"
    more = {"cluster": cluster, "namespace": entry.get("namespace", ""), "world": world}
    return Unit(name, place, entry.get("size", 0), is_entry=True, **more)


def _place(said: str, where: str) -> str:
    """Where a source is; empty where an inventory may not name it."""
    away = names.is_url(where)
    if names.is_url(said):
        return "" if away and names.scheme(said) in {"file", "local"} else said
    if not away:
        return os.path.normpath(os.path.join(os.path.dirname(where) if where != "-" else "", said)) if said else ""
    base = where.rpartition("/")[0]
    path = said.removeprefix("./").rstrip("/")
    return f"{base}/{path}" if trees.is_safe(path) else ""


def _must_differ(found: Sequence[str], where: str) -> None:
    """Raises ConfigError for entries whose files could be called the same."""
    known = set(found)
    if len(known) < len(found):
        twice = next(name for index, name in enumerate(found) if name in found[:index])
        raise ConfigError(f"two entries are called {twice}", where, "give each a name of its own")
    for name in found:
        for above in _above(name):
            if above in known:
                said = f"the entry {name} lies within the entry {above}"
                raise ConfigError(said, where, "files of both could have the same name in reports")


def _above(name: str) -> Iterable[str]:
    parts = name.split("/")
    return ("/".join(parts[:count]) for count in range(1, len(parts)))


def read(where: str, seconds: float) -> list[Unit]:
    """The units of the inventory in a file, at a URL, or on standard input. Raises ConfigError."""
    from krm_harden.commands import _streams
    from krm_harden.fleet import storage

    try:
        if names.is_url(where):
            data = storage.within(seconds, lambda: storage.opened(where).whole(), where)
        elif where == "-":
            data = _streams.read_stdin()
        else:
            data = limits.read_file(where)
    except OSError as error:
        raise ConfigError(f"the inventory can't be read: {error.strerror}", where) from None
    except InputError as error:
        raise ConfigError(f"the inventory can't be read: {error.message}", where, error.next_step) from None
    except SourceError as error:
        said = f"the inventory can't be read: {error.message}"
        raise ConfigError(said, names.shown(where), error.next_step) from None
    return entries(data, where)
