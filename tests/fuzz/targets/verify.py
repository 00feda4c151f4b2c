"""Any change of any manifest, well edited or badly: what the proof accepts, a full read of the new text confirms."""

from __future__ import annotations

import copy
import importlib
import importlib.util
from typing import Any

import manifests
import readers
from choices import Choices, expect_one_line
from targets.edit import _patched, _sorted

from krm_harden import edit, source, verify
from krm_harden.errors import InputError, RefusedEdit
from krm_harden.model import Operation, same
from krm_harden.patch import Draft, to_json

proof: Any = importlib.import_module("krm_harden.proof") if importlib.util.find_spec("krm_harden.proof") else None
MODULES = ("verify", *(["proof"] if proof else []), "edit", "place", "emit", "patch")
ADDED = (
    True,
    5,
    "x",
    "yes",
    "a: b",
    "",
    [],
    {},
    ["ALL"],
    {"type": "RuntimeDefault"},
    [{"name": "a", "b": [1]}],
    "a\nb",
)
REPLACING = (True, 5, "x", "yes", None)


def seeds() -> list[bytes]:
    return [bytes((start * step + 5 * start) % 256 for step in range(length)) for start in range(1, 24) for length in (40, 120)]  # fmt: skip


def check(data: bytes) -> None:
    choices = Choices(data)
    operations = [_chosen(choices) for _ in range(1 + choices.below(3))]
    tampering = choices.one_in(2)
    try:
        document = source.read(manifests.damaged(choices, manifests.document(choices)))
    except InputError:
        return
    draft = Draft(document.data)
    for steps, value, replacing in operations:
        operation = _possible(draft.data, steps, value, replacing)
        if operation:
            draft.apply(operation)
    if not draft.operations:
        return
    try:
        edits = edit.plan(document, draft.operations)
        text = edit.apply(document.text, edits)
        if proof:
            _proven(choices, document, edits, draft)
        new = verify.verified(document, manifests.damaged(choices, text) if tampering else text, draft)
    except RefusedEdit as error:
        expect_one_line(error)
        return
    _confirmed(document, new.text, draft)


def _proven(choices: Choices, old: source.Document, edits: list[Any], draft: Draft) -> None:
    """What the lemma accepts, of these edits or of others, the full read confirms: the same data, nothing else moved."""
    tried = [edits, [_other(choices, old, edit) for edit in edits]]
    for some in tried:
        try:
            text = edit.apply(old.text, some)
        except RefusedEdit:
            continue
        if proof.holds(old, some, text, draft.data):
            _confirmed(old, text, draft)
            verify.verified(old, text, draft)


def _other(choices: Choices, old: source.Document, one: Any) -> Any:
    """The edit somewhere else, of another text, or for another collection."""
    way = choices.below(5)
    made = copy.copy(one)
    if way == 1:
        made.start = made.end = choices.of([at + 1 for at, letter in enumerate(old.text) if letter == "\n"] or [0])
    elif way == 2:
        made.text = manifests.damaged(choices, one.text)
    elif way == 3 and one.into:
        made.into = one.into[: choices.below(len(one.into) + 1)]
    elif way == 4:
        made.text = " " * choices.below(6) + one.text.lstrip(" ")
    return made


def _confirmed(old: source.Document, text: str, draft: Draft) -> None:
    found = source.read(text)
    assert same(_sorted(found.data), _sorted(draft.data)), (old.text, text)
    if old.text.endswith("\n"):
        assert same(found.data, draft.data), (old.text, text)
    assert len(found.duplicates) <= len(old.duplicates)
    operations = to_json(draft.operations)
    _patched(old.data, found.data, operations)
    if all(operation["op"] == "add" for operation in operations) and not readers.disputed(text):
        try:
            # What is equal to a value may be written in another way, but no comment is lost or made.
            assert readers.comments(old.text) == readers.comments(text), (old.text, text)
        except readers.Unreadable:
            return


def _chosen(choices: Choices) -> tuple[list[int], Any, int]:
    steps = [choices.byte() for _ in range(choices.below(8))]
    way = choices.below(4)
    return steps, choices.of(REPLACING if way == 1 else ADDED), way


def _possible(data: Any, steps: list[int], value: Any, way: int) -> Operation | None:
    """An operation that is possible on some data, at about that depth; no collection is replaced."""
    path: tuple[Any, ...] = ()
    for step in steps:
        keys = list(data) if isinstance(data, dict) else range(len(data)) if isinstance(data, list) else ()
        if not keys:
            break
        key = keys[step % len(keys)]
        if not isinstance(data[key], (dict, list)) and way == 1:
            return Operation("add" if data[key] is None else "replace", (*path, key), value)
        if way == 2 and step > 200:
            return Operation("remove", (*path, key))
        if not isinstance(data[key], (dict, list)):
            break
        path, data = (*path, key), data[key]
    if not path or way in {1, 2}:
        return None
    if isinstance(data, dict):
        free = [key for key in ("new", "securityContext", "other") if key not in data]
        return Operation("add", (*path, free[0]), value) if free else None
    return Operation("add", (*path, "-"), value) if isinstance(data, list) else None
