"""What a text says after whole lines were inserted into it, proven from its old parse and the lines alone.

The lemma: let `old` be a text that libyaml composes, C a block collection of it at column c, L the last leaf in C, and
T the token that follows L. X is a text of whole lines that composes alone to one block collection of C's sort at column
c. When X is inserted at the start of a line between L and T, the new text composes to the old one's nodes, with the
entries of X behind those of C, and to nothing else.

Why. What libyaml's scanner (0.2.5, scanner.c) does next follows from the text ahead and four things: the flow level,
the stack of indents, whether a simple key may stand here, and the simple keys that are still possible.

- Between L and T only blanks, line breaks and comments stand: C's end mark is where T begins, for a block collection
  ends when the next token is fetched. So the flow level is 0, the indents are those of L, and c is among them (a list
  whose dashes stand below its key has its mapping's). A line break allows a simple key; an earlier one can't be
  possible on a later line.
- L ends before X as it ended before T: a quoted scalar or a flow collection has its closing mark; a plain or block
  scalar needs more than its parent's indent, which is c or more, and X begins at column c. A block scalar's blank lines
  lie before its end mark, and X behind that.
- X's first token takes the indents down to c, as that alone is on the stack then; from there on the scanner sees X as
  it saw X alone. Its entries carry on C: in the mapping where a key comes next, in the list where a dash does. X has no
  scalar of several lines, comment, tag, anchor, directive or document mark that could reach over its end.
- T stands left of c (or, below a list whose dashes stand below its key, is that mapping's next key), and closes what X
  opened and C, as it closed C before: afterwards the indents are the old ones, and the text ahead is.
- Comments between L and the next leaf could change their owner; but for one behind L on its line, none may be there.
  All others keep both neighbours, and every collection its column.

Several insertions are proven from the last to the first, so that each stands in front of text that is proven already.
Two between the same L and T are those of nested collections: the deeper one has to come first.

It takes nothing from what planned the edit but which collection each insertion is meant for, and believes none of it.
What it can't prove (aliases, merges, explicit keys, tabs, carriage returns, comments nearby, a text without a last line
break, flow style) isn't wrong: `verify` then reads the whole new text. tests/test_proof.py holds it against that.
"""

from __future__ import annotations

from krm_harden import limits, scalars, source
from krm_harden.errors import InputError
from krm_harden.model import same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from krm_harden.edit import Edit
    from krm_harden.model import Pointer
    from krm_harden.source import Document

_NOT_INSERTED = frozenset("#&*!?|>%@`")
_MEMORY = 1024
_LONGEST = 2048


class _Block:
    """Inserted lines, read alone: the data, the column, how many levels, whether it is a mapping."""

    __slots__ = ("column", "data", "is_mapping", "levels")

    def __init__(self, data: Any, column: int, levels: int, *, is_mapping: bool) -> None:
        self.data = data
        self.column = column
        self.levels = levels
        self.is_mapping = is_mapping


def holds(document: Document, edits: Sequence[Edit], text: str, expected: Any) -> bool:
    """Whether `text` is the document's with these edits made, and certainly says what is expected.

    False also where it may well, but for reasons that aren't those of the lemma.
    """
    made = inserted(document, edits)
    if made is None or made[0] != text:
        return False
    copies = {id(data) for _, data in made[1].values()}
    return _is_same(made[1][()][1], expected, copies)


def inserted(document: Document, edits: Sequence[Edit]) -> tuple[str, dict[Pointer, tuple[Any, Any]]] | None:
    """The text with these edits made, and what it certainly says; None where the lemma doesn't tell.

    What it says comes as nodes of the old text and data of the new one, by their places: those of all that changes.
    """
    old = document.text
    if not _is_simple(document):
        return None
    known: dict[Pointer, tuple[Any, Any]] = {(): (document.root, document.data.copy())}
    parts: list[str] = []
    at = end = depth = 0
    most = limits.now()["depth"]
    for edit in edits:
        into, start = edit.into, edit.start
        block = _block(edit.text)
        if block is None or into is None or start != edit.end or start < at or len(into) + block.levels > most:
            return None
        # Before the same token, what belongs to the deeper collection comes first.
        if parts and start <= end and len(into) >= depth:
            return None
        node, data = known.get(into) or _target(known, into)
        if not (_is_at_end(old, node, block, start) and _extended(data, block)):
            return None
        parts += [old[at:start], edit.text]
        at, end, depth = start, node.end_mark.index, len(into)
    text = "".join(parts) + old[at:]
    # One of four bytes a character is for `verify` to measure.
    return (text, known) if len(text) <= limits.now()["documentBytes"] // 4 else None


def _is_simple(document: Document) -> bool:
    """Whether a text has nothing in it that the lemma doesn't speak of, wherever it stands."""
    text = document.text
    if document.root is None or source.is_scalar(document.root) or text[-1] != "\n":
        return False
    if document.is_json or document.duplicates or document.repeated:
        return False
    # Written out, as this is asked of every text.
    if "\t" in text or "\r" in text or "\ufeff" in text or ("<" in text and "<<" in text):
        return False
    if ("?" in text and ("? " in text or "?\n" in text)) or ("%" in text and "\n%" in f"\n{text}"):
        return False
    return not (source.has_foreign_breaks(text) or source.anchors(text))


def _block(text: str) -> _Block | None:
    """What inserted lines say alone, None unless they are one simple block collection."""
    if text in _blocks:
        return _blocks[text]
    block = _read(text)
    if len(_blocks) < _MEMORY and len(text) <= _LONGEST:
        _blocks[text] = block
    return block


_blocks: dict[str, _Block | None] = {}
"""The same few blocks in one workload after the other."""


def _read(text: str) -> _Block | None:
    lines = text.split("\n")
    if lines.pop() or not all(line.isascii() and line.isprintable() and line.strip() for line in lines):
        return None
    if not _NOT_INSERTED.isdisjoint(text):
        return None
    try:
        document = source.read(text)
    except InputError:
        return None
    root: Any = document.root
    if root is None or source.is_scalar(root) or root.flow_style or document.duplicates:
        return None
    column = root.start_mark.column
    # Nothing stands before it or after it, such as a `---` or a `...`.
    if root.start_mark.index != column or root.end_mark.index != len(text) or not _is_written_well(root):
        return None
    return _Block(document.data, column, _levels(root), is_mapping=source.is_mapping(root))


def _levels(node: Any) -> int:
    if source.is_scalar(node):
        return 0
    values = [value for _, value in node.value] if source.is_mapping(node) else node.value
    return 1 + max(map(_levels, values), default=0)


def _is_written_well(node: Any) -> bool:
    """Whether every scalar stands on one line, and is in quotes where a reader could take a string for another type."""
    if node.tag not in {None, source.QUOTED}:
        return False
    if source.is_mapping(node):
        return all(_is_written_well(part) for pair in node.value for part in pair)
    if source.is_sequence(node):
        return all(map(_is_written_well, node.value))
    if node.style in {"|", ">"} or node.start_mark.line != node.end_mark.line:
        return False
    return bool(node.style) or not isinstance(scalars.resolve(node.value), str) or scalars.is_plain_safe(node.value)


def _target(known: dict[Pointer, tuple[Any, Any]], pointer: Pointer) -> tuple[Any, Any]:
    """The node at a pointer, and its data, for us to add to; twice None where there is none to add to."""
    if not pointer:
        return known[()]
    above, data = known.get(pointer[:-1]) or _target(known, pointer[:-1])
    step = pointer[-1]
    node = None if above is None or above.tag is not None else _entry(above, step)
    if node is None or node.id == "scalar":
        known[pointer] = None, None
    else:
        data[step] = data[step].copy()
        known[pointer] = node, data[step]
    return known[pointer]


def _entry(node: Any, step: str | int) -> Any:
    """What stands under a key or at an index, None where nothing does. There are no merges."""
    if node.id == "sequence":
        return node.value[step] if step.__class__ is int and 0 <= step < len(node.value) else None
    for key, value in node.value:
        if key.value == step:
            return value if source.key_name(key) == step else None
    return None


def _is_at_end(text: str, node: Any, block: _Block, at: int) -> bool:
    """Whether an offset is the start of a line between the last leaf of a block collection and the next token."""
    if node is None or node.flow_style is not False or node.tag is not None or not node.value:
        return False
    start = node.start_mark
    is_mapping = node.id == "mapping"
    if start.column != block.column or is_mapping is not block.is_mapping or text[start.index] in "&!":
        return False
    if not is_mapping and text[start.index] != "-":
        return False
    leaf = node
    while leaf.id != "scalar" and leaf.flow_style is False:
        leaf = leaf.value[-1][1] if leaf.id == "mapping" else leaf.value[-1]
    last, end = leaf.end_mark.index, node.end_mark.index
    if not last <= at <= end or text[at - 1] != "\n" or not _is_leaf(text, end):
        return False
    # Only a block scalar ends where a line begins; `verify` takes an empty one for a part of that line.
    if text[last - 1] == "\n" and not leaf.value.strip():
        return False
    between = text[last:end]
    is_blank = not between or between.isspace()
    if last == leaf.start_mark.index:
        # An empty value stands behind its colon or dash.
        return is_blank and text[last - 1] in ":-"
    return is_blank or _is_behind(text, last, between)


def _is_leaf(text: str, at: int) -> bool:
    """Whether a token is a leaf, or dashes with one on their line, or the end: then no comment comes before a leaf."""
    letter = text[at : at + 1]
    if letter == "-":
        return text[at : text.index("\n", at)].lstrip("- ")[:1] not in {"", "#", "!", "&"}
    return letter != "." or not text.startswith("...", at)


def _is_behind(text: str, last: int, between: str) -> bool:
    """Whether the only comment behind a leaf that isn't empty stands on its line."""
    on_line, _, below = between.partition("\n")
    return on_line.lstrip(" ").startswith("#") and text[last - 1] != "\n" and not below.strip()


def _extended(data: Any, block: _Block) -> bool:
    """Add what was inserted to the data of its collection. False where it is no addition."""
    if not block.is_mapping:
        data.extend(block.data)
        return True
    if not data.keys().isdisjoint(block.data):
        return False
    data.update(block.data)
    return True


def _is_same(mine: Any, expected: Any, copies: set[int]) -> bool:
    """Whether two data are equal in value, type and order. Only our copies are walked."""
    if mine is expected:
        return True
    if id(mine) not in copies or mine.__class__ is not expected.__class__ or len(mine) != len(expected):
        return same(mine, expected)
    if mine.__class__ is list:
        pairs = zip(mine, expected, strict=True)
    elif [*mine] == [*expected]:
        pairs = zip(mine.values(), expected.values(), strict=True)
    else:
        return False
    # Most entries are those of the old data: they are the same object.
    for one, other in pairs:  # noqa: SIM110 - a generator would cost as much as the comparison
        if one is not other and not _is_same(one, other, copies):
            return False
    return True
