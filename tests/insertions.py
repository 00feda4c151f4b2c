"""Texts, and whole lines inserted into them, right and wrong: what tests/test_proof.py asks the lemma and libyaml about.

`python tests/insertions.py COUNT SEED` tries so many, for as long as you like.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from typing import Any

from krm_harden import emit, place, proof, source, verify
from krm_harden.edit import Edit, apply
from krm_harden.errors import InputError, RefusedEdit
from krm_harden.model import Operation, same

SCALARS = (
    *("a", "1", "true", "~", "'x'", '"y"', "x y", "- z", "&a v", "*a", "!!str 5", "! 6", "a:b", "a#b", "{}", "[]", "|", ">"),
    *("{a: 1}", "[a, b]", "[a,\n  b]", "{a: 1,\n    b: [c] # d\n  }", "'x\n  y'", '"x\n\n  y"', "x\n{}y", "x\n{}#y", ""),
    *("|\n{} x\n", "|+\n{} x\n\n", ">-\n{} x\n\n", "|2\n{}   x\n", "|\n\n", "|+\n\n\n", "|\n{}   \n{} x\n", "| # c\n{} x\n"),
    *("http://a/?b=c&d", "<<", "- - b", "? c", "x: y", "😀", "# only a comment", "a # behind", "'it''s' # behind"),
)  # fmt: skip
KEYS = (
    "a",
    "b",
    "c",
    "d",
    "spec",
    "name",
    "1",
    "yes",
    "'q'",
    '"r"',
    "<<",
    "&k e",
    "!!str f",
    "? g",
    "*a",
    "h i",
    "a:b",
)
WILD = (
    *(
        "\n",
        "\n\n",
        " ",
        "  ",
        "#",
        " # x\n",
        "# x\n",
        "\t",
        "\r\n",
        "\r",
        "\ufeff",
        "\x85",
        "\u2028",
        "---\n",
        "...\n",
    ),
    *(
        "- ",
        ": ",
        "? ",
        "&a ",
        "*a",
        "!x ",
        "|",
        "|+\n",
        ">2\n",
        "'",
        '"',
        "{",
        "}",
        "[",
        "]",
        ",",
        "%TAG ! x:\n",
        "<<: ",
    ),
)
VALUES: tuple[Any, ...] = (
    True, 5, "x", "yes", "", None, "a b", "1e3", "12:30:45", [], {}, ["ALL"], {"type": "RuntimeDefault"}, [[1], [[]]],
    {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}, [{"name": "tmp", "emptyDir": {}}], "a#b", "a:",
)  # fmt: skip


class Made:
    """A text, the lines inserted into it, and what was done to them on the way."""

    def __init__(self, text: str, edits: list[Edit], damage: str) -> None:
        self.text = text
        self.edits = edits
        self.damage = damage

    def __repr__(self) -> str:
        edits = [(edit.start, edit.end, edit.text, edit.into) for edit in self.edits]
        return f"{self.damage}: {self.text!r} {edits!r}"


def block(chance: random.Random, column: int, depth: int, *, is_list: bool) -> list[str]:
    """The lines of a block collection at a column, more or less."""
    lines: list[str] = []
    keys = chance.sample(KEYS[: 6 if chance.random() < 0.9 else None], chance.randint(1, 3))
    for key in keys:
        head = " " * column + ("-" + " " * chance.choice((1, 1, 1, 3)) if is_list else f"{key}:")
        lines += _entry(chance, head, column, depth, is_list=is_list)
        if chance.random() < 0.08:
            lines.append(chance.choice(("", "", "  ", " " * column + "# own", "# left", " " * (column + 3) + "# deep")))
    return lines


def _entry(chance: random.Random, head: str, column: int, depth: int, *, is_list: bool) -> list[str]:
    if depth <= 0 or chance.random() < 0.35:
        scalar = chance.choice(SCALARS[: None if chance.random() < 0.3 else 8])
        text = head + ("" if is_list else " ") + scalar.replace("{}", " " * (column + 1)) if scalar else head
        return text.split("\n")
    nested = chance.random() < 0.4
    if is_list and chance.random() < 0.8:
        inner = block(chance, len(head), depth - 1, is_list=nested)
        return [head + inner[0].lstrip(" "), *inner[1:]]
    step = 0 if nested and not is_list and chance.random() < 0.5 else chance.choice((2, 2, 2, 1, 4))
    mark = "" if chance.random() < 0.9 else chance.choice((" # behind", " &a", " !!map", " !x", " |"))
    return [head.rstrip(" ") + mark, *block(chance, column + step, depth - 1, is_list=nested)]


def any_text(chance: random.Random) -> str:
    """A text that is YAML more often than not."""
    lines = block(chance, chance.choice((0, 0, 0, 2)), chance.randint(1, 5), is_list=chance.random() < 0.3)
    if chance.random() < 0.1:
        lines = ["---", *lines]
    if chance.random() < 0.1:
        lines += chance.choice((["..."], ["# end"], ["", ""], ["---"], ["", "# end", ""]))
    text = "\n".join(lines) + ("\n" if chance.random() < 0.95 else "")
    text = _damaged(chance, text) if chance.random() < 0.2 else text
    return text.replace("\n", "\r\n") if chance.random() < 0.03 else text


def _damaged(chance: random.Random, text: str) -> str:
    at = chance.randint(0, len(text))
    return text[:at] + chance.choice(WILD) + text[at + chance.choice((0, 0, 0, 1, 2)) :]


def collections(node: Any, pointer: tuple[Any, ...] = ()) -> list[tuple[tuple[Any, ...], Any]]:
    """Every collection below a node, with its pointer."""
    if source.is_scalar(node) or len(pointer) > 30:
        return []
    found = [(pointer, node)]
    for index, entry in enumerate(node.value):
        key, value = entry if source.is_mapping(node) else (None, entry)
        found += collections(value, (*pointer, index if key is None else key.value))
    return found


def insertion(chance: random.Random, text: str, pointer: tuple[Any, ...], node: Any) -> Edit | None:
    """Lines for a collection at their right place."""
    if node.flow_style or not node.value:
        return None
    try:
        column = place.column(text, node)
        is_mapping = source.is_mapping(node)
        end = place.after_block_mapping(text, node) if is_mapping else place.after_block_sequence(text, None, node)
    except RefusedEdit:
        return None
    return Edit(end, end, lines_for(chance, column, is_mapping=is_mapping), len(pointer), pointer)


def lines_for(chance: random.Random, column: int, *, is_mapping: bool) -> str:
    style = emit.Style(chance.choice((2, 2, 4)), chance.choice((0, 2)), chance.choice((2, 2, 4)))
    lines: list[str] = []
    for key in chance.sample(["new", "other", "more"], chance.choice((1, 1, 2))):
        value = chance.choice(VALUES)
        lines += emit.block(key, value, column, style) if is_mapping else emit.block_item(value, column, style)
    return "".join(f"{line}\n" for line in lines)


def _other_column(chance: random.Random, edit: Edit, text: str) -> None:
    if chance.random() < 0.5:
        edit.text = "".join(" " + line for line in edit.text.splitlines(keepends=True))
    else:
        edit.text = "".join(line.removeprefix(" ") for line in edit.text.splitlines(keepends=True))


def _other_line(chance: random.Random, edit: Edit, text: str) -> None:
    starts = [0, *(at + 1 for at, letter in enumerate(text) if letter == "\n")]
    edit.start = edit.end = chance.choice(starts)


def _neighbouring_line(chance: random.Random, edit: Edit, text: str) -> None:
    before = text.rfind("\n", 0, max(edit.start - 1, 0)) + 1
    edit.start = edit.end = before if chance.random() < 0.5 else place.line_end(text, edit.start)


def _anywhere(chance: random.Random, edit: Edit, text: str) -> None:
    edit.start = edit.end = chance.randint(0, len(text))


def _other_lines(chance: random.Random, edit: Edit, text: str) -> None:
    edit.text = _damaged(chance, edit.text)


def _any_lines(chance: random.Random, edit: Edit, text: str) -> None:
    edit.text = any_text(chance)


def _replacing(chance: random.Random, edit: Edit, text: str) -> None:
    edit.end = min(len(text), edit.start + chance.randint(1, 3))


def _within_a_line(chance: random.Random, edit: Edit, text: str) -> None:
    edit.text = edit.text.strip() + chance.choice(("", "\n", " ", "\n\n", "\n# x\n"))


def _other_collection(chance: random.Random, edit: Edit, text: str) -> None:
    root = source.read(text).root
    edit.into = chance.choice(collections(root))[0] if chance.random() < 0.9 else (*(edit.into or ()), "a")


def _known_key(chance: random.Random, edit: Edit, text: str) -> None:
    edit.text = edit.text.replace("new:", f"{chance.choice(KEYS)}:", 1)


DAMAGES = {
    damage.__name__.strip("_"): damage
    for damage in (
        *(_other_column, _other_line, _neighbouring_line, _anywhere, _other_lines, _any_lines, _replacing),
        *(_within_a_line, _other_collection, _known_key),
    )
}


def attempt(chance: random.Random, text: str, damages: tuple[str, ...] = tuple(DAMAGES)) -> Made | None:
    """Lines for some of a text's collections; half of the time something is done to them. None where it isn't YAML."""
    try:
        document = source.read(text)
    except InputError:
        return None
    if document.root is None or source.is_scalar(document.root):
        return None
    every = collections(document.root)
    wanted = chance.sample(every, min(len(every), chance.choice((1, 1, 2, 3, 6))))
    if chance.random() < 0.4:
        # Those that end at one place.
        pointer, _ = chance.choice(every)
        wanted = [one for one in every if pointer[: len(one[0])] == one[0]]
    edits = [edit for one in wanted if (edit := insertion(chance, text, *one))]
    edits = list({edit.into: edit for edit in edits}.values())
    damage = chance.choice(damages) if chance.random() < 0.6 else ""
    if damage and edits:
        DAMAGES[damage](chance, chance.choice(edits), text)
    edits.sort(key=lambda edit: (edit.start, -edit.depth))
    if chance.random() < 0.05:
        damage = f"{damage} shuffled"
        chance.shuffle(edits)
    return Made(text, edits, damage or "none")


class Said:
    """What the lemma says, as the draft of an edit."""

    def __init__(self, data: Any, operations: tuple[Operation, ...]) -> None:
        self.data = data
        self.operations = operations


def judged(made: Made) -> str:
    """What the lemma makes of it: `not told`, or `told` where the whole new text, read again and verified, is that.

    Raises AssertionError where it isn't.
    """
    document = source.read(made.text)
    told = proof.inserted(document, made.edits)
    if told is None:
        return "not told"
    text, data = told[0], told[1][()][1]
    assert text == apply(made.text, made.edits), made
    try:
        new = source.read(text)
        assert same(new.data, data), made
        assert new.duplicates == (), made
        operations = tuple(operation for edit in made.edits for operation in _operations(edit))
        assert same(verify.verified(document, text, Said(data, operations)).data, data), made  # type: ignore[arg-type]
    except (InputError, RefusedEdit) as error:
        raise AssertionError(f"{error}: {made}") from error
    return "told"


def _operations(edit: Edit) -> list[Operation]:
    data, into = source.read(edit.text).data, edit.into or ()
    if isinstance(data, dict):
        return [Operation("add", (*into, key), value) for key, value in data.items()]
    return [Operation("add", (*into, "-"), value) for value in data]


def main() -> None:
    count, seed = int(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(seed)  # noqa: S311
    found: Counter[tuple[str, str]] = Counter()
    while sum(found.values()) < count:
        made = attempt(chance, any_text(chance))
        if made is not None and made.edits:
            found[made.damage, judged(made)] += 1
    for (damage, verdict), times in sorted(found.items()):
        print(f"{damage:30} {verdict:10} {times}")


if __name__ == "__main__":
    main()
