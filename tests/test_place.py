"""Where edits go: offsets in small texts, marked by `^`."""

from __future__ import annotations

import pytest

from krm_harden import place, source
from krm_harden.errors import RefusedEdit


def marked(text):
    """The text without its mark, and where the mark was."""
    return text.replace("^", ""), text.index("^")


def node_at(document, *pointer):
    node = document.root
    for step in pointer:
        node = source.child(node, step)
    return node


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a:\n  b: 1\n^", id="the-end"),
        pytest.param("a:\n  b: 1^", id="the-end-without-line-break"),
        pytest.param("a:\n  b: 1\n^c: 2\n", id="before-the-next-key"),
        pytest.param("a:\n  b: 1 # c\n^c: 2\n", id="behind-a-comment-on-the-line"),
        pytest.param("a:\n  b: 1\n  # own\n^c: 2\n", id="behind-its-own-comment"),
        pytest.param("a:\n  b: 1\n    # deeper\n\n  # own\n^\n# not own\nc: 2\n", id="behind-several-comments"),
        pytest.param("a:\n  b: 1\n^ # shallower\nc: 2\n", id="before-a-shallower-comment"),
        pytest.param("a:\n  b: 1\n^# not own\n  # deep again\nc: 2\n", id="a-shallower-comment-ends-it"),
        pytest.param("a:\n  b: |\n    x\n^c: 2\n", id="literal"),
        pytest.param("a:\n  b: |+\n    x\n\n\n^c: 2\n", id="kept"),
        pytest.param("a:\n  b: |\n    x\n  # own\n^c: 2\n", id="literal-then-comment"),
        pytest.param("a:\n  b: [1,\n  2]\n^c: 2\n", id="flow-on-two-lines"),
        pytest.param("a:\n  b: 'x\n\n    y'\n^c: 2\n", id="quoted-on-several-lines"),
        pytest.param("a:\n  b:\n^c: 2\n", id="empty-value"),
        pytest.param("a:\n  b:\n  - 1\n  -\n^c: 2\n", id="empty-item"),
        pytest.param("a:\n  x: &x 1\n  b: *x # c\n^c: 2\n", id="alias"),
        pytest.param("x: &x\n  y: 1\na:\n  b: *x\n^c: 2\n", id="alias-of-a-block"),
        pytest.param("a: &a !!map\n  b: 1\n^c: 2\n", id="properties"),
        pytest.param("a:\r\n  b: 1\r\n  # own\r\n^c: 2\r\n", id="crlf"),
        pytest.param("a:\n  b: 1\n^...\n", id="end-marker"),
    ],
)
def test_after_block_mapping(text):
    text, offset = marked(text)
    document = source.read(text)

    assert offset == place.after_block_mapping(text, node_at(document, "a"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("a:\n  ? b\n  : c\n", "in the middle of a line", id="complex-key"),
        pytest.param("a:\n- b: |\n    x", "ends within a block scalar", id="only-key-is-a-scalar-at-the-end"),
    ],
)
def test_no_place_after_a_mapping(text, message):
    node = node_at(source.read(text), "a")
    mapping = node.value[0] if source.is_sequence(node) else node

    with pytest.raises(RefusedEdit, match=message):
        place.after_block_mapping(text, mapping)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a:\n  b: 1\n^  c: |\n    x", id="literal"),
        pytest.param("a:\n  b: 1 # why\n^  c: |\n    x", id="behind-a-comment"),
        pytest.param("a:\n  b: >\n    y\n^  c: |\n    x", id="scalar-before-it"),
        pytest.param("a:\n  z: &z 1\n  b: *z\n^  c:\n  - |\n    x", id="alias-before-it"),
    ],
)
def test_before_the_scalar_at_the_end_of_the_text(text):
    text, offset = marked(text)

    assert offset == place.after_block_mapping(text, node_at(source.read(text), "a"))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a:\n- 1\n^", id="the-end"),
        pytest.param("a:\n- 1\n- 2 # two\n^b: c\n", id="compact"),
        pytest.param("a:\n- 1\n^# of what follows\nb: c\n", id="comment-at-a-compact-dash"),
        pytest.param("a:\n- 1\n  # deeper\n^b: c\n", id="comment-deeper-than-a-compact-dash"),
        pytest.param("a:\n  - 1\n  # own\n^b: c\n", id="comment-at-an-indented-dash"),
        pytest.param("a:\n  - 1\n^ # shallower\nb: c\n", id="comment-shallower-than-the-dash"),
        pytest.param("a:\n- - 1\n  - 2\n^b: c\n", id="nested"),
        pytest.param("a:\n- |\n  x\n\n^b: c\n", id="literal"),
        pytest.param("a:\n- &x 1\n- *x\n^b: c\n", id="alias"),
        pytest.param("a: &a\n- 1\n^b: c\n", id="anchored"),
    ],
)
def test_after_block_sequence(text):
    text, offset = marked(text)
    document = source.read(text)

    assert offset == place.after_block_sequence(text, document.root, node_at(document, "a"))


@pytest.mark.parametrize(
    ("text", "column"),
    [
        pytest.param("a:\n^", -1, id="the-end"),
        pytest.param("a: # c\n^b: 1\n", -1, id="comment-behind-it"),
        pytest.param("a:\n^  # c\nb: 1\n", 2, id="deeper-comment"),
        pytest.param("a:\n^# c\nb: 1\n", -1, id="comment-at-the-key"),
        pytest.param("a: &a\n^    # c\nb: 1\n", 4, id="anchored"),
    ],
)
def test_below_empty_key(text, column):
    text, offset = marked(text)
    document = source.read(text)

    assert (offset, column) == place.below_empty_key(text, document.root, node_at(document, "a"))


@pytest.mark.parametrize(
    ("text", "style"),
    [
        pytest.param("a:\n  b:\n    c: 1\n", (2, 0, 2), id="two"),
        pytest.param("a:\n    b:\n        c: 1\n", (4, 0, 2), id="four"),
        pytest.param("a:\n    b:\n    -   c: 1\n", (4, 0, 4), id="four-compact"),
        pytest.param("a:\n  b:\n    - c: 1\n", (2, 2, 2), id="indented-list"),
        pytest.param("a: {b: {c: 1}}\n", (2, 0, 2), id="flow-has-no-habits"),
        pytest.param("x:\n   y: 1\na:\n  b:\n    c: 1\n", (2, 0, 2), id="the-nearest-counts"),
    ],
)
def test_block_style(text, style):
    document = source.read(text)
    found = place.block_style(text, [document.root, node_at(document, "a")])

    assert style == (found.step, found.dash, found.item)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("a: &x 1\n", "1", id="anchor"),
        pytest.param("a: !!str 1\n", "1", id="tag"),
        pytest.param("a: &x !!str 1\n", "1", id="both"),
        pytest.param("a: !!map &x # c\n  b: 1\n", "b: 1", id="comment-between"),
        pytest.param("a: &x {b: 1}\n", "{b: 1}", id="flow"),
        pytest.param("a: '&x'\n", "'&x'", id="quoted"),
    ],
)
def test_after_properties(text, value):
    offset = place.after_properties(text, node_at(source.read(text), "a"))

    assert text[offset:].startswith(value)


@pytest.mark.parametrize(
    ("text", "pointer", "anchor"),
    [
        pytest.param("a: &x {b: 1}\nc: *x\n", ("c", "b"), "&x", id="alias"),
        pytest.param("a: &x {b: 1}\nc: *x\n", ("a", "b"), "&x", id="the-anchor-itself"),
        pytest.param("a: &x {b: {d: 1}}\nc: *x\n", ("c", "b", "d"), "&x", id="below-it"),
        pytest.param("a: &x {b: 1}\nc: {}\n", ("a", "b"), "", id="used-once"),
        pytest.param("a: &x {b: &y {d: 1}}\nc: *x\n", ("a", "b", "d"), "&x", id="the-outer-one"),
        pytest.param("a: &x {b: {d: 1}}\nc: {<<: *x}\n", ("c", "b", "d"), "&x", id="merged"),
    ],
)
def test_shared_anchor(text, pointer, anchor):
    assert anchor == place.shared_anchor(source.read(text), pointer)


def test_trail_ends_where_there_is_nothing():
    with pytest.raises(RefusedEdit, match="isn't in the text"):
        place.Trails(source.read("a: {b: 1}\n")).to(("a", "c"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("# a\nb: c # d\n# e\n", ["# a", "# d", "# e"], id="each-kind"),
        pytest.param("a: b#c\nd: '# e'\nf: |\n  # g\n", [], id="what-only-looks-like-one"),
        pytest.param("a: [b, # c\n  d] # e\n", ["# c", "# e"], id="flow"),
        pytest.param("a: # b\nc: |2- # d\n  e\n", ["# b", "# d"], id="behind-keys-and-headers"),
        pytest.param("--- # a\n- b\n... # c\n", ["# a", "# c"], id="markers"),
        pytest.param("? a # b\n: c # d\n", ["# b", "# d"], id="complex-key"),
        pytest.param("a: &x b # c\nd: *x # e\n", ["# c", "# e"], id="alias"),
        pytest.param('a: "b\n  # c"\n', [], id="quoted-on-two-lines"),
        pytest.param("a: b # c # d\r\n", ["# c # d"], id="crlf"),
    ],
)
def test_comments(text, found):
    document = source.read(text)
    leaves = place.leaves(document)

    assert found == [comment.text for comment in place.comments(document, leaves, frozenset())]


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        pytest.param("a:\n  b: 1\n  # c\n", ("a",), id="at-the-column"),
        pytest.param("a:\n  b: 1\n    # c\n", ("a",), id="deeper"),
        pytest.param("a:\n  b: 1\n # c\n", (), id="between"),
        pytest.param("a:\n  b: 1\n# c\n", (), id="outer"),
        pytest.param("# c\na: 1\n", (), id="first"),
        pytest.param("a:\n  # c\nb: 1\n", ("a",), id="where-a-value-would-stand"),
        pytest.param("a:\n  b:\n    - 1\n    # c\n", ("a", "b"), id="at-the-dash"),
        pytest.param("a:\n  # c\n  b: 1\n", ("a",), id="before-the-first-key"),
        pytest.param("a:\n# c\n- b\n", (), id="before-the-first-item-of-a-compact-list"),
        pytest.param("- a: 1\n-\n  # c\n  a: 2\n", (1,), id="below-a-dash"),
        pytest.param("- a: 1\n-\n # c\n  a: 2\n", (), id="below-a-dash-and-left-of-the-item"),
        pytest.param("- a: 1\n- {\n  # c\n  a: 2}\n", (1,), id="within-braces"),
        pytest.param("a: {\n# c\n}\n", ("a",), id="within-empty-braces"),
    ],
)
def test_owner_of_a_comment(text, owner):
    document = source.read(text)
    leaves = place.leaves(document)

    assert [owner] == [comment.owner for comment in place.comments(document, leaves, frozenset())]


@pytest.mark.parametrize(
    ("text", "owner"),
    [
        pytest.param("a: b # c\n", (("a", place.KEY), ("a",)), id="behind-a-value"),
        pytest.param("a: # c\n  b: 1\n", (("a", place.KEY),), id="behind-a-key"),
        pytest.param("- # c\n  a: 1\n", ((0,),), id="behind-a-dash"),
        pytest.param("a: {\n  b: 1\n} # c\n", (("a",),), id="behind-brackets"),
        pytest.param("a: [{\n  b: 1\n}] # c\n", (("a",),), id="behind-the-brackets-of-several"),
        pytest.param("a: {} # c\n", (("a", place.KEY), ("a",)), id="behind-empty-braces"),
    ],
)
def test_what_a_comment_stands_behind(text, owner):
    document = source.read(text)
    (comment,) = place.comments(document, place.leaves(document), frozenset())

    assert owner == comment.owner
    assert comment.column < 0


@pytest.mark.parametrize(
    ("text", "entries"),
    [
        pytest.param("a:\n  b: 1 # c\n  d:\n  - 2\n\n", ["b: 1", "d:\n  - 2"], id="mapping"),
        pytest.param("a:\n- b\n# -\n-\n  c: 1\n- - d\n", ["- b", "-\n  c: 1", "- - d"], id="list"),
        pytest.param("a: {b: 1, 'c': [2], d: 3 }\n", ["b: 1", "'c': [2]", "d: 3"], id="flow-mapping"),
        pytest.param("a: [&x b, *x, {c: 1}]\n", ["&x b", "*x", "{c: 1}"], id="flow-list"),
        pytest.param("x: &x 1\na:\n  b: *x # c\n  c: *x\n", ["b: *x", "c: *x"], id="aliases"),
        pytest.param("x: &x 1\na:\n- *x\n-\n- *x\n", ["- *x", "-", "- *x"], id="aliases-as-items"),
        pytest.param("a:\n  b: |\n    x\n\n  c: 1\n", ["b: |\n    x\n\n", "c: 1"], id="literal"),
    ],
)
def test_entries(text, entries):
    found = place.entries(text, node_at(source.read(text), "a"))

    assert entries == [text[start:end] for start, end in found]
