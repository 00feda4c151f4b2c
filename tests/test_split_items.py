"""Items of a list that make no pods aren't composed, and what may be anything else always is."""

from __future__ import annotations

import random

import pytest

from krm_harden import source, split, workloads


def passes_by(item: str) -> bool:
    return (
        split.can_skip_item(item.encode(), lambda version, kind: workloads.is_workload(version, kind, {})) is not None
    )


@pytest.mark.parametrize(
    "item",
    [
        "- apiVersion: v1\n  kind: ConfigMap\n  data:\n    a: b\n",
        "  - kind: ConfigMap\n    data: {}\n    verbs: [get, list]\n",
        '- kind: ConfigMap\n  data:\n    a: "several\n      lines"\n',
        "- kind: ConfigMap\n  list:\n  - a\n  - b\n",
        "- kind: ConfigMap\n  data:\n    a: |\n      - kind: Pod\n      'open\n\n    b: c\n\n",
        "- kind: ConfigMap\n# a comment\n  data: {}\n",
        "- kind: ConfigMap\n  data:\n    a:\n      text below its key\n      in two lines\n    b: c\n",
        "- kind: ConfigMap\n  data:\n    a:\n      # why\n      'x: y\n      z'\n    b:\n      [ \"c\", 'd', 5 ]\n",
        '- kind: ConfigMap\n  data:\n    a: "x\\n\\n\\t{\n      \\ b: \\"c\\""\n    d: { }\n',
    ],
)
def test_an_item_of_another_kind_is_not_composed(item: str) -> None:
    assert passes_by(item)


@pytest.mark.parametrize(
    "item",
    [
        "- apiVersion: v1\n  kind: Pod\n",
        "- kind: List\n",
        "- kind: ConfigMap\n  items:\n  - kind: Pod\n",
        "- kind: ConfigMap\n  kind: Pod\n",
        '- x: "\n  kind: ConfigMap\n  "\n  "kind": Pod\n',
        '- kind: ConfigMap\n  x: "open\n',
        "- kind: ConfigMap\n  x: [open\n",
        "- kind: ConfigMap\n  ? kind\n  : Pod\n",
        "- kind: ConfigMap\n  <<: {kind: Pod}\n",
        "- - kind: ConfigMap\n",
        "-   kind: ConfigMap\n",
        "- {kind: ConfigMap}\n",
        "- &a\n  kind: ConfigMap\n",
        "- kind: ConfigMap\r  kind: Pod\n",
        "- kind: ConfigMap\u2028  kind: Pod\n",
        "- data:\n    kind: ConfigMap\n",
        "- kind: ConfigMap\n  data:\n    ? [a]\n    : b\n",
        "- kind: ConfigMap\n  data:\n    null: b\n",
        "- kind: ConfigMap\n  data: &a {}\n  other: &a {}\n",
        "- kind: ConfigMap\n  data: *undefined\n",
        "- kind: ConfigMap\n  data:\n" + "".join(" " * (4 + level) + "a:\n" for level in range(2000)),
        "- kind: ConfigMap\n  data:\n    a: b\n   c: d\n",
        "- kind: ConfigMap\n  data:\n    a: b\n  - c\n",
        "- kind: ConfigMap\n  data: |\n      a\n     b\n",
        "- kind: ConfigMap\n  data: a\n    b: c\n",
        "- kind: ConfigMap\n- kind: ConfigMap\n",
        "- kind: Config\n    Map\n",
        "- kind:\n    ConfigMap\n",
        "- kind: ConfigMap\n  data:\n    a:\n    text at its column\n",
        "- kind: ConfigMap\n  data:\n    a:\n      *alias\n",
        "- kind: ConfigMap\n  data:\n    a:\n      text\n       b: c\n",
        '- kind: ConfigMap\n  data:\n    a:\n      "b": c\n      d\n',
        "- kind: ConfigMap\n  data:\n    a:\n      b\n    - c\n",
        "- kind: ConfigMap\n  data:\n    - a\n      |\n     b\n    -\n",
        "- kind: ConfigMap\n  data: ['a', 'b'c]\n",
        "- kind: ConfigMap\n  data: ['a\", b]\n",
        '- kind: ConfigMap\n  data: "\\\\\\"\n',
        '- kind: ConfigMap\n  data: "\\q"\n',
        '- kind: ConfigMap\n  data: "a"\\\n',
        "  - kind: ConfigMap\nkind: Pod\n",
    ],
)
def test_an_item_that_may_be_anything_else_is_composed(item: str) -> None:
    assert not passes_by(item)


SEED = b"""\
- apiVersion: v1
  kind: Thing
  data:
    a: |-
      text: 'x
      - y
    b: "one
      two\\
      three"
    list:
    - c: plain
        going on
      d: []
    - 'it''s'
    # comment
    e: {}
    i:
      below - its:key
      'n go on
    j:
      "in: quotes
      \\ too"
    k: [ 'l', "m", 2 ]
    n:
    - o:
        p "q" # r
  spec:
    - f: >
        g
    -
      h: v # w
"""
PIECES = (
    *b"\n \"'|>:#-ab\\,[]{}",
    b"\n  ",
    b"\n    ",
    b"- ",
    b": ",
    b" #",
    b"kind: Pod",
    b"\n\n",
    b"|\n",
    b"''",
    b":\n",
    b"\\ ",
    b"['",
    b"\n      ",
)


def mutated(chance: random.Random) -> bytes:
    text = bytearray(SEED.replace(b"    -\n      h", b"    - h") if chance.random() < 0.9 else SEED)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text))
        piece = chance.choice(PIECES)
        text[at : at + chance.choice((0, 0, 1, 2, 6))] = bytes([piece]) if isinstance(piece, int) else piece
    return bytes(text)


def test_what_is_skipped_composes_to_one_item_of_its_kind() -> None:
    chance = random.Random(7)  # noqa: S311
    skipped = 0
    for _ in range(6000):
        item = mutated(chance)
        known = split.can_skip_item(item, lambda version, kind: workloads.is_workload(version, kind, {}))
        if known:
            skipped += 1
            (data,) = source.read(item.decode()).data
            assert data["kind"] == known[1], item
            whole = source.read("items:\n" + item.decode() + "\n- kind: Pod\n").data["items"]
            assert whole == [data, {"kind": "Pod"}] or b"|" in item or b">" in item, item
            assert whole[1:] == [{"kind": "Pod"}], item
    assert skipped > 400
