"""The reports of all shards of a run as the one that the run would have made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden.errors import InputError
from krm_harden.reports import _schema, json

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from krm_harden.reports._merged import Document, Source

LISTS = ("resources", "notExamined", "errors")
"""What of a report each unit has its part of, in the order of the units."""
_SAME = {"count": "count of shards", "list": "list of units", "run": "release, policy or options"}


def are_shards(sources: Iterable[Source]) -> bool:
    """Whether any of the reports is of a shard."""
    return any(source.document is not None and "shard" in source.document for source in sources)


def assembled(sources: Sequence[Source]) -> Document:
    """The report of the whole run. Raises InputError unless all shards of one run are there."""
    found = _by_index(sources)
    first = found[min(found)]
    missing = [str(index) for index in range(1, first["shard"]["count"] + 1) if index not in found]
    unread = [f"; {source.file}: {source.error}" for source in sources if source.error]
    if missing:
        said = f"of {first['shard']['count']} shards these are missing: {', '.join(missing)}{''.join(unread)}"
        raise InputError(said, next_step="name the reports of all of them")
    documents = [found[index] for index in sorted(found)]
    parts = sorted((part for one in documents for part in _parts(one)), key=lambda part: part["place"])
    places = [part["place"] for part in parts]
    if places != list(range(len(places))):
        raise InputError("the shards don't have each unit once", next_step="run all shards again, by one release")
    if all(one["shard"].get("isEmpty") for one in documents):
        step = "check what was named; --allow-empty of `check` allows that"
        raise InputError("the shards hold no manifests at all", next_step=step)
    notes = first["warnings"][: first["shard"]["notes"]]
    summaries = [one["summary"] for one in documents]
    return {
        **json.head(),
        **({"units": [part["unit"] for part in parts]} if first["shard"]["keepsUnits"] else {}),
        **{name: [item for part in parts for item in part[name]] for name in LISTS},
        "warnings": [*notes, *_unused(documents), *(line for part in parts for line in part["warnings"])],
        "summary": {name: sum(summary[name] for summary in summaries) for name in _schema.COUNTS},
    }


def _by_index(sources: Sequence[Source]) -> dict[int, Document]:
    """The shards by their numbers; the same one twice counts once. Raises InputError for what doesn't fit together."""
    found: dict[int, Document] = {}
    files: dict[int, str] = {}
    first: tuple[str, Document] | None = None
    for source in sources:
        document = source.document
        if document is None:
            continue
        if "shard" not in document:
            said = f"{source.file} is a whole report, and others are shards"
            raise InputError(said, next_step="merge the shards by themselves, then the reports that come of that")
        first = first or (source.file, document)
        _must_be_of(first[0], first[1], source.file, document)
        index = document["shard"]["index"]
        if not 1 <= index <= document["shard"]["count"]:
            raise InputError(f"{source.file} is shard {index} of {document['shard']['count']}")
        if index in found and _judged(found[index]) != _judged(document):
            said = f"{files[index]} and {source.file} are both shard {index}, and differ"
            raise InputError(said, next_step="name the one that belongs to the others")
        found.setdefault(index, document)
        files.setdefault(index, source.file)
    return found


def _must_be_of(file: str, one: Document, other_file: str, other: Document) -> None:
    """Raises InputError for shards of two runs."""
    for field, what in _SAME.items():
        if one["shard"][field] != other["shard"][field]:
            said = f"{file} and {other_file} are shards of different runs: another {what}"
            step = "did the source change between them?" if field == "list" else "run all shards in the same way"
            raise InputError(said, next_step=step)


def _judged(document: Document) -> Document:
    """A report without the time at which it was made."""
    return {name: value for name, value in document.items() if name != "created"}


def _unused(documents: Sequence[Document]) -> list[str]:
    """The warnings about exemptions that no shard needed."""
    each = [_after_notes(one)[: one["shard"]["unused"]] for one in documents]
    return [line for line in each[0] if all(line in lines for lines in each[1:])]


def _after_notes(document: Document) -> list[str]:
    found: list[str] = document["warnings"][document["shard"]["notes"] :]
    return found


def _parts(document: Document) -> list[dict[str, Any]]:
    """What of a shard's report is about each of its units. Raises InputError where its numbers don't fit."""
    shard, units = document["shard"], document.get("units", [])
    lists = {name: document[name] for name in LISTS}
    lists["warnings"] = _after_notes(document)[shard["unused"] :]
    fits = all(sum(unit[name] for unit in units) == len(items) for name, items in lists.items())
    if not fits or len(units) != len(shard["places"]):
        said = f"shard {shard['index']} isn't whole: its units and its lists don't fit together"
        raise InputError(said, next_step="run that shard again")
    at = dict.fromkeys(lists, 0)
    parts = []
    for place, unit in zip(shard["places"], units, strict=True):
        part: dict[str, Any] = {"place": place, "unit": unit}
        for name, items in lists.items():
            part[name] = items[at[name] : at[name] + unit[name]]
            at[name] += unit[name]
        parts.append(part)
    return parts
