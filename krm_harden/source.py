"""Text to Document: the only module that imports a YAML parser.

PyYAML's libyaml composer gives nodes with marks; `data` is made from them by the table of `scalars`, as Kubernetes
reads it, aliases and merge keys written out. Depth and expansion are bounded before they can hurt.
"""

from __future__ import annotations

from _operator import is_ as _nothing

from krm_harden import limits, scalars
from krm_harden.errors import InputError
from krm_harden.libyaml import parser_class
from krm_harden.model import same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from yaml.nodes import MappingNode, Node

    from krm_harden.model import Pointer

_CParser, _nodes, _yaml_error = parser_class()
_Scalar, _Sequence, _Mapping = _nodes.ScalarNode, _nodes.SequenceNode, _nodes.MappingNode

MAX_SIMPLE_KEY = 1024
"""What YAML allows before the colon of a key."""

QUOTED = "!"
"""The tag of a plain scalar that is a string because its author says so: `! 5`."""
MERGE = "tag:yaml.org,2002:merge"
CORE = "tag:yaml.org,2002:"


class Composer(_CParser):  # type: ignore[misc,valid-type]
    """libyaml's composer with no resolver: what has no tag has None, and a scalar's `style` tells of quotes."""

    # Called for every node: the cheapest callables there are that take as many arguments. This one returns None.
    resolve = memoryview(b"").__exit__
    # For path resolvers, which aren't used.
    descend_resolver = _nothing
    ascend_resolver = bool


class Document:
    """One chunk as text, marks and data.

    `text` is without byte order mark; `root` is None when the chunk is empty; `data` has neither aliases nor merge
    keys; `duplicates` are (key, first line, second line), lines counted from 0; `repeated` holds the ids of nodes
    that stand in several places. `found` remembers places that were looked up, for `place_of`; `is_compact` how a JSON
    text is written, for `place`.
    """

    __slots__ = ("data", "duplicates", "found", "is_compact", "is_json", "repeated", "root", "text")

    def __init__(
        self,
        text: str,
        root: Node | None,
        data: Any,
        *,
        is_json: bool = False,
        duplicates: tuple[tuple[str, int, int], ...] = (),
        repeated: frozenset[int] = frozenset(),
    ) -> None:
        self.text = text
        self.root = root
        self.data = data
        self.is_json = is_json
        self.duplicates = duplicates
        self.repeated = repeated
        self.is_compact: bool | None = None
        self.found: dict[Pointer, tuple[Node | None, Any]] = {}


def read(text: str) -> Document:
    """The Document of one chunk. Raises InputError with line and column for what isn't one YAML or JSON document."""
    check_depth(text)
    if text.lstrip()[:1] in {"{", "["}:
        document = _read_json(text)
        if document is not None:
            return document
    root = compose(text)
    if root is None:
        return Document(text, None, None)
    builder = _Builder(_may_stand(text, "*"))
    data = builder.build(root, 0)
    if builder.has_aliases:
        _check_written_out(root, text)
    return Document(text, root, data, duplicates=tuple(builder.duplicates), repeated=frozenset(builder.repeated))


def data_of(text: str) -> Any:
    """The data of the same, without nodes where it is JSON: they take five times as much. Raises InputError as `read`.

    libyaml reads the text through in any case.
    """
    if text.lstrip()[:1] in {"{", "["}:
        check_depth(text)
        found = _parsed_json(text)
        if found is not None and is_whole(_shadow(text)):
            return found[0]
    return read(text).data


def compose(text: str) -> Node | None:
    """The node tree of exactly one document."""
    parser = Composer(text)
    try:
        node: Node | None = parser.get_single_node()
    except _yaml_error.YAMLError as error:
        raise _input_error(error, text) from None
    finally:
        parser.dispose()
    if node is not None and "!" in text:
        _tag_strings(node, text)
    return node


def is_whole(text: str) -> bool:
    """Whether a text is YAML by itself, with nothing left open at its end: libyaml reads it, and keeps nothing."""
    parser = Composer(text)
    try:
        parser.raw_parse()
    except _yaml_error.YAMLError:
        return False
    finally:
        parser.dispose()
    return True


def _tag_strings(root: Node, text: str) -> None:
    """`! 5` is a string, and so is `!` alone: libyaml drops the tag, and only the text still has it."""
    stack = [root]
    seen = set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.__class__ is not _Scalar:
            stack.extend(part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,)))
        elif node.tag is None and not node.style:
            own = text[node.start_mark.index : node.end_mark.index]
            if own.startswith("! ") or (not node.value and "!" in own):
                node.tag = QUOTED


def _input_error(error: Any, text: str = "") -> InputError:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if problem == "second occurrence":
        name = text[mark.index :].split(None, 1)[0] if mark is not None else ""
        problem = f"the anchor {name} is defined twice"
    if problem == "but found another document":
        problem = "a second document begins without a --- line that every YAML reader sees"
    line, column = (mark.line, mark.column) if mark is not None else (-1, -1)
    return InputError(f"not YAML: {problem}", line, column)


FOREIGN_BREAKS = "\x85\u2028\u2029"
"""NEL, LS and PS: line breaks to libyaml and the Go parsers, text to everybody else."""


def has_foreign_breaks(text: str) -> bool:
    """Whether a character stands in the text that only some readers take for a line break."""
    if text.isascii() and "\r" not in text:
        return False
    return any(mark in text for mark in FOREIGN_BREAKS) or text.count("\r") != text.count("\r\n")


def read_input(chunk: bytes) -> Document:
    """The Document of one chunk of input. Raises InputError as `read`, and for one that would take too much memory.

    Its nodes are many times its text. What our own edits make of it may be larger.
    """
    size = len(chunk)
    if size > limits.now()["documentBytes"]:
        raise limits.exceeded("documentBytes", f"a document of {size} bytes", 0, found=size)
    return read(chunk.decode())


def _check_written_out(root: Node, text: str) -> None:
    """Raises InputError for what aliases make too large: a long text that is named a million times."""
    most = limits.now()["documentBytes"]
    if text.count("*") * len(text) <= most:
        return
    size = 0
    stack = [root]
    while stack:
        node = stack.pop()
        if node.__class__ is _Scalar:
            size += len(node.value)
            if size > most:
                raise limits.exceeded("documentBytes", f"aliases expand to more than {most} bytes", 0)
        else:
            stack.extend(part for entry in node.value for part in (entry if isinstance(entry, tuple) else (entry,)))


def check_depth(text: str) -> None:
    """Raises InputError for nesting that the composer's stack might not survive; lexical, and exact only where near.

    Each level of flow style has its bracket, each of block style a column: only half of the levels, of both, are sure.
    """
    most = limits.now()["depth"]
    if text.count("{") + text.count("[") < most // 2 and not _has_long_prefix(text, most // 2):
        return
    depth = 0
    parser = Composer(text)
    try:
        while (event := parser.get_event()) is not None:
            depth += _LEVELS.get(event.__class__.__name__, 0)
            if depth > most:
                mark = event.start_mark
                raise _too_deep(most, mark.line, mark.column)
    except _yaml_error.YAMLError as error:
        # In JSON, and there alone, a shadow has the same brackets.
        is_json = text.lstrip()[:1] in {"{", "["} and _parsed_json(text) is not None
        shadow = _shadow(text) if is_json else text
        if shadow == text:
            raise _input_error(error) from None
        check_depth(shadow)
    finally:
        parser.dispose()


_LEVELS = {"MappingStartEvent": 1, "SequenceStartEvent": 1, "MappingEndEvent": -1, "SequenceEndEvent": -1}


def _too_deep(most: int, line: int, column: int) -> InputError:
    return limits.exceeded("depth", f"nested more than {most} levels deep", line, column)


def is_about_depth(error: InputError) -> bool:
    return error.limit == "depth"


_PREFIX = bytes.maketrans(b" ?:", b"---")
_LOOKS = 25


def _has_long_prefix(text: str, most: int) -> bool:
    """Whether a line begins with more characters of ` -?:` than there may be levels."""
    # Of every so many characters one is looked at: most of those in a row lie in such a beginning.
    some = text[:: max(most // _LOOKS, 1)]
    if b"-" * min(_LOOKS, most) not in some.encode("utf-8", "replace").translate(_PREFIX):
        return False
    lines = (line.lstrip("\ufeff") for line in text.splitlines())
    return any(len(line) > most and not line[: most + 1].strip(" -?:") for line in lines)


class _Builder:
    """Makes data from nodes. Recursion is safe: `check_depth` and the limit `depth` bound it."""

    __slots__ = ("aliases", "depth", "duplicates", "expanding", "extra", "has_aliases", "open", "repeated", "seen")

    def __init__(self, has_aliases: bool) -> None:
        self.has_aliases = has_aliases
        held = limits.now()
        self.depth = held["depth"]
        self.aliases = held["aliases"]
        self.duplicates: list[tuple[str, int, int]] = []
        self.extra = 0
        self.expanding = 0
        self.seen: set[int] = set()
        self.open: set[int] = set()
        self.repeated: set[int] = set()

    def build(self, node: Node, depth: int) -> Any:
        if node.__class__ is _Scalar:
            return _scalar(node)
        return self._anchored(node, depth + 1) if self.has_aliases else self._collection(node, depth + 1)

    def _anchored(self, node: Node, depth: int) -> Any:
        identity = id(node)
        if identity in self.open:
            raise InputError("an anchor contains itself", node.start_mark.line, node.start_mark.column)
        again = identity in self.seen
        if again:
            self.repeated.add(identity)
        self.seen.add(identity)
        self.open.add(identity)
        self.expanding += again
        data = self._collection(node, depth)
        self.expanding -= again
        self.open.discard(identity)
        return data

    def _collection(self, node: Node, depth: int) -> Any:
        if depth > self.depth:
            raise _too_deep(self.depth, node.start_mark.line, node.start_mark.column)
        if self.expanding:
            self.extra += 1 + len(node.value)
            if self.extra > self.aliases:
                said = f"aliases and merge keys expand to more than {self.aliases} nodes"
                raise limits.exceeded("aliases", said, node.start_mark.line, node.start_mark.column)
        if node.__class__ is _Sequence:
            below = self._anchored if self.has_aliases else self._collection
            return [_scalar(item) if item.__class__ is _Scalar else below(item, depth + 1) for item in node.value]
        return self._mapping(node, depth)  # type: ignore[arg-type]

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        resolve = scalars.resolve
        below = self._anchored if self.has_aliases else self._collection
        merged = False
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            name = key_node.value
            if key_node.__class__ is not _Scalar or name not in _plain_keys:
                name = key_name(key_node)
            if name == "<<" and is_merge(key_node):
                merged = True
                continue
            if name in data:
                first = first or _first_lines(node)
                self.duplicates.append((name, first[name], key_node.start_mark.line))
            if value_node.__class__ is not _Scalar:
                data[name] = below(value_node, depth + 1)
            elif value_node.tag is None:
                data[name] = value_node.value if value_node.style else resolve(value_node.value)
            else:
                data[name] = _scalar(value_node)
        return self._with_merges(node, data, depth) if merged else data

    def _with_merges(self, node: MappingNode, data: dict[str, Any], depth: int) -> dict[str, Any]:
        """The data with what is merged into it.

        Own keys win, and earlier merges: but for Kubernetes the later of two wins where `<<` stands behind a key, or
        twice. Where that makes a difference, the readers disagree: raises InputError.
        """
        merged = self._merges(node, depth)
        merges = [place for place, (key, _) in enumerate(node.value) if is_merge(key)]
        before = [key_name(key) for key, _ in node.value[: merges[-1]] if not is_merge(key)]
        if len(merges) > 1 or any(name in merged and not same(merged[name], data[name]) for name in before):
            mark = node.value[merges[-1]][0].start_mark
            raise InputError(
                "a merge key that readers of YAML understand differently",
                mark.line,
                mark.column,
                next_step="write one << as the first key of its mapping",
            )
        return {**merged, **data}

    def _merges(self, node: MappingNode, depth: int) -> dict[str, Any]:
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not is_merge(key_node):
                continue
            for source in value_node.value if value_node.__class__ is _Sequence else [value_node]:
                if not is_mapping(source):
                    raise InputError(
                        "a merge key needs a mapping", value_node.start_mark.line, value_node.start_mark.column
                    )
                for name, value in self.build(source, depth).items():
                    merged.setdefault(name, value)
        return merged


def _first_lines(node: MappingNode) -> dict[str, int]:
    """The line on which each key of a mapping first stands."""
    lines: dict[str, int] = {}
    for key, _ in node.value:
        lines.setdefault(key_name(key), key.start_mark.line)
    return lines


def _scalar(node: Any) -> Any:
    tag = node.tag
    if tag is None:
        # `! "5"` is a string to Kubernetes, and no resolver is asked.
        return node.value if node.style else scalars.resolve(node.value)
    if tag is QUOTED:
        return node.value
    try:
        return scalars.tagged(tag, node.value)
    except ValueError:
        word = tag.removeprefix(CORE)
        # Not the value itself: it may be a Secret's.
        raise InputError(f"a value isn't of its type !!{word}", node.start_mark.line) from None


def key_name(node: Any) -> str:
    """The string that Kubernetes takes a key for. Raises InputError for a key that isn't a scalar."""
    if node.__class__ is not _Scalar:
        raise InputError("a key that isn't a scalar", node.start_mark.line, node.start_mark.column)
    value: str = node.value
    return value if node.tag is not None or node.style or value in _plain_keys else _plain_key(node)


_plain_keys: set[str] = set()
"""Plain keys that are what they look like: the same few hundred come again and again."""
_MEMORY = 4096


def _plain_key(node: Any) -> str:
    value: str = node.value
    if scalars.resolve(value) is None:
        raise InputError("a key that is null", node.start_mark.line, node.start_mark.column)
    name = scalars.key(value)
    if name == value and len(_plain_keys) < _MEMORY and len(value) < 100:
        _plain_keys.add(value)
    return name


def is_merge(key_node: Any) -> bool:
    """Only a plain `<<` merges (and kpt's `!!merge <<`); quoted it is a key like any other."""
    return (
        key_node.__class__ is _Scalar
        and key_node.value == "<<"
        and (key_node.tag == MERGE or (key_node.tag is None and not key_node.style))
    )


def is_mapping(node: object) -> bool:
    return isinstance(node, _Mapping)


def is_sequence(node: object) -> bool:
    return isinstance(node, _Sequence)


def is_scalar(node: object) -> bool:
    return isinstance(node, _Scalar)


def has_custom_tag(node: Node) -> bool:
    """Whether a tag stands here that isn't of YAML's core: nobody but its author knows what it means."""
    return node.tag is not None and node.tag != QUOTED and not node.tag.startswith(CORE)


def child(node: Node, step: str | int) -> Node | None:
    """The value under a key (its own, then a merged one) or at an index; None where there is none."""
    if is_sequence(node):
        return node.value[step] if isinstance(step, int) and step < len(node.value) else None
    if not is_mapping(node):
        return None
    for key_node, value_node in node.value:
        if key_node.value == step and key_name(key_node) == step and not is_merge(key_node):
            return value_node  # type: ignore[no-any-return]
    for key_node, value_node in node.value:
        if is_merge(key_node):
            sources = value_node.value if is_sequence(value_node) else [value_node]
            return next((found for source in sources if (found := child(source, step)) is not None), None)
    return None


def anchors(text: str) -> list[str]:
    """The anchors (`&a`) and aliases (`*a`) of a document, in order."""
    if not (_may_stand(text, "&") or _may_stand(text, "*")):
        return []
    if text.lstrip()[:1] in {"{", "["} and _parsed_json(text) is not None:
        return []
    parser = Composer(text)
    found = []
    try:
        while (event := parser.get_event()) is not None:
            anchor = getattr(event, "anchor", None)
            if anchor is not None:
                found.append(("*" if type(event).__name__ == "AliasEvent" else "&") + anchor)
    except _yaml_error.YAMLError as error:
        raise _input_error(error) from None
    finally:
        parser.dispose()
    return found


_BEFORE_INDICATOR = frozenset(" \t\r\n[{,:-?\ufeff" + FOREIGN_BREAKS)


def _may_stand(text: str, indicator: str) -> bool:
    """Whether an indicator stands where an anchor or an alias could begin."""
    at = text.find(indicator)
    while at >= 0:
        if (at == 0 or text[at - 1] in _BEFORE_INDICATOR) and text[at + 1 : at + 2].strip(" \t\r\n&*"):
            return True
        at = text.find(indicator, at + 1)
    return False


def _read_json(text: str) -> Document | None:
    """The Document of a chunk that is JSON, or None: data from the json module, marks from a shadow of equal length."""
    found = _parsed_json(text)
    if found is None:
        return None
    data, repeated = found
    root = compose(_shadow(text))
    duplicates = tuple(_json_duplicates(text, root)) if repeated else ()
    return Document(text, root, data, is_json=True, duplicates=duplicates)


def _parsed_json(text: str) -> tuple[Any, bool] | None:
    """The data of a text that is JSON, and whether a key stands twice in one of its objects; None for another text."""
    import json

    repeated = False

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal repeated
        data = dict(pairs)
        repeated = repeated or len(data) != len(pairs)
        return data

    def no_constant(word: str) -> Any:
        raise ValueError(word)

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return None
    return data, repeated


def _shadow(text: str) -> str:
    """The text with what libyaml rejects and JSON allows (lone and paired surrogate escapes, DEL) blanked."""
    if "\\u" in text:
        import re

        # An escaped backslash before the `u` is no escape: match pairs of backslashes first.
        text = re.sub(r"\\\\|\\u[dD][89a-fA-F][0-9a-fA-F]{2}", _blank, text)
    if max(map(len, text.split('"'))) > MAX_SIMPLE_KEY // 2:
        import re

        # An explicit key, `? "..."`, may be of any length.
        text = re.sub(r'"(?:[^"\\]|\\.){500,}"(?=\s*:)', _explicit, text)
    return text.replace("\x7f", "x")


def _explicit(match: Any) -> str:
    return '? "' + "x" * (len(match.group()) - 4) + '"'


def _blank(match: Any) -> str:
    found: str = match.group()
    return found if found == "\\\\" else "x" * len(found)


def _json_duplicates(text: str, root: Node | None) -> Iterator[tuple[str, int, int]]:
    """The keys that stand twice in one object, with their lines."""
    import json

    stack = [root]
    while stack:
        node = stack.pop()
        if node is None or is_scalar(node):
            continue
        if is_sequence(node):
            stack.extend(node.value)
            continue
        first: dict[str, int] = {}
        for key, value in node.value:
            stack.append(value)
            # The shadow's own value is blanked here and there.
            written = text[key.start_mark.index : key.end_mark.index].removeprefix("? ")
            name = json.loads(written) if written.startswith('"') else key.value
            if name in first:
                yield name, first[name], key.start_mark.line
            first.setdefault(name, key.start_mark.line)


def line_of(document: Document, pointer: Pointer) -> int:
    """The line (from 0) on which a Pointer's deepest existing node begins, as a reader would point at it."""
    return _found(document, pointer)[1].line  # type: ignore[no-any-return]


def place_of(document: Document, pointer: Pointer) -> tuple[int, int]:
    """The line and the column (both from 0) of the same."""
    mark = _found(document, pointer)[1]
    return mark.line, mark.column


def offset_of(document: Document, pointer: Pointer) -> int:
    """The character of the text at which the same begins: unlike lines, no two readers count it differently."""
    return _found(document, pointer)[1].index  # type: ignore[no-any-return]


class _Start:
    """The mark of an empty document."""

    line = column = index = 0


def _found(document: Document, pointer: Pointer) -> tuple[Node | None, Any]:
    """The node at a Pointer, if there is one, and the mark to point at. Neighbours share most of their way."""
    known = document.found.get(pointer)
    if known is None:
        known = document.found[pointer] = _find(document, pointer)
    return known


def _find(document: Document, pointer: Pointer) -> tuple[Node | None, Any]:
    if not pointer:
        return (None, _Start) if document.root is None else (document.root, document.root.start_mark)
    parent, mark = _found(document, pointer[:-1])
    node = child(parent, pointer[-1]) if parent is not None else None
    return (None, mark) if node is None else (node, _key_of(parent, node).start_mark)


def _key_of(parent: Any, value: Node) -> Node:
    """The key of a value in a mapping; an item itself."""
    for key_node, value_node in parent.value if is_mapping(parent) else ():
        if value_node is value:
            found: Node = key_node
            return found
    return value
