"""Manifests through the engine: what is written is what the operations say, and nothing else has moved."""

from __future__ import annotations

import jsonpatch
import manifests
import readers
from choices import Choices
from chunks import pieces

from krm_harden import policy, source, split
from krm_harden.engine import Engine
from krm_harden.errors import InputError
from krm_harden.model import ChunkResult, Operation, same
from krm_harden.patch import to_json

MODULES = ("engine", "edit", "place", "emit", "verify", "patch", "review", "decide", "resources", "workloads", "fields")
POLICIES = tuple(
    policy.Policy(spec)
    for spec in (
        {},
        {"changes": "additive"},
        {"explicit": "override"},
        {"level": "baseline"},
        {"namespaces": {"enforce": "auto", "audit": "restricted"}},
        {"controls": {"readOnlyRootFilesystem": {"enabled": False}, "numericUser": {"enabled": False}}},
        {"images": [{"match": "*", "uid": 1001, "gid": 0, "writablePaths": ["/tmp", "/a/b"]}]},
    )
)


def seeds() -> list[bytes]:
    return [bytes((start * step + 7 * start) % 256 for step in range(length)) for start in range(1, 24) for length in (40, 120)]  # fmt: skip


def check(data: bytes) -> None:
    choices = Choices(data)
    chosen = choices.of(POLICIES)
    try:
        text, _ = split.decode(manifests.stream(choices).encode("utf-8", "replace"))
    except InputError:
        return
    engine = Engine(chosen, rendered=choices.one_in(2))
    old = engine.both_passes(text)
    new = b"".join(chunk.text for chunk in old)
    if not any(chunk.changed for chunk in old):
        assert new == text
    for chunk in old:
        if chunk.error:
            assert chunk.text in text
            assert not chunk.changed
    again = engine.both_passes(new)
    assert b"".join(chunk.text for chunk in again) == new, (new, b"".join(chunk.text for chunk in again))
    assert [chunk.error is not None for chunk in old] == [chunk.error is not None for chunk in again]
    _says_what_the_operations_say(text, old)


def _says_what_the_operations_say(text: bytes, results: list[ChunkResult]) -> None:
    """Each chunk, read anew by ours and by another reader: the old one patched is the new one."""
    parts = [piece for document in split.documents(text) for piece in pieces(document)]
    for piece, chunk in zip(parts, results, strict=True):
        if chunk.changed:
            every = ((one.resource.base, operation) for one in chunk.resources for operation in one.operations)
            operations = [Operation(made.op, (*base, *made.path), made.value) for base, made in every]
            _one(piece, chunk.text, to_json(operations))
        else:
            assert piece == chunk.text, (piece, chunk.text)


def _one(old: bytes, new: bytes, operations: list) -> None:
    old, new = split.after_mark(old)[1], split.after_mark(new)[1]
    if old == new:
        return
    before, after = source.read(old.decode()), source.read(new.decode())
    _patched(before.data, after.data, operations)
    only_adds = all(operation["op"] == "add" for operation in operations)
    if only_adds:
        rest = iter(new.decode())
        assert all(letter in rest for letter in old.decode()), (old, new)
    if readers.disputed(new.decode()):
        return
    try:
        left, right = (readers.nodes(part.decode()) for part in (old, new))
        _patched(readers.data(left[0]), readers.data(right[0]), operations)
        if only_adds:
            assert readers.comments(old.decode()) == readers.comments(new.decode()), (old, new)
    except (*readers.Unreadable, readers.Differs):
        return


def _patched(before: object, after: object, operations: list) -> None:
    expected = jsonpatch.apply_patch(_unshared(before), operations)
    assert expected == after, (expected, after)
    assert same(_sorted(expected), _sorted(after))


def _unshared(data):
    if isinstance(data, dict):
        return {name: _unshared(value) for name, value in data.items()}
    return [_unshared(item) for item in data] if isinstance(data, list) else data


def _sorted(data):
    if isinstance(data, dict):
        return {name: _sorted(data[name]) for name in sorted(data)}
    return [_sorted(item) for item in data] if isinstance(data, list) else data
