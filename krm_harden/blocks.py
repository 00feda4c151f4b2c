"""A stream's documents while it is read: those that `split.documents` cuts, with no more than one in memory."""

from __future__ import annotations

import codecs

from krm_harden import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BLOCK = 1 << 16
"""Bytes that are read at once; of a document that is longer, as many as are there already: so its cost is linear."""
LONGEST_WORD = 64
_MARKS = (b"\xff\xfe", b"\xfe\xff")
_AFTER_MARKER = frozenset((b"", b" ", b"\t", b"\n", b"\r"))


def documents(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The chunks of a stream of UTF-8 without byte order mark, one a document; joined, they are the stream.

    `read` has the next bytes, as many as asked for or fewer; none at the end.
    """
    # The byte before the chunk stays in front of it: a marker begins a line, and so does a stream.
    data = b"\n"
    at, is_preamble, is_void = 0, True, True
    while True:
        block = read(max(BLOCK, len(data)))
        data += block
        is_void = is_void and not block
        start = 1
        has_end = data.rfind(b"\n...", at) >= 0
        while (found := _marker(data, at, has_end=has_end)) >= 0:
            end = data.find(b"\n", found + 4) if data.startswith(b"...", found + 1) else found + 4
            if block and (end < 0 or end >= len(data)):
                # What follows isn't here yet.
                break
            at = found + 1
            if data[found + 4 : found + 5] not in _AFTER_MARKER:
                continue
            if data.startswith(b"---", at):
                if not (is_preamble and split.is_preamble(data[start:at])):
                    yield data[start:at]
                    start = at
                is_preamble = False
            else:
                end = len(data) if end < 0 else end + 1
                yield data[start:end]
                start = end
                is_preamble = True
        if found < 0:
            at = max(at, len(data) - 3)
        if not block:
            break
        data, at = data[start - 1 :], max(at - start + 1, 0)
    if start < len(data) or is_void:
        yield data[start:]


def _marker(data: bytes, at: int, *, has_end: bool) -> int:
    """Where the line break before a marker stands; -1 without any."""
    dashes = data.find(b"\n---", at)
    dots = data.find(b"\n...", at) if has_end else -1
    return min(dashes, dots) if dashes >= 0 and dots >= 0 else max(dashes, dots)


def holds(blocks: Iterable[bytes], words: Iterable[bytes]) -> set[bytes] | None:
    """Which of some words a stream holds. None for one that isn't plain text in UTF-8: it is to be read as a whole."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    left = set(words)
    found: set[bytes] = set()
    tail, is_first = b"", True
    for block in blocks:
        if is_first and block.startswith(_MARKS):
            return None
        is_first = False
        if len(block.translate(None, split.CONTROL)) != len(block):
            return None
        if not block.isascii() or decoder.getstate()[0]:
            try:
                decoder.decode(block)
            except UnicodeDecodeError:
                return None
        seen = tail + block
        met = {word for word in left if word in seen}
        found |= met
        left -= met
        tail = seen[-LONGEST_WORD:]
    return None if decoder.getstate()[0] else found
