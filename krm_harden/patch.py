"""Operations that name what they want become the smallest RFC 6902 patch that means it.

A control may name a path whose parents are missing. `Draft` makes it strict: it adds the topmost missing parent with
the rest inside, and folds what comes later into what this run has added. So every operation's parent exists in the
source, no two operations overlap, and all of them can be edited against the original marks.
"""

from __future__ import annotations

from krm_harden.model import Operation, json_pointer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from krm_harden.model import Pointer


class Draft:
    """A document's data with the changes so far. The data given stays as it is: what changes is copied on the way."""

    __slots__ = ("_operations", "data")

    def __init__(self, data: Any) -> None:
        self.data = data
        self._operations: list[Operation] = []

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The minimal operations, in the order in which they were first needed."""
        return tuple(self._operations)

    def apply(self, operation: Operation) -> None:
        """One more change: `add` sets a key or appends (`-`), creating parents; `replace` and `remove` need the field.

        A key that has that very value already is no change.
        """
        if operation.op == "remove":
            self._operations.append(operation)
            self.data = _without(self.data, operation.path)
            return
        depth, node = _deepest(self.data, operation.path)
        path = operation.path[:depth]
        rest = operation.path[depth:]
        if not rest:
            if node == operation.value and type(node) is type(operation.value):
                return
            self._record("replace", path, operation.value)
        elif node is None:
            self._record("replace" if depth else "add", path, _nested(rest, operation.value))
        else:
            self._record("add", (*path, rest[0]), _nested(rest[1:], operation.value))

    def _record(self, op: str, path: Pointer, value: Any) -> None:
        self.data = _with(self.data, path, value)
        for place, earlier in enumerate(self._operations):
            length = len(earlier.path)
            if earlier.op != "remove" and path[:length] == earlier.path and earlier.path[-1] != "-":
                folded = _with(earlier.value, path[length:], value) if len(path) > length else value
                self._operations[place] = Operation(earlier.op, earlier.path, folded)
                return
        self._operations.append(Operation(op, path, value))


def _deepest(data: Any, path: Pointer) -> tuple[int, Any]:
    """How many steps of a path exist, and the value there."""
    for depth, step in enumerate(path):
        keys: Any = data if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
        if step not in keys:
            return depth, data
        data = data[step]
    return len(path), data


def _nested(path: Pointer, value: Any) -> Any:
    for step in reversed(path):
        value = [value] if step == "-" else {step: value}
    return value


def _with(data: Any, path: Pointer, value: Any) -> Any:
    """The data with a value set at a path: every container on the way is a copy."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(data, list):
        if step == "-":
            return [*data, _with(None, rest, value)]
        return [_with(item, rest, value) if index == step else item for index, item in enumerate(data)]
    copy = dict(data or {})
    copy[step] = _with(copy.get(step), rest, value)
    return copy


def _without(data: Any, path: Pointer) -> Any:
    step, rest = path[0], path[1:]
    if rest:
        return _with(data, (step,), _without(data[step], rest))
    if isinstance(data, list):
        return [item for index, item in enumerate(data) if index != step]
    return {name: value for name, value in data.items() if name != step}


def to_json(operations: Iterable[Operation]) -> list[dict[str, Any]]:
    """The operations as RFC 6902 writes them."""
    return [
        {"op": operation.op, "path": json_pointer(operation.path)}
        | ({} if operation.op == "remove" else {"value": operation.value})
        for operation in operations
    ]


def patched(data: Any, operations: Iterable[Operation]) -> Any:
    """What `jsonpatch` makes of the data, which it changes in place: the meaning of the operations."""
    import jsonpatch

    return jsonpatch.apply_patch(data, to_json(operations), in_place=True)
