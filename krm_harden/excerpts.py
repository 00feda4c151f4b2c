"""Where in its file a policy is wrong: the line, and carets under the place. Loaded only once something is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from krm_harden import source
from krm_harden.errors import ConfigError
from krm_harden.model import mapping

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from yaml.nodes import Node

    from krm_harden.errors import Problem
    from krm_harden.model import Pointer
    from krm_harden.source import Document

WIDTH = 96
"""Columns of a line that are shown; what is longer is cut on both sides of the carets."""
BEFORE = 48
"""Columns in front of the carets that stay when a line is cut."""
TAB = 4


class Span(NamedTuple):
    """A place in a text, as indexes of its characters."""

    start: int
    end: int


def in_file(error: ConfigError, document: Document, path: str) -> ConfigError:
    """The error of a policy's data as one of its file: the first problem, at its place, and how many more there are."""
    if not error.problems:
        return ConfigError(error.message, path, error.next_step)
    made = every(error.problems, document, path)[0]
    more = len(error.problems) - 1
    made.next_step = f"{more} more: krm-harden policy check {path}" if more else error.next_step
    made.problems = error.problems
    return made


def placed(problem: Problem, document: Document, path: str) -> ConfigError:
    """One problem at its place in its file."""
    span = locate(document, problem.pointer, is_key=problem.is_key)
    return at(problem.text, document.text, span, path, problems=[problem])


def every(problems: Iterable[Problem], document: Document, path: str) -> list[ConfigError]:
    """Each problem at its place, in the order of the file."""
    return [
        placed(problem, document, path)
        for problem in sorted(problems, key=lambda one: locate(document, one.pointer, is_key=one.is_key).start)
    ]


def at(message: str, text: str, span: Span, path: str, *, problems: Sequence[Problem] = ()) -> ConfigError:
    """An error at a place of a text."""
    line, column = line_and_column(text, span.start)
    return ConfigError(message, f"{path}:{line}:{column}", problems=problems, excerpt=excerpt(text, span))


def line_and_column(text: str, index: int) -> tuple[int, int]:
    """Where a character stands, both counted from 1."""
    return text.count("\n", 0, index) + 1, index - text.rfind("\n", 0, index)


def last_line(node: Node, text: str) -> int:
    """The line, counted from 0, on which the last of a node stands: block collections end where the next one begins."""
    start, end = node.start_mark.index, node.end_mark.index
    return text.count("\n", 0, start + len(text[start:end].rstrip()))


def index_of(text: str, line: int, column: int) -> int:
    """The character at a line and a column, both counted from 0; the last one where the text ends before."""
    lines = text.split("\n")
    line = max(0, min(line, len(lines) - 1))
    before = sum(len(one) + 1 for one in lines[:line])
    return before + max(0, min(column, len(lines[line].rstrip("\r"))))


# ---- the place


def locate(document: Document, pointer: Pointer, *, is_key: bool = False) -> Span:
    """The value at a place, or its key; where there is nothing, what lies around it and is there."""
    key: Node | None = None
    node = document.root
    pointer = as_written(document.data, pointer)
    for depth, step in enumerate(pointer):
        found = _step(node, step) if node is not None else None
        if found is None:
            return _span_of_key(key, node, document.text)
        key, node = found
        if is_key and depth == len(pointer) - 1:
            break
    if is_key or node is None or not _is_on_one_line(node, document.text):
        return _span_of_key(key, node, document.text)
    return _span(node, document.text)


def as_written(data: Any, pointer: Pointer) -> Pointer:
    """A place of a policy in its file's data: in a ConfigMap, the flat key that says it."""
    if pointer[:1] != ("spec",) or mapping(data).get("kind") != "ConfigMap":
        return pointer
    keys = mapping(data["data"]) if "data" in data else {}
    for length in range(len(pointer), 1, -1):
        path = [str(step) for step in pointer[1:length]]
        for key in (".".join(path), ".".join(path[1:])):
            if key in keys:
                return ("data", key)
    return ("data",)


def _step(node: Node, step: str | int) -> tuple[Node | None, Node] | None:
    """The key (None in a list) and the value of one step down. A merged mapping counts as well."""
    value = source.child(node, step)
    if value is None:
        return None
    pairs = node.value if source.is_mapping(node) else ()
    return next((pair for pair in pairs if pair[1] is value), (None, value))


def _is_on_one_line(node: Node, text: str) -> bool:
    """Whether a value can be underlined: a scalar or a flow collection with something in it."""
    start, end = node.start_mark.index, node.end_mark.index
    block = (source.is_mapping(node) or source.is_sequence(node)) and text[start : start + 1] not in {"{", "["}
    return start < end and not block


def _span_of_key(key: Node | None, node: Node | None, text: str) -> Span:
    if key is not None:
        return _span(key, text)
    if node is None:
        return Span(0, 0)
    if source.is_mapping(node) and node.value and not _is_on_one_line(node, text):
        return _span(node.value[0][0], text)
    return _span(node, text)


def _span(node: Node, text: str) -> Span:
    """A node's place, as far as it stands on its first line."""
    start, end = node.start_mark.index, node.end_mark.index
    line_end = text.find("\n", start)
    end = min(end, line_end if line_end >= 0 else len(text))
    return Span(start, start + len(text[start:end].rstrip()))


def duplicates(document: Document, path: str) -> Iterator[ConfigError]:
    """One error for each key that stands twice in one mapping."""
    for name, first, second in document.duplicates:
        span = _key_on_line(document.root, name, second) or Span(*[index_of(document.text, second, 0)] * 2)
        message = f"the key {name!r} stands twice in one mapping, first on line {first + 1}"
        yield at(message, document.text, span, path)


def _key_on_line(root: Node | None, name: str, line: int) -> Span | None:
    stack = [root]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if node is None or source.is_scalar(node) or id(node) in seen:
            continue
        seen.add(id(node))
        for entry in node.value:
            key, value = entry if isinstance(entry, tuple) else (None, entry)
            if key is not None and key.start_mark.line == line and key.value == name:
                return Span(key.start_mark.index, key.end_mark.index)
            stack.append(value)
    return None


# ---- the picture


def excerpt(text: str, span: Span) -> str:
    """The line of a place with its number, and carets under the place."""
    start = text.rfind("\n", 0, span.start) + 1
    end = text.find("\n", span.start)
    line = text[start : end if end >= 0 else len(text)].rstrip("\r")
    number = str(text.count("\n", 0, start) + 1)
    first = span.start - start
    shown, before, under = _cut(_cells(line), first, max(min(span.end - start, len(line)), first + 1))
    gutter = " " * len(number)
    return f" {number} | {shown}\n {gutter} | {' ' * before}{'^' * under}"


def _cells(line: str) -> list[tuple[str, int]]:
    """What is shown for each character, and how many columns that takes."""
    from rich.cells import cell_len

    made: list[tuple[str, int]] = []
    column = 0
    for letter in line:
        one = letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}"
        one = " " * (TAB - column % TAB) if letter == "\t" else one
        made.append((one, cell_len(one)))
        column += made[-1][1]
    return made


def _cut(cells: list[tuple[str, int]], first: int, last: int) -> tuple[str, int, int]:
    """The characters around a place, the columns in front of it, and those that it takes."""
    left, right = 0, len(cells)
    if _width(cells) > WIDTH:
        left = first
        while left > 0 and _width(cells[left - 1 : first]) <= BEFORE:
            left -= 1
        room = WIDTH - _width(cells[left:first])
        right = first
        while right < len(cells) and _width(cells[first : right + 1]) <= room:
            right += 1
    head, tail = "…" if left else "", "…" if right < len(cells) else ""
    shown = head + "".join(one for one, _ in cells[left:right]) + tail
    before = len(head) + _width(cells[left:first])
    return shown.rstrip(), before, max(_width(cells[first : min(last, right)]), 1)


def _width(cells: list[tuple[str, int]]) -> int:
    return sum(width for _, width in cells)
