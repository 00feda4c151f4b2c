"""Objects as YAML for people: kubectl reads it, and the lines of a long expression stay lines."""

from __future__ import annotations

from krm_harden.emit import scalar

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from typing import Any


def dumped(objects: Iterable[Mapping[str, Any]], head: Iterable[str] = ()) -> str:
    """A stream of YAML documents, below lines of comment.

    Keys stay in their order. A string of several lines is a literal block, where YAML has one for it; each other string
    is quoted where any reader of YAML could take it for another type.
    """
    comments = "".join(f"# {line}".rstrip() + "\n" for line in head)
    documents = ["".join(f"{line}\n" for line in _mapping(one, 0)) for one in objects]
    return comments + "---\n".join(documents)


def _mapping(value: Mapping[str, Any], column: int) -> Iterator[str]:
    for key, item in value.items():
        yield from _entry(f"{' ' * column}{scalar(key)}:", item, column)


def _entry(head: str, value: Any, column: int) -> Iterator[str]:
    """The lines of a value after `key:`, or after the dash of an item; `column` is where the key stands."""
    if isinstance(value, dict) and value:
        yield head
        yield from _mapping(value, column + 2)
    elif isinstance(value, (list, tuple)) and value:
        yield head
        for item in value:
            yield from _item(item, column)
    elif isinstance(value, str) and _is_literal(value):
        yield f"{head} {'|' if value.endswith(chr(10)) else '|-'}"
        yield from (" " * (column + 2) + line if line else "" for line in value.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {_inline(value)}"


def _item(value: Any, column: int) -> Iterator[str]:
    dash = f"{' ' * column}-"
    if isinstance(value, dict) and value:
        first, *rest = _mapping(value, column + 2)
        yield f"{dash} {first.lstrip(' ')}"
        yield from rest
    elif isinstance(value, (list, tuple)) and value:
        first, *rest = [line for item in value for line in _item(item, column + 2)]
        yield f"{dash} {first.lstrip(' ')}"
        yield from rest
    else:
        yield from _entry(dash, value, column)


def _is_literal(value: str) -> bool:
    """Whether a literal block says exactly this."""
    lines = value.removesuffix("\n").split("\n")
    # A block's first line says how far it is indented, and one line break at its end is kept or not, no more.
    return "\n" in value and bool(lines[-1]) and lines[0][:1] not in {"", " "} and all(map(str.isprintable, lines))


def _inline(value: Any) -> str:
    """A scalar, or an empty collection."""
    if isinstance(value, dict):
        return "{}"
    return "[]" if isinstance(value, (list, tuple)) else scalar(value)
