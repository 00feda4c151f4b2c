"""Operations become disjoint edits on the original text, applied in one pass.

What no edit names stays byte for byte. All additions to one mapping are one insertion; at one offset the deeper
insertion goes first, so that it stays within its own parent.
"""

from __future__ import annotations

from krm_harden import emit, place, source
from krm_harden.errors import RefusedEdit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from krm_harden.model import Operation
    from krm_harden.source import Document


class Edit:
    """Characters `start` to `end` become `text`. `depth` is that of the collection it belongs to."""

    __slots__ = ("depth", "end", "start", "text")

    def __init__(self, start: int, end: int, text: str, depth: int = 0) -> None:
        self.start = start
        self.end = end
        self.text = text
        self.depth = depth

    def key(self) -> tuple[int, int, str]:
        return self.start, self.end, self.text


class _Additions:
    """What is added to one collection."""

    __slots__ = ("entries", "nodes")

    def __init__(self, nodes: list[Any]) -> None:
        self.nodes = nodes
        self.entries: list[tuple[str | int, Any]] = []


def plan(document: Document, operations: Iterable[Operation]) -> list[Edit]:
    """The edits that operations need, sorted and disjoint. Raises RefusedEdit where the text allows none."""
    trails = place.Trails(document)
    additions: dict[int, _Additions] = {}
    edits: list[Edit] = []
    removals: list[tuple[list[Any], str | int]] = []
    for operation in operations:
        if operation.op == "add":
            nodes = trails.to(operation.path[:-1])
            group = additions.setdefault(id(nodes[-1]), _Additions(nodes))
            entry = (operation.path[-1], operation.value)
            # A node that stands in several places is added to once for all of them.
            if not (id(nodes[-1]) in document.repeated and entry in group.entries):
                group.entries.append(entry)
        elif operation.op == "replace":
            edits.append(_replace(document, trails.to(operation.path), operation))
        else:
            removals.append((trails.to(operation.path), operation.path[-1]))
    for nodes, step in removals:
        added = additions.get(id(nodes[-2]))
        if added and _is_last(nodes[-2], step):
            edits.append(_instead(document, nodes, additions.pop(id(nodes[-2]))))
        else:
            edits.append(_remove(document, nodes, step))
    edits.extend(_add(document, group) for group in additions.values())
    return _disjoint(edits)


def _disjoint(edits: list[Edit]) -> list[Edit]:
    # An anchor's node is one place in several; the same edit of it counts once.
    unique = list({edit.key(): edit for edit in edits}.values())
    unique.sort(key=lambda edit: (edit.start, edit.end > edit.start, -edit.depth))
    for earlier, later in zip(unique, unique[1:], strict=False):
        if later.start < earlier.end:
            raise RefusedEdit("two edits overlap")
    return unique


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with sorted, disjoint edits made."""
    parts = []
    at = 0
    for edit in edits:
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join(parts) + text[at:]


def _add(document: Document, group: _Additions) -> Edit:
    node = group.nodes[-1]
    if source.is_scalar(node):
        raise RefusedEdit("a field that holds a value can't get keys")
    if node.flow_style or not node.value:
        return _add_flow(document, group)
    return _add_block(document, group)


def _add_block(document: Document, group: _Additions) -> Edit:
    text, nodes = document.text, group.nodes
    node = nodes[-1]
    column = place.column(text, node)
    style = place.block_style(text, nodes)
    if source.is_mapping(node):
        at = place.after_block_mapping(text, node)
        lines = [line for key, value in group.entries for line in emit.block(str(key), value, column, style)]
    else:
        at = place.after_block_sequence(text, nodes[-2] if len(nodes) > 1 else None, node)
        quote = _quote_of(node.value[-1])
        style.item = place.dash_width(text, node) or style.item
        lines = [line for _, value in group.entries for line in emit.block_item(value, column, style, quote)]
    return Edit(at, at, _gap(document, at) + _as_lines(text, at, lines), len(nodes))


def _gap(document: Document, at: int) -> str:
    """A blank line below a comment in an item of a list: without it kpt takes the comment for the new key's own.

    It would then write it twice. kpt drops the blank line itself.
    """
    if not isinstance(document.data, list) or document.text[at - 1 : at] != "\n":
        return ""
    above = document.text[place.line_start(document.text, at - 1) : at].lstrip(" ")
    return place.newline_before(document.text, at) if above.startswith("#") else ""


def _as_lines(text: str, at: int, lines: list[str]) -> str:
    """Lines to insert at the start of a line, or after a last line that has no line break."""
    newline = place.newline_before(text, at)
    if at == len(text) and at and text[-1] != "\n":
        return "".join(newline + line for line in lines)
    return "".join(line + newline for line in lines)


def _add_flow(document: Document, group: _Additions) -> Edit:
    text, node = document.text, group.nodes[-1]
    opened = place.after_properties(text, node)
    if text[opened : opened + 1] not in {"{", "["}:
        raise RefusedEdit("a mapping without braces within a flow sequence can't get another key")
    style, column = place.flow_style(document, node)
    if not style.quoted and len(group.nodes) > 1:
        style.quoted = any(
            place.flow_style(document, parent)[0].quoted for parent in group.nodes[-3:-1] if parent.flow_style
        )
    entries = list(_flow_entries(group, style, column))
    if not node.value:
        return Edit(opened + 1, opened + 1, emit.separator(style, 0).join(entries), len(group.nodes))
    at = place.flow_end(text, node)
    if text[at : place.line_end(text, at)].lstrip(" ,").startswith("#"):
        # The comment behind the last entry stays behind it.
        style.step = None
    joined = "".join(emit.separator(style, column) + entry for entry in entries)
    # `{image: }`: an empty value needs a space, or the comma would belong to the key.
    return Edit(at, at, (" " if text[at - 1] == ":" else "") + joined, len(group.nodes))


def _flow_entries(group: _Additions, style: emit.FlowStyle, column: int) -> Iterator[str]:
    node = group.nodes[-1]
    for key, value in group.entries:
        if source.is_mapping(node):
            yield emit.pair(str(key), value, style, column)
        elif isinstance(value, (dict, list)):
            yield emit.flow(value, style, column)
        else:
            quote = '"' if style.quoted else _quote_of(node.value[-1]) if node.value else ""
            yield emit.scalar(value, quote)


def _quote_of(node: Any) -> str:
    """The quotes of a scalar, if it has any."""
    return node.style if source.is_scalar(node) and node.style in {"'", '"'} else ""


def _replace(document: Document, nodes: list[Any], operation: Operation) -> Edit:
    node, parent = nodes[-1], nodes[-2]
    if not source.is_scalar(node):
        return _replace_collection(document, nodes, operation)
    text = document.text
    empty = node.value == "" and not node.style
    if empty and isinstance(operation.value, (dict, list)) and not parent.flow_style:
        return _fill(document, nodes, operation)
    start = place.after_properties(text, node)
    end = _scalar_end(text, node)
    quote = '"' if document.is_json else _quote_of(node)
    if isinstance(operation.value, (dict, list)):
        around, _ = place.flow_style(document, parent)
        style = emit.FlowStyle(quoted=around.quoted and bool(parent.flow_style), compact=around.compact)
        written = emit.flow(operation.value, style)
    else:
        written = emit.scalar(operation.value, quote if isinstance(operation.value, str) else "")
    if empty:
        if text[:end].rstrip()[-1:] != ":" and start == node.start_mark.index:
            raise RefusedEdit("an empty value without a colon can't be filled")
        return Edit(end, end, written if text[end - 1].isspace() else f" {written}", len(nodes))
    return Edit(start, end, written + _header_comment(text, node), len(nodes))


def _scalar_end(text: str, node: Any) -> int:
    """The end of a scalar's last content character: a block scalar's mark is on a later line."""
    if not place.is_block_scalar(node):
        return int(node.end_mark.index)
    start, end = int(node.start_mark.index), int(node.end_mark.index)
    return start + len(text[start:end].rstrip())


def _header_comment(text: str, node: Any) -> str:
    """The comment behind a block scalar's header, with its space: it stays where it is."""
    if not place.is_block_scalar(node):
        return ""
    start = place.after_properties(text, node)
    header = text[start : place.line_end(text, start)].rstrip("\r\n")
    indicator, hash_, comment = header.partition(" #")
    return f"{indicator[len(indicator.rstrip()) :]}{hash_}{comment}"


def _fill(document: Document, nodes: list[Any], operation: Operation) -> Edit:
    """`key:` with nothing gets a block below it."""
    text = document.text
    parent, node = nodes[-2], nodes[-1]
    if not place.starts_cleanly(text, parent):
        raise RefusedEdit("the mapping begins in the middle of a line")
    at, comment_column = place.below_empty_key(text, parent, node)
    style = place.block_style(text, nodes[:-1])
    column = place.column(text, parent)
    if comment_column > column:
        style.step = style.dash = comment_column - column
    lines = emit.block("x", operation.value, column, style)[1:]
    return Edit(at, at, _as_lines(text, at, lines), len(nodes))


def _replace_collection(document: Document, nodes: list[Any], operation: Operation) -> Edit:
    """A collection of a wrong type, or one that is written anew, becomes a value in flow style."""
    text, node = document.text, nodes[-1]
    if not node.flow_style:
        raise RefusedEdit("a block of several lines isn't replaced", next_step="write the field by hand")
    start = place.after_properties(text, node)
    style = emit.FlowStyle(quoted=document.is_json)
    return Edit(start, int(node.end_mark.index), emit.flow(operation.value, style), len(nodes))


def _remove(document: Document, nodes: list[Any], step: str | int) -> Edit:
    parent, node = nodes[-2], nodes[-1]
    text = document.text
    entries = _entries(parent)
    index = step if isinstance(step, int) else _index_of(parent, step)
    start = int(entries[index][0].start_mark.index)
    end = place.content_end(text, node)
    if start > node.start_mark.index or (len(entries) == 1 and not parent.flow_style):
        raise RefusedEdit("the last entry of a block, or an alias, isn't removed")
    if not parent.flow_style:
        return _remove_lines(text, parent, entries[index], len(nodes))
    if index:
        return Edit(place.content_end(text, entries[index - 1][1]), end, "", len(nodes))
    after = int(entries[1][0].start_mark.index) if len(entries) > 1 else end
    return Edit(start, after, "", len(nodes))


def _is_last(parent: Any, step: str | int) -> bool:
    """Whether a key is the last of its mapping, as it is when it is the only one."""
    return source.is_mapping(parent) and _index_of(parent, str(step)) == len(parent.value) - 1


def _instead(document: Document, nodes: list[Any], group: _Additions) -> Edit:
    """The last entry of a mapping makes room for what is added there."""
    text, parent, node = document.text, nodes[-2], nodes[-1]
    key = parent.value[-1][0]
    if not parent.flow_style:
        gone = _remove_lines(text, parent, (key, node), len(nodes))
        column = place.column(text, parent)
        style = place.block_style(text, group.nodes)
        lines = [line for name, value in group.entries for line in emit.block(str(name), value, column, style)]
        newline = place.newline_before(text, gone.start)
        written = "".join(line + newline for line in lines)
        return Edit(
            gone.start,
            gone.end,
            written if text[: gone.end].endswith("\n") else written.removesuffix(newline),
            len(nodes),
        )
    flow, column = place.flow_style(document, parent)
    entries = emit.separator(flow, column).join(_flow_entries(group, flow, column))
    return Edit(int(key.start_mark.index), place.content_end(text, node), entries, len(nodes))


def _entries(parent: Any) -> list[tuple[Any, Any]]:
    """The entries of a collection as (where it begins, value)."""
    return list(parent.value) if source.is_mapping(parent) else [(item, item) for item in parent.value]


def _index_of(parent: Any, name: str) -> int:
    """The place of a key in a mapping."""
    found = [index for index, (key, _) in enumerate(parent.value) if key.value == name and not source.is_merge(key)]
    if not found:
        raise RefusedEdit("a key that comes from a merge isn't removed")
    return found[0]


def _remove_lines(text: str, parent: Any, entry: tuple[Any, Any], depth: int) -> Edit:
    start, node = int(entry[0].start_mark.index), entry[1]
    begin = place.line_start(text, start)
    if text[begin:start].strip(" ") != ("" if source.is_mapping(parent) else "-"):
        raise RefusedEdit("an entry that shares its line isn't removed")
    leaf, end = place.last_leaf(text, node)
    return Edit(begin, end if place.is_block_scalar(leaf) else place.line_end(text, end), "", depth)
