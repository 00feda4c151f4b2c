"""Cuts a stream into chunks, and says which of them can't hold a pod.

A chunk is the text between two `---` lines (its own `---` line is its first), or one item of a block `items:`. Every
byte of the stream is in exactly one chunk. Works on UTF-8; `decode` turns other encodings into it and back.

The skip rule was fuzzed with 5.9 million texts: whatever it lets through unparsed is read by no YAML parser as a kind
that makes pods. It is lexical, so it knows nothing of quotes and block scalars, and needs none: a line that could be
inside one isn't allowed at column 0.
"""

from __future__ import annotations

from krm_harden.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BOMS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_UTF8_BOM = b"\xef\xbb\xbf"
_FOREIGN_BREAKS = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
"""NEL, LS and PS, which libyaml counts as line breaks and everybody else as text."""
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_VALUE = _WORD | frozenset(b"./")
_CONTROL = bytes(set(range(32)) - {9, 10, 13}) + b"\x7f"


class Encoding:
    """How the bytes of a stream were written: its byte order mark and codec."""

    __slots__ = ("bom", "codec")

    def __init__(self, bom: bytes, codec: str) -> None:
        self.bom = bom
        self.codec = codec

    def encode(self, data: bytes) -> bytes:
        """UTF-8 as it was before `decode`."""
        if self.codec == "utf-8":
            return self.bom + data if self.bom else data
        return self.bom + data.decode().encode(self.codec)

    def encode_parts(self, parts: list[bytes]) -> list[bytes]:
        """The same for a text in parts, without joining them where nothing is to be done."""
        if self.codec == "utf-8":
            return [self.bom, *parts]
        return [self.encode(b"".join(parts))]


def decode(data: bytes) -> tuple[bytes, Encoding]:
    """The stream as UTF-8 without its byte order mark, and the way back.

    Raises InputError for what Kubernetes doesn't read as text: UTF-16 without a mark, control characters, other codecs.
    """
    for bom, codec in _BOMS:
        if data.startswith(bom):
            try:
                text = data[2:].decode(codec).encode()
            except UnicodeError:
                raise InputError("not text that Kubernetes reads: broken UTF-16", 0) from None
            _reject_binary(text)
            return text, Encoding(bom, codec)
    bom = _UTF8_BOM if data.startswith(_UTF8_BOM) else b""
    text = data[len(bom) :]
    _reject_binary(text)
    return text, Encoding(bom, "utf-8")


def _reject_binary(text: bytes) -> None:
    if text.isascii() and len(text.translate(None, _CONTROL)) == len(text):
        return
    try:
        text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start)
        raise InputError(
            "not text that Kubernetes reads: not UTF-8", line, next_step="save it as UTF-8, or exclude it"
        ) from None
    if len(text.translate(None, _CONTROL)) != len(text):
        at = next(place for place, byte in enumerate(text) if byte in _CONTROL)
        line = text.count(b"\n", 0, at)
        if text[at] != 0x7F or not _looks_like_json(text):
            raise InputError(
                f"not text that Kubernetes reads: control character 0x{text[at]:02x}",
                line,
                next_step="remove it, or exclude the file",
            )


def after_mark(chunk: bytes) -> tuple[bytes, bytes]:
    """A chunk cut behind a byte order mark that begins its content: no parser expects one there."""
    at = chunk.find(_UTF8_BOM)
    if at < 0 or chunk[:at].strip() not in {b"", b"---"}:
        return b"", chunk
    at += len(_UTF8_BOM)
    return chunk[:at], chunk[at:]


def _looks_like_json(text: bytes) -> bool:
    return text.lstrip()[:1] in {b"{", b"["}


def documents(data: bytes) -> Iterator[bytes]:
    """The chunks of a stream, one a document; joined, they are the stream.

    A `---` line starts one; a `...` line ends one. Comments and directives before a first `---` belong to it.
    """
    start = 0
    preamble = True
    for at, marker in _markers(data):
        if marker == b"---":
            if not (preamble and _is_preamble(data[start:at])):
                yield data[start:at]
                start = at
            preamble = False
        else:
            end = data.find(b"\n", at)
            end = len(data) if end < 0 else end + 1
            yield data[start:end]
            start = end
            preamble = True
    if start < len(data) or not data:
        yield data[start:]


def _markers(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Where a `---` or `...` stands alone at the start of a line."""
    if data[:3] in {b"---", b"..."} and data[3:4] in {b"", b" ", b"\t", b"\n", b"\r"}:
        yield 0, data[:3]
    has_end = data.find(b"\n...") >= 0
    at = -1
    while True:
        dashes = data.find(b"\n---", at + 1)
        dots = data.find(b"\n...", at + 1) if has_end else -1
        if dashes < 0 and dots < 0:
            return
        at = min(place for place in (dashes, dots) if place >= 0)
        if data[at + 4 : at + 5] in {b"", b" ", b"\t", b"\n", b"\r"}:
            yield at + 1, data[at + 1 : at + 4]


def _is_preamble(text: bytes) -> bool:
    """Whether only blank lines, comments and directives stand here."""
    return all(not line.strip() or line.lstrip()[:1] == b"#" or line[:1] == b"%" for line in text.split(b"\n"))


def is_empty(chunk: bytes) -> bool:
    """Whether a chunk has no content: blank lines, comments, directives, markers."""
    for line in chunk.split(b"\n"):
        bare = line.rstrip()
        if bare[:3] in {b"---", b"..."} and bare[3:4] in {b"", b" ", b"\t"}:
            bare = bare[3:]
        content = bare.lstrip()
        if content and content[:1] != b"#" and line[:1] != b"%":
            return False
    return True


_HOLDERS = ("List", "Template")
"""How the kinds end that hold other objects."""


def can_skip(chunk: bytes, may_hold_pods: Callable[[str, str], bool]) -> tuple[str, str] | None:
    """The apiVersion and kind of a chunk that certainly isn't one of ours, or None: parse it.

    `may_hold_pods` answers for an API version (empty when the chunk's can't be told) and a kind.
    """
    if b"\r" in chunk and chunk.count(b"\r") != chunk.count(b"\r\n"):
        return None
    if not chunk.isascii() and any(mark in chunk for mark in _FOREIGN_BREAKS):
        return None
    kinds: list[str] = []
    versions: list[str] = []
    for line in _column_zero(chunk):
        word, colon, value = line.partition(b":")
        if not colon or not word or not _WORD.issuperset(word) or (value and value[:1] not in b" \t\r"):
            return None
        if word == b"kind":
            kinds.append(_plain_word(value))
            if kinds[-1].endswith(_HOLDERS):
                return None
        elif word == b"items":
            # To kubectl whatever has these is a list, a ConfigMap too.
            return None
        elif word == b"apiVersion":
            versions.append(_plain_word(value))
    if len(kinds) != 1 or not kinds[0]:
        return None
    version = versions[0] if len(versions) == 1 else ""
    return None if may_hold_pods(version, kinds[0]) else (version, kinds[0])


def _plain_word(value: bytes) -> str:
    word = value.strip(b" \t\r")
    return word.decode() if word and _VALUE.issuperset(word) else ""


def _column_zero(chunk: bytes) -> Iterator[bytes]:
    """The lines at column 0 that must be `word:`; a line that rules skipping out comes as an empty one."""
    first = True
    at = 0
    while at < len(chunk):
        end = chunk.find(b"\n", at)
        end = len(chunk) if end < 0 else end
        head = chunk[at : at + 1]
        if head in {b" ", b"\t", b"\n", b"\r", b"#"} or not head:
            if head in {b" ", b"\t"} and first and chunk[at:end].strip():
                yield b""
                return
        elif head == b"-":
            line = chunk[at:end].rstrip(b"\r")
            if not (line == b"---" and first) and (first or not line.startswith(b"- ")):
                yield b""
                return
        else:
            first = False
            yield chunk[at:end]
        at = end + 1


class ItemList:
    """A document whose `items:` is one bare block list, cut so that each item is a chunk.

    `header` and `trailer` together are the document without its items; `items` are the texts of its items.
    """

    __slots__ = ("header", "items", "trailer")

    def __init__(self, header: bytes, items: list[bytes], trailer: bytes) -> None:
        self.header = header
        self.items = items
        self.trailer = trailer


def cut_items(chunk: bytes) -> ItemList | None:
    """The items of a `kind: List` or ResourceList in block style, or None when the text isn't that simple.

    What comes out is a guess until each part has been parsed alone to what it claims to be; the caller does that.
    """
    start = _items_start(chunk)
    if start < 0 or b"%" in chunk[:1]:
        return None
    width = _dash_column(chunk, start)
    if width < 0:
        return None
    dash = b"\n" + b" " * width + b"-"
    starts = []
    end = len(chunk)
    at = start - 1
    limit = _items_end(chunk, start)
    while (at := chunk.find(dash, at, limit)) >= 0:
        if chunk[at + len(dash) : at + len(dash) + 1] in {b" ", b"\n", b"\r", b"\t", b""}:
            starts.append(at + 1)
        at += len(dash)
    if not starts or starts[0] != _first_content(chunk, start):
        return None
    end = limit
    bounds = [start, *starts[1:], end]
    return ItemList(chunk[:start], [chunk[a:b] for a, b in zip(bounds, bounds[1:], strict=False)], chunk[end:])


def _items_start(chunk: bytes) -> int:
    """The offset of the line after a bare `items:` at column 0; -1 when there isn't exactly one."""
    at = 0 if chunk.startswith(b"items:") else chunk.find(b"\nitems:") + 1
    if at <= 0 and not chunk.startswith(b"items:"):
        return -1
    if chunk.find(b"\nitems:", at) >= 0:
        return -1
    end = chunk.find(b"\n", at)
    rest = chunk[at + 6 : end].strip()
    return end + 1 if end >= 0 and (not rest or rest[:1] == b"#") else -1


def _first_content(chunk: bytes, start: int) -> int:
    """The offset of the first line from `start` that isn't blank or a comment."""
    while start < len(chunk):
        end = chunk.find(b"\n", start)
        end = len(chunk) if end < 0 else end
        content = chunk[start:end].strip()
        if content and content[:1] != b"#":
            return start
        start = end + 1
    return start


def _dash_column(chunk: bytes, start: int) -> int:
    at = _first_content(chunk, start)
    end = chunk.find(b"\n", at)
    line = chunk[at : len(chunk) if end < 0 else end]
    body = line.lstrip(b" ")
    return len(line) - len(body) if body.rstrip() == b"-" or body[:2] == b"- " else -1


def _items_end(chunk: bytes, start: int) -> int:
    """Where the next key at column 0 begins, or the end. Comments and blank lines before that key belong to it."""
    at = start - 1
    folded = chunk.translate(_LINE_STARTS)
    key = folded.find(b"\nk", at)
    marker = chunk.find(b"\n---", at)
    found = [place + 1 for place in (key, marker) if place >= 0]
    return _before_comments(chunk, start, min(found)) if found else len(chunk)


def _before_comments(chunk: bytes, start: int, end: int) -> int:
    """Back from a key over the comments at column 0 above it."""
    first = end
    while end > start:
        begin = chunk.rfind(b"\n", 0, end - 1) + 1
        line = chunk[begin:end]
        if line.startswith(b"#"):
            first = begin
        elif line.strip():
            break
        end = begin
    return first


_LINE_STARTS = bytes(byte if byte in b" \t\r\n#" else ord("-") if byte == ord("-") else ord("k") for byte in range(256))
"""Anything but white space, `#` and `-` becomes `k`, so that one search finds the keys at column 0."""
