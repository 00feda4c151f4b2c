"""Where an edit goes, and whose comments stand there.

Works on the marks of one Document. All offsets are characters of its text. A mark's traps (measured, libyaml 0.2.5): a
block collection ends at the next token, past comments and blank lines; a block scalar ends on the next line; an alias
is the anchor's node, with the anchor's marks; a node's span begins at its anchor or tag.
"""

from __future__ import annotations

from krm_harden import source
from krm_harden.emit import FlowStyle, Style
from krm_harden.errors import RefusedEdit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from krm_harden.model import Pointer
    from krm_harden.source import Document

_BREAKS = "\r\n"


def check_breaks(document: Document) -> None:
    """Raises RefusedEdit for line breaks between keys and values that only some readers see."""
    text = document.text
    if not source.has_foreign_breaks(text):
        return
    at = 0
    for start, end, _ in [*leaves(document), (len(text), len(text), None)]:
        between = text[at:start]
        for hash_ in _hashes(text, at, start):
            between = between.replace(text[hash_ : min(line_end(text, hash_), start)].rstrip("\r\n"), "")
        if source.has_foreign_breaks(between):
            raise RefusedEdit(
                "a carriage return, NEL, LS or PS alone is a line break to some readers only",
                next_step="write line feeds",
            )
        at = max(at, end)


KEY = ("key",)
"""The last step of a leaf that is a key: no step of a pointer, which a field `key` is."""


class Trails:
    """The nodes from the root to places in a document. Neighbours share most of their way."""

    __slots__ = ("_known",)

    def __init__(self, document: Document) -> None:
        if "%TAG" in document.text and any(line.startswith("%TAG") for line in document.text.splitlines()):
            raise RefusedEdit("a %TAG directive gives tags another meaning")
        self._known: dict[Pointer, list[Any]] = {(): [_plainly_tagged(document.root)]}

    def to(self, pointer: Pointer) -> list[Any]:
        """The nodes on the way, both ends included. Raises RefusedEdit where an edit could mean something else."""
        known = self._known.get(pointer)
        if known is None:
            above = self.to(pointer[:-1])
            known = self._known[pointer] = [*above, _plainly_tagged(source.child(above[-1], pointer[-1]))]
        return known


def _plainly_tagged(node: Any) -> Any:
    if node is None:
        raise RefusedEdit("the place of the edit isn't in the text")
    if node.tag is not None and source.has_custom_tag(node):
        raise RefusedEdit(f"the tag {node.tag} on the way to the field has a meaning that only its author knows")
    return node


def line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def line_end(text: str, offset: int) -> int:
    """The offset after the line break of the line that holds `offset`, or the end of the text."""
    end = text.find("\n", offset)
    return len(text) if end < 0 else end + 1


def shared_anchor(document: Document, pointer: Pointer) -> str:
    """The anchor, used in several places, within which an edit at a Pointer would fall; empty when there is none."""
    way = [document.root]
    for step in pointer:
        found = source.child(way[-1], step) if way[-1] is not None else None
        if found is None:
            break
        way.append(found)
    used = {name[1:] for name in source.anchors(document.text) if name.startswith("*")}
    for start, end, name in _anchored(document):
        if name in used and any(start <= node.start_mark.index and node.end_mark.index <= end for node in way if node):
            return f"&{name}"
    return ""


def _anchored(document: Document) -> Iterator[tuple[int, int, str]]:
    """Start, end and name of every anchored node."""
    stack = [document.root]
    seen = set()
    while stack:
        node = stack.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        at, end = int(node.start_mark.index), int(node.end_mark.index)
        for word in document.text[at:end].split(None, 2)[:2]:
            if word.startswith("&"):
                yield at, end, word[1:]
        if source.is_mapping(node):
            stack.extend(part for pair in node.value for part in pair)
        elif source.is_sequence(node):
            stack.extend(node.value)


def node_at(document: Document, pointer: Pointer) -> Any:
    """The node at a pointer, or None."""
    node: Any = document.root
    for step in pointer:
        node = source.child(node, step) if node is not None else None
    return node


def newline_before(text: str, offset: int) -> str:
    """The line break of the line before an offset; the next one where there is none before."""
    end = text.rfind("\n", 0, offset)
    end = text.find("\n", offset) if end < 0 else end
    return "\r\n" if end > 0 and text[end - 1] == "\r" else "\n"


def after_properties(text: str, node: Any) -> int:
    """Where a node's own text begins, after its anchor and tag."""
    at: int = node.start_mark.index
    end: int = node.end_mark.index
    while at < end and text[at] in "&!":
        while at < end and not text[at].isspace():
            at += 1
        at = _skip_blank(text, at, end)
    return at


def _skip_blank(text: str, at: int, end: int) -> int:
    while at < end and (text[at].isspace() or text[at] == "#"):
        at = line_end(text, at) if text[at] == "#" else at + 1
    return at


def column(text: str, node: Any) -> int:
    """The column of a block collection: of its first key, or of its dashes."""
    if node.id == "mapping":
        return int(node.value[0][0].start_mark.column)
    at = after_properties(text, node)
    return at - line_start(text, at)


def dash_width(text: str, node: Any) -> int:
    """From a block sequence's dash to its last item on the same line, in columns; 0 when it isn't told."""
    item = node.value[-1]
    width = int(item.start_mark.column) - column(text, node)
    dash = int(item.start_mark.index) - width
    return width if width > 1 and text[dash : dash + 1] == "-" else 0


def is_block_scalar(node: Any) -> bool:
    return source.is_scalar(node) and node.style in {"|", ">"}


def last_entry(text: str, node: Any) -> tuple[Any, int, bool]:
    """The last value of a collection, where it begins or ends, and whether it stands there as an alias.

    Of an alias the offset is its end; the node is the anchor's.
    """
    if source.is_mapping(node):
        key, value = node.value[-1]
        before = int(key.end_mark.index)
    else:
        value = node.value[-1]
        before = _before_last_item(text, node)
    if value.start_mark.index < before:
        return value, _alias_end(text, before), True
    return value, int(value.start_mark.index), False


def last_leaf(text: str, node: Any) -> tuple[Any, int]:
    """The last scalar or flow collection within a node, and the offset where the node's content ends."""
    if "*" not in text:
        while node.id != "scalar" and not node.flow_style:
            node = node.value[-1][1] if node.id == "mapping" else node.value[-1]
        return node, int(node.end_mark.index)
    while not (source.is_scalar(node) or node.flow_style):
        node, at, is_alias = last_entry(text, node)
        if is_alias:
            return node, at
    return node, int(node.end_mark.index)


def flow_end(text: str, node: Any) -> int:
    """Where the last entry of a flow collection ends."""
    value, at, is_alias = last_entry(text, node)
    return at if is_alias else int(value.end_mark.index)


def _before_last_item(text: str, node: Any) -> int:
    """An offset between the last two items of a sequence, or its own start."""
    before = after_properties(text, node)
    for item in node.value[:-1]:
        before = _alias_end(text, before) if item.start_mark.index < before else last_leaf(text, item)[1]
    return before


def _alias_start(text: str, at: int) -> int:
    """The start of the alias `*name` that comes next."""
    while at < len(text) and text[at] != "*":
        at = line_end(text, at) if text[at] == "#" and text[at - 1].isspace() else at + 1
    return at


def _alias_end(text: str, at: int) -> int:
    """The end of the alias that comes next."""
    at = _alias_start(text, at)
    while at < len(text) and not text[at].isspace() and text[at] not in ",]}":
        at += 1
    return at


def content_end(text: str, node: Any) -> int:
    """The offset where a node's content ends, before trailing comments and blank lines."""
    return last_leaf(text, node)[1]


def entries(text: str, node: Any) -> list[tuple[int, int]]:
    """Where each entry of a collection begins, with its key, its dash or its item, and where its content ends.

    Raises RefusedEdit for a key that is an alias.
    """
    found: list[tuple[int, int]] = []
    at = after_properties(text, node)
    for entry in node.value:
        if source.is_mapping(node):
            key, value = entry
            start, before = int(key.start_mark.index), int(key.end_mark.index)
            if start < at:
                raise RefusedEdit("a key that is an alias")
        elif node.flow_style:
            value, before = entry, at
            start = int(value.start_mark.index) if value.start_mark.index >= at else _alias_start(text, at)
        else:
            value = entry
            start = _dash(text, node, at) if found else at
            before = start + 1
        at = _alias_end(text, before) if value.start_mark.index < before else content_end(text, value)
        found.append((start, at))
    return found


def _dash(text: str, node: Any, at: int) -> int:
    """The dash of a block sequence's next item, which stands alone before its item on the line."""
    own = column(text, node)
    begin = at if at == line_start(text, at) else line_end(text, at)
    while begin < len(text) and text[begin : begin + own + 1] != " " * own + "-":
        begin = line_end(text, begin)
    return begin + own


def header_end(text: str, parent: Any, node: Any) -> int:
    """Where the line above a block collection says that it begins: behind the colon or dash, the anchor and the tag."""
    at = int(node.start_mark.index)
    properties = text[at : after_properties(text, node)].partition("\n")[0].partition(" #")[0].rstrip()
    if properties:
        return at + len(properties)
    if source.is_sequence(parent):
        index = next(index for index, item in enumerate(parent.value) if item is node)
        return entries(text, parent)[index][0] + 1
    key = next(key for key, value in parent.value if value is node)
    return text.index(":", key.end_mark.index) + 1


def comma(text: str, at: int) -> int:
    """The comma that comes next in a flow collection, past blanks and comments; -1 where something else does."""
    at = _skip_blank(text, at, len(text))
    return at if text[at : at + 1] == "," else -1


def starts_cleanly(text: str, node: Any) -> bool:
    """Whether a block mapping's first key begins its line, or follows the dashes of a list."""
    at = int(node.value[0][0].start_mark.index)
    prefix = text[line_start(text, at) : at].rstrip(" ")
    return not prefix or prefix.endswith("-")


def after_block_mapping(text: str, node: Any) -> int:
    """Where new keys of a block mapping go: after its last value and the comments that are its own.

    Raises RefusedEdit where no such place exists.
    """
    if not starts_cleanly(text, node):
        raise RefusedEdit("the mapping begins in the middle of a line")
    leaf, end = last_leaf(text, node)
    own = column(text, node)
    if is_block_scalar(leaf) and end == len(text) and text[-1:] not in _BREAKS:
        return _before_last_key(text, node)
    return after_comments(text, line_after(text, end), own)


def _before_last_key(text: str, node: Any) -> int:
    # The text ends within a block scalar, without a line break: one more line would change its value.
    if len(node.value) < 2:
        start = int(node.value[0][0].start_mark.index)
        if text[line_start(text, start) : start].strip(" "):
            raise RefusedEdit("the text ends within a block scalar", next_step="end the file with a line break")
        return line_start(text, start)
    key, value = node.value[-2]
    if value.start_mark.index < key.start_mark.index:
        return line_end(text, _alias_end(text, key.end_mark.index))
    return line_after(text, content_end(text, value))


def line_after(text: str, end: int) -> int:
    """The start of the line after some content, where a block scalar's end is already.

    Raises RefusedEdit where anything but a comment follows on the line.
    """
    if text[end - 1 : end] in _BREAKS:
        return end
    after = line_end(text, end)
    rest = text[end:after].strip()
    if rest and not rest.startswith("#"):
        raise RefusedEdit("something follows the mapping's last value on its line")
    return after


def after_comments(text: str, at: int, least: int) -> int:
    """The offset after the comment lines that follow at column `least` or deeper, blank lines between them included."""
    look = at
    while look < len(text):
        end = line_end(text, look)
        line = text[look:end]
        content = line.lstrip(" \t")
        if content[:1] == "#":
            if len(line) - len(content) < least:
                break
            at = end
        elif content.strip():
            break
        look = end
    return at


def deeper_comments(text: str, at: int, than: int) -> Iterator[tuple[int, int]]:
    """The lines with comments that follow, those deeper than a column; blank lines and other comments lie between."""
    while at < len(text):
        end = line_end(text, at)
        content = text[at:end].lstrip(" \t")
        if content[:1] == "#":
            if end - at - len(content) > than:
                yield at, end
        elif content.strip():
            return
        at = end


def after_block_sequence(text: str, parent: Any, node: Any) -> int:
    """Where a new item of a block sequence goes. A comment at the dash of a compact list belongs to what follows."""
    leaf, end = last_leaf(text, node)
    if is_block_scalar(leaf) and end == len(text) and text[-1:] not in _BREAKS:
        raise RefusedEdit("the text ends within a block scalar", next_step="end the file with a line break")
    return after_comments(text, line_after(text, end), column(text, node) + is_compact_list(text, parent, node))


def below_empty_key(text: str, parent: Any, node: Any) -> tuple[int, int]:
    """Where the block goes that fills `key:`, and the column of a deeper comment that stands there already, else -1."""
    at = line_end(text, node.end_mark.index)
    line = text[at : line_end(text, at)]
    content = line.lstrip(" ")
    indent = len(line) - len(content)
    return at, indent if content[:1] == "#" and indent > column(text, parent) else -1


def block_style(text: str, nodes: list[Any]) -> Style:
    """The indentation habits nearest to the last node of a trail: its own children's, then its ancestors'."""
    step = dash = item = 0
    has_dash = False
    way: Any = None
    for parent in reversed(nodes):
        if parent.id == "mapping" and _is_block(parent):
            own, start = column(text, parent), parent.start_mark.index
            for _, value in parent.value if way is None else ((None, way), *parent.value):
                if not _is_block(value) or value.start_mark.index < start:
                    continue
                if value.id == "mapping":
                    step = step or value.value[0][0].start_mark.column - own
                elif not (has_dash and item):
                    at = column(text, value)
                    dash, has_dash = dash if has_dash else at - own, True
                    item = item or _item_step(text, value, at)
                if step and has_dash and item:
                    return Style(step, max(dash, 0), item if item > 1 else 2)
        way = parent
    return Style(step or 2, max(dash, 0), item if item > 1 else 2)


def _item_step(text: str, node: Any, own: int) -> int:
    """How much deeper than its dash the mapping of a list's first item stands; 0 where that isn't told."""
    first = node.value[0]
    return column(text, first) - own if first.id == "mapping" and _is_block(first) else 0


def _is_block(node: Any) -> bool:
    return node.id != "scalar" and not node.flow_style and bool(node.value)


def flow_style(document: Document, node: Any) -> tuple[FlowStyle, int]:
    """How a flow collection is written, and the column of its entries where each has a line of its own."""
    text = document.text
    entries = [key for key, _ in node.value] if source.is_mapping(node) else node.value
    quoted = document.is_json or _is_quoted(node)
    if not entries:
        return FlowStyle(quoted=quoted, compact=_is_compact(document)), 0
    start = int(entries[0].start_mark.index)
    indent = text[line_start(text, start) : start]
    opened = after_properties(text, node)
    if indent.strip(" ") or line_start(text, start) <= opened:
        return FlowStyle(quoted=quoted, compact=_is_compact(document)), 0
    line = text[line_start(text, opened) : opened + 1]
    outer = len(line) - len(line.lstrip(" "))
    step = max(len(indent) - outer, 0)
    return FlowStyle(quoted=quoted, step=step, newline=newline_before(text, start)), len(indent)


def _is_quoted(node: Any) -> bool:
    """Whether the neighbours write keys in double quotes: YAML that is JSON to its author stays so."""
    if source.is_mapping(node) and node.value:
        return bool(node.value[0][0].style == '"')
    return bool(
        source.is_sequence(node) and node.value and source.is_mapping(node.value[0]) and _is_quoted(node.value[0])
    )


def _is_compact(document: Document) -> bool:
    """Whether a JSON text has no space after its colons."""
    if not document.is_json:
        return False
    # A text has a hundred thousand brackets, and may have no such colon.
    if document.is_compact is None:
        at = document.text.find('":')
        document.is_compact = document.text[at + 2 : at + 3] not in {" ", "\n", "\r"}
    return document.is_compact


class Comment:
    """One comment: where it begins, its text, and what it belongs to.

    `owner` is the pointer of the collection at whose `column` it stands. Of a comment behind something the column is
    -1, and `owner` are the leaves on its line; behind a dash alone it is the item. `leaf` and `following` are the
    leaves around it; `before` and `after` those around it that were asked for.
    """

    __slots__ = ("after", "before", "column", "following", "leaf", "owner", "start", "text")

    def __init__(
        self, start: int, text: str, owner: Any, before: Any = None, after: Any = None, column: int = -1
    ) -> None:
        self.start = start
        self.text = text
        self.owner = owner
        self.before = before
        self.after = after
        self.column = column
        self.leaf: Any = None
        self.following: Any = None

    def place(self) -> tuple[Any, ...]:
        return self.owner if self.column >= 0 else self.owner[:1], self.column, self.before, self.after

    def moved(self, by: Callable[[Any], Any]) -> Comment:
        """The same comment, its pointers as they are after a change."""
        owner = (
            by(self.owner)
            if self.column >= 0
            else tuple(there for leaf in self.owner if (there := by(leaf)) is not None)
        )
        before, after = self.before and by(self.before), self.after and by(self.after)
        return Comment(self.start, self.text, owner, before, after, self.column)


def leaves(document: Document) -> list[tuple[int, int, Any]]:
    """Start, end and pointer of every key, scalar and opening bracket, in the order of the text."""
    return sorted(each_leaf(document), key=lambda leaf: leaf[:2])


def each_leaf(document: Document) -> Iterator[tuple[int, int, Any]]:
    """The same one by one: all of them at once take as much memory as the nodes."""
    return _leaves(document.text, document.root) if document.root is not None else iter(())


def comments(document: Document, found: list[tuple[int, int, Any]], known: frozenset[Any]) -> list[Comment]:
    """Every comment of a document, in order. `found` are its leaves; those in `known` count as neighbours."""
    text = document.text
    made: list[Comment] = []
    at = line = 0
    on_line: list[Any] = []
    leaf: Any = None
    before: Any = None
    for start, end, pointer in [*found, (len(text), len(text), None)]:
        for offset in _hashes(text, at, start):
            begin = line_start(text, offset)
            behind = on_line if line == begin else [leaf] if at > begin else []
            made.append(_comment(document, offset, leaf, pointer, behind))
            made[-1].before = before
        at = max(at, end)
        if line_start(text, start) > line:
            line, on_line = line_start(text, start), []
        on_line = [*on_line, pointer]
        leaf = pointer
        if pointer in known or pointer is None:
            before = pointer
            for comment in reversed(made):
                if comment.after is not None:
                    break
                comment.after = pointer if pointer is not None else ()
    return made


def _own_start(text: str, node: Any) -> int:
    """Where a scalar begins; a block scalar after its header, which may end in a comment."""
    start: int = node.start_mark.index
    return min(line_end(text, start), int(node.end_mark.index)) if is_block_scalar(node) else start


def _leaves(text: str, root: Any) -> Iterator[tuple[int, int, Any]]:
    """Start, end and pointer of every leaf; of a repeated node only the first place."""
    stack: list[tuple[Any, tuple[Any, ...]]] = [(root, ())]
    seen = set()
    while stack:
        node, pointer = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if source.is_scalar(node):
            yield _own_start(text, node), node.end_mark.index, pointer
            continue
        if node.flow_style or not node.value:
            opened = after_properties(text, node)
            yield opened, opened + 1, pointer
        if source.is_mapping(node):
            for key, value in reversed(node.value):
                name = key.value if source.is_scalar(key) else ""
                stack.append((value, (*pointer, name)))
                stack.append((key, (*pointer, name, KEY)))
        else:
            stack.extend((item, (*pointer, index)) for index, item in reversed(list(enumerate(node.value))))


def _hashes(text: str, start: int, end: int) -> Iterator[int]:
    """Where comments begin between two leaves."""
    at = text.find("#", start, end)
    while at >= 0:
        if at == 0 or text[at - 1] in " \t\n\r":
            yield at
            at = text.find("#", line_end(text, at), end)
        else:
            at = text.find("#", at + 1, end)


def _comment(document: Document, offset: int, leaf: Any, following: Any, on_line: list[Any]) -> Comment:
    text = document.text
    begin = line_start(text, offset)
    alone = not text[begin:offset].strip()
    item = item_of_dash(document, offset, following)
    if not alone:
        closed = _closed(document, leaf, begin, offset) if on_line in ([], [leaf]) else None
        owner = tuple(on_line) if item is None and closed is None else (closed or item,)
    elif item is not None and column(text, node_at(document, item)) <= offset - begin:
        owner = item
    else:
        owner = max(_owner(document, leaf, offset, offset - begin), _flow_around(document, following, offset), key=len)
    body = text[offset : line_end(text, offset)].rstrip()
    comment = Comment(offset, body, owner, column=offset - begin if alone else -1)
    comment.leaf, comment.following = leaf, following
    return comment


def _closed(document: Document, leaf: Any, begin: int, offset: int) -> Any:
    """The outermost collection whose bracket closes between two offsets, behind a leaf on an earlier line."""
    if leaf is None or document.text[begin:offset].lstrip()[:1] not in {"]", "}"}:
        return None
    for depth in range(1, len(leaf) + 1):
        node = node_at(document, leaf[:depth])
        if _is_flow(node) and begin < node.end_mark.index <= offset:
            return leaf[:depth]
    return None


def _flow_around(document: Document, following: Any, offset: int) -> Any:
    """The deepest flow collection around both an offset and the leaf after it, or nothing."""
    for depth in range(len(following or ()), 0, -1):
        node = node_at(document, following[:depth])
        if _is_flow(node) and node.start_mark.index <= offset:
            return following[:depth]
    return ()


def _is_flow(node: Any) -> bool:
    return node is not None and not source.is_scalar(node) and bool(node.flow_style)


def item_of_dash(document: Document, offset: int, following: Any) -> Any:
    """The collection that is the item of the dash alone behind or below which a comment stands, else None."""
    if following is None or not is_below_a_dash(document.text, offset):
        return None
    for depth in range(1, len(following)):
        if isinstance(following[depth - 1], int):
            node = node_at(document, following[:depth])
            if node is not None and node.start_mark.index > offset:
                return following[:depth]
    return None


_above: tuple[str, int, bool] = ("", -1, False)
"""The last text and offset of which it was asked what stands above, and the answer."""


def is_below_a_dash(text: str, at: int) -> bool:
    """Whether the nearest content above, or before on the line, is a dash alone.

    Of many lines of comments each is asked about in turn: the way up ends at the one before.
    """
    global _above  # noqa: PLW0603 - what is remembered is true of its text for ever
    known, offset, found = _above
    above = -1
    while not (at == offset and text is known):
        begin = line_start(text, at)
        content = text[begin:at].partition(" #")[0].strip()
        if (content and not content.startswith("#")) or not begin:
            found = content == "-"
            break
        at = begin - 1
        above = at if above < 0 else above
    if above >= 0:
        _above = (text, above, found)
    return found


def _owner(document: Document, leaf: Any, offset: int, indent: int) -> Any:
    """The deepest collection around the leaf before a comment that begins at the comment's column or left of it.

    Below a key that is the collection that follows, too.
    """
    owner: Any = ()
    if leaf is None:
        return owner
    node: Any = document.root
    path = leaf[:-1] if leaf[-1:] == (KEY,) else leaf
    parent: Any = None
    for depth in range(len(path) + 1):
        if node is None or source.is_scalar(node):
            break
        if _is_around(document.text, parent, node, offset, indent):
            owner = path[:depth]
        if depth < len(path):
            parent, node = node, _step(node, path[depth])
    # Deeper than a key that has no value yet: the comment stands where the value would.
    is_empty = source.is_scalar(node) and node is not None and node.value == "" and not node.style
    deeper = is_empty and len(owner) == len(path) - 1 and indent > _column_at(document, owner)
    return path if deeper and leaf is path else owner


def _is_around(text: str, parent: Any, node: Any, offset: int, indent: int) -> bool:
    """Whether a comment at an offset and an indentation could stand within a collection."""
    if node.flow_style:
        return bool(node.start_mark.index <= offset < node.end_mark.index)
    return bool(node.value) and column(text, node) + is_compact_list(text, parent, node) <= indent


def is_compact_list(text: str, parent: Any, node: Any) -> bool:
    """Whether a list's dashes stand below its key: then a comment at the dash belongs to the mapping around."""
    inside = source.is_sequence(node) and source.is_mapping(parent) and not parent.flow_style
    return inside and column(text, parent) == column(text, node)


def _column_at(document: Document, pointer: Any) -> int:
    node = document.root
    for step in pointer:
        node = _step(node, step)
    return column(document.text, node)


def _step(node: Any, step: Any) -> Any:
    if source.is_sequence(node):
        return node.value[step]
    return next((value for key, value in node.value if source.is_scalar(key) and key.value == step), None)
