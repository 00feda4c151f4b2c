"""How a value is written: block or flow style, YAML or JSON, quoted where a reader could take it for another type."""

from __future__ import annotations

import marshal

from krm_harden.scalars import is_plain_safe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Style:
    """The neighbours' habits, in columns: `step` of a nested mapping, `dash` before a list's dash, `item` after it."""

    __slots__ = ("dash", "item", "step")

    def __init__(self, step: int = 2, dash: int = 0, item: int = 2) -> None:
        self.step = step
        self.dash = dash
        self.item = item


class FlowStyle:
    """`quoted`: keys and strings in double quotes, as JSON has them. `compact`: no spaces.

    `step` is None on one line, else each key stands on a line of its own, that many columns deeper than its parent.
    """

    __slots__ = ("compact", "newline", "quoted", "step")

    def __init__(
        self, *, quoted: bool = False, compact: bool = False, step: int | None = None, newline: str = "\n"
    ) -> None:
        self.quoted = quoted
        self.compact = compact
        self.step = step
        self.newline = newline


def scalar(value: Any, quote: str = "") -> str:
    """A scalar in YAML. `quote` is the neighbours' habit for strings; JSON is what comes out of `"`."""
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    if not isinstance(value, str):
        return str(value)
    if not quote and " " not in value and is_plain_safe(value):
        return value
    if quote == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return _double_quoted(value)


def _double_quoted(value: str) -> str:
    if value.isprintable():
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    escaped = (letter if letter.isprintable() and letter not in '"\\' else _escaped(letter) for letter in value)
    return f'"{"".join(escaped)}"'


def _escaped(letter: str) -> str:
    """A letter as YAML and JSON both read it: beyond 16 bit the letter itself, as JSON's pairs are none in YAML."""
    if letter in '"\\':
        return f"\\{letter}"
    code = ord(letter)
    return _SHORT.get(letter) or (f"\\u{code:04x}" if code < 0x10000 else letter)


_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def entry(key: str, value: Any, column: int, style: Style) -> list[str]:
    """The lines of `key: value` in a block mapping at a column, without line breaks; not to be changed."""
    known = (key, marshal.dumps(value, 2), column, style.step, style.dash, style.item)
    lines = _entries.get(known)
    if lines is None:
        lines = block(key, value, column, style)
        if len(_entries) < _MEMORY:
            _entries[known] = lines
    return lines


_entries: dict[tuple[Any, ...], list[str]] = {}
"""The same few fields in one workload after the other; marshal tells True from 1, which `==` doesn't."""
_MEMORY = 4096


def item(value: Any, column: int, style: Style, quote: str) -> list[str]:
    """The lines of an item that is added to a block sequence, likewise."""
    known = (None, marshal.dumps(value, 2), column, style.step, style.dash, style.item, quote)
    lines = _entries.get(known)
    if lines is None:
        lines = block_item(value, column, style, quote)
        if len(_entries) < _MEMORY:
            _entries[known] = lines
    return lines


def block(key: str, value: Any, column: int, style: Style) -> list[str]:
    """The lines of an entry, written anew."""
    head = f"{' ' * column}{scalar(key)}:"
    if isinstance(value, dict) and value:
        return [head, *_block_mapping(value, column + style.step, style)]
    if isinstance(value, list) and value:
        return [head, *_block_items(value, column + style.dash, style)]
    return [f"{head} {flow(value, FlowStyle())}"]


def _block_mapping(value: dict[str, Any], column: int, style: Style) -> Iterator[str]:
    for key, item in value.items():
        yield from block(key, item, column, style)


def _block_items(items: list[Any], column: int, style: Style) -> Iterator[str]:
    for item in items:
        yield from block_item(item, column, style)


def block_item(value: Any, column: int, style: Style, quote: str = "") -> list[str]:
    """The lines of one item of a block sequence whose dash stands at a column."""
    dash = " " * column + "-" + " " * (style.item - 1)
    if isinstance(value, dict) and value:
        lines = list(_block_mapping(value, column + style.item, style))
        return [dash + lines[0].lstrip(" "), *lines[1:]]
    return [dash + (scalar(value, quote) if not isinstance(value, (dict, list)) else flow(value, FlowStyle()))]


def flow(value: Any, style: FlowStyle, column: int = 0) -> str:
    """A value in flow style; `column` is where the line of its parent begins, for the layout on many lines."""
    if isinstance(value, dict):
        pairs = [pair(key, item, style, column + (style.step or 0)) for key, item in value.items()]
        return "{" + _joined(pairs, style, column) + "}"
    if isinstance(value, list):
        items = [flow(item, style, column + (style.step or 0)) for item in value]
        return "[" + _joined(items, style, column) + "]"
    return scalar(value, '"' if style.quoted else "")


def pair(key: str, value: Any, style: FlowStyle, column: int = 0) -> str:
    """`key: value` within a flow mapping."""
    colon = ":" if style.compact else ": "
    return scalar(key, '"' if style.quoted else "") + colon + flow(value, style, column)


def separator(style: FlowStyle, column: int) -> str:
    """What stands between two entries of a flow collection whose entries begin at a column."""
    if style.step is not None:
        return "," + style.newline + " " * column
    return "," if style.compact else ", "


def _joined(entries: list[str], style: FlowStyle, column: int) -> str:
    if not entries:
        return ""
    if style.step is None:
        return separator(style, 0).join(entries)
    inner = column + style.step
    first = style.newline + " " * inner
    return first + separator(style, inner).join(entries) + style.newline + " " * column
