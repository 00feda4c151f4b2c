"""Says of an item of a list that it is one whole YAML item, without a parser; what isn't plain to see is left to one.

Only the block style that programs write is known, line by line: `key:`, `key: value`, `- ` before either, scalars in
one line or several, block scalars, comments. Each line is a move on a stack of open mappings and sequences. Any other
line, or a move that the stack doesn't allow, means that nothing is known.
"""

from __future__ import annotations

from krm_harden import limits

_LETTERS = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_KEY = frozenset(_LETTERS + b"0123456789_-./")
_KEY_START = frozenset(_LETTERS)
_VALUE_START = frozenset(_LETTERS + b"0123456789_./^$(+\\;") | frozenset(range(0x80, 0x100))
_NOT_STRINGS = frozenset({b"null", b"Null", b"NULL"})
_BLOCKS = frozenset({b"|", b"|-", b"|+", b">", b">-", b">+"})
_LONGEST_KEY = 1000
_BELOW = 3
"""Levels that an item has beside those on the stack: its list's, and those of a flow value."""
_UNREADABLE = (b"\x7f", b"\xef\xbb\xbf", b"\xef\xbf\xbe", b"\xef\xbf\xbf")
"""What libyaml doesn't read, or only some readers, beside control characters."""

# What a line leaves behind: a key whose value may follow, nothing, a plain scalar that may go on, an open quote. A line
# of text is within a plain scalar, or a value below its key; one that is a value can only be that.
_PENDING, _CLOSED, _PLAIN, _TEXT, _VALUE, _NOTHING, _COMMENT, _UNKNOWN, _BLOCK, _SINGLE, _DOUBLE = range(11)
_ESCAPES = (b"\\\\", b'\\"', b"\\n", b"\\t", b"\\ ")
"""What programs write after a backslash, an escaped one first."""


class _Moves(dict[bytes, tuple[int, int, int]]):
    """What each line does, remembered: (the level that it is on, the mapping that it opens, what it leaves behind).

    The level of a mapping at a column is twice the column, that of a sequence one more. Of a line of text, in the place
    of the mapping, what it leaves behind as a value.
    """

    __slots__ = ()

    def __missing__(self, line: bytes) -> tuple[int, int, int]:
        move = _move(line)
        if len(self) < _MEMORY:
            self[line] = move
        return move


_MEMORY = 20_000
_moves = _Moves()


def top_lines(item: bytes) -> list[bytes] | None:
    """The lines of the keys of an item that is one mapping, as `key: value`; None where that isn't plain to see."""
    if b"\r" in item:
        item = item.replace(b"\r\n", b"\n")
    # One byte is found many times faster than two.
    if b"\r" in item or (b"\t" in item and (b"\n\t" in item or b" \t" in item)) or not _is_readable(item):
        return None
    found: list[bytes] = []
    return found if _skim(item.split(b"\n"), found) else None


def _is_readable(item: bytes) -> bool:
    if any(mark in item for mark in _UNREADABLE[: 1 if item.isascii() else None]):
        return False
    return b"\xc2" not in item or not any(bytes((0xC2, last)) in item for last in range(0x80, 0xA0))


def _skim(lines: list[bytes], found: list[bytes]) -> bool:  # noqa: C901, PLR0912, PLR0915 - a call a line costs more than the line
    """Whether the lines are one item, a mapping, with nothing left open; its keys' lines are added to `found`."""
    most = limits.now()["depth"] - _BELOW
    moves = _moves
    stack = [-1]
    left = _PENDING
    deep = b""
    own = 0
    for line in lines:
        if deep:
            if line.startswith(deep) or not line.strip(b" "):
                continue
            left, deep = _CLOSED, b""
        elif left >= _BLOCK:
            if left != _BLOCK:
                left = _after_quoted(line, left, stack[-1] >> 1)
                if left == _UNKNOWN:
                    return False
                continue
            if not line:
                continue
            width = len(line) - len(line.lstrip(b" "))
            if width == len(line):
                return False
            if width > stack[-1] >> 1:
                deep = line[:width]
                continue
            left = _CLOSED
        level, opens, leaves = moves[line]
        top = stack[-1]
        if leaves >= _TEXT:
            if leaves == _NOTHING:
                continue
            if leaves == _COMMENT:
                left = _CLOSED if left == _PLAIN else left
                continue
            if leaves < _BLOCK:
                if leaves == _UNKNOWN or not own or top == own or level >> 1 <= top >> 1:
                    return False
                if left == _PENDING and opens != _UNKNOWN:
                    left = opens
                elif left != _PLAIN or leaves == _VALUE:
                    return False
                continue
        if level > top:
            if left != _PENDING or len(stack) > most:
                return False
            stack.append(level)
        elif level < top:
            while stack[-1] > level:
                stack.pop()
            if stack[-1] != level or len(stack) < 3:
                return False
        if opens:
            stack.append(opens)
        if level == own:
            found.append(line.strip(b" "))
        elif not own:
            if not (opens and level & 1):
                return False
            own = opens
            found.append(line.strip(b" ")[2:])
        left = leaves
    return left < _SINGLE and bool(own)


def _move(line: bytes) -> tuple[int, int, int]:
    content = line.lstrip(b" ")
    column = len(line) - len(content)
    content = content.rstrip(b" ")
    if not content:
        return 0, 0, _NOTHING
    if content[:1] == b"#":
        return 0, 0, _COMMENT
    if content[:2] != b"- ":
        leaves = _entry(content)
        return _text(column, content) if leaves == _UNKNOWN else (2 * column, 0, leaves)
    content = content[2:]
    leaves = _entry(content)
    if leaves != _UNKNOWN:
        return 2 * column + 1, 2 * column + 4, leaves
    return 2 * column + 1, 0, _value(content)


def _text(column: int, content: bytes) -> tuple[int, int, int]:
    """What a line does that is neither an entry nor an item."""
    begun = _value(content)
    if begun == _BLOCK:
        begun = _UNKNOWN
    return 2 * column, begun, _TEXT if _goes_on(content) else _VALUE if begun != _UNKNOWN else _UNKNOWN


def _entry(content: bytes) -> int:
    """What `key: value` leaves behind."""
    key, colon, value = content.partition(b":")
    if not colon or (value and value[:1] != b" ") or not key or len(key) > _LONGEST_KEY:
        return _UNKNOWN
    if key[0] not in _KEY_START or not _KEY.issuperset(key) or key in _NOT_STRINGS:
        return _UNKNOWN
    value = value.lstrip(b" ")
    return _value(value) if value and value[:1] != b"#" else _PENDING


def _value(value: bytes) -> int:
    """What a value leaves behind that begins on the line of its key or dash."""
    if not value:
        return _UNKNOWN
    first = value[0]
    if first in _VALUE_START or (first == 0x2D and value[1:2].isalnum()):
        if b" #" in value:
            value = value[: value.index(b" #")].rstrip(b" ")
            return _CLOSED if _goes_on(value) else _UNKNOWN
        return _PLAIN if _goes_on(value) else _UNKNOWN
    if first in b"\"'":
        return _quoted(value[1:], _SINGLE if first == 0x27 else _DOUBLE)
    if value in _BLOCKS:
        return _BLOCK
    return _CLOSED if value in {b"{}", b"[]", b"{ }"} or _is_flow(value) else _UNKNOWN


def _goes_on(text: bytes) -> bool:
    """Whether a line is nothing but text within a plain scalar."""
    return not (b": " in text or b" #" in text or b"\t" in text or text[-1:] == b":" or text[:1] == b"#")


def _is_flow(value: bytes) -> bool:
    """Whether a value is `[word, word]`, with or without quotes around words and blanks inside the brackets."""
    return value[:1] == b"[" and value[-1:] == b"]" and all(map(_is_word, value[1:-1].strip(b" ").split(b", ")))


def _is_word(word: bytes) -> bool:
    if word[:1] in {b"'", b'"'} and len(word) > 1 and word[-1:] == word[:1]:
        return _KEY.issuperset(word[1:-1])
    return word[:1].isalnum() and _KEY.issuperset(word)


def _quoted(text: bytes, quote: int) -> int:
    """What a line leaves behind that is within quotes: the quote, where it stays open."""
    if b"\t" in text:
        return _UNKNOWN
    if quote == _SINGLE:
        mark, rest = b"'", text.replace(b"''", b"x")
    else:
        mark, rest = b'"', text if b"\\" not in text else _unescaped(text)
        rest = rest[:-1] if rest[-1:] == b"\\" and mark not in rest else rest
        if b"\\" in rest:
            return _UNKNOWN
    if mark not in rest:
        return quote
    return _CLOSED if rest.index(mark) == len(rest) - 1 else _UNKNOWN


def _unescaped(text: bytes) -> bytes:
    for escape in _ESCAPES:
        text = text.replace(escape, b"x")
    return text


def _after_quoted(line: bytes, quote: int, column: int) -> int:
    """The same for a further line; `column` is that of what it belongs to."""
    content = line.strip(b" ")
    if not content:
        return quote
    if len(line) - len(line.lstrip(b" ")) <= column:
        return _UNKNOWN
    return _quoted(content, quote)
