"""Operations that name what they want become the smallest RFC 6902 patch that means it.

A control may name a path whose parents are missing. `Draft` makes it strict: it adds the topmost missing parent with
the rest inside, and folds what comes later into what this run has added. So every operation's parent exists in the
source, no two operations overlap, and all of them can be edited against the original marks.
"""

from __future__ import annotations

from krm_harden.model import Operation, json_pointer, lookup, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from krm_harden.model import Pointer


class Draft:
    """A document's data with the changes so far. The data given stays as it is: what changes is copied on the way."""

    __slots__ = ("_operations", "_own", "_places", "data")

    def __init__(self, data: Any) -> None:
        self.data = data
        self._own: dict[int, Any] = {}
        """The copies that this draft has made, and may change, by identity."""
        self._operations: list[Operation] = []
        self._places: list[Pointer] = []
        """Where each operation's value stands: its path, with the index of what it appends."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The minimal operations, in the order in which they were first needed."""
        return tuple(self._operations)

    def apply(self, operation: Operation) -> None:
        """One more change: `add` sets a key or appends (`-`), creating parents; `replace` and `remove` need the field.

        A key that has that very value already is no change.
        """
        if operation.op == "remove":
            self._remove(operation.path)
            return
        depth, node = _deepest(self.data, operation.path)
        path = operation.path[:depth]
        rest = operation.path[depth:]
        if not rest:
            if not same(node, operation.value):
                self._record("replace", path, operation.value)
        elif node is None:
            self._record("replace" if depth else "add", path, _nested(rest, operation.value))
        else:
            self._record("add", (*path, rest[0]), _nested(rest[1:], operation.value))

    def _record(self, op: str, path: Pointer, value: Any) -> None:
        place = (*path[:-1], len(lookup(self.data, path[:-1]))) if path[-1:] == ("-",) else path
        self._set(path, value)
        index = self._folds_into(place)
        if index is None:
            self._drop_below(place)
            self._append(Operation(op, path, value), place)
            return
        earlier = self._operations[index]
        rest = path[len(self._places[index]) :]
        self._operations[index] = Operation(earlier.op, earlier.path, _with(earlier.value, rest, value))

    def _set(self, path: Pointer, value: Any) -> None:
        """Set a value in the data; what lies on the way and isn't ours yet becomes a copy."""
        if not path:
            self.data = value
            return
        self.data = node = self._copy(self.data)
        for step in path[:-1]:
            node[step] = child = self._copy(node[step])
            node = child
        if path[-1] == "-":
            node.append(value)
        else:
            node[path[-1]] = value

    def _copy(self, node: Any) -> Any:
        if id(node) in self._own:
            return node
        copy = node.copy()
        self._own[id(copy)] = copy
        return copy

    def _folds_into(self, place: Pointer) -> int | None:
        """The operation of this run within whose value a place lies."""
        for index, within in enumerate(self._places):
            if self._operations[index].op != "remove" and place[: len(within)] == within:
                return index
        return None

    def _drop_below(self, place: Pointer) -> None:
        """What was done below a place that is now written whole, or gone, needn't be done. A removal there stays."""
        depth = len(place)
        kept = [
            index
            for index, (found, operation) in enumerate(zip(self._places, self._operations, strict=True))
            if found[:depth] != place or (operation.op == "remove" and len(found) == depth)
        ]
        self._operations = [self._operations[index] for index in kept]
        self._places = [self._places[index] for index in kept]

    def _append(self, operation: Operation, place: Pointer) -> None:
        self._operations.append(operation)
        self._places.append(place)

    def _remove(self, path: Pointer) -> None:
        self.data = _without(self.data, path)
        index = self._folds_into(path)
        if index is not None and self._places[index] != path:
            earlier = self._operations[index]
            value = _without(earlier.value, path[len(self._places[index]) :])
            self._operations[index] = Operation(earlier.op, earlier.path, value)
            return
        is_new = index is not None and self._operations[index].op == "add"
        self._drop_below(path)
        if not is_new:
            self._append(Operation("remove", path), path)
        self._places = [_moved_up(place, path) for place in self._places]


def _moved_up(place: Pointer, removed: Pointer) -> Pointer:
    """A place after a removal: items behind one that went away move up."""
    depth, gone = len(removed) - 1, removed[-1]
    step = place[depth] if len(place) > depth and place[:depth] == removed[:-1] else None
    if isinstance(gone, int) and isinstance(step, int) and step > gone:
        return (*place[:depth], step - 1, *place[depth + 1 :])
    return place


def after(place: Pointer, operations: Iterable[Operation]) -> Pointer | None:
    """Where a place of the source is when the operations are done; None when it went away."""
    for operation in operations:
        if operation.op != "remove":
            continue
        if place[: len(operation.path)] == operation.path:
            return None
        place = _moved_up(place, operation.path)
    return place


def on_source(operations: Iterable[Operation]) -> Iterator[Operation]:
    """The operations with their paths as they are in the source, where no item has moved up yet."""
    gone: dict[Pointer, list[int]] = {}
    for operation in operations:
        path = _before(operation.path, gone) if gone else operation.path
        yield Operation(operation.op, path, operation.value)
        if operation.op == "remove" and isinstance(path[-1], int):
            gone[path[:-1]] = sorted([*gone.get(path[:-1], ()), path[-1]])


def _before(path: Pointer, gone: dict[Pointer, list[int]]) -> Pointer:
    """A path before items went away; `gone` are their indexes, by list, in order."""
    place: Pointer = ()
    for step in path:
        if isinstance(step, int):
            for index in gone.get(place, ()):
                step += index <= step  # noqa: PLW2901 - counted up
        place = (*place, step)
    return place


def on_result(operations: Sequence[Operation]) -> list[Operation]:
    """What is added and replaced, with its paths as they are when all is done."""
    found = []
    for number, operation in enumerate(operations):
        path = after(operation.path, operations[number + 1 :]) if operation.op != "remove" else None
        if path is not None:
            found.append(Operation(operation.op, path, operation.value))
    return found


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
