"""The guard behind every write: what the new text says is what the patch says, and nothing else moved.

Runs for the user, on every chunk that changes. Whatever it can't prove, it refuses: the document goes out as it came
in. The engine adds one check of its own, that a second run over the new text has nothing to do.
"""

from __future__ import annotations

import marshal

from krm_harden import place, scalars, source
from krm_harden.errors import InputError, RefusedEdit
from krm_harden.model import same
from krm_harden.patch import Moves, on_result, on_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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
    if not _says(draft.data, old, new):
        raise RefusedEdit("the edited text doesn't say what the patch says", next_step=_NEXT)
    _same_line_breaks(old.text, text)
    operations = draft.operations
    gone = frozenset(operation.path for operation in on_source(operations) if operation.op == "remove")
    _same_anchors(old, text, gone)
    keeps_lines = _keeps_lines(old.text, text)
    if not keeps_lines:
        _same_elsewhere(old, new, operations)
    if not (keeps_lines and _has_only_trailing_comments(old.text, text)):
        _same_comments(old, new, operations, gone)
    _quoted_where_needed(new, on_result(operations))
    return new


def _same_kind(old: Document, new: Document) -> None:
    if new.is_json != old.is_json:
        raise RefusedEdit("the edited text isn't JSON any more", next_step=_NEXT)
    if len(new.duplicates) > len(old.duplicates):
        raise RefusedEdit(f"the edit would write the key {new.duplicates[-1][0]!r} twice", next_step=_NEXT)


def _says(expected: Any, old: Document, new: Document) -> bool:
    """Whether the new text's data is as expected."""
    # Where a text ends within a block scalar, an addition has to stand before the last key.
    any_order = not old.text.endswith("\n") and same(_sorted(expected), _sorted(new.data))
    return any_order or same(expected, new.data)


def _sorted(data: Any) -> Any:
    if isinstance(data, dict):
        return {name: _sorted(data[name]) for name in sorted(data)}
    return [_sorted(item) for item in data] if isinstance(data, list) else data


def _same_line_breaks(old: str, new: str) -> None:
    """What had only one kind of line break still has, and the text ends as it did."""
    if ("\r" in old or "\r" in new) and _mixes_line_breaks(old, new):
        raise RefusedEdit("the edit would mix line breaks", next_step=_NEXT)
    if "\n" in old and old.endswith("\n") != new.endswith("\n"):
        raise RefusedEdit("the edit would change the end of the text", next_step=_NEXT)


def _mixes_line_breaks(old: str, new: str) -> bool:
    crlf, lone = old.count("\r\n"), old.count("\r") - old.count("\r\n")
    new_crlf = new.count("\r\n")
    mixed = new.count("\r") - new_crlf != lone
    mixed |= crlf == 0 and new_crlf > 0
    return mixed or (crlf == old.count("\n") > 0 and new_crlf != new.count("\n"))


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
    changed = frozenset(operation.path for operation in on_result(operations) if operation.op == "replace")
    moves = Moves(operations)
    # Nearly always what stays comes in the order of old: so no more than one leaf of each text is in memory.
    ahead = _written(new)
    now = dict(ahead) if old.duplicates or new.duplicates else None
    for start, end, leaf in place.each_leaf(old):
        there: Any = moves.after(leaf)
        # What is added to an empty collection stands in its brackets.
        if there is None or old.text[start:end] in {"{", "["}:
            continue
        if changed and _is_rewritten(there, changed):
            continue
        found = next((text for other, text in ahead if other == there), None) if now is None else now.get(there, "")
        if found is None:
            now = dict(_written(new))
            found = now.get(there, "")
        if found.strip() != old.text[start:end].strip():
            raise RefusedEdit(f"the edit would change {old.text[start:end].strip()!r}", next_step=_NEXT)


def _written(document: Document) -> Iterator[tuple[Any, str]]:
    """The leaves of a document by their pointers, each as it is written."""
    return ((leaf, document.text[start:end]) for start, end, leaf in place.each_leaf(document))


def _is_rewritten(leaf: Any, changed: frozenset[Any]) -> bool:
    """Whether a leaf lies within what is replaced; the key of that is none of it."""
    return any(leaf[:depth] in changed and leaf[depth:] != (place.KEY,) for depth in range(len(leaf) + 1))


def _same_anchors(old: Document, new: str, gone: frozenset[Any]) -> None:
    """The anchors and aliases are the same, but for those within what goes."""
    left = source.anchors(new)[::-1]
    lost = []
    for name in source.anchors(old.text):
        if left and left[-1] == name:
            left.pop()
        else:
            lost.append(name)
    if left or (lost and not set(lost) <= _anchors_within(old, gone)):
        raise RefusedEdit("the edit would lose or add an anchor", next_step=_NEXT)


def _anchors_within(document: Document, gone: frozenset[Any]) -> frozenset[str]:
    """What could be an anchor or an alias in what goes."""
    words: list[str] = []
    for path in gone:
        node = place.node_at(document, path[:-1])
        names = [key.value for key, _ in node.value] if source.is_mapping(node) else range(len(node.value))
        for name, (start, end) in zip(names, place.entries(document.text, node), strict=True):
            words += document.text[start:end].translate(_FLOW).split() if name == path[-1] else []
    return frozenset(words)


_FLOW = str.maketrans("{}[],", " " * 5)


def _same_comments(old: Document, new: Document, operations: Sequence[Operation], gone: frozenset[Any]) -> None:
    """Every comment stands between the same leaves as before, and belongs to the same collection."""
    if "#" not in old.text and "#" not in new.text:
        return
    was, now = place.leaves(old), place.leaves(new)
    moves = Moves(operations)
    moved = {leaf: moves.after(leaf) for _, _, leaf in was}
    written = on_result(operations)
    replaced = frozenset(operation.path for operation in written if operation.op == "replace")
    common = (frozenset(leaf for _, _, leaf in now) & frozenset(moved.values())) - replaced
    known = frozenset(leaf for leaf, there in moved.items() if there in common)
    left = [
        _moved(comment, old, new, moves)
        for comment in place.comments(old, was, known)
        if not _goes_away(comment, old, gone)
    ]
    right = place.comments(new, now, common)
    if [comment.text for comment in left] != [comment.text for comment in right]:
        raise RefusedEdit("the edit would lose a comment", next_step=_NEXT)
    for one, other in zip(left, right, strict=True):
        if one.place() != other.place() or _follows_addition(other, new, written):
            raise RefusedEdit(f"the edit would move the comment {one.text!r} to another owner", next_step=_NEXT)


def _goes_away(comment: place.Comment, old: Document, gone: frozenset[Any]) -> bool:
    """Whether a comment goes with what is removed: it stands behind it, within it, or below it and deeper."""
    behind = comment.column < 0
    owners = comment.owner if behind else (comment.owner,)
    if owners and all(_removed(owner, gone) is not None for owner in owners):
        return True
    item = place.item_of_dash(old, comment.start, comment.following)
    if item is not None and _removed(item, gone) is not None:
        return True
    above, below = _removed(comment.leaf or (), gone), _removed(comment.following or (), gone)
    if above is None:
        return False
    if below is not None and above[:-1] == below[:-1]:
        return True
    parent = place.node_at(old, above[:-1])
    return not (behind or parent.flow_style or place.is_below_a_dash(old.text, comment.start)) and bool(
        comment.column > place.column(old.text, parent)
    )


def _removed(pointer: Any, gone: frozenset[Any]) -> Any:
    """The entry that is removed in which a pointer lies, else None."""
    return next((pointer[:depth] for depth in range(1, len(pointer) + 1) if pointer[:depth] in gone), None)


def _moved(comment: place.Comment, old: Document, new: Document, moves: Moves) -> place.Comment:
    """A comment as it is after the operations. In a block that lost all its entries, it belongs to what is around."""
    moved = comment.moved(moves.after)
    if moved.column < 0 or not moved.owner:
        return moved
    was, now = place.node_at(old, comment.owner), place.node_at(new, moved.owner)
    is_empty = now is not None and not source.is_scalar(now) and not now.value
    if is_empty and (source.is_scalar(was) or not was.flow_style):
        moved.owner = moved.owner[:-1]
    return moved


def _follows_addition(comment: place.Comment, new: Document, written: Sequence[Operation]) -> bool:
    """Whether something was added between a comment and the values of the same mapping that it stood below."""
    if comment.column < 0 or comment.leaf is None or place.is_below_a_dash(new.text, comment.start):
        return False
    for operation in written:
        into = operation.path[:-1]
        if operation.op != "add" or operation.path[-1] == "-" or comment.leaf[: len(operation.path)] != operation.path:
            continue
        node = place.node_at(new, into)
        heads_next = comment.after is not None and comment.after[: len(into)] == into
        return not node.flow_style and place.column(new.text, node) <= comment.column and not heads_next
    return False


def _quoted_where_needed(new: Document, written: Sequence[Operation]) -> None:
    """Every string that was written reads as one in every version of YAML."""
    if new.is_json:
        return
    appended = [operation.path for operation in written if operation.path[-1] == "-"]
    for operation in written:
        if not _is_tricky(operation.value):
            continue
        if operation.path[-1] == "-":
            for item in place.node_at(new, operation.path[:-1]).value[-appended.count(operation.path) :]:
                _check_quotes(item)
        else:
            _check_quotes(place.node_at(new, operation.path))


def _is_tricky(value: Any) -> bool:
    """Whether a string that needs quotes stands anywhere in a value."""
    written = marshal.dumps(value, 2)
    known = _tricky.get(written)
    if known is None:
        known = _has_tricky_strings(value)
        if len(_tricky) < _MEMORY:
            _tricky[written] = known
    return known


_tricky: dict[bytes, bool] = {}
"""The same few values in one workload after the other."""
_MEMORY = 4096


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
    is_plain_string = node.tag is None and not node.style and isinstance(scalars.resolve(node.value), str)
    return is_plain_string and not scalars.is_plain_safe(node.value)


def twice(old: Document, new: Document, operations: Sequence[Operation]) -> None:
    """The same once more, by libraries that share no code with ours: jsonpatch patches, ruamel.yaml reads.

    Raises RefusedEdit where they disagree.
    """
    from krm_harden.patch import patched

    if not _says(patched(source.read(old.text).data, operations), old, new):
        raise RefusedEdit("jsonpatch makes something else of the operations", next_step=_NEXT)
    if patched(_unshared(_read_by_ruamel(old.text)), operations) != _read_by_ruamel(new.text):
        raise RefusedEdit("ruamel.yaml reads something else in the edited text", next_step=_NEXT)


def _unshared(data: Any) -> Any:
    """A copy in which what an alias repeats is there several times, as in what the operations were made for."""
    if isinstance(data, dict):
        return {name: _unshared(value) for name, value in data.items()}
    return [_unshared(item) for item in data] if isinstance(data, list) else data


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
