"""The guard behind every write: what the new text says is what the patch says, and nothing else moved.

Runs for the user, on every chunk that changes. Whatever it can't prove, it refuses: the document goes out as it came
in. The engine adds one check of its own, that a second run over the new text has nothing to do.
"""

from __future__ import annotations

from krm_harden import place, scalars, source
from krm_harden.errors import InputError, RefusedEdit
from krm_harden.model import lookup, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from krm_harden.model import Operation
    from krm_harden.patch import Draft
    from krm_harden.source import Document

_NEXT = "the document stays as it was; please report it, with the file"


def verified(old: Document, text: str, draft: Draft) -> Document:
    """The new text as a Document. Raises RefusedEdit when it isn't exactly the old one, patched.

    The reference is the draft's data, to which no text ever came near.
    """
    try:
        new = source.read(text)
    except InputError as error:
        raise RefusedEdit(f"the edited text isn't readable ({error.message})", next_step=_NEXT) from None
    _same_kind(old, new)
    _same_data(draft.data, old, new)
    _same_line_breaks(old.text, text)
    _same_anchors(old.text, text)
    keeps_lines = _keeps_lines(old.text, text)
    if not keeps_lines:
        _same_elsewhere(old, new, draft.operations)
    if not (keeps_lines and _has_only_trailing_comments(old.text, text)):
        _same_comments(old, new, draft.operations)
    _quoted_where_needed(old, new, draft.operations)
    return new


def _same_kind(old: Document, new: Document) -> None:
    if new.is_json != old.is_json:
        raise RefusedEdit("the edited text isn't JSON any more", next_step=_NEXT)
    if len(new.duplicates) > len(old.duplicates):
        raise RefusedEdit(f"the edit would write the key {new.duplicates[-1][0]!r} twice", next_step=_NEXT)


def _same_data(expected: Any, old: Document, new: Document) -> None:
    # Where a text ends within a block scalar, an addition has to stand before the last key.
    any_order = not old.text.endswith("\n") and same(_sorted(expected), _sorted(new.data))
    if not same(expected, new.data) and not any_order:
        raise RefusedEdit("the edited text doesn't say what the patch says", next_step=_NEXT)


def _sorted(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _sorted(data[name]) for name in sorted(data)}
    return [_sorted(item) for item in data] if isinstance(data, list) else data


def _same_line_breaks(old: str, new: str) -> None:
    """What had only one kind of line break still has, and the text ends as it did."""
    crlf, lone = old.count("\r\n"), old.count("\r") - old.count("\r\n")
    new_crlf = new.count("\r\n")
    mixed = new.count("\r") - new_crlf != lone
    mixed |= crlf == 0 and new_crlf > 0
    mixed |= crlf == old.count("\n") > 0 and new_crlf != new.count("\n")
    if mixed:
        raise RefusedEdit("the edit would mix line breaks", next_step=_NEXT)
    if "\n" in old and old.endswith("\n") != new.endswith("\n"):
        raise RefusedEdit("the edit would change the end of the text", next_step=_NEXT)


def _keeps_lines(old: str, new: str) -> bool:
    """Whether every old line is there, in order: the edit only inserted lines."""
    lines = iter(new.splitlines())
    return all(line in lines for line in old.splitlines())


def _has_only_trailing_comments(old: str, new: str) -> bool:
    """Whether each comment stands behind something on its line, and no `#` came or went: then kept lines keep them."""
    if old.count("#") != new.count("#"):
        return False
    return "#" not in old or not any(line.lstrip(" \t").startswith(("#", "- #")) for line in old.splitlines())


def _same_elsewhere(old: Document, new: Document, operations: Sequence[Operation]) -> None:
    """What no operation names is written as it was: same quotes, same digits, same tags."""
    changed = [operation.path for operation in operations if operation.op == "replace"]
    now = {leaf: new.text[start:end] for start, end, leaf in place.leaves(new)}
    for start, end, leaf in place.leaves(old):
        there = _moved(leaf, operations)
        if there is None or any(leaf[: len(path)] == path and leaf[-1:] != (place.KEY,) for path in changed):
            continue
        if now.get(there, "").strip() != old.text[start:end].strip():
            raise RefusedEdit(f"the edit would change {old.text[start:end].strip()!r}", next_step=_NEXT)


def _moved(leaf: Any, operations: Sequence[Operation]) -> Any:
    """Where a leaf of the old document stands in the new one; None when it went away."""
    for operation in operations:
        depth = len(operation.path) - 1
        if operation.op != "remove" or leaf[:depth] != operation.path[:-1] or len(leaf) <= depth:
            continue
        gone = operation.path[-1]
        if leaf[depth] == gone:
            return None
        if isinstance(gone, int) and isinstance(leaf[depth], int) and leaf[depth] > gone:
            leaf = (*leaf[:depth], leaf[depth] - 1, *leaf[depth + 1 :])
    return leaf


def _same_anchors(old: str, new: str) -> None:
    if source.anchors(old) != source.anchors(new):
        raise RefusedEdit("the edit would lose or add an anchor", next_step=_NEXT)


def _same_comments(old: Document, new: Document, operations: Sequence[Operation]) -> None:
    """Every comment stands between the same leaves as before, and belongs to the same collection."""
    if "#" not in old.text and "#" not in new.text:
        return
    was, now = place.leaves(old), place.leaves(new)
    moved = {leaf: _moved(leaf, operations) for _, _, leaf in was}
    written = frozenset(operation.path for operation in operations if operation.op == "replace")
    common = (frozenset(leaf for _, _, leaf in now) & frozenset(moved.values())) - written
    known = frozenset(leaf for leaf, there in moved.items() if there in common)
    before = [
        comment.moved(lambda leaf: _moved(leaf, operations))
        for comment in place.comments(old, was, known)
        if not _goes_away(comment, operations)
    ]
    after = place.comments(new, now, common)
    if [comment.text for comment in before] != [comment.text for comment in after]:
        raise RefusedEdit("the edit would lose a comment", next_step=_NEXT)
    for left, right in zip(before, after, strict=True):
        if left.place() != right.place() or _follows_addition(right, new, operations):
            raise RefusedEdit(f"the edit would move the comment {left.text!r} to another owner", next_step=_NEXT)


def _follows_addition(comment: place.Comment, new: Document, operations: Sequence[Operation]) -> bool:
    """Whether something was added between a comment and the values of the same mapping that it stood below."""
    if comment.column < 0 or comment.leaf is None or _is_below_a_dash(new.text, comment.start):
        return False
    for operation in operations:
        depth = len(operation.path) - 1
        into = operation.path[:-1]
        if operation.op != "add" or operation.path[-1] == "-" or comment.leaf[: depth + 1] != operation.path:
            continue
        node: Any = new.root
        for step in into:
            node = source.child(node, step)
        heads_next = comment.after is not None and comment.after[: len(into)] == into
        return not node.flow_style and place.column(new.text, node) <= comment.column and not heads_next
    return False


def _is_below_a_dash(text: str, at: int) -> bool:
    """Whether the nearest line above that isn't blank or a comment is a dash alone: the comment is of that item."""
    for line in reversed(text[:at].split("\n")[:-1]):
        content = line.strip()
        if content and not content.startswith("#"):
            return content == "-"
    return False


def _goes_away(comment: place.Comment, operations: Sequence[Operation]) -> bool:
    """Whether a comment stands behind something that is removed."""
    behind = comment.column < 0 and comment.owner[1] is not None
    return behind and _moved(comment.owner[1], operations) is None


def _quoted_where_needed(old: Document, new: Document, operations: Sequence[Operation]) -> None:
    """Every string that was written reads as one in every version of YAML."""
    if new.is_json:
        return
    for operation in operations:
        if operation.op == "remove" or not _has_tricky_strings(operation.value):
            continue
        appends = operation.path[-1] == "-"
        node = new.root
        for step in operation.path[:-1] if appends else operation.path:
            node = source.child(node, step) if node is not None else None
        if appends and node is not None:
            for item in node.value[len(lookup(old.data, operation.path[:-1])) :]:
                _check_quotes(item)
        else:
            _check_quotes(node)


def _has_tricky_strings(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_has_tricky_strings, value.values())) or any(map(_has_tricky_strings, value))
    if isinstance(value, list):
        return any(map(_has_tricky_strings, value))
    return isinstance(value, str) and not scalars.is_plain_safe(value)


def _check_quotes(node: Any) -> None:
    if source.is_mapping(node):
        for key, value in node.value:
            _check_quotes(key)
            _check_quotes(value)
    elif source.is_sequence(node):
        for item in node.value:
            _check_quotes(item)
    elif node is not None and _needs_quotes(node):
        raise RefusedEdit(f"the edit would write {node.value!r} without quotes", next_step=_NEXT)


def _needs_quotes(node: Any) -> bool:
    is_plain_string = node.tag is None and isinstance(scalars.resolve(node.value), str)
    return is_plain_string and not scalars.is_plain_safe(node.value)


def twice(old: Document, new: Document, operations: Sequence[Operation]) -> None:
    """The same once more, by libraries that share no code with ours: jsonpatch patches, ruamel.yaml reads.

    Raises RefusedEdit where they disagree.
    """
    from krm_harden.patch import patched

    if not same(patched(source.read(old.text).data, operations), new.data):
        raise RefusedEdit("jsonpatch makes something else of the operations", next_step=_NEXT)
    if patched(_read_by_ruamel(old.text), operations) != _read_by_ruamel(new.text):
        raise RefusedEdit("ruamel.yaml reads something else in the edited text", next_step=_NEXT)


def _read_by_ruamel(text: str) -> Any:
    try:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import YAMLError
    except ModuleNotFoundError:
        raise RefusedEdit("ruamel.yaml isn't installed", next_step="pip install 'krm-harden[paranoid]'") from None
    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise RefusedEdit(f"ruamel.yaml can't read the text: {str(error).splitlines()[0]}", next_step=_NEXT) from None
