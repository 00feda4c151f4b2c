"""Operations become edits: each kind, in block and flow style, and what can't be done."""

from __future__ import annotations

import pytest

from krm_harden import edit, patch, source, verify
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
    pytest.param("a: 1\nb: 2", ["b"], "a: 1", id="last-key-without-line-break"),
    pytest.param("a: 1\r\nb: 2", ["b"], "a: 1", id="last-key-without-line-break-crlf"),
    pytest.param("a: 1\n\nb:\n- c\n  # d\n", ["b"], "a: 1\n\n", id="last-key-with-a-deeper-comment"),
    pytest.param("a: 1\n\nb:\n- c\n  # d", ["b"], "a: 1", id="last-key-with-a-deeper-comment-without-line-break"),
    pytest.param("a: 1\n# c\nb: 2\nd: 3\n", ["b"], "a: 1\n# c\nd: 3\n", id="comment-above-stays"),
    pytest.param(
        "a:\n  # why\n  b: 1\n  # c\n  d: 2\n", ["a", "b"], "a:\n  # why\n  # c\n  d: 2\n", id="first-between-comments"
    ),
    pytest.param("a:\n# why\n- b\n# c\n- d\ne: 1\n", ["a"], "e: 1\n", id="comments-within-go"),
    pytest.param(
        "a:\n  - b\n  # c\n # d\n  # f\ne: 1\n", ["a"], "e: 1\n", id="deeper-comments-below-go"
    ),
    pytest.param("a:\n- b\n# c\ne: 1\n", ["a"], "# c\ne: 1\n", id="comment-at-the-dash-of-a-compact-list-stays"),
    pytest.param("a:\n  b: 1 # c\nd: 2\n", ["a", "b"], "a: {}\nd: 2\n", id="only-key"),
    pytest.param("a: # why\r\n    b: 1\r\n", ["a", "b"], "a: {} # why\r\n", id="only-key-crlf"),
    pytest.param("a: &x # why\n  b: 1\n", ["a", "b"], "a: &x {} # why\n", id="only-key-of-an-anchor"),
    pytest.param("a: !!map\n  b: 1", ["a", "b"], "a: !!map {}", id="only-key-of-a-tagged-mapping"),
    pytest.param("a:\n\n  b: 1", ["a", "b"], "a: {}", id="only-key-without-line-break"),
    pytest.param("a:\n- b\nc: 1\n", ["a", 0], "a: []\nc: 1\n", id="only-item"),
    pytest.param("- a: 1 # c\n- 2\n", [0, "a"], "- {}\n- 2\n", id="only-key-behind-a-dash"),
    pytest.param("- # c\n  a: 1\n- 2\n", [0, "a"], "- {} # c\n- 2\n", id="only-key-below-a-dash"),
    pytest.param("- a: 1 # c\n  b: 2\n", [0, "a"], "- b: 2\n", id="first-key-behind-a-dash"),
    pytest.param("- a:\n    c: 1\n\n  b: 2\n", [0, "a"], "- b: 2\n", id="first-key-with-a-block-behind-a-dash"),
    pytest.param("- a: 1 # c\n  # d\n  b: 2\n", [0, "a"], "-\n  # d\n  b: 2\n", id="first-key-with-a-comment-below"),
    pytest.param("-\n  a: 1\n  b: 2\n", [0, "a"], "-\n  b: 2\n", id="first-key-below-a-dash"),
    pytest.param("- - a\n  - b\n- c\n", [0, 0], "- - b\n- c\n", id="first-item-behind-a-dash"),
    pytest.param("a:\n-\n  b: 1\n- # c\n  d: 2\n- 3\n", ["a", 1], "a:\n-\n  b: 1\n- 3\n", id="item-below-a-dash"),
    pytest.param("a: &x 1\nb: *x # c\nd: 2\n", ["b"], "a: &x 1\nd: 2\n", id="alias"),
    pytest.param("a: [&x 1, *x, 2]\n", ["a", 1], "a: [&x 1, 2]\n", id="alias-in-flow"),
    pytest.param("a: &x 1\nb:\n- *x\n- 2\n", ["b", 0], "a: &x 1\nb:\n- 2\n", id="alias-as-an-item"),
    pytest.param("a: {b: 1, }\n", ["a", "b"], "a: {}\n", id="only-one-in-flow-before-a-comma"),
    pytest.param("a: { b: 1 } # c\n", ["a", "b"], "a: {} # c\n", id="only-one-in-flow-with-blanks"),
    pytest.param("a: {\n  b: 1 # c\n}\n", ["a", "b"], "a: {}\n", id="only-one-in-flow-on-a-line"),
    pytest.param("a: { # c\n  b: 1\n}\n", ["a", "b"], "a: { # c\n}\n", id="only-one-in-flow-below-a-comment"),
    pytest.param("a: {\n  b: 1\n} # c\n", ["a", "b"], "a: {\n} # c\n", id="only-one-in-flow-before-a-comment"),
    pytest.param(
        "a: {\n  b: 1, # b\n  # c\n  c: 2, # c\n  d: 3 # d\n}\n", ["a", "c"],
        "a: {\n  b: 1, # b\n  # c\n  d: 3 # d\n}\n", id="middle-in-flow-between-comments",
    ),
    pytest.param(
        "a: {\n  b: 1, # b\n  # d\n  d: 3 # d\n}\n", ["a", "d"],
        "a: {\n  b: 1 # b\n  # d\n}\n", id="last-in-flow-between-comments",
    ),
    pytest.param("a: {b: 1, # c\n  d: 2}\n", ["a", "b"], "a: { # c\n  d: 2}\n", id="first-in-flow-before-a-comment"),
    pytest.param("a: {b: 1, c: 2,\n  d: 3, e: 4}\n", ["a", "d"], "a: {b: 1, c: 2,\n  e: 4}\n", id="first-of-a-line-in-flow"),
    pytest.param("a: {b: 1, c: 2,\n  d: 3, e: 4}\n", ["a", "c"], "a: {b: 1,\n  d: 3, e: 4}\n", id="last-of-a-line-in-flow"),
    pytest.param('{\n\t"a": 1,\n\t"b": {\n\t\t"c": 1\n\t}\n}\n', ["b"], '{\n\t"a": 1\n}\n', id="last-in-json-with-tabs"),
    pytest.param('{\n\t"a": 1,\n\t"b": 2\n}\n', ["a"], '{\n\t"b": 2\n}\n', id="first-in-json-with-tabs"),
    pytest.param('{\n  "a": {\n    "c": 1\n  }\n}\n', ["a", "c"], '{\n  "a": {}\n}\n', id="only-one-in-json"),
    pytest.param("a:\n- 1\n- 2 # c\n- 3\n", ["a", 1], "a:\n- 1\n- 3\n", id="item"),
    pytest.param("a:\n  - 1\n  - 2\n", ["a", 0], "a:\n  - 2\n", id="first-item"),
    pytest.param("a: {b: 1, c: 2, d: 3}\n", ["a", "b"], "a: {c: 2, d: 3}\n", id="first-in-flow"),
    pytest.param("a: {b: 1, c: 2, d: 3}\n", ["a", "c"], "a: {b: 1, d: 3}\n", id="middle-in-flow"),
    pytest.param("a: {b: 1, c: 2, d: 3}\n", ["a", "d"], "a: {b: 1, c: 2}\n", id="last-in-flow"),
    pytest.param("a: {b: 1}\n", ["a", "b"], "a: {}\n", id="only-one-in-flow"),
    pytest.param("a: [b, 'c', d]\n", ["a", 1], "a: [b, d]\n", id="flow-item"),
    pytest.param('{"a":1,"b":{"c":2}}', ["b"], '{"a":1}', id="json"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "path", "after"), REMOVED)
def test_remove(before, path, after):
    assert after == edited(before, remove(*path))


TOGETHER = [
    pytest.param(
        "a:\n  b: 1\n  c: 2\n  d: 3\n  e: 4\n", [remove("a", "b"), remove("a", "c"), remove("a", "e")],
        "a:\n  d: 3\n", id="several-keys",
    ),
    pytest.param(
        "a:\n  b: 1 # x\n  # c\n  c: 2\n# d\nd: 3\n", [remove("a", "b"), remove("a", "c")],
        "a: {}\n# d\nd: 3\n", id="all-keys-with-the-comment-between",
    ),
    pytest.param(
        "a: {b: 1, c: 2, d: 3, e: 4}\n", [remove("a", "e"), remove("a", "c"), remove("a", "b")],
        "a: {d: 3}\n", id="several-keys-in-flow",
    ),
    pytest.param("a: {b: 1, c: 2}\n", [remove("a", "b"), remove("a", "c")], "a: {}\n", id="all-keys-in-flow"),
    pytest.param("a: [b, c, d]\n", [remove("a", 0), remove("a", 0)], "a: [d]\n", id="items-that-move-up-in-flow"),
    pytest.param(
        "a:\n- b\n- c\n- d\n- e: 1\n", [remove("a", 1), remove("a", 0), replace("a", 0, by="x"), add("a", 1, "f", to=2)],
        "a:\n- x\n- e: 1\n  f: 2\n", id="items-that-move-up",
    ),
    pytest.param("a:\n  b: 1\n", [remove("a", "b"), add("a", "c", to=2)], "a:\n  c: 2\n", id="only-key-for-another"),
    pytest.param("a:\n  b: 1", [remove("a", "b"), add("a", "c", to=2)], "a:\n  c: 2", id="only-key-for-another-at-the-end"),
    pytest.param(
        "a:\n  b: |\n    c", [remove("a", "b"), add("a", "c", to=2)], "a:\n  c: 2", id="only-key-for-another-a-literal-at-the-end"
    ),
    pytest.param(
        "a:\n  b: 1 # x\n  # c\n\nd: 1\n", [remove("a", "b"), add("a", "c", to=2)],
        "a:\n  # c\n  c: 2\n\nd: 1\n", id="only-key-for-another-below-its-comment",
    ),
    pytest.param(
        "- a: 1 # x\n- b\n", [remove(0, "a"), add(0, "c", to={"d": 1}), add(0, "e", to=2)],
        "- c:\n    d: 1\n  e: 2\n- b\n", id="only-key-behind-a-dash-for-others",
    ),
    pytest.param("a:\n  - b\n", [remove("a", 0), add("a", "-", to="c")], "a:\n  - c\n", id="only-item-for-another"),
    pytest.param("a: {b: 1, }\n", [remove("a", "b"), add("a", "c", to=2)], "a: {c: 2, }\n", id="only-key-for-another-in-flow"),
    pytest.param(
        "a: {\n  b: 1 # x\n}\n", [remove("a", "b"), add("a", "c", to=2), add("a", "d", to=3)],
        "a: {\n  c: 2,\n  d: 3\n}\n", id="only-key-for-others-in-flow",
    ),
    pytest.param(
        "a: {\n  b: 1, # x\n  c: 2 # y\n}\n", [remove("a", "c"), add("a", "d", to=3)],
        "a: {\n  b: 1, d: 3 # x\n}\n", id="last-key-for-another-in-flow",
    ),
    pytest.param('{"a":{"b":1}}', [remove("a", "b"), add("a", "c", to=[2])], '{"a":{"c":[2]}}', id="only-key-for-another-in-json"),
    pytest.param(
        "a:\n  b:\n    c: 1\n  d: 2\n", [remove("a", "d"), add("a", "b", "e", to=3), add("a", "f", to=4)],
        "a:\n  b:\n    c: 1\n    e: 3\n  f: 4\n", id="where-a-key-goes-others-come",
    ),
    pytest.param(
        "a:\n  b:\n    c: 1\n  d: 2", [remove("a", "d"), add("a", "b", "e", to=3)],
        "a:\n  b:\n    c: 1\n    e: 3", id="a-key-comes-before-the-last-goes",
    ),
    pytest.param(
        "a:\n  b:\n    c: 1\nd: 2", [remove("a", "b", "c"), remove("d")], "a:\n  b: {}", id="only-key-and-the-last-at-the-end"
    ),
    pytest.param("a: &x\n  b: 1\n  c: 2\nd: *x\n", [remove("a", "b"), remove("d", "b")], "a: &x\n  c: 2\nd: *x\n", id="shared"),
]  # fmt: skip


@pytest.mark.parametrize(("before", "operations", "after"), TOGETHER)
def test_together(before, operations, after):
    assert after == edited(before, *operations)


def guarded(text, *operations):
    """The new text, which the guard accepts."""
    document = source.read(text)
    draft = patch.Draft(document.data)
    for operation in operations:
        draft.apply(operation)
    after = edit.apply(text, edit.plan(document, draft.operations))
    new = verify.verified(document, after, draft)
    verify.twice(document, new, draft.operations)
    return after


@pytest.mark.parametrize(("before", "path", "after"), REMOVED)
def test_removal_is_accepted_by_the_guard(before, path, after):
    assert after == guarded(before, remove(*path))


@pytest.mark.parametrize(("before", "operations", "after"), TOGETHER)
def test_together_is_accepted_by_the_guard(before, operations, after):
    assert after == guarded(before, *operations)


REFUSED = [
    pytest.param("a: 1\n", [add("a", "b", to=1)], "can't get keys", id="key-of-a-scalar"),
    pytest.param("a: 1\n", [add("b", "c", to=1)], "isn't in the text", id="no-such-place"),
    pytest.param("a: [b: 1]\n", [add("a", 0, "c", to=1)], "without braces", id="single-pair"),
    pytest.param("a:\n  b: 1\n", [replace("a", by=1)], "isn't replaced", id="replace-a-block"),
    pytest.param("? a\n: 1\nb: 2\n", [remove("a")], "shares its line", id="remove-a-complex-key"),
    pytest.param(
        "- ? a\n  : 1\n  b: 2\n", [remove(0, "a")], "shares its line", id="remove-a-complex-key-behind-a-dash"
    ),
    pytest.param("x: &x a\n*x : 1\nb: 2\n", [remove("b")], "is an alias", id="remove-beside-a-key-that-is-an-alias"),
    pytest.param("a: [b: 1]\n", [remove("a", 0, "b")], "without braces", id="remove-from-a-single-pair"),
    pytest.param("a: &x {b: 1}\nc: {<<: *x}\n", [remove("c", "b")], "from a merge", id="remove-a-merged-key"),
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
