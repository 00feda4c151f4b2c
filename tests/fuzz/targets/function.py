"""The function as a whole: a ResourceList comes out as one, or nothing does; never less than came in, with success."""

from __future__ import annotations

import json
from typing import Any

import manifests
import readers
from choices import Choices, expect_code, expect_something
from strategies import written
from targets.policies import CEILINGS, _structured

from krm_harden import source, split
from krm_harden.commands import function
from krm_harden.errors import KrmHardenError
from krm_harden.model import one_line, same

MODULES = ("commands.function", "commands._policies", "commands._validator", "reports.krm", "engine", "split")


def seeds() -> list[bytes]:
    return [bytes((start * step + 19 * start) % 256 for step in range(length)) for start in range(1, 24) for length in (60, 160)]  # fmt: skip


def check(data: bytes) -> None:
    choices = Choices(data)
    upper = choices.of(CEILINGS) if choices.one_in(3) else None
    text = manifests.damaged(choices, _list(choices))
    try:
        decoded, encoding = split.decode(text.encode("utf-8", "replace"))
        parts, report = function.harden(decoded, upper)
    except KrmHardenError as error:
        expect_something(error)
        expect_code(error, {2, 3})
        return
    out = b"".join(encoding.encode_parts(parts)).removeprefix(encoding.bom)
    assert out.strip(), "an empty output deletes what is in the cluster"
    assert report.code in {0, 1, 2}
    assert all(one_line(line).isprintable() for line in report.complaints.lines())
    _is_the_list(decoded, out, function.EMPTY)
    _is_stable(out, upper, report.code)


def _list(choices: Choices) -> str:
    items = choices.some(lambda: manifests.workload(choices), 3)
    found: dict[str, Any] = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList"}
    if choices.one_in(2):
        found["functionConfig"] = _structured(choices)
    if choices.one_in(6):
        found["results"] = [
            {"message": manifests.word(choices), "tags": choices.of(({"tool": "krm-harden"}, {}, None))}
        ]
    found["items"] = items
    if choices.one_in(5):
        found["x"] = manifests.word(choices)
    text = written(found, manifests.style(choices))
    return text if not choices.one_in(5) else text.replace("\n", "\r\n")


def _documents(text: bytes) -> list[Any]:
    return [data for document in split.documents(text) if not split.is_empty(document) and (data := source.read(split.after_mark(document)[1].decode()).data)]  # fmt: skip


def _is_the_list(old: bytes, new: bytes, empty: bytes) -> None:
    """The same list with as many items, each the same object, as two readers have it."""
    (before,), (after,) = _documents(old), _documents(new)
    assert after["kind"] == "ResourceList"
    if new == empty:
        return
    assert [name for name in after if name != "results"] == [name for name in before if name != "results"]
    assert len(after["items"] or ()) == len(before["items"] or ())
    for one, other in zip(before["items"] or (), after["items"] or (), strict=True):
        for name in ("apiVersion", "kind", "metadata"):
            if isinstance(one, dict) and one.get("kind") != "Namespace":
                assert same(one.get(name), other.get(name)) or name == "metadata", (one, other)
    for result in after.get("results") or ():
        json.dumps(result)
    if readers.disputed(new.decode()):
        return
    try:
        (node,) = readers.nodes(new.decode())
        found = readers.data(node)
    except (*readers.Unreadable, readers.Differs):
        return
    assert same(found["items"], after["items"])


def _is_stable(out: bytes, upper: Any, code: int) -> None:
    """What came out goes through once more as it is, with the same code.

    After an error, the time after that: in a list that is read whole one error keeps all of it as it was, and what made
    it be read whole may be results of an earlier run, which are replaced.
    """
    again, found = _again(out, upper)
    if code == 2 and not _same_items(out, again):
        out = again
        again, found = _again(out, upper)
    assert _same_items(out, again)
    assert code in {found, 2}


def _again(out: bytes, upper: Any) -> tuple[bytes, int]:
    parts, report = function.harden(out, upper)
    return b"".join(parts), report.code


def _same_items(one: bytes, other: bytes) -> bool:
    return same(_documents(one)[0]["items"], _documents(other)[0]["items"])
