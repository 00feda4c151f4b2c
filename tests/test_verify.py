"""The guard, tested with planted editor bugs: each one is refused, and the text as planned is accepted."""

from __future__ import annotations

import pytest

from krm_harden import edit, harden, patch, source, verify
from krm_harden import policy as policies
from krm_harden.engine import Engine
from krm_harden.errors import RefusedEdit
from krm_harden.model import Operation

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: p # the name
spec:
  # about containers
  containers:
  - name: a
    image: b
    tty: true
    args:
    - |+
      x

    # about a
  # about the pod
  hostname: h
  priority: 1
# the end
"""
FIELD = "    securityContext:\n      allowPrivilegeEscalation: false\n"
POD_OPERATIONS = [
    Operation("add", ("spec", "containers", 0, "securityContext"), {"allowPrivilegeEscalation": False}),
    Operation("add", ("spec", "securityContext"), {"runAsUser": 1, "seccompProfile": {"type": "RuntimeDefault"}}),
]
JSON = '{"kind":"Pod","spec":{"containers":[{"name":"a","image":"b"}]}}\n'
JSON_OPERATIONS = [Operation("add", ("spec", "containers", 0, "tty"), True)]
ANCHORS = """\
kind: Pod
spec:
  a: &a
    x: 1
  b: *a
  c: &c true
"""
ANCHORS_OPERATIONS = [Operation("add", ("spec", "d"), {"y": 1}), Operation("replace", ("spec", "c"), False)]
LIST = """\
kind: Pod
drop:
- NET_RAW # why
- SYS_TIME
# about add
add:
- CHOWN
"""
LIST_OPERATIONS = [Operation("add", ("drop", "-"), "ALL"), Operation("add", ("add", "-"), "KILL")]
STRINGS = "kind: Pod\nlist: []\nitems:\n- a\n"
STRINGS_OPERATIONS = [
    Operation("add", ("a",), {"y": ["1e3", {"k": "12:30:45"}]}),
    Operation("add", ("b",), "0o14"),
    Operation("add", ("items", "-"), "2026-01-01"),
    Operation("add", ("items", "-"), "1:2"),
]
REMOVAL = "kind: Pod\na: 1 # one\nb: 2 # two\nc: 3\n"
REMOVAL_OPERATIONS = [Operation("remove", ("b",))]

WITHIN = """\
kind: Pod
a: 1
# above
b: # head
# within
- x # inner
- y
  # deeper
# below
c:
- {d: 1} # item
# between
- e # kept
z: &z 1
w: *z
"""
WITHIN_OPERATIONS = [Operation("remove", ("b",)), Operation("remove", ("c", 0)), Operation("remove", ("w",))]
KEYS = "kind: Pod\nref:\n  name: n\n  key: k\nlist: [a]\nmap: {a: {b: 1}, c: 2}\n"
KEYS_OPERATIONS = [
    Operation("replace", ("list", 0), "b"),
    Operation("replace", ("kind",), "Job"),
    Operation("replace", ("map", "a"), True),
]

CASES = {
    "within": (WITHIN, WITHIN_OPERATIONS),
    "keys": (KEYS, KEYS_OPERATIONS),
    "pod": (POD, POD_OPERATIONS),
    "json": (JSON, JSON_OPERATIONS),
    "anchors": (ANCHORS, ANCHORS_OPERATIONS),
    "list": (LIST, LIST_OPERATIONS),
    "strings": (STRINGS, STRINGS_OPERATIONS),
    "removal": (REMOVAL, REMOVAL_OPERATIONS),
}


def planned(name, newline="\n"):
    """A document, its draft, and the text that the editor makes of it."""
    text, operations = CASES[name]
    document = source.read(text.replace("\n", newline))
    draft = patch.Draft(document.data)
    for operation in operations:
        draft.apply(operation)
    return document, draft, edit.apply(document.text, edit.plan(document, draft.operations))


def instead(old, new):
    """One corruption: the first `old` becomes `new`; it has to be there."""

    def corrupt(text):
        assert old in text
        return text.replace(old, new, 1)

    return corrupt


def moved(line, behind):
    """One corruption: a line goes behind another one."""

    def corrupt(text):
        assert line in text
        return instead(behind, behind + line)(text.replace(line, "", 1))

    return corrupt


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", CASES)
def test_the_text_as_planned_is_accepted(name, newline):
    document, draft, text = planned(name, newline)
    new = verify.verified(document, text, draft)

    assert draft.data == new.data


BUGS = [
    pytest.param("pod", lambda text: text.replace(FIELD, "", 1), id="nothing-written"),
    pytest.param(
        "pod", lambda text: text.replace(FIELD, "", 1).replace("    tty", f"   {FIELD} tty"), id="offset-by-one"
    ),
    pytest.param("pod", instead("  allowPriv", "allowPriv"), id="not-indented"),
    pytest.param("pod", instead(FIELD, FIELD[2:].replace("\n  ", "\n")), id="indented-too-little"),
    pytest.param(
        "pod", instead("    securityContext:\n      allow", "     securityContext:\n      allow"), id="indented-by-5"
    ),
    pytest.param("pod", moved(FIELD, "  - name: a\n"), id="key-at-another-place"),
    pytest.param("pod", instead("  # about containers\n", ""), id="comment-lost"),
    pytest.param("pod", instead(" # the name", ""), id="comment-behind-a-value-lost"),
    pytest.param("pod", instead("# about containers", "# about container"), id="comment-changed"),
    pytest.param("pod", instead("# the name", "# the  name"), id="comment-behind-a-value-changed"),
    pytest.param("pod", instead("# the end\n", "# the end\n# by krm-harden\n"), id="comment-added"),
    pytest.param("pod", moved("    # about a\n", FIELD), id="comment-to-another-column"),
    pytest.param("pod", instead("    # about a\n", "      # about a\n"), id="comment-to-a-deeper-owner"),
    pytest.param("pod", instead("    # about a\n", "  # about a\n"), id="comment-to-a-shallower-owner"),
    pytest.param("pod", moved("# the end\n", "spec:\n"), id="comment-moved-up"),
    pytest.param("pod", moved("  # about the pod\n", "  hostname: h\n"), id="comment-behind-the-next-key"),
    pytest.param("pod", moved(" # the name", "kind: Pod"), id="comment-behind-another-value"),
    pytest.param("pod", instead("      x\n\n", "      x\n\n\n"), id="blank-line-in-a-kept-scalar"),
    pytest.param("pod", instead("      x\n\n", "      x\n"), id="blank-line-lost-from-a-kept-scalar"),
    pytest.param("pod", instead("tty: true", 'tty: "true"'), id="true-to-a-string"),
    pytest.param("pod", instead("tty: true", "tty: 1"), id="true-to-one"),
    pytest.param("pod", instead("priority: 1", 'priority: "1"'), id="number-to-a-string"),
    pytest.param("pod", instead("priority: 1", "priority: 1.5"), id="number-to-another"),
    pytest.param("pod", instead("priority: 1", "priority: true"), id="number-to-true"),
    pytest.param("pod", instead("Escalation: false", "Escalation: 0"), id="false-to-zero"),
    pytest.param("pod", instead("  name: p", "  name: q"), id="another-value-damaged"),
    pytest.param("pod", instead("  hostname: h\n", ""), id="another-key-lost"),
    pytest.param("pod", moved("  hostname: h\n", "  priority: 1\n"), id="order-of-keys-changed"),
    pytest.param("pod", instead("    tty: true\n", "    tty: true\n    tty: true\n"), id="key-written-twice"),
    pytest.param("pod", instead(FIELD, FIELD + FIELD), id="block-written-twice"),
    pytest.param("pod", lambda text: text[:-1], id="final-line-break-lost"),
    pytest.param("pod", lambda text: text + "---\n", id="document-added"),
    pytest.param("pod", lambda text: text + "---\na: b\n", id="document-with-content-added"),
    pytest.param("pod", instead("\n", "\r\n"), id="crlf-in-lf"),
    pytest.param("pod", lambda text: text.replace("\n", "\r\n"), id="crlf-for-lf"),
    pytest.param("pod", instead("image: b", "image: !!str b"), id="tag-added-elsewhere"),
    pytest.param("pod", instead("image: b", "image: 'b'"), id="quotes-added-elsewhere"),
    pytest.param("pod", instead("priority: 1", "priority: 0x1"), id="number-written-otherwise"),
    pytest.param("pod", instead("image: b", "image: &b b"), id="anchor-added"),
    pytest.param("pod", lambda text: text.replace("  # about", "  - # about"), id="not-yaml-any-more"),
    pytest.param("pod", lambda text: "", id="nothing-left"),
    pytest.param("json", instead('"tty":true', "tty:true"), id="json-unquoted"),
    pytest.param("json", instead('"tty":true', '"tty":true,'), id="json-comma-at-the-end"),
    pytest.param("json", instead('"tty":true', "'tty':true"), id="json-single-quotes"),
    pytest.param("json", instead('"tty":true', '"tty":yes'), id="json-with-yaml's-true"),
    pytest.param("json", instead("\n", " # done\n"), id="json-with-a-comment"),
    pytest.param("json", instead('"tty":true', '"tty":true,"tty":true'), id="json-key-twice"),
    pytest.param("json", instead('"b"', '"\\u0062 "'), id="json-value-damaged"),
    pytest.param("anchors", instead("&a", ""), id="anchor-dropped"),
    pytest.param("anchors", instead("&c ", ""), id="anchor-of-a-replaced-value-dropped"),
    pytest.param("anchors", instead("&c", "&d"), id="anchor-renamed"),
    pytest.param("anchors", instead("*a", "{x: 1}"), id="alias-written-out"),
    pytest.param("anchors", instead("    x: 1\n", "    x: 1\n    z: 1\n"), id="shared-node-edited"),
    pytest.param("anchors", instead("  b: *a", "  b: &b\n    <<: *a"), id="alias-to-merge"),
    pytest.param("list", instead("- ALL\n", ""), id="item-lost"),
    pytest.param("list", moved("- ALL\n", "drop:\n"), id="item-at-the-start"),
    pytest.param("list", moved("- ALL\n", "# why\n"), id="item-in-the-middle"),
    pytest.param("list", moved("- ALL\n", "add:\n"), id="item-in-another-list"),
    pytest.param("list", instead("- ALL\n", "  ALL\n"), id="item-without-a-dash"),
    pytest.param("list", instead("- ALL\n", "- - ALL\n"), id="item-too-deep"),
    pytest.param("list", moved("# about add\n", "add:\n"), id="comment-into-the-next-list"),
    pytest.param("list", instead(" # why\n- SYS_TIME", "\n- SYS_TIME # why"), id="comment-behind-another-item"),
    pytest.param("strings", instead('"y"', "y"), id="key-y-unquoted"),
    pytest.param("strings", instead('"1e3"', "1e3"), id="1e3-unquoted"),
    pytest.param("strings", instead('"12:30:45"', "12:30:45"), id="time-unquoted"),
    pytest.param("strings", instead('"0o14"', "0o14"), id="0o14-unquoted"),
    pytest.param("strings", instead('"1:2"', "1:2"), id="last-item-unquoted"),
    pytest.param("strings", instead('"2026-01-01"', "2026-01-01"), id="date-as-an-item-unquoted"),
    pytest.param("removal", instead("c: 3\n", ""), id="removed-one-too-many"),
    pytest.param("removal", instead("c: 3\n", "b: 2\nc: 3\n"), id="not-removed"),
    pytest.param("removal", instead(" # one", ""), id="removed-a-comment-too-many"),
    pytest.param("within", instead("# above\n", ""), id="removed-the-comment-above"),
    pytest.param("within", instead("# below\n", ""), id="removed-the-comment-below"),
    pytest.param("within", instead("# between\n", ""), id="removed-the-comment-below-an-item"),
    pytest.param("within", instead(" # kept", ""), id="removed-the-next-item-s-comment"),
    pytest.param("within", instead("# above\n", "# above\n# within\n"), id="kept-a-comment-within"),
    pytest.param("within", moved("# below\n", "c:\n"), id="moved-the-comment-below"),
    pytest.param("within", instead("&z ", ""), id="removed-the-anchor-with-its-alias"),
    pytest.param("keys", instead("  key: k\n", "  'key': k\n"), id="a-field-named-key-written-otherwise"),
    pytest.param("keys", instead("  key: k\n", "  key: 'k'\n"), id="the-value-of-a-field-named-key-written-otherwise"),
    pytest.param("keys", instead("map: ", "'map': "), id="the-key-of-what-is-replaced-written-otherwise"),
    pytest.param("removal", instead("a: 1 # one\n", "# one\na: 1\n"), id="moved-a-comment-beside-a-removal"),
]


@pytest.mark.parametrize(("name", "corrupt"), BUGS)
def test_planted_bug_is_refused(name, corrupt):
    document, draft, text = planned(name)
    corrupted = corrupt(text)

    assert text != corrupted
    with pytest.raises(RefusedEdit):
        verify.verified(document, corrupted, draft)


@pytest.mark.parametrize(
    "corrupt",
    [
        pytest.param(instead("Escalation: false\r\n", "Escalation: false\n"), id="lf-in-crlf"),
        pytest.param(lambda text: text.replace("\r\n", "\n"), id="lf-for-crlf"),
        pytest.param(instead("\r\n", "\r"), id="carriage-return-alone"),
        pytest.param(instead("Escalation: false\r\n", "Escalation: false\r\r\n"), id="one-carriage-return-too-many"),
    ],
)
def test_planted_bug_in_crlf_is_refused(corrupt):
    document, draft, text = planned("pod", "\r\n")

    with pytest.raises(RefusedEdit):
        verify.verified(document, corrupt(text), draft)


def test_a_line_break_at_the_end_is_not_added():
    document = source.read("a: 1\nb: 2")
    draft = patch.Draft(document.data)
    draft.apply(Operation("add", ("c",), 3))

    assert verify.verified(document, "a: 1\nb: 2\nc: 3", draft)
    with pytest.raises(RefusedEdit):
        verify.verified(source.read("a: 1\nb: 2"), "a: 1\nb: 2\nc: 3\n", draft)


def test_a_comment_in_a_block_scalar_s_header_counts():
    document = source.read("a: |- # why\n  b\nc: d\n")
    draft = patch.Draft(document.data)
    draft.apply(Operation("replace", ("a",), True))

    with pytest.raises(RefusedEdit, match="comment"):
        verify.verified(document, "a: true\nc: d\n", draft)


def test_equal_is_not_the_same():
    assert verify.same({"a": [1, True, None, 1.5, "x"]}, {"a": [1, True, None, 1.5, "x"]})
    assert not verify.same([1], [True])
    assert not verify.same([1], [1.0])
    assert not verify.same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert verify.same([("a", "b")] * 2, [("a", "b"), tuple("ab")])


def engine_s_result(text):
    (chunk,) = Engine(policies.Policy({})).run(text.encode())
    return chunk


PLANTED = [
    pytest.param(lambda text: text[:-1], id="final-line-break"),
    pytest.param(lambda text: text.replace("image: b", "image: c"), id="value"),
    pytest.param(lambda text: text.replace("# about the pod", "# about a pod"), id="comment"),
    pytest.param(lambda text: text.replace("  runAsUser: 10001", "  runAsUser: 1001"), id="uid"),
    pytest.param(lambda text: text + "---\n", id="document"),
    pytest.param(lambda text: text.replace("    image", "   image"), id="not-yaml"),
]


@pytest.mark.parametrize("corrupt", PLANTED)
def test_the_engine_never_returns_what_verify_refuses(monkeypatch, corrupt):
    right = edit.apply
    monkeypatch.setattr(edit, "apply", lambda text, edits: corrupt(right(text, edits)))
    chunk = engine_s_result(POD)

    assert POD.encode() == chunk.text
    assert not chunk.changed
    assert chunk.error.startswith("line 1: ")
    assert [operation for found in chunk.resources for operation in found.operations] == []
    assert all(finding.state != "fixed" for found in chunk.resources for finding in found.findings)


def test_the_engine_damages_no_other_document(monkeypatch):
    """A planted bug that shows in one document leaves the others as they were, or hardened."""
    right = edit.apply
    monkeypatch.setattr(edit, "apply", lambda text, edits: right(text, edits).replace("name: first", "name: second"))
    first = POD.replace("name: p", "name: first")
    hardened = harden(POD).text
    result = harden(f"{POD}---\n{first}---\n{POD}")

    assert len(result.errors) == 1
    assert f"{hardened}---\n{first}---\n{hardened}" == result.text


def test_without_the_planted_bug_it_is_changed():
    chunk = engine_s_result(POD)

    assert chunk.changed
    assert chunk.error == ""
    assert POD.encode() != chunk.text
