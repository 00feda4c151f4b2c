"""Text to Document: the only module that imports a YAML parser.

PyYAML's libyaml composer gives nodes with marks; `data` is made from them by the table of `scalars`, as Kubernetes
reads it, aliases and merge keys written out. Depth and expansion are bounded before they can hurt.
"""

from __future__ import annotations

from _operator import is_ as _nothing

from krm_harden import scalars
from krm_harden.errors import InputError
from krm_harden.libyaml import parser_class

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from yaml.nodes import MappingNode, Node

    from krm_harden.model import Pointer

_CParser, _nodes, _yaml_error = parser_class()
_Scalar, _Sequence = _nodes.ScalarNode, _nodes.SequenceNode

MAX_OPENERS = 200
"""libyaml's composer recurses in C: 30,000 levels end in a segmentation fault, 600 on a thread's stack."""
MAX_DEPTH = 300
MAX_EXPANSION = 10_000
"""Nodes that aliases and merge keys may add to a chunk."""

MAX_SIMPLE_KEY = 1024
"""What YAML allows before the colon of a key."""

QUOTED = "!"
"""The tag of a scalar that is a string because of its quotes or its block style."""
MERGE = "tag:yaml.org,2002:merge"
CORE = "tag:yaml.org,2002:"


class Composer(_CParser):  # type: ignore[misc,valid-type]
    """libyaml's composer with no resolver: the tag of a plain scalar or a collection is None."""

    def resolve(self, kind: type, _value: str, implicit: Any) -> str | None:
        # The hook's `implicit` is a tuple for scalars (plain, quoted) and a bool for collections.
        if kind is _Scalar and not implicit[0]:
            return QUOTED
        return None

    # Called before and after every node, for path resolvers, which aren't used: the cheapest callables there are.
    descend_resolver = _nothing
    ascend_resolver = bool


class Document:
    """One chunk as text, marks and data.

    `text` is without byte order mark; `root` is None when the chunk is empty; `data` has neither aliases nor merge
    keys; `duplicates` are (key, first line, second line), lines counted from 0; `repeated` holds the ids of nodes
    that stand in several places.
    """

    __slots__ = ("data", "duplicates", "is_json", "repeated", "root", "text")

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
    return Document(text, root, data, duplicates=tuple(builder.duplicates), repeated=frozenset(builder.repeated))


def compose(text: str) -> Node | None:
    """The node tree of exactly one document."""
    parser = Composer(text)
    try:
        node: Node | None = parser.get_single_node()
    except _yaml_error.YAMLError as error:
        raise _input_error(error) from None
    finally:
        parser.dispose()
    return node


def _input_error(error: Any) -> InputError:
    mark = getattr(error, "problem_mark", None)
    problem = str(getattr(error, "problem", None) or getattr(error, "reason", None) or error)
    if problem == "but found another document":
        problem = "a second document begins without a --- line that every YAML reader sees"
    line, column = (mark.line, mark.column) if mark is not None else (-1, -1)
    return InputError(f"not YAML: {problem}", line, column)


FOREIGN_BREAKS = "\x85\u2028\u2029"
"""NEL, LS and PS: line breaks to libyaml and the Go parsers, text to everybody else."""


def has_foreign_breaks(text: str) -> bool:
    """Whether a character stands in the text that only some readers take for a line break."""
    return any(mark in text for mark in FOREIGN_BREAKS) or text.count("\r") != text.count("\r\n")


def check_depth(text: str) -> None:
    """Raises InputError for nesting that the composer's stack might not survive; lexical, and exact only where near."""
    if text.count("{") + text.count("[") < MAX_OPENERS and not _has_long_prefix(text):
        return
    depth = 0
    parser = Composer(text)
    try:
        while (event := parser.get_event()) is not None:
            name = type(event).__name__
            depth += name.endswith("StartEvent") - name.endswith("EndEvent")
            if depth > MAX_DEPTH:
                mark = event.start_mark
                raise InputError(f"nested more than {MAX_DEPTH} levels deep", mark.line, mark.column)
    except _yaml_error.YAMLError as error:
        raise _input_error(error) from None
    finally:
        parser.dispose()


def _has_long_prefix(text: str) -> bool:
    """Whether a line begins with more characters of ` -?:` than there may be levels."""
    lines = text.split("\n")
    return max(map(len, lines)) > MAX_OPENERS and any(
        len(line) > MAX_OPENERS and not line[: MAX_OPENERS + 1].strip(" -?:") for line in lines
    )


class _Builder:
    """Makes data from nodes. Recursion is safe: `check_depth` and `MAX_DEPTH` bound it."""

    __slots__ = ("duplicates", "expanding", "extra", "has_aliases", "open", "repeated", "seen")

    def __init__(self, has_aliases: bool) -> None:
        self.has_aliases = has_aliases
        self.duplicates: list[tuple[str, int, int]] = []
        self.extra = 0
        self.expanding = 0
        self.seen: set[int] = set()
        self.open: set[int] = set()
        self.repeated: set[int] = set()

    def build(self, node: Node, depth: int) -> Any:
        if node.__class__ is _Scalar:
            return _scalar(node)
        if not self.has_aliases:
            return self._collection(node, depth + 1)
        identity = id(node)
        if identity in self.open:
            raise InputError("an anchor contains itself", node.start_mark.line, node.start_mark.column)
        again = identity in self.seen
        if again:
            self.repeated.add(identity)
        self.seen.add(identity)
        self.open.add(identity)
        self.expanding += again
        data = self._collection(node, depth + 1)
        self.expanding -= again
        self.open.discard(identity)
        return data

    def _collection(self, node: Node, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise InputError(f"nested more than {MAX_DEPTH} levels deep", node.start_mark.line, node.start_mark.column)
        if self.expanding:
            self.extra += 1 + len(node.value)
            if self.extra > MAX_EXPANSION:
                raise InputError(
                    f"aliases and merge keys expand to more than {MAX_EXPANSION} nodes",
                    node.start_mark.line,
                    node.start_mark.column,
                )
        if node.__class__ is _Sequence:
            build = self.build
            return [_scalar(item) if item.__class__ is _Scalar else build(item, depth) for item in node.value]
        return self._mapping(node, depth)  # type: ignore[arg-type]

    def _mapping(self, node: MappingNode, depth: int) -> dict[str, Any]:
        data: dict[str, Any] = {}
        build = self.build
        merged = False
        for key_node, value_node in node.value:
            name = key_node.value
            if key_node.__class__ is not _Scalar or key_node.tag is not None or name not in _plain_keys:
                name = key_name(key_node)
            if name == "<<" and is_merge(key_node):
                merged = True
                continue
            if name in data:
                self._duplicate(node, name, key_node)
            data[name] = _scalar(value_node) if value_node.__class__ is _Scalar else build(value_node, depth)
        return {**self._merges(node, depth), **data} if merged else data

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
                merged = {**self.build(source, depth), **merged}
        return merged

    def _duplicate(self, node: MappingNode, name: str, key_node: Node) -> None:
        first = next(key for key, _ in node.value if key_name(key) == name)
        self.duplicates.append((name, first.start_mark.line, key_node.start_mark.line))


def _scalar(node: Any) -> Any:
    tag = node.tag
    if tag is None:
        return scalars.resolve(node.value)
    return node.value if tag is QUOTED else scalars.tagged(tag, node.value)


def key_name(node: Any) -> str:
    """The string that Kubernetes takes a key for. Raises InputError for a key that isn't a scalar."""
    if node.__class__ is not _Scalar:
        raise InputError("a key that isn't a scalar", node.start_mark.line, node.start_mark.column)
    value: str = node.value
    return value if node.tag is not None or value in _plain_keys else _plain_key(value)


_plain_keys: set[str] = set()
"""Plain keys that are what they look like: the same few hundred come again and again."""
_MEMORY = 4096


def _plain_key(value: str) -> str:
    name = scalars.key(value)
    if name == value and len(_plain_keys) < _MEMORY and len(value) < 100:
        _plain_keys.add(value)
    return name


def is_merge(key_node: Any) -> bool:
    """Only a plain `<<` merges (and kpt's `!!merge <<`); quoted it is a key like any other."""
    return key_node.__class__ is _Scalar and key_node.value == "<<" and key_node.tag in {None, MERGE}


def is_mapping(node: object) -> bool:
    return isinstance(node, _nodes.MappingNode)


def is_sequence(node: object) -> bool:
    return isinstance(node, _nodes.SequenceNode)


def is_scalar(node: object) -> bool:
    return isinstance(node, _nodes.ScalarNode)


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


def _may_stand(text: str, indicator: str) -> bool:
    """Whether an indicator stands where an anchor or an alias could begin."""
    at = text.find(indicator)
    while at >= 0:
        if (at == 0 or text[at - 1] in " \t\r\n[{,:") and text[at + 1 : at + 2].strip(" \t\r\n&*"):
            return True
        at = text.find(indicator, at + 1)
    return False


def _read_json(text: str) -> Document | None:
    """The Document of a chunk that is JSON, or None: data from the json module, marks from a shadow of equal length."""
    import json

    duplicates: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(pairs)
        if len(data) != len(pairs):
            names = [name for name, _ in pairs]
            duplicates.extend(name for name in data if names.count(name) > 1)
        return data

    def no_constant(word: str) -> Any:
        raise ValueError(word)

    try:
        data = json.loads(text, object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return None
    root = compose(_shadow(text))
    found = tuple((name, *_lines_of(root, name)) for name in duplicates)
    return Document(text, root, data, is_json=True, duplicates=found)


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


def _lines_of(root: Node | None, name: str) -> tuple[int, int]:
    """The lines of the first two equal keys of that name within one mapping."""
    stack = [root]
    while stack:
        node = stack.pop()
        if node is None or is_scalar(node):
            continue
        if is_sequence(node):
            stack.extend(node.value)
            continue
        lines = [key.start_mark.line for key, _ in node.value if key.value == name]
        if len(lines) > 1:
            return lines[0], lines[1]
        stack.extend(value for _, value in node.value)
    return -1, -1


def line_of(document: Document, pointer: Pointer) -> int:
    """The line (from 0) on which a Pointer's deepest existing node begins, as a reader would point at it."""
    node = document.root
    line = 0
    for step in pointer:
        found = child(node, step) if node is not None else None
        if found is None:
            break
        line = _key_line(node, found)
        node = found
    return line


def _key_line(parent: Any, value: Any) -> int:
    if is_mapping(parent):
        for key_node, value_node in parent.value:
            if value_node is value:
                return int(key_node.start_mark.line)
    return int(value.start_mark.line)
