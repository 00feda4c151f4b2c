"""Operations that name what they want become the smallest RFC 6902 patch that means it.

A control may name a path whose parents are missing. `Draft` makes it strict: it adds the topmost missing parent with
the rest inside, and folds what comes later into what this run has added. So every operation's parent exists in the
source, no two operations overlap, and all of them can be edited against the original marks.
"""

from __future__ import annotations

from krm_harden.model import Operation, json_pointer, same

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any

    from krm_harden.model import Pointer


_DEEPEST = 10_000
"""More steps than any place has."""


class Draft:
    """A document's data with the changes so far. The data given stays as it is: what changes is copied on the way."""

    __slots__ = ("_at", "_below", "_count", "_entries", "_highest", "_own", "data")

    def __init__(self, data: Any) -> None:
        self.data = data
        self._own: dict[Pointer, Any] = {}
        """The copies that this draft has made, and may change, by their place; those above one are here too."""
        self._count = 0
        self._entries: dict[int, tuple[Operation, Pointer]] = {}
        """The operations by number, in order, each with where its value stands: its path, with an index for `-`."""
        self._at: dict[Pointer, int] = {}
        """What adds or replaces, by its place."""
        self._highest = _DEEPEST
        """How many steps the shortest of those places has."""
        self._below: dict[Pointer, dict[int, None]] | None = None
        """The numbers of all that stand at a place or below it; None until somebody asks: for additions nobody does."""

    @property
    def operations(self) -> tuple[Operation, ...]:
        """The minimal operations, in the order in which they were first needed."""
        return tuple(operation for operation, _ in self._entries.values())

    def apply(self, operation: Operation) -> None:
        """One more change: `add` sets a key or appends (`-`), creating parents; `replace` and `remove` need the field.

        A key that has that very value already is no change.
        """
        if operation.op == "remove":
            self._remove(operation.path)
            return
        depth, node = self._deepest(operation.path)
        path = operation.path[:depth]
        rest = operation.path[depth:]
        if not rest:
            if not same(node, operation.value):
                self._record("replace", path, path, operation.value)
        elif node is None:
            self._record("replace" if depth else "add", path, path, _nested(rest, operation.value))
        else:
            place = (*path, len(node) if rest[0] == "-" else rest[0])
            self._record("add", (*path, rest[0]), place, _nested(rest[1:], operation.value))

    def _deepest(self, path: Pointer) -> tuple[int, Any]:
        """How many steps of a path exist, and the value there. Neighbours change what is ours already."""
        above = self._own.get(path[:-1]) if path else None
        if above is None:
            return _deepest(self.data, path)
        depth, node = _deepest(above, path[-1:])
        return len(path) - 1 + depth, node

    def _record(self, op: str, path: Pointer, place: Pointer, value: Any) -> None:
        self._set(path, value)
        number = self._folds_into(place)
        if number is None:
            if op == "replace":
                self._drop_below(place)
            self._append(Operation(op, path, value), place)
            return
        earlier, within = self._entries[number]
        rest = path[len(within) :]
        self._entries[number] = Operation(earlier.op, earlier.path, _with(earlier.value, rest, value)), within

    def _set(self, path: Pointer, value: Any) -> None:
        """Set a value in the data; what lies on the way and isn't ours yet becomes a copy."""
        if path in self._own:
            # What was changed there, or below, is written anew.
            self._own = {place: node for place, node in self._own.items() if place[: len(path)] != path}
        if not path:
            self.data = value
            return
        node = self._copied(path[:-1])
        if path[-1] == "-":
            node.append(value)
        else:
            node[path[-1]] = value

    def _copied(self, place: Pointer) -> Any:
        """What stands at a place, for us to change."""
        node = self._own.get(place)
        if node is None:
            if place:
                above = self._copied(place[:-1])
                node = above[place[-1]] = above[place[-1]].copy()
            else:
                node = self.data = self.data.copy()
            self._own[place] = node
        return node

    def _folds_into(self, place: Pointer) -> int | None:
        """The operation of this run within whose value a place lies."""
        for depth in range(self._highest, len(place) + 1):
            number = self._at.get(place[:depth])
            if number is not None:
                return number
        return None

    def _drop_below(self, place: Pointer) -> None:
        """What was done below a place that is now written whole, or gone, needn't be done. A removal there stays."""
        for number in self._at_or_below(place):
            operation, found = self._entries[number]
            if operation.op != "remove" or len(found) > len(place):
                self._unlist(number)
                del self._entries[number]

    def _append(self, operation: Operation, place: Pointer) -> None:
        self._count += 1
        self._entries[self._count] = operation, place
        self._list(self._count)

    def _list(self, number: int) -> None:
        operation, place = self._entries[number]
        if operation.op != "remove":
            self._at[place] = number
            self._highest = min(self._highest, len(place))
        if self._below is not None:
            _list_below(self._below, number, place)

    def _at_or_below(self, place: Pointer) -> list[int]:
        if self._below is None:
            self._below = {}
            for number, (_, known) in self._entries.items():
                _list_below(self._below, number, known)
        return [*self._below.get(place, ())]

    def _unlist(self, number: int) -> None:
        _, place = self._entries[number]
        if self._at.get(place) == number:
            del self._at[place]
        below = self._below or {}
        for depth in range(len(place) + 1) if below else ():
            below[place[:depth]].pop(number, None)

    def _remove(self, path: Pointer) -> None:
        self.data = _without(self.data, path)
        self._own.clear()
        number = self._folds_into(path)
        if number is not None and self._entries[number][1] != path:
            earlier, within = self._entries[number]
            value = _without(earlier.value, path[len(within) :])
            self._entries[number] = Operation(earlier.op, earlier.path, value), within
            return
        is_new = number is not None and self._entries[number][0].op == "add"
        self._drop_below(path)
        if not is_new:
            self._append(Operation("remove", path), path)
        if isinstance(path[-1], int):
            self._move_up(path)

    def _move_up(self, removed: Pointer) -> None:
        """Items behind one that went away have another index now."""
        moving = self._at_or_below(removed[:-1])
        for number in moving:
            self._unlist(number)
        for number in moving:
            operation, place = self._entries[number]
            self._entries[number] = operation, _moved_up(place, removed)
            self._list(number)


def _list_below(below: dict[Pointer, dict[int, None]], number: int, place: Pointer) -> None:
    for depth in range(len(place) + 1):
        below.setdefault(place[:depth], {})[number] = None


def _moved_up(place: Pointer, removed: Pointer) -> Pointer:
    """A place after a removal: items behind one that went away move up."""
    depth, gone = len(removed) - 1, removed[-1]
    step = place[depth] if len(place) > depth and place[:depth] == removed[:-1] else None
    if isinstance(gone, int) and isinstance(step, int) and step > gone:
        return (*place[:depth], step - 1, *place[depth + 1 :])
    return place


class Moves:
    """Where places of the source are when some operations are done."""

    __slots__ = ("_gone", "_indexes")

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._gone = frozenset(made.path for made in on_source(operations) if made.op == "remove")
        self._indexes: dict[Pointer, list[int]] = {}
        for path in sorted(self._gone, key=len):
            if isinstance(path[-1], int):
                self._indexes.setdefault(path[:-1], []).append(path[-1])

    def after(self, place: Pointer) -> Pointer | None:
        """The same place afterwards; None when it went away."""
        if not self._gone:
            return place
        if any(place[:depth] in self._gone for depth in range(1, len(place) + 1)):
            return None
        return tuple(self._step(place[:depth], step) for depth, step in enumerate(place))

    def written(self, place: Pointer) -> Pointer | None:
        """The same of a place that is written: it may be one where something else went away before."""
        above = self.after(place[:-1])
        return None if above is None else (*above, *(self._step(place[:-1], step) for step in place[-1:]))

    def _step(self, above: Pointer, step: str | int) -> str | int:
        return step - sum(gone < step for gone in self._indexes.get(above, ())) if isinstance(step, int) else step


def on_source(operations: Iterable[Operation]) -> Iterator[Operation]:
    """The operations with their paths as they are in the source, where no item has moved up yet."""
    gone: dict[Pointer, list[int]] = {}
    for operation in operations:
        found = Operation(operation.op, _before(operation.path, gone), operation.value) if gone else operation
        yield found
        path = found.path
        if found.op == "remove" and isinstance(path[-1], int):
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
    if not any(operation.op == "remove" for operation in operations):
        return list(operations)
    moves = Moves(operations)
    found = []
    for operation in on_source(operations):
        path = moves.written(operation.path) if operation.op != "remove" else None
        if path is not None:
            found.append(Operation(operation.op, path, operation.value))
    return found


def _deepest(data: Any, path: Pointer) -> tuple[int, Any]:
    """How many steps of a path exist, and the value there."""
    for depth, step in enumerate(path):
        if data.__class__ is dict:
            if step not in data:
                return depth, data
        elif data.__class__ is not list or not (isinstance(step, int) and 0 <= step < len(data)):
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
