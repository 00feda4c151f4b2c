"""An ImageLock as text: the same images give the same bytes, and a change of one image is a change of its block."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from krm_harden import schema
from krm_harden.emit import FlowStyle, flow, scalar
from krm_harden.resources import LOCAL_CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

NAME = "image-lock"
WIDTH = 100
"""Columns that a list or a folder's facts take in one line; a longer list has an item a line."""
FIELDS = ("digest", "imageID", "images", "platform", "config", "facts", "evidence", "probe")
_ONE_LINE = FlowStyle()


def text(entries: Iterable[Mapping[str, Any]], api_version: str = schema.API_VERSION) -> str:
    """The lock of some entries, sorted by name."""
    lines = [
        f"apiVersion: {api_version}",
        f"kind: {schema.LOCK_KIND}",
        "metadata:",
        f"  name: {NAME}",
        "  annotations:",
        # It is for tools: kustomize doesn't build it, kpt and kubectl don't apply it.
        f'    {LOCAL_CONFIG}: "true"',
        "spec:",
    ]
    known = sorted(entries, key=lambda entry: (entry["images"][0], entry["digest"]))
    lines += ["  images:", *(line for entry in known for line in _entry(entry))] if known else ["  images: []"]
    return "\n".join(lines) + "\n"


def _entry(entry: Mapping[str, Any]) -> Iterator[str]:
    lines = [line for field in FIELDS if entry.get(field) for line in _pair(field, entry[field], 4)]
    yield f"  - {lines[0].lstrip()}"
    yield from lines[1:]


def _pair(key: str, value: Any, column: int) -> Iterator[str]:
    """The lines of `key: value` at a column: one where it fits, else a line an item."""
    head = f"{' ' * column}{scalar(key)}:"
    if isinstance(value, dict) and value and not _fits_as_a_record(key, value, column):
        yield head
        for name, item in value.items():
            yield from _pair(name, item, column + 2)
    elif isinstance(value, list) and value and not _fits_as_a_list(key, value, head):
        yield head
        for item in value:
            yield f"{' ' * column}- {flow(item, _ONE_LINE)}"
    else:
        yield f"{head} {flow(value, _ONE_LINE)}"


def _fits_as_a_list(key: str, value: list[Any], head: str) -> bool:
    """Lists of words stand in one line; names, folders and files have a line each."""
    if key == "images" or any(isinstance(item, dict) for item in value):
        return False
    return len(head) + len(flow(value, _ONE_LINE)) < WIDTH


def _fits_as_a_record(key: str, value: dict[str, Any], column: int) -> bool:
    return key in RECORDS and column + len(key) + len(flow(value, _ONE_LINE)) < WIDTH


RECORDS = ("ownedFolder", "cannotRestrict")
"""Facts of several words that are one thing."""
