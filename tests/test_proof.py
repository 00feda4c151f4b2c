"""What is told of inserted lines without reading the new text is what reading it would tell: same data, same comments.

Texts and insertions are made by tests/insertions.py, right ones and damaged ones. It also runs alone, for as long as one
likes; a few hundred thousand a minute on an idle machine.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given, settings
from insertions import DAMAGES, any_text, attempt, judged
from strategies import documents, streams, styles, written

from krm_harden import edit, engine, limits, proof, source, verify
from krm_harden import policy as policies
from krm_harden.edit import Edit
from krm_harden.engine import Engine
from krm_harden.model import same

POD = """\
kind: Pod
spec:
  containers:
  - name: a
    image: b
  - name: c # which
    image: d
    args: [x,
      y]

  hostname: h
"""
FIRST, SECOND, SPEC = POD.index("  - name: c"), POD.index("\n  hostname"), len(POD)
CONTAINER = ("spec", "containers", 0)
CONTEXT = "    securityContext:\n      runAsUser: 1\n      capabilities: {drop: [ALL]}\n"
SAID = {"securityContext": {"runAsUser": 1, "capabilities": {"drop": ["ALL"]}}}


def lines(at: int, text: str, *into: Any) -> Edit:
    return Edit(at, at, text, len(into), into)


def marked(text: str, inserted: str, *into: Any) -> tuple[str, Edit]:
    """A text, and lines to be inserted where it has a caret."""
    return text.replace("^", ""), lines(text.index("^"), inserted, *into)


def told(text: str, *edits: Edit) -> Any:
    """What the lemma says of a text with lines inserted, None where it doesn't."""
    made = proof.inserted(source.read(text), edits)
    return None if made is None else made[1][()][1]


TOLD = [
    pytest.param(POD, [lines(FIRST, CONTEXT, *CONTAINER)], id="between-items"),
    pytest.param(POD, [lines(SECOND, CONTEXT, "spec", "containers", 1)], id="before-a-blank-line"),
    pytest.param(POD, [lines(SECOND + 1, CONTEXT, "spec", "containers", 1)], id="behind-a-blank-line"),
    pytest.param(POD, [lines(SECOND, "  - x: 1\n", "spec", "containers")], id="item-of-a-list-below-its-key"),
    pytest.param(POD, [lines(SPEC, "  x: 1\n", "spec"), lines(SPEC, "z: []\n")], id="two-at-the-end"),
    pytest.param(
        POD,
        [lines(SECOND, CONTEXT, "spec", "containers", 1), lines(SECOND, "  - x\n  - y\n", "spec", "containers")],
        id="in-an-item-then-behind-it",
    ),
    pytest.param(*marked("a:\n  - b: |+\n      x\n\n^c: 1\n", "    d: 1\n", "a", 0), id="behind-a-block-scalar"),
    pytest.param(*marked("a:\n  b: x\n    y\n^c: 1\n", "  d: 1\n", "a"), id="behind-a-plain-scalar-of-two-lines"),
    pytest.param(*marked("a:\n  b:\n^c: 1\n", "  d: 1\n", "a"), id="behind-a-key-without-a-value"),
    pytest.param(*marked("a:\n  b: 1 # why\n^c: 1\n", "  d: 1\n", "a"), id="behind-a-comment-on-the-line"),
    pytest.param(*marked("- - a\n^- b\n", "  - c\n", 0), id="list-in-a-list"),
    pytest.param(*marked("---\na: 1\n^", "b: 1\n"), id="behind-a-mark"),
    pytest.param(*marked('"a":\n  "b c": 1\n^', "  d: 1\n", "a"), id="quoted-keys"),
    pytest.param(*marked("a:\n  b: 😀\n^", "  d: 1\n", "a"), id="emoji"),
]


@pytest.mark.parametrize(("text", "edits"), TOLD)
def test_lines_at_the_end_of_a_collection_are_told(text, edits):
    edits = edits if isinstance(edits, list) else [edits]

    assert same(told(text, *edits), source.read(edit.apply(text, edits)).data)


NOT_TOLD = [
    pytest.param(POD, lines(FIRST, CONTEXT, "spec", "containers", 1), id="other-item"),
    pytest.param(POD, lines(FIRST, CONTEXT, "spec", "containers", 2), id="no-item"),
    pytest.param(POD, lines(FIRST, CONTEXT, "spec"), id="other-collection"),
    pytest.param(POD, lines(FIRST, CONTEXT, *CONTAINER, "name"), id="scalar"),
    pytest.param(POD, lines(FIRST, "     x: 1\n", *CONTAINER), id="deeper-column"),
    pytest.param(POD, lines(FIRST, "   x: 1\n", *CONTAINER), id="column-less-deep"),
    pytest.param(POD, lines(FIRST - 13, "    x: 1\n", *CONTAINER), id="line-above"),
    pytest.param(POD, lines(FIRST - 1, "\n    x: 1", *CONTAINER), id="end-of-the-line"),
    pytest.param(POD, lines(SECOND - 9, "    x: 1\n", "spec", "containers", 1), id="within-brackets"),
    pytest.param(POD, lines(FIRST, "    image: 1\n", *CONTAINER), id="key-that-is-there"),
    pytest.param(POD, lines(FIRST, "    x: 1\n    x: 2\n", *CONTAINER), id="same-key-twice"),
    pytest.param(POD, lines(FIRST, "    x: 1 # why\n", *CONTAINER), id="comment-inserted"),
    pytest.param(POD, lines(FIRST, "    x: &a 1\n", *CONTAINER), id="anchor-inserted"),
    pytest.param(POD, lines(FIRST, "    x: |\n      y\n", *CONTAINER), id="block-scalar-inserted"),
    pytest.param(POD, lines(FIRST, "    x: y\n      z\n", *CONTAINER), id="plain-scalar-of-two-lines-inserted"),
    pytest.param(POD, lines(FIRST, "    x: 12:30:45\n", *CONTAINER), id="string-without-quotes"),
    pytest.param(POD, lines(FIRST, "    x: yes\n    '<<': 1\n    y: <<\n", *CONTAINER), id="merge-like"),
    pytest.param(POD, lines(FIRST, "\n    x: 1\n", *CONTAINER), id="blank-line-inserted"),
    pytest.param(POD, lines(FIRST, "    x: 1\r\n", *CONTAINER), id="carriage-return-inserted"),
    pytest.param(POD, lines(FIRST, "    x: 1\x85", *CONTAINER), id="next-line-inserted"),
    pytest.param(POD, lines(FIRST, "    x: 1", *CONTAINER), id="no-line-break"),
    pytest.param(POD, lines(FIRST, "    - x\n", *CONTAINER), id="items-for-a-mapping"),
    pytest.param(POD, lines(FIRST, "  x: 1\n", "spec", "containers"), id="keys-for-a-list"),
    pytest.param(POD, lines(FIRST, "    {x: 1}\n", *CONTAINER), id="braces"),
    pytest.param(POD, lines(SPEC, "x: 1\n...\n"), id="document-s-end-inserted"),
    pytest.param(POD, lines(SPEC, "---\nx: 1\n"), id="document-s-start-inserted"),
    pytest.param(POD, Edit(FIRST - 1, FIRST, "\n    x: 1\n", 3, CONTAINER), id="replacement"),
    pytest.param(POD, Edit(FIRST, FIRST, CONTEXT), id="for-nobody"),
    pytest.param(*marked("a: |\n  b\n^", "c: 1\n", "a"), id="into-a-block-scalar"),
    pytest.param(*marked("a:\n  b: |+\n    x\n\n^\nc: 1\n", "  d: 1\n", "a"), id="within-a-block-scalar-s-blank-lines"),
    pytest.param(*marked("a:\n  b: 'x\n^\n  y'\nc: 1\n", "  d: 1\n", "a"), id="within-quotes"),
    pytest.param(*marked("a:\n  b: 1\n...\n^", "  d: 1\n", "a"), id="behind-the-document-s-end"),
    pytest.param(*marked("a:\n  b: 1\n^...\n  # c\n", "  d: 1\n", "a"), id="comment-behind-the-end"),
    pytest.param(*marked("a:\n  b: 1\n^  # c\nd: 1\n", "  d: 1\n", "a"), id="above-a-comment"),
    pytest.param(*marked("a:\n  b: 1\n  # c\n^d: 1\n", "  d: 1\n", "a"), id="below-a-comment"),
    pytest.param(*marked("- a: 1\n^-\n    # c\n      b: 1\n", "  c: 1\n", 0), id="comment-below-a-dash"),
    pytest.param(*marked("a:\n  b: # c\n^d: 1\n", "  d: 1\n", "a"), id="comment-in-place-of-a-value"),
    pytest.param(*marked("a:\n  b: 1\n^", "  d: 1\n", "a", "c"), id="no-such-key"),
    pytest.param(*marked("a: &x\n  b: 1\n^c: *x\n", "  d: 1\n", "a"), id="anchor"),
    pytest.param(*marked("a: !!map\n  b: 1\n^", "  d: 1\n", "a"), id="tag"),
    pytest.param(*marked("a:\n  <<: {c: 1}\n  b: 1\n^", "  d: 1\n", "a"), id="merge"),
    pytest.param(*marked("a:\n  ? b\n^", "  d: 1\n", "a"), id="explicit-key"),
    pytest.param(*marked("a:\n  b:\t1\n^", "  d: 1\n", "a"), id="tab"),
    pytest.param(*marked("a:\r\n  b: 1\r\n^", "  d: 1\n", "a"), id="carriage-returns"),
    pytest.param(*marked("a:\n  b: '\u2028'\n^", "  d: 1\n", "a"), id="line-separator"),
    pytest.param(*marked("\ufeffa:\n  b: 1\n^", "  d: 1\n", "a"), id="byte-order-mark"),
    pytest.param(*marked("%YAML 1.1\n---\na:\n  b: 1\n^", "  d: 1\n", "a"), id="directive"),
    pytest.param(*marked("a:\n  b: 1^", "  d: 1\n", "a"), id="no-line-break-at-the-end"),
    pytest.param(*marked("a: {b: 1}\n^", "  d: 1\n", "a"), id="flow-mapping"),
    pytest.param(*marked('{"a": {"b": 1}}\n^', "  d: 1\n", "a"), id="json"),
    pytest.param(*marked("a:\n  b: 1\n  b: 2\n^", "  d: 1\n", "a"), id="duplicate-key"),
    pytest.param(*marked("yes: 1\n^", "true: 1\n"), id="key-that-is-there-in-another-way"),
    pytest.param(*marked("a\n^", "d: 1\n"), id="scalar-alone"),
    pytest.param(*marked("# only a comment\n^", "d: 1\n"), id="empty"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "edit"), NOT_TOLD)
def test_what_the_lemma_does_not_cover_is_not_told(text, edit):
    assert told(text, edit) is None


def test_the_deeper_collection_comes_first():
    item, behind = lines(SECOND, CONTEXT, "spec", "containers", 1), lines(SECOND, "  - x\n", "spec", "containers")

    assert told(POD, behind, item) is None
    assert told(POD, behind, behind) is None
    assert told(POD, lines(SECOND + 1, CONTEXT, "spec", "containers", 1), behind) is None


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param({**SAID, "more": 1}, id="more"),
        pytest.param({}, id="nothing"),
        pytest.param({"securityContext": {"runAsUser": True, "capabilities": {"drop": ["ALL"]}}}, id="other-type"),
        pytest.param({"securityContext": {"capabilities": {"drop": ["ALL"]}, "runAsUser": 1}}, id="other-order"),
    ],
)
def test_only_what_is_expected_holds(expected):
    document = source.read(POD)
    edits = [lines(FIRST, CONTEXT, *CONTAINER)]

    def holds(said: Any, text: str, **first: Any) -> bool:
        containers = [{"name": "a", "image": "b", **first, **said}, document.data["spec"]["containers"][1]]
        spec = {"containers": containers, "hostname": "h"}
        return proof.holds(document, edits, text, {"kind": "Pod", "spec": spec})

    text = edit.apply(POD, edits)
    assert holds(SAID, text)
    assert not holds(expected, text)
    assert not holds(SAID, text, name="b")
    assert not holds(SAID, text.replace("hostname: h", "hostname: i"))
    assert not holds(SAID, text + "\n")


@pytest.mark.parametrize("limit", [{"depth": 10}, {"documentBytes": 200}])
def test_a_limit_holds_for_the_new_text(limit):
    text = "a:\n b:\n  c:\n   d:\n    e:\n     f: 1\n"
    into = ("a", "b", "c", "d", "e")
    edit = lines(text.index("f: 1\n") + 5, "     g: {h: {i: {j: {k: {}}}}}\n", *into)
    before = limits.hold_here({})
    try:
        assert told(text, edit) is not None
        limits.hold_here(limit)
        assert told(text, edit) is None
    finally:
        limits.hold_again(before)


def tried(count: int, seed: int) -> Counter[tuple[str, str]]:
    chance = random.Random(seed)  # noqa: S311
    found: Counter[tuple[str, str]] = Counter()
    while sum(found.values()) < count:
        made = attempt(chance, any_text(chance))
        if made is not None and made.edits:
            found[made.damage, judged(made)] += 1
    return found


def test_what_is_told_of_random_insertions_is_so():
    found = tried(3000, 1)

    assert found["none", "told"] > found["none", "not told"]
    assert all(found[damage, "not told"] > 20 for damage in DAMAGES)


def test_it_runs_alone():
    command = [sys.executable, ROOT / "tests" / "insertions.py", "200", "2"]
    made = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)})

    assert "none " in made.stdout


HOLES = [
    pytest.param("_is_simple", lambda _: True, id="any-text"),
    pytest.param("_is_at_end", lambda *_: True, id="any-place"),
    pytest.param("_is_behind", lambda *_: True, id="comments-nearby"),
    pytest.param("_is_written_well", lambda *_: True, id="any-scalar"),
    pytest.param("_extended", lambda data, block: data.update(block.data) or True, id="any-key"),
]


@pytest.mark.parametrize(("name", "hole"), HOLES)
def test_a_hole_in_the_proof_is_found(monkeypatch, name, hole):
    monkeypatch.setattr(proof, name, hole)
    monkeypatch.setattr(proof, "_blocks", {})
    with pytest.raises((AssertionError, AttributeError, KeyError, IndexError, TypeError, ValueError)):
        tried(60_000, 3)


@pytest.fixture
def counted(monkeypatch) -> Counter[bool]:
    """How many edits of the engine were proven, and how many not; each that was is verified in the other way, too."""
    found: Counter[bool] = Counter()
    holds = proof.holds
    edited = Engine._edited

    def both(self, document, draft):
        def checked(old, edits, text, expected):
            answer = holds(old, edits, text, expected)
            found[answer] += 1
            assert not answer or same(verify.verified(old, text, draft).data, expected)
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(engine.proof, "holds", checked)
            return edited(self, document, draft)

    monkeypatch.setattr(Engine, "_edited", both)
    return found


def hardened(data: bytes) -> None:
    list(Engine(policies.Policy({})).run(data))


def test_deployments_of_the_benchmark_are_all_proven(counted):
    made = subprocess.run([sys.executable, ROOT / "bench" / "inputs.py", "60"], capture_output=True, check=True)
    hardened(made.stdout)

    assert counted == {True: 60}


def test_cases_are_proven_or_verified_alike(counted):
    for path in sorted((ROOT / "tests" / "cases").rglob("*.yaml")):
        hardened(path.read_bytes())

    assert counted[True] > counted[False] > 0


def test_random_manifests_are_proven_or_verified_alike(counted):
    @given(data=documents(), style=styles(), stream=streams())
    @settings(max_examples=40)
    def check(data, style, stream):
        hardened(written(data, style).encode())
        hardened(stream.encode())

    check()
    assert counted[True] > 0
    assert counted[False] > 0
