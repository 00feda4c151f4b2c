"""Operations become disjoint edits on the original text, applied in one pass.

What no edit names stays byte for byte. All additions to one mapping are one insertion; at one offset the deeper
insertion goes first, so that it stays within its own parent.
"""

from __future__ import annotations

from krm_harden import emit, place, source
from krm_harden.errors import RefusedEdit
from krm_harden.patch import on_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

    from krm_harden.model import Operation, Pointer
    from krm_harden.source import Document


class Edit:
    """Characters `start` to `end` become `text`. `depth` is that of the collection it belongs to.

    `into` is the pointer of the block collection to which whole lines are added, None of any other edit.
    """

    __slots__ = ("depth", "end", "into", "start", "text")

    def __init__(self, start: int, end: int, text: str, depth: int = 0, into: Pointer | None = None) -> None:
        self.start = start
        self.end = end
        self.text = text
        self.depth = depth
        self.into = into

    def key(self) -> tuple[int, int, str]:
        return self.start, self.end, self.text


class _Change:
    """What becomes of one collection: what is added to it, and the indexes of the entries that go."""

    __slots__ = ("added", "gone", "nodes", "pointer")

    def __init__(self, nodes: list[Any], pointer: Pointer) -> None:
        self.nodes = nodes
        self.pointer = pointer
        self.added: list[tuple[str | int, Any]] = []
        self.gone: set[int] = set()

    def runs(self) -> Iterator[tuple[int, int]]:
        """The first and last index of entries that go and are neighbours."""
        for first in sorted(self.gone):
            if first - 1 not in self.gone:
                last = first
                while last + 1 in self.gone:
                    last += 1
                yield first, last


def plan(document: Document, operations: Iterable[Operation]) -> list[Edit]:
    """The edits that operations need, sorted and disjoint. Raises RefusedEdit where the text allows none."""
    trails = place.Trails(document)
    changes: dict[int, _Change] = {}
    edits: list[Edit] = []
    for operation in on_source(operations):
        if operation.op == "replace":
            edits.append(_replace(document, trails.to(operation.path), operation))
            continue
        nodes = trails.to(operation.path[:-1])
        change = changes.get(id(nodes[-1]))
        if change is None:
            change = changes[id(nodes[-1])] = _Change(nodes, operation.path[:-1])
        entry = (operation.path[-1], operation.value)
        if operation.op == "remove":
            change.gone.add(_index_of(nodes[-1], operation.path[-1]))
        elif not (id(nodes[-1]) in document.repeated and entry in change.added):
            # A node that stands in several places is added to once for all of them.
            change.added.append(entry)
    for change in changes.values():
        edits.extend(_changed(document, change))
    return _ended(document.text, _disjoint(edits))


def _disjoint(edits: list[Edit]) -> list[Edit]:
    """The edits in order, those of neighbouring lines that go as one. Raises RefusedEdit where two overlap."""
    # An anchor's node is one place in several; the same edit of it counts once.
    unique = list({edit.key(): edit for edit in edits}.values())
    # What is inserted where something goes stands before it.
    unique.sort(key=lambda edit: (edit.start, edit.end > edit.start, -edit.depth))
    found: list[Edit] = []
    for edit in unique:
        last = found[-1] if found else edit
        if edit.start < last.end and edit is not last:
            raise RefusedEdit("two edits overlap")
        if edit.start == last.end and not edit.text and not last.text:
            found[-1] = Edit(last.start, edit.end, "")
        else:
            found.append(edit)
    return found


def _ended(text: str, edits: list[Edit]) -> list[Edit]:
    """Edits after which a text without a last line break still has none, though its last lines go."""
    gone = next((edit for edit in edits if not edit.text and edit.end == len(text)), None)
    if gone is None or text.endswith("\n"):
        return edits
    newline = place.newline_before(text, gone.start)
    kept = [edit for edit in edits if edit.start < gone.start]
    # Lines before what goes end in a line break, lines at the text's end begin with one.
    before = "".join(edit.text for edit in edits if edit.start == gone.start)
    after = "".join(edit.text for edit in edits if edit.start > gone.start)
    if before + after:
        written = before + after.removeprefix(newline) if after else before[: -len(newline)]
        return [*kept, Edit(gone.start, len(text), written)]
    start = gone.start
    while kept and not kept[-1].text and not text[kept[-1].end : start].strip():
        start = kept.pop().start
    # Blank lines above what goes would end in the line break that the text doesn't have.
    return [*kept, Edit(_line_break(text, place.line_end(text, len(text[:start].rstrip()))), len(text), "")]


def apply(text: str, edits: Iterable[Edit]) -> str:
    """The text with sorted, disjoint edits made."""
    parts = []
    at = 0
    for edit in edits:
        parts += [text[at : edit.start], edit.text]
        at = edit.end
    return "".join(parts) + text[at:]


def _changed(document: Document, change: _Change) -> Iterable[Edit]:
    node = change.nodes[-1]
    if source.is_scalar(node):
        raise RefusedEdit("a field that holds a value can't get keys")
    if node.flow_style or not node.value:
        if document.text[place.after_properties(document.text, node)] not in "{[":
            raise RefusedEdit("a mapping without braces within a flow sequence can't get or lose a key")
        return _change_flow(document, change) if change.gone else [_add_flow(document, change)]
    return _change_block(document, change) if change.gone else [_add_block(document, change)]


def _add_block(document: Document, change: _Change, removals: Iterable[Edit] = ()) -> Edit:
    text, nodes = document.text, change.nodes
    node = nodes[-1]
    if any(edit.end == len(text) for edit in removals):
        at = len(text)
    elif source.is_mapping(node):
        at = place.after_block_mapping(text, node)
    else:
        at = place.after_block_sequence(text, nodes[-2] if len(nodes) > 1 else None, node)
    above = at
    for edit in removals:
        above = edit.start if edit.end == above else above
    written = _gap(document, at, above) + _as_lines(text, at, _block_lines(text, change))
    return Edit(at, at, written, len(nodes), change.pointer)


def _block_lines(text: str, change: _Change) -> list[str]:
    """The lines of what is added to a block collection."""
    node = change.nodes[-1]
    column = place.column(text, node)
    style = place.block_style(text, change.nodes)
    if source.is_mapping(node):
        return [line for key, value in change.added for line in emit.entry(str(key), value, column, style)]
    quote = _quote_of(node.value[-1])
    style.item = place.dash_width(text, node) or style.item
    return [line for _, value in change.added for line in emit.item(value, column, style, quote)]


def _gap(document: Document, at: int, above: int) -> str:
    """A blank line below a comment in an item of a list: without it kpt takes the comment for the new key's own.

    It would then write it twice. kpt drops the blank line itself. `above` is where the text before it ends that stays.
    """
    if not isinstance(document.data, list) or document.text[above - 1 : above] != "\n":
        return ""
    line = document.text[place.line_start(document.text, above - 1) : above].lstrip(" ")
    return place.newline_before(document.text, at) if line.startswith("#") else ""


def _as_lines(text: str, at: int, lines: list[str]) -> str:
    """Lines to insert at the start of a line, or after a last line that has no line break."""
    newline = place.newline_before(text, at)
    if at == len(text) and at and text[-1] != "\n":
        return newline.join(["", *lines])
    return newline.join([*lines, ""])


def _add_flow(document: Document, change: _Change, end: int | None = None) -> Edit:
    """What is added behind the last entry, or behind that which ends at `end`."""
    text, node = document.text, change.nodes[-1]
    if not node.value:
        opened = place.after_properties(text, node) + 1
        style, _, written = _flow_entries(document, change)
        return Edit(opened, opened, emit.separator(style, 0).join(written), len(change.nodes))
    at = place.flow_end(text, node) if end is None else end
    # The comment behind the last entry stays behind it.
    on_line = text[at : place.line_end(text, at)].lstrip(" ,").startswith("#")
    style, column, written = _flow_entries(document, change, on_line=on_line)
    joined = "".join(emit.separator(style, column) + entry for entry in written)
    # `{image: }`: an empty value needs a space, or the comma would belong to the key.
    return Edit(at, at, (" " if text[at - 1] == ":" else "") + joined, len(change.nodes))


def _flow_entries(
    document: Document, change: _Change, *, on_line: bool = False
) -> tuple[emit.FlowStyle, int, list[str]]:
    """How a flow collection is written, the column of its entries, and what is added to it, on one line if need be."""
    node = change.nodes[-1]
    style, column = place.flow_style(document, node)
    style.step = None if on_line else style.step
    if not style.quoted and len(change.nodes) > 1:
        style.quoted = any(
            place.flow_style(document, parent)[0].quoted for parent in change.nodes[-3:-1] if parent.flow_style
        )
    quote = '"' if style.quoted else _quote_of(node.value[-1]) if node.value else ""
    written = []
    for key, value in change.added:
        if source.is_mapping(node):
            written.append(emit.pair(str(key), value, style, column))
        elif isinstance(value, (dict, list)):
            written.append(emit.flow(value, style, column))
        else:
            written.append(emit.scalar(value, quote))
    return style, column, written


def _quote_of(node: Any) -> str:
    """The quotes of a scalar, if it has any."""
    return node.style if source.is_scalar(node) and node.style in {"'", '"'} else ""


def _replace(document: Document, nodes: list[Any], operation: Operation) -> Edit:
    node, parent = nodes[-1], nodes[-2]
    if not source.is_scalar(node):
        return _replace_collection(document, nodes, operation)
    text = document.text
    empty = node.value == "" and not node.style
    if empty and isinstance(operation.value, (dict, list)) and operation.value and not parent.flow_style:
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


def _index_of(parent: Any, step: str | int) -> int:
    """The place of an entry in a collection."""
    if isinstance(step, int):
        found = [step] if step < len(parent.value) else []
    else:
        pairs = enumerate(parent.value) if source.is_mapping(parent) else ()
        found = [index for index, (key, _) in pairs if key.value == step and not source.is_merge(key)]
    if not found:
        raise RefusedEdit("a key that comes from a merge isn't removed")
    return found[0]


def _change_block(document: Document, change: _Change) -> list[Edit]:
    """Entries of a block collection go, others may come."""
    text, node = document.text, change.nodes[-1]
    entries = place.entries(text, node)
    if len(change.gone) == len(entries) and not (change.added and _begins_line(text, entries[0][0])):
        return _empty_block(document, change, entries)
    edits = [edit for first, last in change.runs() for edit in _without_lines(text, node, entries, first, last)]
    return [*edits, _add_block(document, change, edits[::-1])] if change.added else edits


def _begins_line(text: str, at: int) -> bool:
    return not text[place.line_start(text, at) : at].strip()


def _without_lines(text: str, node: Any, entries: list[tuple[int, int]], first: int, last: int) -> list[Edit]:
    """The lines of a run of entries go, and the comments below them that are indented deeper."""
    start = entries[first][0]
    begin, end = place.line_start(text, start), place.line_after(text, entries[last][1])
    below = [Edit(*line, "") for line in place.deeper_comments(text, end, place.column(text, node))]
    if _begins_line(text, start):
        return [Edit(begin, end, ""), *below]
    # The first entry of a list's item: the next one takes its place behind the dash.
    if text[:start].rstrip(" ")[-1:] != "-":
        raise RefusedEdit("an entry that shares its line isn't removed")
    following = entries[last + 1][0]
    if not apply(text[end:following], [Edit(edit.start - end, edit.end - end, "") for edit in below]).strip():
        return [Edit(start, following, "")]
    return [Edit(len(text[:start].rstrip(" ")), _line_break(text, end), ""), *below]


def _line_break(text: str, end: int) -> int:
    """Where the line break begins that ends a line."""
    return end - (text[:end].endswith("\n") + text[:end].endswith("\r\n"))


def _empty_block(document: Document, change: _Change, entries: list[tuple[int, int]]) -> list[Edit]:
    """A block collection loses all its entries: it's written as `{}` or `[]`, or what is added follows the dash."""
    text, nodes = document.text, change.nodes
    node, start = nodes[-1], entries[0][0]
    end = place.line_after(text, entries[-1][1])
    below = [Edit(*line, "") for line in place.deeper_comments(text, end, place.column(text, node))]
    written = place.newline_before(text, start).join(_block_lines(text, change)).lstrip(" ")
    written = written or ("{}" if source.is_mapping(node) else "[]")
    if len(nodes) == 1 or not _begins_line(text, start):
        return [Edit(start, _line_break(text, end), written, len(nodes)), *below]
    at = place.header_end(text, nodes[-2], node)
    return [Edit(at, at, f" {written}", len(nodes)), Edit(place.line_start(text, start), end, ""), *below]


def _change_flow(document: Document, change: _Change) -> list[Edit]:
    """Entries of a flow collection go, others may come."""
    text = document.text
    entries = place.entries(text, change.nodes[-1])
    if len(change.gone) == len(entries):
        return [_empty_flow(document, change, entries)]
    edits = [edit for first, last in change.runs() for edit in _without_entries(text, entries, first, last)]
    if not change.added:
        return edits
    last = max(set(range(len(entries))) - change.gone)
    return [*edits, _add_flow(document, change, entries[last][1])]


def _without_entries(text: str, entries: list[tuple[int, int]], first: int, last: int) -> list[Edit]:
    """A run of a flow collection's entries goes, with one comma, and comments that stand behind it alone."""
    start, end = entries[first][0], entries[last][1]
    before = entries[first - 1][1] if first else start
    after = entries[last + 1][0] if last + 1 < len(entries) else end
    comma = place.comma(text, end)
    if lines := _whole_lines(text, start, max(end, comma + 1)):
        found = Edit(*lines, "")
    elif text[end:after].strip() == "," and (not first or _begins_line(text, start)):
        return [Edit(start, after, "")]
    elif text[before:start].strip() == ",":
        return [Edit(before, end, "")]
    else:
        found = Edit(start, _with_comment(text, start, max(end, comma + 1)), "")
    if comma >= 0:
        return [found]
    comma = place.comma(text, before)
    return [Edit(comma, comma + 1, ""), found]


def _whole_lines(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The lines from one offset to another, if nothing else but a comment behind it stands on them."""
    if not _begins_line(text, start) or not _is_comment(text[end : place.line_end(text, end)]):
        return None
    return place.line_start(text, start), place.line_end(text, end)


def _is_comment(rest: str) -> bool:
    """Whether the rest of a line is blank or a comment."""
    return rest.lstrip(" \t").startswith("#") or not rest.strip()


def _with_comment(text: str, start: int, end: int) -> int:
    """The end of the line where only brackets or dashes precede what goes, and only a comment follows it."""
    line_end = place.line_end(text, end)
    alone = not text[place.line_start(text, start) : start].strip(" \t-[{") and _is_comment(text[end:line_end])
    return _line_break(text, line_end) if alone else end


def _empty_flow(document: Document, change: _Change, entries: list[tuple[int, int]]) -> Edit:
    """A flow collection loses all its entries, or others take their place."""
    text, node = document.text, change.nodes[-1]
    start, end = entries[0][0], entries[-1][1]
    opened, closed = place.after_properties(text, node) + 1, int(node.end_mark.index) - 1
    stop = max(end, place.comma(text, end) + 1)
    if change.added:
        style, column, written = _flow_entries(document, change)
        end = _with_comment(text, start, stop) if _with_comment(text, start, stop) > stop else end
        return Edit(start, end, emit.separator(style, column).join(written), len(change.nodes))
    begin, stop = _whole_lines(text, start, stop) or (start, _with_comment(text, start, stop))
    # A comment behind brackets on several lines belongs to the collection.
    keeps_lines = "\n" in text[opened:closed] and text[closed + 1 : place.line_end(text, closed)].strip(" ,]}\r\n")
    if not (text[opened:begin] + text[stop:closed]).strip() and not keeps_lines:
        begin, stop = opened, closed
    return Edit(begin, stop, "")
