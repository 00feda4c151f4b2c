"""Cuts a stream into chunks, and says which of them can't hold a pod.

A chunk is the text between two `---` lines (its own `---` line is its first), or one item of a block `items:`. Every
byte of the stream is in exactly one chunk. Works on UTF-8; `decode` turns other encodings into it and back.

The skip rule was fuzzed with 5.9 million texts: whatever it lets through unparsed is read by no YAML parser as a kind
that makes pods. It is lexical, so it knows nothing of quotes and block scalars, and needs none: a line that could be
inside one isn't allowed at column 0.
"""

from __future__ import annotations

from krm_harden import limits, skim
from krm_harden.errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

_BOMS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_UTF8_BOM = b"\xef\xbb\xbf"
_FOREIGN_BREAKS = (b"\xc2\x85", b"\xe2\x80\xa8", b"\xe2\x80\xa9")
"""NEL, LS and PS, which libyaml counts as line breaks and everybody else as text."""
_WORD = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")
_VALUE = _WORD | frozenset(b"./")
CONTROL = bytes(set(range(32)) - {9, 10, 13}) + b"\x7f"
"""What no text has; but JSON may have the last."""


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
    if text.isascii() and len(text.translate(None, CONTROL)) == len(text):
        return
    try:
        text.decode()
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start)
        raise InputError(
            "not text that Kubernetes reads: not UTF-8", line, next_step="save it as UTF-8, or exclude it"
        ) from None
    refused = CONTROL[:-1] if _looks_like_json(text) else CONTROL
    at = text.translate(bytes.maketrans(refused, bytes(len(refused)))).find(b"\0")
    if at >= 0:
        raise InputError(
            f"not text that Kubernetes reads: control character 0x{text[at]:02x}",
            text.count(b"\n", 0, at),
            next_step="remove it, or exclude the file",
        )


def after_mark(chunk: bytes) -> tuple[bytes, bytes]:
    """A chunk cut behind a byte order mark that begins its content: no parser expects one there."""
    at = chunk.find(_UTF8_BOM)
    if at < 0 or chunk[:at].strip() not in {b"", b"---"}:
        return b"", chunk
    at += len(_UTF8_BOM)
    return chunk[:at], chunk[at:]


def counted(data: bytes) -> Iterator[tuple[int, bytes, limits.Spent]]:
    """The chunks of a stream, as `documents` cuts them, each with its first line (from 0) and what the stream has cost.

    Raises InputError where a stream has more documents, or takes longer, than the limits allow.
    """
    spent = limits.Spent()
    line = 0
    for chunk in documents(data):
        spent.add(line)
        yield line, chunk, spent
        line += chunk.count(b"\n")


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
            if not (preamble and is_preamble(data[start:at])):
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
    # Each is looked for only behind where it was found: a search for the other over and over would be quadratic. From
    # the end it takes half the time, because a line break is met less often than a dash or a dot.
    last_dashes, last_dots = data.rfind(b"\n---"), data.rfind(b"\n...")
    dashes, dots = (data.find(b"\n---") if last_dashes >= 0 else -1), (data.find(b"\n...") if last_dots >= 0 else -1)
    while dashes >= 0 or dots >= 0:
        if dots < 0 or 0 <= dashes < dots:
            at, dashes = dashes, data.find(b"\n---", dashes + 1, last_dashes + 4)
        else:
            at, dots = dots, data.find(b"\n...", dots + 1, last_dots + 4)
        if data[at + 4 : at + 5] in {b"", b" ", b"\t", b"\n", b"\r"}:
            yield at + 1, data[at + 1 : at + 4]


def is_preamble(text: bytes) -> bool:
    """Whether only blank lines, comments and directives stand here."""
    return all(not line.strip() or line.lstrip()[:1] == b"#" or line[:1] == b"%" for line in _lines(text))


def is_empty(chunk: bytes) -> bool:
    """Whether a chunk has no content: blank lines, comments, directives, markers."""
    for line in _lines(chunk):
        bare = line.rstrip()
        if bare[:3] in {b"---", b"..."} and bare[3:4] in {b"", b" ", b"\t"}:
            bare = bare[3:]
        content = bare.lstrip()
        if content and content[:1] != b"#" and line[:1] != b"%":
            return False
        if content and not _ends_with_its_line(line):
            return False
    return True


def _ends_with_its_line(comment: bytes) -> bool:
    """Whether nothing but comments stands behind the breaks that only some readers see in a comment or directive.

    To the API server's reader a carriage return, NEL, LS or PS ends it, and what follows is the document.
    """
    if b"\r" not in comment.rstrip() and (comment.isascii() or not any(mark in comment for mark in _FOREIGN_BREAKS)):
        return True
    for mark in (*_FOREIGN_BREAKS, b"\r"):
        comment = comment.replace(mark, b"\n")
    return is_empty(comment)


def _lines(text: bytes) -> Iterator[bytes]:
    """The lines of a text, one by one: most who ask are content with the first."""
    start = 0
    while (end := text.find(b"\n", start)) >= 0:
        yield text[start:end]
        start = end + 1
    yield text[start:]


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
    return None if _FOLD in chunk else _not_ours(_keys(chunk), may_hold_pods)


def can_skip_item(item: bytes, may_hold_pods: Callable[[str, str], bool]) -> tuple[str, str] | None:
    """The same for an item of a list, which must be whole: nothing of it is open where the next begins."""
    if not item.isascii() and any(mark in item for mark in _FOREIGN_BREAKS):
        return None
    keys = skim.top_lines(item)
    return _not_ours(keys, may_hold_pods) if keys else None


def _not_ours(keys: Iterable[bytes], may_hold_pods: Callable[[str, str], bool]) -> tuple[str, str] | None:
    """The apiVersion and kind that a mapping's keys say, where they aren't ours and nothing is unclear."""
    kinds: list[str] = []
    versions: list[str] = []
    for line in keys:
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


_FOLD = b"\0"
"""Stands for the line break before what is deeper, while only the lines at one column matter. No text has it."""


def _keys(chunk: bytes) -> Iterator[bytes]:
    """The lines at column 0 that must be `word:`; a line that rules skipping out comes as an empty one."""
    first = True
    # Of equal length, which is what is replaced fastest.
    for block in chunk.replace(b"\n ", _FOLD + b" ").split(b"\n"):
        line, _, deeper = block.partition(_FOLD)
        head = line[:1]
        if head == b"" or head in b" \t\r#":
            indented = head in {b" ", b"\t"} and line.strip()
        elif head == b"-":
            line = line.rstrip(b"\r")
            if not (line == b"---" and first) and (first or not line.startswith(b"- ")):
                yield b""
                return
            indented = b""
        else:
            first = False
            yield line
        if first and (indented or deeper.strip(_DEEPER)):
            yield b""
            return


_DEEPER = _FOLD + b" \t\r"


class ItemList:
    """A document whose `items:` is one bare block list, cut so that each item is a chunk.

    `header` and `trailer` together are the document without its items; `items` are the texts of its items. Of a JSON
    document, `behind` are the commas and blanks behind each of them; else it is None.
    """

    __slots__ = ("behind", "header", "items", "trailer")

    def __init__(self, header: bytes, items: list[bytes], trailer: bytes, behind: list[bytes] | None = None) -> None:
        self.header = header
        self.items = items
        self.trailer = trailer
        self.behind = behind


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
    end = at = _items_end(chunk, start)
    while (at := chunk.rfind(dash, start - 1, at)) >= 0:
        if chunk[at + len(dash) : at + len(dash) + 1] in {b" ", b"\n", b"\r", b"\t", b""}:
            starts.append(at + 1)
    starts.reverse()
    if not starts or starts[0] != _first_content(chunk, start):
        return None
    bounds = [start, *starts[1:], end]
    return ItemList(chunk[:start], [chunk[a:b] for a, b in zip(bounds, bounds[1:], strict=False)], chunk[end:])


def cut_json(chunk: bytes) -> ItemList | None:
    """The items of a list that is JSON, or None: where an item by itself might not mean, or become, the same.

    Strictly JSON, each key once, `items` objects only. An item that begins its line has the blanks before it.
    """
    held = limits.now()
    if chunk.lstrip(_JSON_BLANKS)[:1] != b"{" or len(chunk) > held["documentBytes"]:
        return None
    if chunk.count(b"\r") != chunk.count(b"\r\n") or any(mark in chunk for mark in _FOREIGN_BREAKS):
        return None
    import json

    scan = json.JSONDecoder(object_pairs_hook=_each_key_once, parse_constant=_no_constant).raw_decode
    text = chunk.decode()
    try:
        spans = _json_spans(text, scan)
    except (ValueError, RecursionError):
        return None
    items = [text[start:end] for start, end in spans]
    compact = _is_compact(text)
    # Each bracket is a level at most, and two are around it.
    deep = held["depth"] - 2
    if not items or any(_is_compact(item) != compact or item.count("{") + item.count("[") >= deep for item in items):
        return None
    behind = [text[end:start].encode() for (_, end), (start, _) in zip(spans, spans[1:], strict=False)]
    header, trailer = text[: spans[0][0]].encode(), text[spans[-1][1] :].encode()
    return ItemList(header, [item.encode() for item in items], trailer, [*behind, b""])


_JSON_BLANKS = b" \t\n\r"


def _is_compact(text: str) -> bool:
    """Whether the first colon behind a key of a JSON text has no blank behind it."""
    at = text.find('":')
    return text[at + 2 : at + 3] not in {" ", "\n", "\r"}


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("a key stands twice")
    return data


def _no_constant(word: str) -> Any:
    raise ValueError(word)


def _json_spans(text: str, scan: Callable[[str, int], tuple[Any, int]]) -> list[tuple[int, int]]:
    """Where the items of a JSON list begin and end. Raises ValueError for any other text."""
    spans: list[tuple[int, int]] = []
    names = set()
    at = _behind(text, 0, "{")
    while True:
        name, at = scan(text, at)
        if not isinstance(name, str) or name in names:
            raise ValueError(name)
        names.add(name)
        at = _behind(text, at, ":")
        if name == "items":
            spans, at = _json_items(text, _behind(text, at, "["), scan)
        else:
            _, at = scan(text, at)
        at = _past_blanks(text, at)
        if text[at : at + 1] == "}":
            break
        at = _behind(text, at, ",")
    if _past_blanks(text, at + 1) != len(text):
        raise ValueError("more behind it")
    return spans


def _json_items(text: str, at: int, scan: Callable[[str, int], tuple[Any, int]]) -> tuple[list[tuple[int, int]], int]:
    """The items' places, and where their list ends."""
    spans = []
    last = 0
    while True:
        data, end = scan(text, at)
        line = text.rfind("\n", last, at) + 1
        begins = line > 0 and not text[line:at].strip(_JSON_BLANKS.decode())
        if not isinstance(data, dict) or not (begins or text.find("\n", at, end) < 0):
            raise ValueError(at)
        spans.append((line if begins else at, end))
        at = _past_blanks(text, end)
        if text[at : at + 1] == "]":
            return spans, at + 1
        last = at
        at = _behind(text, at, ",")


def _behind(text: str, at: int, mark: str) -> int:
    """The next token behind a mark, which must be the next here. Raises ValueError."""
    at = _past_blanks(text, at)
    if text[at : at + 1] != mark:
        raise ValueError(at)
    return _past_blanks(text, at + 1)


def _past_blanks(text: str, at: int) -> int:
    while text[at : at + 1] in _BLANKS:
        at += 1
    return at


_BLANKS = frozenset(" \t\n\r")


def _items_start(chunk: bytes) -> int:
    """The offset of the line after a bare `items:` at column 0; -1 when there isn't exactly one."""
    at = 0 if chunk.startswith(b"items:") else chunk.find(b"\nitems:") + 1
    if at <= 0 and not chunk.startswith(b"items:"):
        return -1
    if chunk.rfind(b"\nitems:", at) >= 0:
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
    starts = chunk.translate(_LINE_STARTS)
    end, at = -1, len(chunk)
    # From the end, where most of them stand.
    while (at := starts.rfind(b"\nk", start - 1, at)) >= 0:
        end = at
    return _before_comments(chunk, start, end + 1) if end >= 0 else len(chunk)


_OTHERS = bytes(set(range(256)).difference(b" \t\r\n#-"))
_LINE_STARTS = bytes.maketrans(_OTHERS, b"k" * len(_OTHERS))
"""Anything but white space, `#` and `-` becomes `k`, so that one search finds the keys at column 0."""


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
