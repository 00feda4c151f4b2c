"""Operations become edits: each kind, in block and flow style, and what can't be done."""

from __future__ import annotations

import pytest

from krm_harden import edit, patch, source
from krm_harden.errors import RefusedEdit
from krm_harden.model import Operation


def add(*path, to):
    return Operation("add", path, to)


def replace(*path, by):
    return Operation("replace", path, by)


def remove(*path):
    return Operation("remove", path)


def edited(text, *operations):
    """The new text, which says what the operations say."""
    document = source.read(text)
    after = edit.apply(text, edit.plan(document, operations))
    assert source.read(after).data == patch.patched(document.data, operations)
    return after


ADDED = [
    pytest.param("a:\n  b: 1\n", [add("a", "c", to=2)], "a:\n  b: 1\n  c: 2\n", id="key"),
    pytest.param("a: 1", [add("b", to="x")], "a: 1\nb: x", id="key-without-final-line-break"),
    pytest.param("a: 1\r\n", [add("b", to={"c": 1})], "a: 1\r\nb:\r\n  c: 1\r\n", id="key-crlf"),
    pytest.param("a: 1\n", [add("b", to="yes"), add("yes", to=1)], 'a: 1\nb: "yes"\n"yes": 1\n', id="reserved-words"),
    pytest.param("a:\n- 1\n", [add("a", "-", to="y")], 'a:\n- 1\n- "y"\n', id="item"),
    pytest.param("a:\n  - 1\n", [add("a", "-", to={"b": [1]})], "a:\n  - 1\n  - b:\n      - 1\n", id="nested-item"),
    pytest.param("a:\n- 'x'\n", [add("a", "-", to="y")], "a:\n- 'x'\n- 'y'\n", id="item-with-quotes"),
    pytest.param(
        "a:\n- 1\n", [add("a", "-", to=2), add("a", "-", to=3)], "a:\n- 1\n- 2\n- 3\n", id="several-items-in-order"
    ),
    pytest.param(
        "a:\n  b:\n    c: 1\n",
        [add("x", to=1), add("a", "x", to=2), add("a", "b", "x", to=3)],
        "a:\n  b:\n    c: 1\n    x: 3\n  x: 2\nx: 1\n",
        id="the-deeper-first-at-one-place",
    ),
    pytest.param("a: {b: 1}\n", [add("a", "c", to={"d": "e"})], "a: {b: 1, c: {d: e}}\n", id="flow-key"),
    pytest.param("a: {}\n", [add("a", "c", to=1), add("a", "d", to=2)], "a: {c: 1, d: 2}\n", id="empty-flow"),
    pytest.param("a: []\n", [add("a", "-", to="b")], "a: [b]\n", id="empty-flow-list"),
    pytest.param("a: [b, ]\n", [add("a", "-", to="c")], "a: [b, c, ]\n", id="flow-list-with-a-comma-last"),
    pytest.param('a: ["b"]\n', [add("a", "-", to="c")], 'a: ["b", "c"]\n', id="flow-item-with-quotes"),
    pytest.param("a: {b: }\n", [add("a", "c", to=1)], "a: {b: , c: 1}\n", id="behind-an-empty-value"),
    pytest.param("a: &x {b: 1}\n", [add("a", "c", to=1)], "a: &x {b: 1, c: 1}\n", id="anchored-flow"),
    pytest.param('{"a":{"b":1}}', [add("a", "c", to="x")], '{"a":{"b":1,"c":"x"}}', id="json-compact"),
    pytest.param('{"a": {}}', [add("a", "c", to={"d": []})], '{"a": {"c": {"d": []}}}', id="json"),
    pytest.param(
        '{\n "a": [\n  1\n ]\n}',
        [add("a", "-", to={"b": 1})],
        '{\n "a": [\n  1,\n  {\n   "b": 1\n  }\n ]\n}',
        id="json-pretty",
    ),
    pytest.param('{\n\t"a": 1\n}', [add("b", to=1)], '{\n\t"a": 1, "b": 1\n}', id="json-indented-by-tabs"),
]


@pytest.mark.parametrize(("before", "operations", "after"), ADDED)
def test_add(before, operations, after):
    assert after == edited(before, *operations)


REPLACED = [
    pytest.param("a: b # c\n", replace("a", by="d"), "a: d # c\n", id="plain"),
    pytest.param("a: 'b'\n", replace("a", by="d"), "a: 'd'\n", id="quotes-kept"),
    pytest.param("a: 'b'\n", replace("a", by=True), "a: true\n", id="no-quotes-around-true"),
    pytest.param("a: b\n", replace("a", by="1e3"), 'a: "1e3"\n', id="quotes-where-needed"),
    pytest.param("a: &x b\n", replace("a", by="c"), "a: &x c\n", id="anchor-kept"),
    pytest.param("a: !!str b\n", replace("a", by="c"), "a: !!str c\n", id="tag-kept"),
    pytest.param("a: |\n  b\n\nc: d\n", replace("a", by="e"), "a: e\n\nc: d\n", id="literal"),
    pytest.param("a: >-\n  b\n  c\n# d\n", replace("a", by="e"), "a: e\n# d\n", id="folded"),
    pytest.param("a: 'b\n  c' # d\n", replace("a", by="e"), "a: 'e' # d\n", id="quoted-on-two-lines"),
    pytest.param("a:\n", replace("a", by="b"), "a: b\n", id="empty-by-scalar"),
    pytest.param("a: # c\n", replace("a", by="b"), "a: b # c\n", id="empty-by-scalar-before-a-comment"),
    pytest.param("a:\nb: 1\n", replace("a", by={"c": 1}), "a:\n  c: 1\nb: 1\n", id="empty-by-mapping"),
    pytest.param("a:\nb: 1\n", replace("a", by=["c"]), "a:\n- c\nb: 1\n", id="empty-by-list"),
    pytest.param("a:", replace("a", by={"c": 1}), "a:\n  c: 1", id="empty-at-the-end"),
    pytest.param("a: null\n", replace("a", by={"c": 1}), "a: {c: 1}\n", id="null-by-mapping"),
    pytest.param("a: {b: null}\n", replace("a", "b", by={"c": 1}), "a: {b: {c: 1}}\n", id="null-in-flow"),
    pytest.param("a: {b: , c: 1}\n", replace("a", "b", by=1), "a: {b: 1, c: 1}\n", id="empty-in-flow"),
    pytest.param("a: {b: 1}\n", replace("a", by=2), "a: 2\n", id="flow-collection-by-scalar"),
    pytest.param('{"a":null}', replace("a", by={"c": "d"}), '{"a":{"c":"d"}}', id="json-null"),
    pytest.param('{"a":"b"}', replace("a", by="c"), '{"a":"c"}', id="json-string"),
    pytest.param("- all # why\n- b\n", replace(0, by="ALL"), "- ALL # why\n- b\n", id="item"),
    pytest.param("[all, b]\n", replace(0, by="ALL"), "[ALL, b]\n", id="flow-item"),
]


@pytest.mark.parametrize(("before", "operation", "after"), REPLACED)
def test_replace(before, operation, after):
    assert after == edited(before, operation)


REMOVED = [
    pytest.param("a: 1\nb: 2 # c\nd: 3\n", ["b"], "a: 1\nd: 3\n", id="key"),
    pytest.param("a: 1\nb:\n  c:\n  - 2\nd: 3\n", ["b"], "a: 1\nd: 3\n", id="key-with-a-block"),
    pytest.param("a: 1\nb: |\n  c\n\nd: 3\n", ["b"], "a: 1\nd: 3\n", id="key-with-a-literal"),
    pytest.param("a: 1\nb: 2\n# c\n", ["b"], "a: 1\n# c\n", id="last-key"),
    pytest.param("a: 1\nb: 2", ["b"], "a: 1\n", id="last-key-without-line-break"),
    pytest.param("a:\n- 1\n- 2 # c\n- 3\n", ["a", 1], "a:\n- 1\n- 3\n", id="item"),
    pytest.param("a:\n  - 1\n  - 2\n", ["a", 0], "a:\n  - 2\n", id="first-item"),
    pytest.param("a: {b: 1, c: 2, d: 3}\n", ["a", "b"], "a: {c: 2, d: 3}\n", id="first-in-flow"),
    pytest.param("a: {b: 1, c: 2, d: 3}\n", ["a", "c"], "a: {b: 1, d: 3}\n", id="middle-in-flow"),
    pytest.param("a: {b: 1, c: 2, d: 3}\n", ["a", "d"], "a: {b: 1, c: 2}\n", id="last-in-flow"),
    pytest.param("a: {b: 1}\n", ["a", "b"], "a: {}\n", id="only-one-in-flow"),
    pytest.param("a: [b, 'c', d]\n", ["a", 1], "a: [b, d]\n", id="flow-item"),
    pytest.param('{"a":1,"b":{"c":2}}', ["b"], '{"a":1}', id="json"),
]


@pytest.mark.parametrize(("before", "path", "after"), REMOVED)
def test_remove(before, path, after):
    assert after == edited(before, remove(*path))


REFUSED = [
    pytest.param("a: 1\n", [add("a", "b", to=1)], "can't get keys", id="key-of-a-scalar"),
    pytest.param("a: 1\n", [add("b", "c", to=1)], "isn't in the text", id="no-such-place"),
    pytest.param("a: [b: 1]\n", [add("a", 0, "c", to=1)], "without braces", id="single-pair"),
    pytest.param("a:\n  b: 1\n", [replace("a", by=1)], "isn't replaced", id="replace-a-block"),
    pytest.param("a:\n  b: 1\n", [remove("a", "b")], "isn't removed", id="remove-the-last-of-a-block"),
    pytest.param("- a: 1\n  b: 2\n", [remove(0, "a")], "isn't removed", id="remove-a-key-behind-a-dash"),
    pytest.param("a: &x 1\nb: *x\n", [remove("b")], "isn't removed", id="remove-an-alias"),
    pytest.param("a: !x {}\n", [add("a", "b", to=1)], "!x", id="custom-tag"),
    pytest.param("%TAG ! t:\n---\na: {}\n", [add("a", "b", to=1)], "%TAG", id="tag-directive"),
    pytest.param("a: {b: 1}\n", [replace("a", "b", by=2), remove("a", "b")], "overlap", id="replace-and-remove"),
    pytest.param("a: {b: 1}\n", [replace("a", by=2), replace("a", "b", by=2)], "overlap", id="outer-and-inner"),
    pytest.param("a: &x 1\nb: *x\n", [replace("a", by=1), replace("b", by=2)], "overlap", id="shared-and-different"),
]


@pytest.mark.parametrize(("text", "operations", "message"), REFUSED)
def test_refused(text, operations, message):
    with pytest.raises(RefusedEdit, match=message):
        edit.plan(source.read(text), operations)


def test_shared_node_is_edited_once():
    operations = [add("a", "c", to=2), add("b", "c", to=2), replace("d", by=1), replace("e", by=1)]
    before = "a: &x\n  b: 1\nb: *x\nd: &y 0\ne: *y\n"

    assert edited(before, *operations) == "a: &x\n  b: 1\n  c: 2\nb: *x\nd: &y 1\ne: *y\n"


def test_edits_are_sorted_and_disjoint():
    operations = [add("z", to=1), add("a", "c", to=1), replace("a", "b", by=2)]
    edits = edit.plan(source.read("a:\n  b: 1\n"), operations)

    assert [found.key() for found in edits] == [(8, 9, "2"), (10, 10, "  c: 1\n"), (10, 10, "z: 1\n")]


def test_apply():
    edits = [edit.Edit(0, 0, "<"), edit.Edit(1, 3, ""), edit.Edit(3, 3, "-"), edit.Edit(5, 5, ">")]

    assert edit.apply("abcde", edits) == "<a-de>"
    assert edit.apply("abcde", []) == "abcde"
